"""The gate: every request passes here, and only what is allowed reaches the page.

In this order: the host that was asked for and the site that asks (``hosts``), the token (``tokens``), the account
(``door``), the route (``routes``), the headers, the body (``bodies``), and what is called (``calls``).
"""

import asyncio
import contextlib
import errno
import json
import logging
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.visitors.visitor import SCOPE_KEY
from app.web.answers import FULL_DISK, RefusedError, answer_refusal
from app.web.bodies import BodyReader, DisconnectedError, read_json
from app.web.calls import OUR_FAULT, Calls, explain
from app.web.connections import GuardedProtocol
from app.web.door import LOG_IN, Door
from app.web.hosts import Hosts
from app.web.routes import ALLOWED, LOGIN, METRICS, OF_ACCOUNTS, OPEN, Allowed, Body, find_route
from app.web.tokens import Token
from foundation.limits import Limits

log = logging.getLogger("crossmax.web")

# Gradio compiles its templates in the browser, hence 'unsafe-eval'; nothing may come from another host.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; font-src 'self' data:; "
    "frame-ancestors 'self'; form-action 'self'; base-uri 'self'"
)
SAFETY_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # forms of a page that sends none have no origin, and are refused
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HASHED, _KEPT = "/assets/", "private, max-age=31536000, immutable"
"""The page's scripts, whose names change with what is in them, and how long a browser may keep them."""
_FORM_BYTES = 8_000
_CLAIMS = ("forwarded", "x-gradio-server", "x-real-ip", "x-original-url", "x-rewrite-url")
"""Headers by which a request may say that it is another one than it is, beside all that begin with x-forwarded."""


@dataclass(frozen=True)
class Rules:
    """What the gate goes by.

    Attributes:
        hosts: the server's names.
        token: that is demanded; None where the server is for this machine alone.
        calls: what the page may call.
        limits: of everything.
        door: that asks for an account; None where there are none.
    """

    hosts: Hosts
    token: Token | None
    calls: Calls
    limits: Limits
    door: Door | None = None


class Gate:
    """An ASGI application in front of another one."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules
        self._turns = Turns(rules.limits)
        self._routes = ALLOWED if rules.door is None else (*ALLOWED, *OF_ACCOUNTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        connection = _connection(scope)
        if connection is not None:
            connection.begin()
        headers = Headers(scope=scope)
        answer = _Answer(send, self._rules.limits, hashed=scope["path"].startswith(_HASHED))
        reader = BodyReader(receive, headers, 0, 0.0, connection)
        try:
            if await self._arrival(scope, headers, answer):
                return
            route = find_route(scope["method"], scope["path"], self._routes)
            _disclaim(scope)
            reader = self._reader(route, scope, receive, headers)
            await self._serve(route, scope, reader, headers, answer)
        except DisconnectedError:
            return
        except Exception as error:
            refused = _as_refusal(error, scope)
            if answer.started:
                raise _EndedError from error  # the connection is closed: nobody takes half an answer for a whole one
            unread = not reader.complete and _brings_body(headers)
            if unread:
                await reader.drain()
            with contextlib.suppress(DisconnectedError):
                await answer_refusal(refused, scope["path"], answer.send, close=unread)

    async def _arrival(self, scope: Scope, headers: Headers, answer: "_Answer") -> bool:
        """See that the request is from our page and from somebody whom we know; whether it is answered by that."""
        size = sum(len(name) + len(value) for name, value in scope["headers"]) + len(scope.get("raw_path", b""))
        if size + len(scope.get("query_string", b"")) > self._rules.limits.header_bytes:
            raise RefusedError(431, "The head of the request is too large: clear the cookies of this address.")
        self._rules.hosts.check(headers, scope["method"], scope["path"])
        if scope["path"] in OPEN:
            return False
        door = self._rules.door
        account = await door.by_token(headers) if door is not None else None
        if account is None and await self._with_token(scope, headers, answer):
            return True
        if door is not None:
            account = account or await door.by_login(headers)
            scope[SCOPE_KEY] = account
            return account is None and await self._without_account(scope, headers, answer)
        return False

    async def _with_token(self, scope: Scope, headers: Headers, answer: "_Answer") -> bool:
        """See that the request is from somebody with the token, if there is one; whether it is answered by that."""
        token = self._rules.token
        if token is None:
            return False
        if scope["path"] == "/" and scope["method"] == "GET" and token.in_address(scope.get("query_string", b"")):
            await token.welcome(answer.send, secure=headers.get("x-forwarded-proto") == "https")
            return True
        token.check(headers)
        return False

    async def _without_account(self, scope: Scope, headers: Headers, answer: "_Answer") -> bool:
        """What there is for somebody whom nobody knows: the page for logging in, and figures for the token's owner.

        Whether the request is answered by that. RefusedError (401) for all else.
        """
        token = self._rules.token
        if scope["path"] == LOGIN or (scope["path"] == METRICS and token is not None and token.in_header(headers)):
            return False
        if scope["path"] in ("/", "/account") and scope["method"] in ("GET", "HEAD"):
            await RedirectResponse("login", 303, {"cache-control": "no-store"})(scope, _nothing, answer.send)
            return True
        raise RefusedError(401, LOG_IN)

    def _reader(self, route: Allowed, scope: Scope, receive: Receive, headers: Headers) -> BodyReader:
        limits = self._rules.limits
        known = {Body.NONE: 0, Body.UPLOAD: limits.upload_bytes, Body.FORM: _FORM_BYTES}
        most = known.get(route.body, limits.json_bytes)
        return BodyReader(receive, headers, most, limits.body_seconds, _connection(scope))

    async def _serve(
        self, route: Allowed, scope: Scope, reader: BodyReader, headers: Headers, answer: "_Answer"
    ) -> None:
        if route.body is Body.NONE and _brings_body(headers):
            raise RefusedError(413, "This address takes no body.")
        if route.body is Body.CALL:
            call = read_json(await reader.whole(), headers, self._rules.limits)
            await self._hand_on(scope, self._rules.calls.check(call), reader, _Explained(answer).send)
        elif route.body is Body.JSON:
            asked = read_json(await reader.whole(), headers, self._rules.limits)
            await self._hand_on(scope, json.dumps(asked).encode(), reader, answer.send)
        elif route.stream:
            with _streaming(scope):
                await self._app(scope, reader.receive, answer.send_slowly)
        elif route.turn:
            async with self._turns.turn(_address(scope)):
                await self._app(scope, reader.receive, answer.send)
        else:
            await self._app(scope, reader.receive, answer.send)

    async def _hand_on(self, scope: Scope, body: bytes, reader: BodyReader, send: Send) -> None:
        """Hand a request on, with the body that was checked, when it is its sender's turn."""
        inner = MutableHeaders(scope=scope)
        inner["content-length"] = str(len(body))
        handed = False

        async def receive() -> Message:
            nonlocal handed
            if handed:
                return await reader.receive()
            handed = True
            return {"type": "http.request", "body": body, "more_body": False}

        async with self._turns.turn(_address(scope)):
            await self._app(scope, receive, send)


