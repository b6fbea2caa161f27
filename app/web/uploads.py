"""What visitors bring: files for the page's functions, and what they paint."""

import contextlib
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import gradio as gr
from gradio.data_classes import DataWithFiles
from gradio.state_holder import StateHolder
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from app.limits import MB, Limits
from app.web.answers import RefusedError
from app.web.bodies import DisconnectedError
from app.web.cache import Cache, CacheError
from app.web.calls import SESSION, STALE
from app.web.sessions import sender
from generator.errors import StudioError
from generator.image import MAX_PIXELS

_PNG = b"\x89PNG\r\n\x1a\n"
_SHOWN = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
_MOST_FIELDS = 20
_FIELD_BYTES = 10_000
_LOST = "What was painted did not arrive: press the button once more."


UPLOAD_JS = """
<script>
{
  // What is brought together goes to the server in parts of the size that it takes.
  const send = window.fetch;
  window.fetch = async (address, options) => {
    const form = options?.body;
    if (!(form instanceof FormData) || !String(address).includes('/gradio_api/upload')) return send(address, options);
    const parts = [];
    for (const file of form.getAll('files')) {
      const last = parts.at(-1);
      if (last && last.size + file.size < MOST_BYTES && last.files.length < MOST_FILES) {
        last.files.push(file);
        last.size += file.size;
      } else parts.push({files: [file], size: file.size});
    }
    if (parts.length < 2) return send(address, options);
    const kept = [];
    for (const part of parts) {
      const body = new FormData();
      for (const file of part.files) body.append('files', file, file.name);
      const answer = await send(address, {...options, body});
      if (!answer.ok) return answer;
      kept.push(...await answer.json());
    }
    return new Response(JSON.stringify(kept), {headers: {'Content-Type': 'application/json'}});
  };
}
</script>
"""


def upload_script(limits: Limits) -> str:
    """The part of the page's head by which it sends what the server takes."""
    most = str(limits.upload_bytes - MB)
    return UPLOAD_JS.replace("MOST_BYTES", most).replace("MOST_FILES", str(limits.upload_files))


class Uploads:
    """The routes by which files come, and by which the page shows them.

    Args:
        page: that they are for.
        sessions: the open pages.
        cache: where they are kept.
        limits: of everything.
    """

    def __init__(self, page: gr.Blocks, sessions: StateHolder, cache: Cache, limits: Limits) -> None:
        self._page, self._sessions, self._cache, self._limits = page, sessions, cache, limits
        self._painted = Painted(limits)

    def routes(self) -> list[Route]:
        """The routes, which stand in front of Gradio's own."""
        return [
            Route("/gradio_api/upload", self.take, methods=["POST"]),
            Route("/gradio_api/component_server", self.take_painted, methods=["POST"]),
            Route("/gradio_api/component_server/", self.take_painted, methods=["POST"]),
            Route("/gradio_api/file={address:path}", self.show, methods=["GET", "HEAD"]),
        ]

    async def take(self, request: Request) -> Response:
        """Keep the files of a form; answers with what the page is to call them."""
        try:
            await run_in_threadpool(self._cache.make_room, self._limits)
        except StudioError as error:
            raise RefusedError(507, str(error)) from error
        async with _form(request, self._limits) as form:
            brought = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
            if not brought:
                raise RefusedError(422, "There is no file in what was sent.")
            addresses = []
            for part in brought:
                path = await run_in_threadpool(self._keep, part)
                self._page.upload_file_set.add(str(path))
                addresses.append(self._cache.address(str(path)))
        return JSONResponse(addresses)

    async def take_painted(self, request: Request) -> Response:
        """Keep a part of what is being painted until the page's next call asks for it."""
        async with _form(request, self._limits) as form:
            fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
            files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
            editor = self._editor(fields)
            if len(files) != 1 or not _fits_editor(fields):
                raise RefusedError(422, f"That is no part of a painted picture. {STALE}")
            data = await files[0].read()
            _check_png(data)
        self._painted.put_into(editor, fields["id"], len(data))
        editor.accept_blobs(cast(Any, DataWithFiles(data=fields, files=[(files[0].filename or "", data)])))
        return JSONResponse(None)

    async def show(self, request: Request) -> Response:
        """Send a picture of the cache."""
        try:
            path = self._cache.find(request.path_params["address"])
        except CacheError:
            raise RefusedError(404, "There is no such file.") from None
        kind = _SHOWN.get(path.suffix.lower())
        if kind is None:
            raise RefusedError(404, "There is no such file.")
        return FileResponse(path, media_type=kind, headers={"Cache-Control": "private, no-store"})

    def _keep(self, part: UploadFile) -> Path:
        path = self._cache.place(part.filename or "")
        try:
            with path.open("xb") as file:
                shutil.copyfileobj(part.file, file, MB)
        except OSError:
            shutil.rmtree(path.parent, ignore_errors=True)
            raise
        return path

    def _editor(self, fields: dict[str, str]) -> gr.ImageEditor:
        session, number = fields.get("session_hash", ""), fields.get("component_id", "")
        if not SESSION.fullmatch(session) or session not in self._sessions:
            raise RefusedError(404, f"There is no such page. {STALE}")
        block = self._page.blocks.get(int(number)) if number.isascii() and number.isdecimal() else None
        if not isinstance(block, gr.ImageEditor) or fields.get("fn_name") != "accept_blobs":
            raise RefusedError(404, f"There is nothing to paint on. {STALE}")
        return cast(gr.ImageEditor, self._sessions[session].get(block._id, block))


