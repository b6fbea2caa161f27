"""Servers with the addresses for programs and without the page: with stand-ins for the work, and with real work."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from app.api.site import Api
from app.costs.timings import Timings
from app.handlers.costs import cost_of
from app.handlers.describing import offer_of
from app.handlers.pictures import Workshop
from app.handlers.registry import make_handlers
from app.model_list import ModelList
from app.ui.wiring.services import Studio
from app.visitors.data_dir import DataDir
from app.visitors.uploads import Uploads
from app.visitors.visitor import NotesAddress
from app.web.cache import Cache
from app.web.calls import Calls
from app.web.gate import Gate, Rules
from app.web.hosts import Hosts
from app.web.listening import Listener, open_socket
from foundation.jobs.service import JobService
from foundation.limits import Limits
from generator.vlm.settings import VlmSettings
from robust_model.zoo.catalogue import open_catalogue
from tests.browser.evaluation_standins import evaluate
from tests.browser.folder_standins import MoreAttacks
from tests.browser.grid_standins import Grids
from tests.browser.standins import Attack, StandInMeasurements, Texts, make_images, make_studio

DESCRIBES = offer_of(VlmSettings(url="http://127.0.0.1:9/v1", model="one-that-sees"))


@contextlib.contextmanager
def serving_programs(studio: Studio, root: Path, limits: Limits) -> Iterator[int]:
    """Serve what a studio has on a port of this machine."""
    api = NotesAddress(Api(studio, Cache(root / "cache"), limits))
    rules = Rules(Hosts("127.0.0.1"), None, Calls({}, ()), limits)
    listener = Listener(Gate(api, rules), open_socket("127.0.0.1", 0), limits)
    listener.start()
    try:
        yield listener.port
    finally:
        listener.close()


@contextlib.contextmanager
def serving_standins(root: Path, limits: Limits | None = None) -> Iterator[int]:
    """Serve stand-ins, within limits, with a vision-language model that nobody can reach."""
    root.mkdir(parents=True)
    limits = limits or Limits()
    uploads = Uploads(root / "uploads", limits)
    attack = MoreAttacks(Attack(uploads), uploads, lambda: None)
    handlers = {"text": Texts(uploads), "image": make_images, "attack": attack, "evaluate": evaluate}
    handlers |= {"grid": Grids(DataDir(root))}
    with JobService(root, handlers, limits=limits) as jobs:
        studio = make_studio(jobs, root, StandInMeasurements())
        studio = replace(studio, uploads=uploads, vlm=lambda: DESCRIBES)
        with serving_programs(studio, root, limits) as port:
            yield port


@contextlib.contextmanager
def really_serving(root: Path) -> Iterator[int]:
    """Serve the shipped models."""
    data, limits = DataDir(root), Limits()
    data.create()
    catalogue = open_catalogue((data.models,), data.downloads, strangers=True)
    shop = Workshop(catalogue, data, Timings(data.timings))
    service = JobService(
        root,
        make_handlers(shop),
        cost=lambda request: cost_of(request, data.uploads, shop.timings),
        uploads=data.uploads,
    )
    with service as jobs:
        studio = make_studio(jobs, root, StandInMeasurements())
        studio = replace(studio, models=ModelList(catalogue), uploads=data.uploads)
        with serving_programs(studio, root, limits) as port:
            yield port
