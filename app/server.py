"""The web server: the page, the files it shows, and what keeps strangers out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ui.page import HEAD, build_page
from app.ui.services import Studio
from app.ui.theme import build_theme, read_style, write_favicon
from app.visitor import NotesAddress
from generator.image import MAX_BYTES, MAX_PIXELS

# Gradio never serves these by path; what the page shows of them has signed addresses of our own.
PRIVATE = (
    *("jobs", "uploads", "models", "downloads", "datasets", "shipped"),
    *("speeds.json", "timings.json", "secret", "vlm.json", "studio.lock"),
)
LOCAL_HOSTS = ("127.0.0.1", "localhost")

# Gradio compiles its templates in the browser, hence 'unsafe-eval'; nothing may come from another host.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; font-src 'self' data:; "
    "frame-ancestors 'self'; form-action 'self'; base-uri 'self'"
)


class SafetyHeaders:
    """Adds the headers that keep a page to itself to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def build_app(studio: Studio) -> gr.Blocks:
    """The page for what it is given to work with; ``serve`` puts it on the network."""
    return build_page(studio)


def serve(
    page: gr.Blocks,
    studio: Studio,
    *,
    host: str,
    port: int,
    data_dir: Path,
    allowed_hosts: Sequence[str] = (),
    open_browser: bool = False,
) -> str:
    """Start serving in the background and return the page's address.

    Args:
        host, port: where to listen.
        data_dir: the app's own folder; see ``PRIVATE``.
        allowed_hosts: names under which browsers may ask for the page, besides ``localhost`` and ``host``.
        open_browser: open the page in this machine's browser.
    """
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # for every decoder in the process, also those that are not ours
    hosts = [*LOCAL_HOSTS, host, *allowed_hosts]
    app_options: dict[str, Any] = {
        "middleware": [
            Middleware(NotesAddress),
            Middleware(SafetyHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts),
        ],
        "routes": [studio.media.route()],
        "docs_url": None,
        "redoc_url": None,
    }
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        prevent_thread_lock=True,
        quiet=True,
        show_error=False,
        share=False,
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,  # results are listed by the page itself, from the server's own records
        footer_links=[],
        max_file_size=MAX_BYTES,
        blocked_paths=[str(data_dir.resolve() / name) for name in PRIVATE],
        app_kwargs=app_options,
        theme=build_theme(),
        css=read_style(),
        head=HEAD,
        favicon_path=write_favicon(data_dir / "icon" / "favicon.png"),
    )
    return str(address)
