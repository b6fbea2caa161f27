"""What visitors bring: files for the page's functions."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.web.answers import RefusedError
from app.web.bodies import DisconnectedError
from app.web.cache import Cache
from foundation.errors import StudioError
from foundation.limits import MB, Limits

_MOST_FIELDS = 20
_FIELD_BYTES = 10_000


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
    """The route by which files come.

    Args:
        page: that they are for.
        cache: where they are kept.
        limits: of everything.
    """

    def __init__(self, page: gr.Blocks, cache: Cache, limits: Limits) -> None:
        self._page, self._cache, self._limits = page, cache, limits

    def routes(self) -> list[Route]:
        """The route, which stands in front of Gradio's own."""
        return [
            Route("/gradio_api/upload", self.take, methods=["POST"]),
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

    def _keep(self, part: UploadFile) -> Path:
        path = self._cache.place(part.filename or "")
        try:
            with path.open("xb") as file:
                shutil.copyfileobj(part.file, file, MB)
        except OSError:
            shutil.rmtree(path.parent, ignore_errors=True)
            raise
        return path


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
