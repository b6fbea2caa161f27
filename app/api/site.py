"""The addresses for programs as one application, which refuses in sentences and describes itself."""

from contextlib import AsyncExitStack
from functools import cached_property
from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from app.api.health import add_health
from app.api.refusals import refusal_of
from app.api.routes import PREFIX, make_routes
from app.api.uploads import PictureUploads
from app.ui.wiring.services import Studio
from app.web.answers import RefusedError
from app.web.cache import Cache
from foundation.errors import StudioError
from foundation.limits import Limits

DESCRIPTION = (
    "The studio's work for programs. Every request about jobs, uploads and results names its owner in the header "
    "X-Owner, a secret that the program makes. A server that others can reach also asks for its token, as "
    '`Authorization: Bearer TOKEN`. Whatever is refused is answered by {"error": a sentence}.'
)


class Api:
    """An ASGI application that raises its refusals: the gate in front of it answers them (`app.web.gate`).

    Args:
        studio: what it works with.
        cache: where files lie that are on their way.
        limits: of everything.
    """

    def __init__(self, studio: Studio, cache: Cache, limits: Limits) -> None:
        self._studio = studio
        self._router = APIRouter(redirect_slashes=False)
        routes = make_routes(studio)
        PictureUploads(studio.uploads, cache, limits).add_to(routes)
        self._router.include_router(routes)
        add_health(self._router, studio, limits)
        self._router.add_api_route(f"{PREFIX}/openapi.json", self._describe, include_in_schema=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. Raises RefusedError for what cannot be done."""
        async with AsyncExitStack() as stack:
            scope["fastapi_middleware_astack"] = stack  # where FastAPI closes what requests brought
            try:
                await self._router(scope, receive, send)
            except RequestValidationError as error:
                raise RefusedError(422, sentence_of(error)) from error
            except HTTPException as error:
                raise RefusedError(error.status_code, str(error.detail)) from error
            except StudioError as error:
                raise refusal_of(error) from error

    @cached_property
    def description(self) -> dict[str, Any]:
        """The description by OpenAPI."""
        found = get_openapi(
            title="CrossMax Studio",
            version=self._studio.version,
            description=DESCRIPTION,
            routes=self._router.routes,
        )
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{}, {"token": []}]
        return found

    def _describe(self) -> JSONResponse:
        return JSONResponse(self.description)


def sentence_of(error: RequestValidationError) -> str:
    """What does not fit in a request, as a sentence."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])[:200]
    if first["type"] == "value_error":  # raised by a check of ours, in words
        return str(first["ctx"]["error"])
    if first["type"] == "missing":
        return f"'{place}' is missing." if place else "The request lacks its JSON."
    if first["type"] == "extra_forbidden":
        return f"There is no '{place}' here."
    what = f"'{place}'" if place else "What was sent"
    return f"{what} does not fit: {first['msg'].rstrip('.')}."
