"""A request that is refused, with its status and a sentence for whoever sent it."""

import json

from starlette.types import Send

JSON_ROUTES = ("/gradio_api/run/",)
"""Under these addresses the page's script reads an answer as JSON, and shows what stands under "error"."""
PROGRAMS = "/api/"
"""Under these, programs do."""

FULL_DISK = "The disk of the studio is full: nothing can be kept. Tell whoever runs it."


class RefusedError(Exception):
    """A request is not served.

    Attributes:
        status: of HTTP, 4xx or 5xx.
        sentence: what is wrong, and what to do.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, sentence: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers


async def answer_refusal(refused: RefusedError, path: str, send: Send, *, close: bool) -> None:
    """Send the refusal, as JSON where the page reads JSON; ``close`` ends the connection with it."""
    if path.startswith(PROGRAMS):
        kind, body = "application/json", json.dumps({"error": refused.sentence}).encode()
    elif path.startswith(JSON_ROUTES):
        kind, body = "application/json", json.dumps({"error": refused.sentence, "visible": True}).encode()
    else:
        kind, body = "text/plain; charset=utf-8", f"{refused.sentence}\n".encode()
    headers = [("content-type", kind), ("content-length", str(len(body))), ("cache-control", "no-store")]
    headers += refused.headers
    if close:
        headers.append(("connection", "close"))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": refused.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
