"""Names and passwords: what they may be, and hashes of passwords by Argon2id, of which nobody can tell the password."""

import re
import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from foundation.errors import StudioError

LEAST, MOST = 10, 200
"""Characters of a password."""
FEWEST_SIGNS = 5
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


def plain_name(text: str) -> str:
    """A name as it is kept: in small letters. It need not be one that is allowed."""
    return unicodedata.normalize("NFC", text).strip().lower()[:200]


def is_name(name: str) -> bool:
    """Whether a plain name can be somebody's."""
    return _NAME.fullmatch(name) is not None


def check_name(text: str) -> str:
    """A name for a new user. StudioError for what cannot be one."""
    name = plain_name(text)
    if not is_name(name):
        raise StudioError("A name has 1 to 40 letters a to z, digits, and . _ - after the first.")
    return name


def check_password(password: str, name: str) -> None:
    """StudioError: a password is too short or too long, or easily guessed."""
    if not LEAST <= len(password) <= MOST:
        raise StudioError(f"A password has {LEAST} to {MOST} characters: some words in a row are easily remembered.")
    if len(set(password)) < FEWEST_SIGNS or name in password.lower():
        raise StudioError("This password is easily guessed: choose one without the name, of more different characters.")


class Passwords:
    """Makes hashes and compares with them; each takes some ten milliseconds and tens of megabytes. Safe for threads.

    Args:
        hasher: with how much work; that which Argon2's RFC 9106 recommends for little memory by default.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobodys = self.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        """The hash of a password, with a salt of its own."""
        return self._hasher.hash(_text(password))

    def fits(self, hashed: str | None, password: str) -> bool:
        """Whether a password is that of a hash; without one (None) it is not, and that takes as long to find out."""
        try:
            return self._hasher.verify(self._nobodys if hashed is None else hashed, _text(password)) and bool(hashed)
        except (Argon2Error, InvalidHashError):
            return False

    def is_outdated(self, hashed: str) -> bool:
        """Whether a hash was made with other work than is usual now."""
        return self._hasher.check_needs_rehash(hashed)


def _text(password: str) -> bytes:
    """The bytes of a password, the same from every keyboard."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
