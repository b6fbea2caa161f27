"""The accounts of a studio for many: who logs in, who is asking, and what each may use."""

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.accounts.logins import Login, Logins
from app.accounts.passwords import Passwords, check_password, is_name, plain_name
from app.accounts.tries import Tries
from app.visitors.visitor import Account
from foundation.errors import StudioError
from foundation.jobs.allowance import Allowance
from foundation.jobs.store.database import DatabaseError
from foundation.jobs.store.users import Role, User, Users
from foundation.limits import Limits

WRONG = "The name or the password is wrong."
TOKEN_START = "cxs_"
KNOWN_SECONDS = 2.0
"""For how long what is known of a login is not asked anew: so long does one live on that a command has ended."""
MOST_KNOWN = 2_000
T = TypeVar("T")
_TOKEN = re.compile(rf"{TOKEN_START}[0-9a-f]{{48}}")


class WrongPasswordError(StudioError):
    """Nobody has this name and this password together."""


@dataclass(frozen=True)
class Share:
    """What a role may use: jobs that wait, seconds within 24 hours, bytes of results and of pictures brought."""

    waiting: int
    seconds: float
    result_bytes: float
    upload_bytes: float

    @property
    def allowance(self) -> Allowance:
        """The part of it that the job service holds."""
        return Allowance(self.waiting, self.seconds, self.result_bytes)


def share_of(role: Role, limits: Limits) -> Share:
    """What a role may use here."""
    if role == "owner":
        share = limits.owner_jobs, limits.owner_hours, limits.owner_result_bytes, limits.owner_upload_bytes
    else:
        share = limits.guest_jobs, limits.guest_hours, limits.guest_result_bytes, limits.guest_upload_bytes
    waiting, hours, results, uploads = share
    return Share(min(waiting, limits.queued_per_owner), 3600 * hours, results, uploads)


