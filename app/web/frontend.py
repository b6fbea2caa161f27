"""What a browser gets of Gradio, without what is done over and over: most of the time that a page took to come.

The page itself is written and packed once, since it is the same for all who come by one address; Gradio would write it
for each visit, and send nine times as much. What is somebody's own comes after it, by the functions of the page.

Gradio's scripts, as it brings them, build a page twice, look through all events for each of its components and through
all components for each that is filled, watch every value of a description that never changes, tell each component that
an event ever filled how far each other event is, and leave clocks ticking that nobody sees. These places are
found by their text in the pinned version, and do the same once instead. A file in which one of its texts is not there,
as in another version, is sent as it is. Each file works with the others either way: a browser may have kept one of
before.
"""

import functools
import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import gradio
from gradio.brotli_middleware import BrotliMiddleware
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foundation.files.text_files import read_text

PATH = "/"
MOST_ADDRESSES = 16
"""By how many addresses the page is kept; the gate lets few pass."""
PLACES: dict[str, dict[str, str]] = {
    "core": {
        # The events of each component: a list of all, made once for a page.
        "find_attached_events(e,t){"
        "let n=t.filter(t=>t.targets.find(([t])=>t===e.id))"
        ".map(t=>{let n=t.targets.find(([t])=>t===e.id);return n?n[1]:null}).filter(Boolean);"
        "return e.props.shared_props.attached_events=n,e}": (
            "find_attached_events(e,t){"
            "if(!this.cxEvents){this.cxEvents=new Map;"
            "for(let n of t)for(let[e,t]of new Map([...n.targets].reverse()))"
            "this.cxEvents.has(e)||this.cxEvents.set(e,[]),t&&this.cxEvents.get(e).push(t)}"
            "return e.props.shared_props.attached_events=[...this.cxEvents.get(e.id)??[]],e}"
        ),
        "prepare(){let[e,t]": "prepare(){this.cxEvents=null;let[e,t]",
        # A component by its number: a list of all below another, made once until a part of the page is drawn anew.
        "function Z(e,t){if(e.id===t)return e;"
        "if(e.children)for(let n of e.children){let e=Z(n,t);if(e)return e}return null}": (
            "var cxBelow=new WeakMap;"
            "function cxList(e,t){t.has(e.id)||t.set(e.id,e);"
            "if(e.children)for(let n of e.children)cxList(n,t);return t}"
            "function Z(e,t){let n=cxBelow.get(e);return n||cxBelow.set(e,n=cxList(e,new Map)),n.get(t)??null}"
        ),
        "a.children=i.children,this.#f(i)": "a.children=i.children,cxBelow=new WeakMap,this.#f(i)",
    },
    "Blocks": {
        # A page that was just built is not built again, unless the program behind it has changed (Gradio's
        # `reload_count`).
        "le(()=>{v(),oe(()=>{O.reload(": "le(()=>{v()&&oe(()=>{O.reload(",
        # How far an event is, is told to the components of which it changed, not to each that an event ever filled; and
        # not where the event is to show nothing of it, unless something else is to be taken away.
        "await Promise.all(Object.entries(this.loading_stati.current)"
        ".map(([e,t])=>this.update_state_cb(Number(e),{loading_status:t},!1)))": (
            "let n=this.cxTold??={};await Promise.all(Object.entries(this.loading_stati.current).filter(([e,t])=>{"
            "let r=n[e];if(t===r)return!1;"
            "if(t.show_progress===`hidden`&&t.status!==`error`&&r?.status!==`error`&&r?.status!==`pending`)return!1;"
            "return n[e]=t,!0}).map(([e,t])=>this.update_state_cb(Number(e),{loading_status:t},!1)))"
        ),
    },
    "statustracker": {
        # A clock of what is no longer on the page stops; it would tick with the screen as long as the page is open.
        "F(Pe,(performance.now()-w(de))/1e3),W&&ze()": "F(Pe,(performance.now()-w(de))/1e3),W&&U&&ze()",
        # What is told of a component stays the same object while it says the same.
        "n.fn_index!==e.fn_index&&(this.current[t]={...n,": (
            "n.fn_index!==e.fn_index&&(n.used_cache??n.cache_duration??n.avg_time??n.cache_event_id)!=null"
            "&&(this.current[t]={...n,"
        ),
    },
    # The description of a page is read and never written: nothing has to watch its values.
    "Index": {"R(M,S(G).get_url_config(),!0)": "R(M,S(G).get_url_config(),!1)"},
}
"""What a file's name begins with -> a text in it -> what stands there instead."""


def lean(name: str, text: str) -> str:
    """A file of scripts with all of its places replaced; as it is where it does not have each of them once."""
    places = PLACES.get(name.partition("-")[0], {})
    if any(text.count(before) != 1 for before in places):
        return text
    for before, after in places.items():
        text = text.replace(before, after)
    return text


def assets() -> Path:
    """The folder of Gradio's scripts."""
    return Path(gradio.__file__).parent / "templates" / "frontend" / "assets"


@functools.cache
def lean_files(folder: Path | None = None) -> dict[str, str]:
    """Name -> text of the files that are sent otherwise than Gradio brings them; of another folder for tests."""
    files = [path for begin in PLACES for path in sorted((folder or assets()).glob(f"{begin}-*.js"))]
    texts = {path.name: read_text(path) for path in files}
    return {name: after for name, before in texts.items() if (after := lean(name, before)) != before}


def lean_routes() -> list[Route]:
    """The routes of these files, for the place before Gradio's own, which sends the others as small as these."""
    packed = [Middleware(BrotliMiddleware)]
    return [Route(f"/assets/{name}", _sender(text), middleware=packed) for name, text in lean_files().items()]


def _sender(script: str) -> Callable[[Request], Awaitable[Response]]:
    async def send(_: Request) -> Response:
        return Response(script, media_type="application/javascript")

    return send


@dataclass(frozen=True)
class _Kept:
    """A page, whole and packed."""

    plain: bytes
    packed: bytes
    kind: str


class FirstPage:
    """Answers for the page alone, with what ``site`` said of it when it was asked first by the same address."""

    def __init__(self, site: ASGIApp) -> None:
        self._site = site
        self._kept: dict[tuple[str, str], _Kept] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        address = (str(scope["scheme"]), headers.get("host", ""))
        kept = self._kept.get(address)
        if kept is None:
            answer = _Heard(send)
            await self._site(scope, receive, answer.send)
            if (heard := answer.kept()) is not None and len(self._kept) < MOST_ADDRESSES:
                self._kept[address] = heard
            return
        packed = "gzip" in headers.get("accept-encoding", "")
        told = {"Content-Encoding": "gzip"} if packed else {}
        body = kept.packed if packed else kept.plain
        await Response(body, 200, {**told, "Vary": "Accept-Encoding"}, kept.kind)(scope, receive, send)


class _Heard:
    """Hands an answer on, and remembers it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status, self._headers, self._body, self._whole = 0, Headers(), b"", False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], Headers(raw=message["headers"])
        else:
            self._body += message.get("body", b"")
            self._whole = not message.get("more_body", False)
        await self._send(message)

    def kept(self) -> _Kept | None:
        """The page that was sent; None where it was none for everybody."""
        own = {"set-cookie", "content-encoding"} & set(self._headers)
        if self._status != 200 or not self._whole or own:
            return None
        return _Kept(self._body, gzip.compress(self._body, mtime=0), self._headers.get("content-type", "text/html"))
