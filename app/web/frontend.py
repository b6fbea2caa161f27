"""Gradio's scripts for the browser without what they do over and over: most of the time that a page took to come.

As Gradio brings them, they build a page twice, look through all events for each of its components and through all
components for each that is filled, and watch every value of a description that never changes. These places are found
by their text in the pinned version, and do the same once instead. A file in which one of its texts is not there, as in
another version, is sent as it is. Each file works with the others either way: a browser may have kept one of before.
"""

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path

import gradio
from gradio.brotli_middleware import BrotliMiddleware
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from foundation.files.text_files import read_text

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
    # A page that was just built is not built again, unless the program behind it has changed (Gradio's `reload_count`).
    "Blocks": {"le(()=>{v(),oe(()=>{O.reload(": "le(()=>{v()&&oe(()=>{O.reload("},
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