class Accounts:
    """The accounts. Safe for threads; what waits for the database or a hash blocks.

    Args:
        users: their rows.
        secret: by which logins are signed.
        limits: of everything.
        passwords: how they are hashed.
        now: Unix seconds; ``clock``: seconds that only grow.
    """

    def __init__(
        self,
        users: Users,
        secret: bytes,
        limits: Limits,
        *,
        passwords: Passwords | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._users, self._limits, self._now = users, limits, now
        self._passwords = passwords or Passwords()
        self._logins = Logins(secret, limits.login_days, now)
        tries = limits.login_tries_per_name, limits.login_tries_per_address
        self._tries = Tries(*tries, limits.login_seconds, clock)
        self._known: _Known[User] = _Known(clock)

    # ------------------------------------------------------------------ coming in

    def log_in(self, name: str, password: str, address: str) -> str:
        """The cookie of a new login.

        Raises:
            TooManyTriesError: too many wrong passwords of this name, or from this address; none is looked at.
            WrongPasswordError: the name is nobody's, or the password is not theirs; how long that takes tells nothing.
        """
        return self._logins.sign(self._proven(plain_name(name), password, address))

    def _proven(self, name: str, password: str, address: str) -> User:
        """The user of a name, who has brought their password. Raises as ``log_in`` does."""
        self._tries.begin(name, address)
        user = self._users.named(name) if is_name(name) else None
        if not self._passwords.fits(user.password if user else None, password) or user is None:
            raise WrongPasswordError(WRONG)
        self._tries.succeeded(name, address)
        if self._passwords.is_outdated(user.password):
            self._users.keep_hash(user.id, self._passwords.hash(password))
        return user

    def log_out(self, cookie: str) -> None:
        """End the login of a cookie, wherever it was copied to; one that is none is no error."""
        login = self._logins.read(cookie)
        if login is not None:
            self._users.end_login(login.id, login.until, self._now())
            self._known.forget()

    def of_login(self, cookie: str) -> Account | None:
        """Whose login a cookie is; None for nobody's, or one that has ended. DatabaseError: nobody can tell."""
        login = self._logins.read(cookie)
        if login is None:
            return None
        user = self._known.find(f"login {login.id} {login.stamp}", lambda: self._of(login))
        return account_of(user)

    def _of(self, login: Login) -> User | None:
        user = self._users.find(login.user_id)
        same = user is not None and secrets.compare_digest(user.stamp, login.stamp)
        return user if same and not self._users.has_ended(login.id) else None

    def of_token(self, token: str) -> Account | None:
        """Whose token for programs this is; None for nobody's. DatabaseError: nobody can tell."""
        if not _TOKEN.fullmatch(token):
            return None
        digest = digest_of(token)
        return account_of(self._known.find(f"token {digest}", lambda: self._users.of_token(digest)))

    # ------------------------------------------------------------------ what people do with their own

    def change_password(self, account: Account, old: str, new: str, address: str) -> str:
        """Give an account another password, which ends its logins; the cookie of a new one.

        Raises:
            StudioError: the old one is wrong (as ``log_in`` says), or the new one will not do.
        """
        user = self._proven(account.name, old, address)
        check_password(new, user.name)
        self._users.set_password(user.id, self._passwords.hash(new))
        self._known.forget()
        return self._logins.sign(self._users.find(user.id) or user)

    def make_token(self, account: Account) -> str:
        """A token for an account's programs in place of the one before: told once, of which the digest is kept."""
        token = new_token()
        self._users.set_token(account.id, digest_of(token))
        self._known.forget()
        return token

    def drop_token(self, account: Account) -> None:
        """Let an account have no token for programs."""
        self._users.set_token(account.id, None)
        self._known.forget()

    def has_token(self, account: Account) -> bool:
        """Whether there is a token for an account's programs."""
        user = self._users.find(account.id)
        return user is not None and user.has_token

    # ------------------------------------------------------------------ what each may use

    def share(self, owner: str) -> Share | None:
        """What an owner may use; None for one who is no user's."""
        user = self._known.find(f"owner {owner}", lambda: self._users.of_owner(owner))
        return None if user is None else share_of(user.role, self._limits)

    def allowance(self, owner: str) -> Allowance | None:
        """The same, of jobs."""
        share = self.share(owner)
        return None if share is None else share.allowance

    def upload_bytes(self, owner: str) -> float | None:
        """The same, of pictures that were brought."""
        share = self.share(owner)
        return None if share is None else share.upload_bytes

    # ------------------------------------------------------------------ what whoever runs the studio does

    @property
    def is_empty(self) -> bool:
        """Whether there are no users yet."""
        return not self._users.all()

    def sweep(self, forget: Callable[[str], object]) -> Sequence[str]:
        """Have everything of those forgotten who were removed; their owners. ``forget`` is told each."""
        gone = self._users.removed()
        for owner in gone:
            forget(owner)
            self._users.forget(owner)
        return gone


class _Known(Generic[T]):
    """What was found a moment ago; where the database refuses, what was found last."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._found: dict[str, tuple[float, T]] = {}

    def find(self, key: str, look: Callable[[], T | None]) -> T | None:
        """What there is of a key. DatabaseError: it cannot be looked up, and was not before."""
        now = self._clock()
        with self._lock:
            known = self._found.get(key)
        if known is not None and now - known[0] < KNOWN_SECONDS:
            return known[1]
        try:
            found = look()
        except DatabaseError:
            if known is None:
                raise
            return known[1]
        with self._lock:
            self._found.pop(key, None)
            if found is not None:
                self._found[key] = now, found
            while len(self._found) > MOST_KNOWN:
                del self._found[next(iter(self._found))]
        return found

    def forget(self) -> None:
        """Look everything up anew."""
        with self._lock:
            self._found.clear()


def account_of(user: User | None) -> Account | None:
    """What the program is told of a user."""
    return None if user is None else Account(user.id, user.name, user.role, user.owner)


def new_token() -> str:
    """A token for programs that nobody can guess."""
    return f"{TOKEN_START}{secrets.token_hex(24)}"


def digest_of(token: str) -> str:
    """What is kept of a token: it is random, so that nobody finds it from this."""
    return hashlib.sha256(token.encode()).hexdigest()
