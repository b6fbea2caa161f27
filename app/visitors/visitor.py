"""The address that the request being answered comes from, for limits that count by address."""

from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

_ADDRESS: ContextVar[str] = ContextVar("address", default="")


def visitor_address() -> str:
    """The address of whoever sent the request that is being answered; "" where there is none."""
    return _ADDRESS.get()


class NotesAddress:
    """Remembers the sender's address while a request is answered, in this request's own context."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        token = _ADDRESS.set(str(client[0]) if client else "")
        try:
            await self._app(scope, receive, send)
        finally:
            _ADDRESS.reset(token)
