"""A real server with stand-ins for the work, reached over the network."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import pytest

from app.accounts.accounts import Accounts
from app.server import Served, build_app, serve
from app.visitors.data_dir import DataDir
from app.visitors.uploads import Uploads
from app.web.hosts import Hosts
from foundation.images.files import save_png
from foundation.jobs.service import JobService
from foundation.limits import Limits
from tests.app.accounts.people import SECRET, add, quick
from tests.browser.evaluation_standins import evaluate
from tests.browser.grid_standins import Grids
from tests.browser.standins import Attack, StandInMeasurements, Texts, fade, make_images, make_studio
from tests.hostile import Hostile


@dataclass
class Site:
    """A server, and how to get at it."""

    served: Served
    page: gr.Blocks
    data: Path
    port: int
    jobs: JobService

    def client(self, address: str = "127.0.0.1", **headers: str) -> Hostile:
        return Hostile(self.port, address, headers)

    def number(self, name: str) -> int:
        """The number of the page's function with this name."""
        return next(n for n, function in self.page.fns.items() if function.name == name)

    def body(self, name: str, session: str = "abc123") -> dict[str, object]:
        """A call of a function as its own page sends it, with nothing in its fields."""
        function = self.page.fns[self.number(name)]
        return {
            "data": [None] * len(function.inputs),
            "event_data": None,
            "fn_index": self.number(name),
            "trigger_id": None,
            "session_hash": session,
        }


@contextlib.contextmanager
def serving(
    data: Path, limits: Limits | None = None, host: str = "127.0.0.1", token: str = "", *, many: bool = False
) -> Iterator[Site]:
    (data / "examples").mkdir(parents=True)
    save_png(fade(3, 8, (48, 64), 1), data / "examples" / "stripes.png")
    measurements = StandInMeasurements()
    accounts: Accounts | None = None
    uploads = Uploads(data / "uploads", share=lambda owner: accounts and accounts.upload_bytes(owner))
    handlers = {"text": Texts(uploads), "image": make_images, "attack": Attack(uploads), "evaluate": evaluate}
    handlers |= {"grid": Grids(DataDir(data))}
    with JobService(data, handlers, allowance=lambda owner: accounts and accounts.allowance(owner)) as jobs:
        if many:
            accounts = Accounts(jobs.users, SECRET, limits or Limits(), passwords=quick())
        studio = make_studio(jobs, data, measurements)
        studio = dataclasses.replace(studio, accounts=accounts, uploads=uploads)
        page = build_app(studio)
        served = serve(page, studio, hosts=Hosts(host), port=0, data_dir=data, limits=limits, token=token)
        port = int(served.address.split("?")[0].rstrip("/").rpartition(":")[2])
        try:
            yield Site(served, page, data, port, jobs)
        finally:
            served.close()


@pytest.fixture(scope="package")  # a page takes over a second to build
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server with its own limits, for requests that leave nothing behind."""
    data = tmp_path_factory.mktemp("site") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(data / "cache"))
        with serving(data) as found:
            yield found


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """Start servers with limits of a test's own."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    with contextlib.ExitStack() as stack:
        count = 0

        def make(limits: Limits | None = None, host: str = "127.0.0.1", token: str = "", *, many: bool = False) -> Site:
            nonlocal count
            count += 1
            return stack.enter_context(serving(tmp_path / f"data{count}", limits, host, token, many=many))

        yield make


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server where anna (an owner) and ben (a guest) log in."""
    data = tmp_path_factory.mktemp("many") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(data / "cache"))
        with serving(data, many=True) as found:
            add(found.jobs.users, "anna", "owner")
            add(found.jobs.users, "ben")
            yield found
