"""Jobs of the real app that keeps freed memory for what comes next, beside one that returns it.

    python -m benchmarks.reused_memory.app_jobs --photos FOLDER --json app_jobs.json

Each side is an app of its own, in turn, that is asked over HTTP: an attack on the photo of the attack tab, whose blocks
glibc keeps by itself after a while, and an evaluation of `lite0` on photos of the folder, whose blocks are larger than
what it keeps. What counts is the second of two alike, since the first loads the model. With the seconds come the most
memory that the app held, and what it holds once it has handed back what is free.
"""

import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import machine, run_benchmark, table, write_json
from benchmarks.hostile.server import app_running, memory_mb
from benchmarks.reused_memory.measuring import SIDES, compared, rows_of
from crossmax_studio.client import Studio
from crossmax_studio.told import Job
from foundation.command_line.arguments import whole
from foundation.command_line.program import Parser
from foundation.errors import StudioError
from foundation.files.places import result_file, user_path
from foundation.files.shipped import ASSETS

MEASURES = ("attack_s", "evaluation_s", "peak_mb", "afterwards_mb")
PHOTOS = (".jpg", ".jpeg", ".png")
HANDED_BACK_SECONDS = 12.0
OWN_CHOICE = {"MALLOC_PERTURB_": "0"}
"""A variable of glibc's that changes nothing: who has set one is left what there is."""


def photos_below(folder: Path, count: int) -> list[Path]:
    """The first photos of a folder, by their names. StudioError where there are fewer."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTOS)
    if len(found) < count:
        raise StudioError(f"'{folder}' has {len(found)} photos, and {count} are wanted: name another, or fewer.")
    return found[:count]


def side(kept: bool, photos: list[Path]) -> dict[str, float]:
    """What one app measures."""
    with tempfile.TemporaryDirectory() as folder:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
        environment = own if kept else {**own, **OWN_CHOICE}
        with app_running(Path(folder) / "data", environment) as (process, port):
            with Studio(f"http://127.0.0.1:{port}") as studio:
                cat, labelled = ASSETS / "photos" / "cat.png", [(path, "goldfish") for path in photos]
                attack = _second(studio, lambda: studio.attack(cat, objective="leave", enough=0.0))
                suites, count = ["quick"], len(labelled)
                evaluation = _second(
                    studio,
                    lambda: studio.evaluate("lite0", data="own", suites=suites, count=count, images=labelled),
                )
            peak = memory_mb(process.pid, "VmHWM")
            time.sleep(HANDED_BACK_SECONDS)
            afterwards = memory_mb(process.pid)
    return dict(zip(MEASURES, (attack, evaluation, peak, afterwards), strict=True))


def _second(studio: Studio, submit: Callable[[], Job]) -> float:
    """The seconds of the second of two jobs. StudioError where one failed."""
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        done = studio.wait(submit())
        seconds = time.perf_counter() - began
        if done.status != "done":
            raise StudioError(f"A job of the app ended otherwise: {done.error or done.status}")
    return seconds


def main() -> int:
    parser = Parser(prog="python -m benchmarks.reused_memory.app_jobs", description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=user_path, required=True, help="a folder of photos, whatever they show")
    parser.add_argument("--count", type=whole(1, 1000), default=48, help="photos of the evaluation (%(default)s)")
    parser.add_argument("--turns", type=whole(1, 100), default=3, help="apps of each side (%(default)s)")
    parser.add_argument("--json", type=result_file, help="write the figures here as well")
    options = parser.parse_args()
    if platform.libc_ver()[0] != "glibc":
        raise StudioError("Freed memory is kept with glibc only.")
    photos = photos_below(options.photos, options.count)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
    for _ in range(options.turns):
        for kept, name in enumerate(SIDES):
            found[name].append(side(bool(kept), photos))
    results = compared(found, MEASURES)
    print(f"{len(photos)} photos; medians of {options.turns} apps of each side, in turn")
    print(", ".join(f"{key} {value}" for key, value in machine().items()), end="\n\n")
    print(table(rows_of(results)))
    if options.json:
        settings = {"count": options.count, "turns": options.turns}
        write_json(options.json, {"settings": settings, "machine": machine(), "results": results})
    return 0


if __name__ == "__main__":
    run_benchmark(main)
