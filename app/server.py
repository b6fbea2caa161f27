"""The web server: the page, its files, the addresses for programs, and the gate in front of all (``app.web``)."""

import socket
import webbrowser
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from gradio.routes import App
from gradio.utils import get_upload_folder
from PIL import Image
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.site import Api
from app.ui.head.scripts import head_scripts
from app.ui.markup.theme import build_theme, read_style, write_favicon
from app.ui.page import build_page
from app.ui.widgets.remembered import forms_script
from app.ui.wiring.services import Studio
from app.visitors.visitor import NotesAddress
from app.web.answers import PROGRAMS
from app.web.cache import Cache
from app.web.calls import Calls
from app.web.door import Door
from app.web.frontend import PATH, FirstPage, lean_routes
from app.web.gate import Gate, Rules
from app.web.hosts import Hosts, check_port, is_wildcard
from app.web.listening import Listener, open_socket
from app.web.routes import HEALTH
from app.web.sessions import Sessions
from app.web.tokens import PARAMETER, Token
from app.web.uploads import Uploads, upload_script
from foundation.images.files import MAX_PIXELS
from foundation.limits import Limits

# Gradio never serves these by path; what the page shows of them has signed addresses of our own.
PRIVATE = (
    *("jobs", "uploads", "models", "downloads", "datasets", "shipped", "exports"),
    *("speeds.json", "timings.json", "secret", "vlm.json", "studio.lock", "assistants", "settings.toml"),
    *("studio.db", "studio.db-wal", "studio.db-shm", "studio.db.lock"),
)
QUEUE_SECONDS = 60.0
"""How often Gradio looks for work that waits in its queue; by itself it does a thousand times a second."""
LOGGED_OUT = """
<script>
{
  // A login that has ended while the page was open: whatever is asked then is answered so.
  const ask = window.fetch;
  window.fetch = async (...asked) => {
    const answer = await ask(...asked);
    if (answer.status === 401) location.assign('login');
    return answer;
  };
}
</script>
"""


def build_app(studio: Studio) -> gr.Blocks:
    """The page for what it is given to work with; ``serve`` puts it on the network."""
    return build_page(studio)


@dataclass(frozen=True)
class Served:
    """A page on the network.

    Attributes:
        addresses: under which it can be opened, the one for this machine first; with the token where there is one.
        local: whether this machine alone can reach it.
    """

    addresses: tuple[str, ...]
    local: bool
    _listener: Listener

    @property
    def address(self) -> str:
        """The address for this machine."""
        return self.addresses[0]

    def close(self) -> None:
        """End serving."""
        self._listener.close()


def serve(
    page: gr.Blocks,
    studio: Studio,
    *,
    hosts: Hosts,
    port: int,
    data_dir: Path,
    open_browser: bool = False,
    limits: Limits | None = None,
    token: str = "",
) -> Served:
    """Start serving in the background.

    Args:
        hosts: where to listen, and the names of this server. Outside of loopback a token is demanded.
        port: where to listen; 0 is any that is free.
        data_dir: the app's own folder; see ``PRIVATE``.
        open_browser: open the page in this machine's browser.
        limits: of everything that can be asked for.
        token: that is demanded wherever it listens, instead of one that is made here.

    Raises:
        StudioError: a host or the port cannot be used; the message says which and why.
    """
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # for every decoder in the process, also those that are not ours
    limits = limits or Limits()
    listening = open_socket(hosts.host, check_port(port))
    try:
        demanded = Token(int(listening.getsockname()[1]), token) if token or not hosts.local else None
        port = int(listening.getsockname()[1])
        door = None if studio.accounts is None else Door(studio.accounts, port, limits)
        rules = Rules(hosts, demanded, Calls(page.fns, {page._id, *page.blocks}), limits, door)
        site = NotesAddress(build_site(page, studio, data_dir, limits, door))
        listener = Listener(Gate(site, rules), listening, limits)
        listener.start()
    except BaseException:
        listening.close()
        raise
    served = Served(_addresses(hosts, listener.port, demanded), hosts.local, listener)
    if open_browser:
        webbrowser.open(served.address)
    return served


def build_site(page: gr.Blocks, studio: Studio, data_dir: Path, limits: Limits, door: Door | None = None) -> ASGIApp:
    """What the gate guards: routes of our own, and Gradio's; with a ``door``, those of accounts."""
    cache = Cache(Path(get_upload_folder()))
    site = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gr.mount_gradio_app(
        site,
        page,
        "/",
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        footer_links=[],
        run_history=False,  # results are listed by the page itself, from the server's own records
        blocked_paths=[str(data_dir.resolve() / name) for name in PRIVATE],
        favicon_path=write_favicon(data_dir / "icon" / "favicon.png"),
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=build_theme(),
        css=read_style(),
        head=head_scripts() + forms_script() + upload_script(limits) + (LOGGED_OUT if door is not None else ""),
    )
    inner = next(route.app for route in site.routes if isinstance(route, Mount) and isinstance(route.app, App))
    sessions = Sessions(limits)
    sessions.set_blocks(page)
    inner.state_holder = sessions
    page.is_running = page.has_launched = True
    queue = page._queue  # carries nothing: the page calls its functions without it (`app.ui.wiring.guard.QUICK`)
    queue.sleep_when_free = queue.progress_update_sleep_when_free = QUEUE_SECONDS
    uploads = Uploads(page, cache, limits)
    routes = [
        *lean_routes(),
        *uploads.routes(),
        studio.media.route(),
        *(door.routes(studio) if door is not None else ()),
    ]
    own = Router(routes, redirect_slashes=False, default=site)
    programs, first = Api(studio, cache, limits), FirstPage(own)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await site(scope, receive, send)
        elif scope["path"].startswith(PROGRAMS) or scope["path"] in HEALTH:
            await programs(scope, receive, send)
        elif scope["path"] == PATH and scope["method"] == "GET":
            await first(scope, receive, send)
        else:
            await own(scope, receive, send)

    return answer


def _addresses(hosts: Hosts, port: int, token: Token | None) -> tuple[str, ...]:
    names = [hosts.host, *hosts.allowed]
    if is_wildcard(hosts.host):
        names = ["127.0.0.1", *_outer_address(), *hosts.allowed]
    tail = "" if token is None else f"?{PARAMETER}={token.secret}"
    return tuple(f"http://{f'[{name}]' if ':' in name else name}:{port}/{tail}" for name in names)


def _outer_address() -> list[str]:
    """The address of this machine on its network, if that can be told without asking anybody."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # an address of no machine; nothing is sent
        return [str(probe.getsockname()[0])]
    return []
