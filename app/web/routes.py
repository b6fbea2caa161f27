"""The routes that the page uses. Everything else that the framework can do is not there."""

import re
from dataclasses import dataclass
from enum import Enum

from app.web.answers import RefusedError


class Body(Enum):
    """What a request may bring."""

    NONE = "none"
    CALL = "call"
    UPLOAD = "upload"


@dataclass(frozen=True)
class Allowed:
    """One kind of request that is answered.

    Attributes:
        methods: of HTTP.
        pattern: of the whole path.
        body: what comes with it.
        stream: whether the answer stays open.
    """

    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    body: Body = Body.NONE
    stream: bool = False


def _allow(methods: str, pattern: str, body: Body = Body.NONE, *, stream: bool = False) -> Allowed:
    return Allowed(tuple(methods.split()), re.compile(pattern), body, stream)


_NAME = r"[\w@()~+-][\w@()~+.-]*"
_FILES = rf"({_NAME}/)*{_NAME}"

ALLOWED = (
    _allow("GET HEAD", r"/"),
    _allow("GET HEAD", r"/theme\.css"),
    _allow("GET HEAD", r"/favicon\.ico"),
    _allow("GET HEAD", rf"/assets/{_FILES}"),
    _allow("GET HEAD", rf"/static/{_FILES}"),
    _allow("GET HEAD", r"/media/.+"),
    _allow("GET", r"/gradio_api/heartbeat/[a-z0-9]{1,64}", stream=True),
    _allow("POST", r"/gradio_api/upload", Body.UPLOAD),
    _allow("POST", r"/gradio_api/run/predict", Body.CALL),
)


def find_route(method: str, path: str, routes: tuple[Allowed, ...] = ALLOWED) -> Allowed:
    """What is allowed under a path.

    Raises:
        RefusedError: nothing is (404), or not by this method (405).
    """
    found = [route for route in routes if route.pattern.fullmatch(path)]
    if not found:
        raise RefusedError(404, "There is nothing at this address.")
    for route in found:
        if method in route.methods:
            return route
    methods = sorted({name for route in found for name in route.methods})
    raise RefusedError(405, f"This address answers {' and '.join(methods)} alone.", (("allow", ", ".join(methods)),))
