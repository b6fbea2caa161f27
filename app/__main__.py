"""`python -m app`: puts the studio's page on this machine. The one place where its parts are put together."""

import argparse
import contextlib
import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from app import __version__
from app.logs import set_up_logs
from app.settings import Settings, add_flags, describe, effective
from app.web.hosts import Hosts, check_port
from foundation.command_line.program import Parser, answered, called, leave, run_program
from foundation.errors import StudioError
from foundation.files.shipped import ASSETS
from foundation.limits import Limits
from foundation.memory import keep_no_buffers, reuse_freed, without_collecting

if TYPE_CHECKING:
    from app.costs.timings import Timings
    from app.ui.wiring.services import Studio
    from foundation.catalogue.catalogue import Catalogue
    from foundation.cluster.asked import ClusterAsked

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")
MOST_PICTURES = 256
"""That a cluster makes at once for one app: each has threads here."""
CLOSING_SECONDS = 3.0
"""How long running jobs have to keep what they made: whoever ends a program waits for about ten seconds at most."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until interrupted; 2 for a refusal, which is printed as a sentence."""
    return answered(lambda: _started(argv))


def _started(argv: Sequence[str] | None) -> int:
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == ["mcp"]:
        from crossmax_studio.assistants import command

        return command.main(words[1:], __version__)
    if words[:1] == ["users"]:
        from app import users

        return users.main(words[1:])
    asked = words[:1] == ["settings"]
    arguments = build_parser().parse_args(words[1:] if asked else words)
    found = effective(arguments)
    settings = found.settings
    set_up_logs(settings.log_format, settings.log_details, settings.log_level)
    hosts = Hosts(settings.host, settings.allow_host)  # what can be refused is, before anything is loaded
    check_port(settings.port)
    cluster = cluster_of(settings)
    if asked:
        print(describe(found, found.limits(local=hosts.local)))
        return 0
    _set_up_gradio()
    with contextlib.ExitStack() as starting:
        starting.enter_context(without_collecting())
        limits = found.limits(local=hosts.local)
        return _run(settings, hosts, limits, cluster, clear_queue=arguments.clear_queue, started=starting.close)


