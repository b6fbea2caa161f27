"""A server with the addresses for programs and real work, without the page."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from app.api.site import Api
from app.costs.timings import Timings
from app.handlers.costs import cost_of
from app.handlers.pictures import Workshop
from app.handlers.registry import make_handlers
from app.model_list import ModelList
from app.visitors.data_dir import DataDir
from app.visitors.visitor import NotesAddress
from app.web.cache import Cache
from app.web.calls import Calls
from app.web.gate import Gate, Rules
from app.web.hosts import Hosts
from app.web.listening import Listener, open_socket
from foundation.jobs.service import JobService
from foundation.limits import Limits
from robust_model.zoo.catalogue import open_catalogue
from tests.browser.standins import StandInMeasurements, make_studio


@contextlib.contextmanager
def really_serving(root: Path) -> Iterator[int]:
    """Serve the shipped models on a port of this machine."""
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
        api = NotesAddress(Api(studio, Cache(root / "cache"), limits))
        rules = Rules(Hosts("127.0.0.1"), None, Calls({}, ()), limits)
        listener = Listener(Gate(api, rules), open_socket("127.0.0.1", 0), limits)
        listener.start()
        try:
            yield listener.port
        finally:
            listener.close()
