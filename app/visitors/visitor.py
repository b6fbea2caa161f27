"""Who sent the request that is being answered: the address, for limits that count by it, and the account, if any."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from foundation.jobs.store.users import Role

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


def is_guest() -> bool:
    """Whether it was somebody who is a guest here."""
    account = current_account()
    return account is not None and account.role == "guest"


def job_address() -> str:
    """The address by which jobs take turns: "" where there are accounts, which take turns wherever they are used."""
    return visitor_address() if current_account() is None else ""


class NotesAddress:
    """Remembers the sender while a request is answered, in this request's own context."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        address = _ADDRESS.set(str(client[0]) if client else "")
        account = _ACCOUNT.set(scope.get(SCOPE_KEY))
        try:
            await self._app(scope, receive, send)
        finally:
            _ACCOUNT.reset(account)
            _ADDRESS.reset(address)