def _set_up_gradio() -> None:
    """Let nothing but this program say how Gradio works.

    It reads GRADIO_... when it is imported and later: some of these open paths, others fail on a number that is none.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


@contextlib.contextmanager
def _without_proxies() -> Iterator[None]:
    """Hide the proxies of the environment, which are then as before.

    A library of Gradio's makes itself a client when it is imported, and fails on a proxy that it does not know.
    """
    hidden = {name: value for name, value in os.environ.items() if name.lower() in PROXIES}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=called("app"),
        description="CrossMax Studio in the browser.",
        epilog=f"{called('app')} settings: prints what flags, variables and the file of settings come to, and where "
        f"each comes from. {called('app')} mcp: the studio as tools for an assistant, by the Model Context Protocol "
        f"(with a --help of its own). {called('app')} users: who may use a studio with --accounts (likewise).",
    )
    add_flags(parser)
    parser.add_argument(
        "--clear-queue",
        action="store_true",
        help="stop every job that waits in the queue, also of a studio that is running, and end",
    )
    return parser


def choose_device(wanted: str, cuda_available: bool) -> tuple[str, str]:
    """The device to use, and a sentence on why it is that one.

    Raises:
        StudioError: CUDA was asked for and is not there.
    """
    if wanted == "cuda" and not cuda_available:
        raise StudioError("No CUDA device was found. Use --device cpu, or auto.")
    if wanted == "cpu":
        return "cpu", "as asked for."
    if cuda_available:
        return "cuda", "a CUDA device was found." if wanted == "auto" else "as asked for."
    return "cpu", "no CUDA device was found."


def cluster_of(settings: Settings) -> "ClusterAsked | None":
    """The cluster that was asked for, None for none. StudioError for what makes no sense, or where nobody answers."""
    words = {name: value for name, value in settings.model_dump().items() if name.startswith("cluster") and value}
    pictures = words.pop("cluster_pictures", 0)
    if not 0 <= pictures <= MOST_PICTURES:
        raise StudioError(
            f"{pictures:,} pictures at once are not possible: --cluster-pictures is 0 to {MOST_PICTURES}."
        )
    if pictures and "cluster" not in words:
        raise StudioError("There are no workers without a cluster: say which one, with --cluster auto or an address.")
    if not words:
        return None
    from foundation.cluster.asked import ClusterAsked, check
    from foundation.command_line.settings import validated

    asked = validated(ClusterAsked, words)
    check(asked)
    return asked


def _run(
    settings: Settings,
    hosts: Hosts,
    limits: Limits,
    cluster: "ClusterAsked | None",
    *,
    clear_queue: bool,
    started: Callable[[], None],
) -> int:
    """Put the parts together and serve the page until interrupted; `started` is called once it is there."""
    # Imported here, so that --help answers at once and the environment is set before gradio and MKL read it.
    keep_no_buffers()
    reuse_freed()  # of a job's passes, for its next ones; the upkeep hands back what is left every few seconds
    import torch

    from app import upkeep
    from app.accounts.accounts import Accounts
    from app.costs.timings import Timings
    from app.evaluation.data import EvaluationData
    from app.evaluation.service import Evaluations
    from app.evaluation.speeds import Speeds
    from app.handlers.costs import cost_of
    from app.handlers.describing import read_offer
    from app.handlers.layers import SavedLayers
    from app.handlers.measurements import Aside, Measurements
    from app.handlers.pictures import Workshop
    from app.handlers.registry import is_of_pictures, make_handlers
    from app.handlers.units import UnitLayers
    from app.model_list import ModelList
    from app.visitors.data_dir import DataDir
    from foundation.cluster.asked import connected
    from foundation.cluster.pool import Pool
    from foundation.jobs.queue.lines import Elsewhere
    from foundation.jobs.service import JobService
    from generator.encoders.precision import choose_precision
    from generator.vlm.settings import FILE_NAME, VlmSettings, read_settings
    from robust_model.zoo.catalogue import open_catalogue

    device, note = choose_device(settings.device, torch.cuda.is_available())
    choose_precision(settings.precision, device)  # refuses what this device cannot do
    accounts: Accounts | None = None  # they are in the database, which the job service opens
    data = DataDir(
        Path(settings.data_dir), limits, lambda owner: None if accounts is None else accounts.upload_bytes(owner)
    )
    os.umask(0o077)  # pictures, prompts and logs are nobody else's on this machine
    if clear_queue:
        print(upkeep.clear_queue(data.root, settings.database))
        return 0
    data.create()
    os.environ["GRADIO_TEMP_DIR"] = str(data.root / "cache")
    with _without_proxies():
        from app.server import build_app, serve
    from app.ui.forgetting import forget_visitor
    from app.ui.markup.media import Media, load_secret
    from app.ui.wiring.services import Studio
    from app.visitors.visitor import for_no_guests

    catalogue = open_catalogue((data.models,), data.downloads, strangers=True, precision=settings.precision)
    models = ModelList(catalogue)

    def read_vlm() -> VlmSettings | None:
        return read_settings(data.root / FILE_NAME)

    seats = settings.cluster_pictures
    connect = None if cluster is None else functools.partial(connected, cluster, settings.device, spared=seats)
    pool = Pool(connect, seats)
    shop = Workshop(catalogue, data, Timings(data.timings), read_vlm, pool)
    examples, photos = ASSETS / "examples", ASSETS / "photos"
    listing = functools.partial(models.list, "classifier")
    aside = Aside()
    service = JobService(
        data.root,
        make_handlers(shop),
        database=settings.database,
        limits=limits,
        uploads=data.uploads,
        cost=lambda request: cost_of(request, data.uploads, shop.timings),
        elsewhere=Elsewhere(tuple(f"the cluster ({number})" for number in range(1, seats + 1)), is_of_pictures),
        allowance=lambda owner: None if accounts is None else accounts.allowance(owner),
    )
    with service as jobs:
        secret = load_secret(data.root / "secret")
        if settings.accounts:
            accounts = Accounts(jobs.users, secret, limits)

        def sweep() -> None:
            if accounts is not None:
                accounts.sweep(lambda owner: forget_visitor(jobs, data.uploads, owner))

        upkeep.Upkeep(jobs, data.root, data.root / "cache", sweep).start()
        for problem in jobs.problems:
            logging.getLogger("crossmax").warning("%s", problem)
        studio = Studio(
            jobs=jobs,
            models=models,
            measurements=Measurements(shop.timings, catalogue, listing, device, aside),
            layers=SavedLayers(),
            evaluations=Evaluations(
                catalogue, listing, data, EvaluationData(data, examples), Speeds(data.speeds), device
            ),
            media=Media(
                {"data": data.root, "examples": examples, "photos": photos},
                secret,
                seconds=limits.media_seconds,
            ),
            limits=limits,
            uploads=data.uploads,
            examples=examples,
            photos=photos,
            device=device,
            device_note=note,
            version=__version__,
            vlm=for_no_guests(lambda: read_offer(read_vlm)),  # it may cost whoever runs the studio money
            unit_layers=UnitLayers(catalogue, device, aside),
            accounts=accounts,
        )
        served = serve(
            build_app(studio),
            studio,
            hosts=hosts,
            port=settings.port,
            data_dir=data.root,
            limits=limits,
            open_browser=settings.browser,
            token=settings.token,
        )
        started()
        threading.Thread(target=_prepare, args=(studio, catalogue, shop.timings), name="warm up", daemon=True).start()
        print(f"CrossMax Studio: {served.address}  (running on {device}: {note} Press Ctrl-C to end.)", flush=True)
        if not served.local:
            print(_on_a_network(served.addresses), flush=True)
        if cluster is not None:
            also = f", and pictures, {seats} at once," if seats else ""
            print(
                f"Evaluations, grids and folders of photos{also} are done by the cluster '{cluster.cluster}'.",
                flush=True,
            )
        if accounts is not None and accounts.is_empty:
            print(f"Nobody can log in yet: {called('app')} users add NAME --role owner", flush=True)
        _wait_for_the_end()
        served.close()
        jobs.close(CLOSING_SECONDS)
        pool.rest()
    return 0


def _on_a_network(addresses: Sequence[str]) -> str:
    others = "".join(f"\n  {address}" for address in addresses[1:])
    return (
        "Others on the network can reach this studio. Whoever opens it needs the token in its address and can use this "
        "machine's time and disk; what is sent is not encrypted."
        + (f" Addresses for others:{others}" if others else "")
    )


def _prepare(studio: "Studio", catalogue: "Catalogue", timings: "Timings") -> None:
    """Warm up; then find out what work takes here, part by part, as long as nobody's job is running."""
    from app.costs.calibration import calibrate

    _warm_up(catalogue, studio.device)

    def busy() -> bool:
        return any(not job.status.finished for job in studio.jobs.list())

    try:
        calibrate(timings, catalogue, studio.device, busy, evaluated=studio.evaluations.measure)
    except OSError as error:  # estimates are then as on an ordinary machine
        logging.getLogger("crossmax").warning("what work takes here cannot be kept: %s", error)


def _warm_up(catalogue: "Catalogue", device: str) -> None:
    """Load the model that came with the program, and take two steps with it.

    So the first picture waits for neither: PyTorch prepares kernels for shapes it has not met, which takes seconds.
    """
    from generator.recipes.presets import DEFAULT_PRESET, from_preset
    from generator.synthesis.synthesis import synthesise

    first = next((info.name for info in catalogue.list("encoder") if info.origin == "shipped" and info.ready), None)
    if first is None:
        return
    try:
        model = catalogue.load(first, device, kind="encoder")
        recipe = from_preset("text", DEFAULT_PRESET["text"], prompt="a picture", models=(first,), steps=2)
        for step in synthesise(recipe, {first: model}, device=device).steps:
            step.image()
    except StudioError as error:  # whoever asks for it is told
        logging.getLogger("crossmax").warning("%s", error)


def _wait_for_the_end() -> None:
    over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, end)
    over.wait()


def program() -> int:
    """Run the installed command `crossmax-studio`."""
    return leave(run_program(main))


if __name__ == "__main__":
    sys.exit(leave(run_program(main)))
