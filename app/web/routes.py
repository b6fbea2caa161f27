"""The routes that the page and programs use. Everything else that the framework can do is not there."""

import re
from dataclasses import dataclass
from enum import Enum

from app.web.answers import RefusedError


class Body(Enum):
    """What a request may bring."""

    NONE = "none"
    CALL = "call"
    JSON = "json"
    UPLOAD = "upload"
    FORM = "form"


@dataclass(frozen=True)
class Allowed:
    """One kind of request that is answered.

    Attributes:
        methods: of HTTP.
        pattern: of the whole path.
        body: what comes with it.
        stream: whether the answer stays open.
        turn: whether it waits for its sender's turn, as calls do.
    """

    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    body: Body = Body.NONE
    stream: bool = False
    turn: bool = False


def _allow(methods: str, pattern: str, body: Body = Body.NONE, *, stream: bool = False, turn: bool = False) -> Allowed:
    return Allowed(tuple(methods.split()), re.compile(pattern), body, stream, turn)


_NAME = r"[\w@()~+-][\w@()~+.-]*"
_FILES = rf"({_NAME}/)*{_NAME}"
_JOB = r"/api/v1/jobs/[0-9a-f]{32}"

OPEN = ("/healthz", "/readyz")
"""What is answered without a token, since it says nothing of anybody's work."""
METRICS = "/metrics"
HEALTH = (*OPEN, METRICS)

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
    _allow("GET", r"/api/v1/(openapi\.json|models|jobs|queue)", turn=True),
    _allow("GET", r"/api/v1/(evaluate|describe)", turn=True),
    _allow("POST", r"/api/v1/(estimate/)?(text|class|attack|grids|evaluate)", Body.JSON, turn=True),
    _allow("GET", r"/api/v1/presets(/export)?", turn=True),
    _allow("POST", r"/api/v1/presets(/import)?", Body.JSON, turn=True),
    _allow("DELETE", r"/api/v1/presets/[0-9a-f]{32}", turn=True),
    _allow("POST", r"/api/v1/uploads", Body.UPLOAD),
    _allow("GET DELETE", _JOB, turn=True),
    _allow("GET", rf"{_JOB}/wait", stream=True),
    _allow("POST", rf"{_JOB}/stop", turn=True),
    _allow("POST", rf"{_JOB}/(continue|edit|move)", Body.JSON, turn=True),
    _allow("GET", rf"{_JOB}/files/{_NAME}", turn=True),
    _allow("GET HEAD", r"/(healthz|readyz)"),
    _allow("GET", r"/metrics", turn=True),
)

LOGIN = "/login"
OF_ACCOUNTS = (
    _allow("GET HEAD", LOGIN),
    _allow("POST", LOGIN, Body.FORM, turn=True),
    _allow("POST", "/logout", Body.FORM, turn=True),
    _allow("GET HEAD", "/account", turn=True),
    _allow("POST", "/account", Body.FORM, turn=True),
)
"""What there is besides where there are accounts (`app.web.door`)."""
VISITED = ("/", LOGIN)
"""Pages to which a link of another site may lead: they show whoever follows it the page, and do nothing."""


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
