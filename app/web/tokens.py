"""The token without which nobody outside of this machine gets in, and nobody on it where one was set: in the printed
address once, then in a cookie.

Programs bring it in a header, with every request.
"""

import hashlib
import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Send

from app.web.answers import RefusedError

PARAMETER = "token"
ASK = "This studio asks for its token: open the address with ?token= that it printed where it was started."
_KEPT_SECONDS = 30 * 86_400


class Token:
    """A token of one run of the server.

    Args:
        port: where it listens: browsers keep the cookies of all ports of a host together.
        secret: the token; where it is empty, one is made that nobody can guess.
    """

    def __init__(self, port: int, secret: str = "") -> None:
        self.secret = secret or secrets.token_urlsafe(24)
        self._cookie = f"crossmax-studio-{port}"
        # What lies in the browser does not open the address for others.
        self._kept = hashlib.sha256(f"cookie {self.secret}".encode()).hexdigest()

    def in_address(self, query: bytes) -> bool:
        """Whether an address brings the token. RefusedError (401) if it brings another."""
        given = parse_qs(query.decode("latin-1")).get(PARAMETER)
        if given is None:
            return False
        if len(given) == 1 and hmac.compare_digest(given[0].encode(), self.secret.encode()):
            return True
        raise RefusedError(401, f"That is not the token of this run. {ASK}")

    def in_header(self, headers: Headers) -> bool:
        """Whether a program brings the token."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.secret.encode())

    def check(self, headers: Headers) -> None:
        """Let a request with the cookie, or with the token as a header, through. RefusedError (401) for all others."""
        if self.in_header(headers):
            return
        for written in headers.getlist("cookie"):
            try:
                kept = SimpleCookie(written).get(self._cookie)
            except CookieError:
                continue
            if kept is not None and hmac.compare_digest(kept.value.encode(), self._kept.encode()):
                return
        raise RefusedError(401, ASK)

    async def welcome(self, send: Send, *, secure: bool) -> None:
        """Answer the address with the token: keep a cookie, and go on to the address without it."""
        cookie = f"{self._cookie}={self._kept}; Max-Age={_KEPT_SECONDS}; Path=/; HttpOnly; SameSite=Lax"
        headers = [
            ("location", "./"),
            ("set-cookie", f"{cookie}; Secure" if secure else cookie),
            ("cache-control", "no-store"),
            ("content-length", "0"),
        ]
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": 303, "headers": raw})
        await send({"type": "http.response.body", "body": b""})