@dataclass
class _Part:
    """What is kept under one id."""

    address: str
    since: float
    parts: int = 0
    size: int = 0


@dataclass
class Painted:
    """What was painted and is not asked for yet: of bounded size, and for minutes."""

    limits: Limits
    _kept: dict[str, _Part] = field(default_factory=dict)

    def put_into(self, editor: gr.ImageEditor, name: str, size: int) -> None:
        """Make room in an editor for one more part. RefusedError (429) if there is none."""
        store = editor.blob_storage
        if not isinstance(store, _Store):
            editor.blob_storage = store = _Store(self._kept)
        now, address = time.monotonic(), sender.get()
        for old in [key for key, kept in self._kept.items() if now - kept.since > self.limits.blob_seconds]:
            store.pop(old, None)
            self._kept.pop(old, None)
        mine = self._kept.setdefault(name, _Part(address, now))
        others = [kept for key, kept in self._kept.items() if kept.address == address and key != name]
        all_bytes = sum(kept.size for kept in self._kept.values()) + size
        too_many = len(others) >= self.limits.blobs_per_address or mine.parts >= self.limits.blob_parts
        if too_many or all_bytes > self.limits.blob_bytes:
            if not mine.parts:
                del self._kept[name]
            raise RefusedError(429, "Too much was painted at once: try again in some minutes.")
        mine.parts += 1
        mine.size += size


class _Store(dict[str, Any]):
    """An editor's parts by their ids. It says so when they are not there: without paint all of the photo may change."""

    def __init__(self, kept: dict[str, _Part]) -> None:
        super().__init__()
        self._ledger = kept

    def get(self, key: str, *default: Any) -> Any:
        """The parts under an id; gr.Error where they are asked for and are not there."""
        if key not in self and not default:
            raise gr.Error(_LOST, print_exception=False)
        return super().get(key, *default)

    def pop(self, key: str, *default: Any) -> Any:
        """Take the parts under an id out."""
        self._ledger.pop(key, None)
        return super().pop(key, *default)


def _fits_editor(fields: dict[str, str]) -> bool:
    index = fields.get("index") or "null"
    return (
        fields.get("type") in ("layer", "background", "composite")
        and (index == "null" or (index.isascii() and index.isdecimal() and len(index) == 1 and int(index) <= 4))
        and SESSION.fullmatch(fields.get("id", "")) is not None
    )


def _check_png(data: bytes) -> None:
    """See that a painted part is a PNG whose size can be worked with. RefusedError (422) otherwise."""
    if not data.startswith(_PNG) or data[12:16] != b"IHDR":
        raise RefusedError(422, "What was painted is no PNG.")
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if not 0 < width * height <= MAX_PIXELS:
        raise RefusedError(413, f"What was painted has {width} x {height} pixels, too many.")


@contextlib.asynccontextmanager
async def _form(request: Request, limits: Limits) -> AsyncIterator[FormData]:
    """The form that a request brings.

    Raises:
        RefusedError: it is none (400, 413, 415).
        DisconnectedError: it broke off.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise RefusedError(415, "This address takes forms with files alone (multipart/form-data).")
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=limits.upload_files,
        max_fields=_MOST_FIELDS,
        max_part_size=_FIELD_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        status = 413 if "Too many" in error.message or "exceeded" in error.message else 400
        raise RefusedError(status, f"The files could not be taken: {error.message}") from error
    except ClientDisconnect as error:
        raise DisconnectedError from error
    try:
        yield form
    finally:
        await form.close()
