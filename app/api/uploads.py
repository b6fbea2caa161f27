"""Pictures that programs bring: the bytes of a file as the body, and the digest of its pixels as the answer."""

import shutil
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.api.owners import owner_of
from app.api.refusals import OF_BODIES, refusals
from app.api.values import Uploaded
from app.visitors.upload_files import brought
from app.visitors.uploads import Uploads
from app.visitors.visitor import visitor_address
from app.web.answers import RefusedError
from app.web.bodies import DisconnectedError
from app.web.cache import Cache
from app.web.gate import Turns
from foundation.limits import Limits

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class PictureUploads:
    """The route by which pictures come.

    Args:
        uploads: where they are kept.
        cache: where their files lie until they are read.
        limits: of everything.
    """

    def __init__(self, uploads: Uploads, cache: Cache, limits: Limits) -> None:
        self._uploads, self._cache, self._limits = uploads, cache, limits
        self._turns = Turns(limits)  # while they are read: how long they are on their way is the sender's affair

    def add_to(self, router: APIRouter) -> None:
        """Add the route."""

        @router.post("/uploads", status_code=201, tags=["uploads"], openapi_extra=BODY, responses=refusals(OF_BODIES))
        async def upload(request: Request, owner: Annotated[str, Depends(owner_of)]) -> Uploaded:
            """Keep a picture: the bytes of a PNG, JPEG, WebP or the like are the body. Jobs name it by its digest."""
            if request.headers.get("content-type", "").lower().startswith(("multipart/", "application/x-www-form")):
                raise RefusedError(415, "Send the bytes of the picture themselves as the body, and no form.")
            path = await self._receive(request)
            async with self._turns.turn(visitor_address()):
                return await run_in_threadpool(self._keep, path, owner)

    async def _receive(self, request: Request) -> Path:
        """The file that a request brings; it is gone again if the rest of it does not come."""
        path = await run_in_threadpool(self._place)
        try:
            with path.open("xb") as file:
                async for part in request.stream():
                    await run_in_threadpool(file.write, part)
        except BaseException as error:
            shutil.rmtree(path.parent, ignore_errors=True)
            if isinstance(error, ClientDisconnect):
                raise DisconnectedError from error
            raise
        return path

    def _place(self) -> Path:
        self._cache.make_room(self._limits)
        return self._cache.place("picture")

    def _keep(self, path: Path, owner: str) -> Uploaded:
        with brought(path) as file:
            found = self._uploads.bring(file, owner)
        width, height = found.size
        return Uploaded(digest=found.kept.digest, width=width, height=height, notes=found.notes)
