"""Who sent the request that is being answered: the address, for limits that count by it, and the account, if any."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from foundation.jobs.store.users import Role

T = TypeVar("T")
SCOPE_KEY: Final = "crossmax.account"
"""Where a request's scope has its account."""


@dataclass(frozen=True)
class Account:
    """Somebody who is logged in, or whose program asks: ``owner`` is whose everything is that they make."""

    id: str
    name: str
    role: Role
    owner: str


_ADDRESS: ContextVar[str] = ContextVar("address", default="")
_ACCOUNT: ContextVar[Account | None] = ContextVar("account", default=None)


def visitor_address() -> str:
    """The address of whoever sent the request that is being answered; "" where there is none."""
    return _ADDRESS.get()


def current_account() -> Account | None:
    """The account of whoever sent it; None where the studio has none."""
    return _ACCOUNT.get()


def for_no_guests(look: Callable[[], T | None]) -> Callable[[], T | None]:
    """What ``look`` finds, for all but those who are guests here, to whom it is not there."""

    def looked() -> T | None:
        account = current_account()
        return None if account is not None and account.role == "guest" else look()

    return looked


def job_address() -> str:
    """The address by which jobs take turns: "" where there are accounts, which take turns wherever they are used."""
    return visitor_address() if current_account() is None else ""


@contextlib.contextmanager
def sent_by(address: str, account: Account | None) -> Iterator[None]:
    """Whatever is done within is done for whoever sent a request from an address, with an account."""
    noted = _ADDRESS.set(address), _ACCOUNT.set(account)
    try:
        yield
    finally:
        _ACCOUNT.reset(noted[1])
        _ADDRESS.reset(noted[0])


class NotesAddress:
    """Remembers the sender while a request is answered, in this request's own context."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        with sent_by(str(client[0]) if client else "", scope.get(SCOPE_KEY)):
            await self._app(scope, receive, send)