class Turns:
    """Whose call is answered next: each address has a few at once, so that nobody waits for somebody else's many."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._waiting: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn. RefusedError (429) if too many wait already."""
        if self._waiting[address] >= self._limits.calls_waiting:
            raise RefusedError(429, "Too many requests at once: try again in a moment.", (("retry-after", "1"),))
        self._waiting[address] += 1
        gate = self._gates.setdefault(address, asyncio.Semaphore(self._limits.calls_per_address))
        try:
            async with gate:
                yield
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address], self._gates[address]


class _EndedError(Exception):
    """An answer that was begun could not be finished."""


class _Answer:
    """What is sent, with the headers that keep a page to itself; ``hashed`` files are kept by the browser."""

    def __init__(self, send: Send, limits: Limits, *, hashed: bool = False) -> None:
        self._send, self._limits, self._hashed = send, limits, hashed
        self.started = False

    async def send(self, message: Message) -> None:
        """Send a part of the answer, if it is taken in time."""
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                await self.send_slowly(message)
        except TimeoutError:
            raise DisconnectedError from None

    async def send_slowly(self, message: Message) -> None:
        """Send a part of an answer that stays open."""
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in SAFETY_HEADERS.items():
                headers.setdefault(name, value)
            if self._hashed and message["status"] == 200:
                headers["Cache-Control"] = _KEPT
        await self._send(message)


class _Explained:
    """Sends the answer to a call, in other words where the framework answers with a fault of its own."""

    def __init__(self, answer: _Answer) -> None:
        self._answer = answer
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        """Hold a failure back until it is whole; pass everything else on."""
        if message["type"] == "http.response.start" and message["status"] >= 500:
            self._start = message
            return
        if self._start is None:
            await self._answer.send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        explained = explain(self._start["status"], self._body)
        status, body = explained or (self._start["status"], self._body)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self._answer.send({"type": "http.response.start", "status": status, "headers": headers})
        await self._answer.send({"type": "http.response.body", "body": body})


def _as_refusal(error: Exception, scope: Scope) -> RefusedError:
    """The sentence for whatever ended a request."""
    if isinstance(error, RefusedError):
        return error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            log.warning("the disk is full: %s", cause)
            return RefusedError(507, FULL_DISK)
        cause = cause.__cause__ or cause.__context__
    words = "".join(traceback.format_exception(error))
    log.error("unexpected error in %s %s\n%s", scope["method"], scope["path"][:200], words)
    return RefusedError(500, OUR_FAULT)


def _disclaim(scope: Scope) -> None:
    """Take away what a request claims of where it comes from, and where it went: anybody can write that.

    Whether a proxy ended TLS changes nothing but the addresses on the sender's own page.
    """
    headers = Headers(scope=scope)
    if headers.get("x-forwarded-proto") == "https":
        scope["scheme"] = "https"
    scope["headers"] = [
        (name, value)
        for name, value in scope["headers"]
        if not name.startswith(b"x-forwarded") and name.decode("latin-1") not in _CLAIMS
    ]


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _brings_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _connection(scope: Scope) -> GuardedProtocol | None:
    found = scope.get("state", {}).get("connection")
    return found if isinstance(found, GuardedProtocol) else None


@contextlib.contextmanager
def _streaming(scope: Scope) -> Iterator[None]:
    connection = _connection(scope)
    with contextlib.ExitStack() as stack:
        if connection is not None:
            stack.enter_context(connection.register.stream(connection))
        yield
