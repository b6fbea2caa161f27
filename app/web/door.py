"""Where there are accounts: whose request it is, and the addresses for coming in, going, and one's own account."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from app.accounts.accounts import Accounts, WrongPasswordError
from app.accounts.pages import POLICY, Own, account_page, login_page
from app.accounts.tries import TooManyTriesError
from app.accounts.words import usage_words
from app.ui.wiring.services import Studio
from app.visitors.visitor import Account, current_account, visitor_address
from app.web.answers import RefusedError
from app.web.bodies import DisconnectedError
from foundation.errors import StudioError
from foundation.jobs.store.database import DatabaseError
from foundation.limits import DAY_SECONDS, Limits

LOG_IN = "Log in first: open the studio's page. Programs bring a token of their user, as Authorization: Bearer TOKEN."
AWAY = "Who you are cannot be looked up just now: try again in a moment."
BUSY = "Too many log in at once: try again in a moment."
FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS = 8
AT_ONCE, MOST_WAITING = 2, 30
"""Passwords that are looked at at once, each of which takes tens of megabytes, and those that wait for it."""
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
TAG = "crossmax-account"
"""A cookie that the page's script reads: it tells accounts apart, so that each has its own forms in a browser."""


class Door:
    """Knows who asks.

    Args:
        accounts: the users.
        port: where the server listens: browsers keep the cookies of all ports of a host together.
        limits: of everything.
    """

    def __init__(self, accounts: Accounts, port: int, limits: Limits) -> None:
        self._accounts, self._limits = accounts, limits
        self._cookie = f"crossmax-login-{port}"
        self._hashing, self._waiting = asyncio.Semaphore(AT_ONCE), 0

    async def by_token(self, headers: Headers) -> Account | None:
        """Whose token for programs a request brings. RefusedError (503): nobody can tell."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return await self._asked(lambda: self._accounts.of_token(given.strip()))

    async def by_login(self, headers: Headers) -> Account | None:
        """Who is logged in where a request comes from. RefusedError (503): nobody can tell."""
        cookie = self._read(headers)
        return await self._asked(lambda: self._accounts.of_login(cookie)) if cookie else None

    async def _asked(self, look: Callable[[], Account | None]) -> Account | None:
        try:
            return await run_in_threadpool(look)
        except DatabaseError as error:
            raise RefusedError(503, AWAY, (("retry-after", "10"),)) from error

    def _read(self, headers: Headers) -> str:
        """The cookie of a login; "" without one."""
        for written in headers.getlist("cookie"):
            with contextlib.suppress(CookieError):
                kept = SimpleCookie(written).get(self._cookie)
                if kept is not None:
                    return kept.value
        return ""

    # ------------------------------------------------------------------ the addresses

    def routes(self, studio: Studio) -> list[Route]:
        """The routes, which stand in front of Gradio's own."""
        self._studio = studio
        return [
            Route("/login", self._show_login, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
            Route("/account", self._show_account, methods=["GET"]),
            Route("/account", self._change_account, methods=["POST"]),
        ]

    async def _show_login(self, _request: Request) -> Response:
        if current_account() is not None:
            return _redirect("./")
        return HTMLResponse(login_page(), headers=HEADERS)

    async def _log_in(self, request: Request) -> Response:
        form = await _form(request)
        name, password, address = form("name"), form("password"), visitor_address()
        try:
            async with self._turn():
                cookie = await run_in_threadpool(self._accounts.log_in, name, password, address)
        except (WrongPasswordError, TooManyTriesError) as error:
            status = 429 if isinstance(error, TooManyTriesError) else 401
            return HTMLResponse(login_page(str(error), name[:40]), status, headers=HEADERS)
        except DatabaseError as error:
            raise RefusedError(503, AWAY, (("retry-after", "10"),)) from error
        return self._welcome(request, cookie, await run_in_threadpool(self._accounts.of_login, cookie))

    def _welcome(self, request: Request, cookie: str, account: Account | None) -> Response:
        """Go on to the page with a login."""
        answer = _redirect("./")
        self._keep(request, answer, cookie)
        tag = hashlib.sha256((account.owner if account else "").encode()).hexdigest()[:12]
        age = int(self._limits.login_days * DAY_SECONDS)
        answer.set_cookie(TAG, tag, max_age=age, samesite="lax", secure=_is_safe(request))
        return answer

    def _keep(self, request: Request, answer: Response, cookie: str) -> None:
        age = int(self._limits.login_days * DAY_SECONDS)
        answer.set_cookie(
            self._cookie, cookie, max_age=age, httponly=True, samesite="lax", secure=_is_safe(request), path="/"
        )

    async def _log_out(self, request: Request) -> Response:
        cookie = self._read(request.headers)
        try:
            await run_in_threadpool(self._accounts.log_out, cookie)
        except DatabaseError as error:
            raise RefusedError(503, AWAY, (("retry-after", "10"),)) from error
        answer = _redirect("login")
        for name in (self._cookie, TAG):
            answer.delete_cookie(name, path="/")
        answer.headers["Clear-Site-Data"] = '"storage"'  # what the forms hold, which is for nobody else here
        return answer

    async def _show_account(self, _request: Request) -> Response:
        return HTMLResponse(await run_in_threadpool(self._own_page, _me()), headers=HEADERS)

    async def _change_account(self, request: Request) -> Response:
        form, account, address = await _form(request), _me(), visitor_address()
        act, token, done, cookie = form("act"), "", "", ""
        try:
            if act == "password":
                async with self._turn():
                    cookie = await run_in_threadpool(
                        self._accounts.change_password, account, form("old"), form("new"), address
                    )
                done = "You have another password."
            elif act == "token":
                token = await run_in_threadpool(self._accounts.make_token, account)
            elif act == "drop":
                await run_in_threadpool(self._accounts.drop_token, account)
                done = "The token is deleted: programs with it are refused."
        except StudioError as error:
            page = await run_in_threadpool(self._own_page, account, problem=str(error))
            return HTMLResponse(page, 422, headers=HEADERS)
        except DatabaseError as error:
            raise RefusedError(503, AWAY, (("retry-after", "10"),)) from error
        page = await run_in_threadpool(self._own_page, account, token=token, done=done)
        answer = HTMLResponse(page, headers=HEADERS)
        if cookie:
            self._keep(request, answer, cookie)
        return answer

    def _own_page(self, account: Account, *, token: str = "", done: str = "", problem: str = "") -> str:
        share = self._accounts.share(account.owner)
        used = self._studio.jobs.shares.used(account.owner)
        words = usage_words(share, used, self._studio.uploads.taken(account.owner)) if share else ()
        return account_page(account, Own(words, self._accounts.has_token(account), token, problem, done))

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait until a password can be looked at. RefusedError (429): too many wait."""
        if self._waiting >= MOST_WAITING:
            raise RefusedError(429, BUSY, (("retry-after", "2"),))
        self._waiting += 1
        try:
            async with self._hashing:
                yield
        finally:
            self._waiting -= 1


def _me() -> Account:
    """Who is logged in. RefusedError (401): nobody."""
    account = current_account()
    if account is None:
        raise RefusedError(401, LOG_IN)
    return account


async def _form(request: Request) -> Callable[[str], str]:
    """The fields of a form, "" for one that is not there. RefusedError: it is none (400, 415)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise RefusedError(415, f"This address takes forms alone ({FORM}).")
    try:
        text = (await request.body()).decode("utf-8")
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, encoding="utf-8")
    except ClientDisconnect as error:
        raise DisconnectedError from error
    except ValueError as error:
        raise RefusedError(400, "The form cannot be read.") from error
    return lambda name: fields.get(name, [""])[0]


def _redirect(address: str) -> Response:
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})


def _is_safe(request: Request) -> bool:
    """Whether it came by TLS: a proxy says so (`app.web.gate`)."""
    return str(request.scope.get("scheme")) == "https"
