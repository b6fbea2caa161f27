"""What a browser brings to stay logged in: signed by the studio, good for some days, for one password of one user."""

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from itsdangerous import BadSignature, TimestampSigner

from foundation.jobs.store.users import User
from foundation.limits import DAY_SECONDS

_WRITTEN = re.compile(r"([0-9a-f]{32})-([0-9a-f]{32})-([0-9a-f]{32})")
_SALT = "crossmax-studio login"
MOST_LETTERS = 300


@dataclass(frozen=True)
class Login:
    """A login as its cookie says it: of whom, which, with which stamp, and until when (Unix seconds)."""

    user_id: str
    id: str
    stamp: str
    until: float


class Logins:
    """Signs logins and reads them.

    Args:
        secret: of this studio; who knows it can log in as anybody.
        days: for which a login is good.
        now: Unix seconds.
    """

    def __init__(self, secret: bytes, days: float, now: Callable[[], float] = time.time) -> None:
        self._signer = _Signer(secret, now)
        self._days, self._now = days, now

    def sign(self, user: User) -> str:
        """The value of a cookie for a new login of a user."""
        return self._signer.sign(f"{user.id}-{secrets.token_hex(16)}-{user.stamp}").decode()

    def read(self, cookie: str) -> Login | None:
        """The login of a cookie; None where it is not of our making, or its time is over."""
        if len(cookie) > MOST_LETTERS or not cookie.isascii():
            return None
        seconds = self._days * DAY_SECONDS
        try:
            written, made = self._signer.unsign(cookie, max_age=int(seconds), return_timestamp=True)
        except BadSignature:  # also of one that was good once
            return None
        found = _WRITTEN.fullmatch(written.decode("ascii", "replace"))
        return Login(found[1], found[2], found[3], made.timestamp() + seconds) if found else None


class _Signer(TimestampSigner):
    """By SHA-256, and by a clock that is handed in."""

    def __init__(self, secret: bytes, now: Callable[[], float]) -> None:
        super().__init__(secret, salt=_SALT, key_derivation="hmac", digest_method=hashlib.sha256)
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now())
