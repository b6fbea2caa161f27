"""How long programs take to start, and how much memory the other benchmarks hold; each in a process of its own."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch

from benchmarks.harness import peak_megabytes
from benchmarks.page_times import app_running
from benchmarks.suite.measuring import Benchmark, Point, Run, Setting, Side
from foundation.errors import StudioError

ROOT = Path(__file__).resolve().parents[2]
MEASURED = {
    "prior": ("side, px, every 4th resolution",),
    "stack": ("images",),
    "readouts": ("images",),
    "attacks": ("images",),
    "text": ("views, ViT-B-32",),
}
"""Of whose sides the memory is measured: benchmarks, and along which axes."""
ROLES = ("ours", "reference", "floor")


def seconds_of(*command: str) -> Callable[[], Run]:
    """Makes what runs a Python command to its end and returns the seconds that it took. StudioError where it fails."""

    def run() -> float:
        began = time.perf_counter()
        done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StudioError(f"'python {' '.join(command)}' failed: {(done.stderr.splitlines() or ['no word'])[-1]}")
        return time.perf_counter() - began

    return lambda: run


def app_start() -> Run:
    """Returns the seconds from the start of the app, with a data directory of its own, until it answers."""

    def run() -> float:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            with app_running(Path(folder)):
                return time.perf_counter() - began

    return run


def starts(setting: Setting) -> Iterator[Point]:
    """The commands' help, in a full run the library and the app, too: beside what they cannot do without."""
    python, with_torch = Side("python alone", "floor", seconds_of("-c", "pass")), seconds_of("-c", "import torch")
    programs: dict[str, tuple[Side, ...]] = {
        "python -m generator --help": (
            Side("the program", "ours", seconds_of("-m", "generator", "--help")),
            Side("import torch", "reference", with_torch),
        ),
        "import crossmax_studio and its functions": (
            Side("the program", "ours", seconds_of("-c", "from crossmax_studio import attack")),
            Side("import torch", "reference", with_torch),
        ),
        "python -m app, until it answers": (
            Side("the program", "ours", app_start),
            Side("import torch, gradio", "reference", seconds_of("-c", "import torch, gradio")),
        ),
    }
    for place, (label, sides) in enumerate(programs.items()):
        if place == 0 or not setting.quick:
            yield Point("program", place, (*sides, python), label)


def memory(setting: Setting, benchmarks: Mapping[str, Benchmark]) -> Iterator[Point]:
    """What a process holds at most that does one thing once: the greatest and least sizes of other benchmarks."""
    for name, axes in MEASURED.items():
        points = [point for point in benchmarks[name].points(setting) if point.axis in axes]
        for point in points[:1] if setting.quick else points:
            sides = tuple(
                Side(side.name, side.role, _peak(name, point, side.name, setting))
                for side in point.sides
                if side.role in ROLES
            )
            yield Point(f"{name}: {point.axis}", point.value, sides)
        if setting.quick:
            return


def _peak(name: str, point: Point, side: str, setting: Setting) -> Callable[[], Run]:
    command = ["-m", "benchmarks", "--alone", name, point.axis, f"{point.value:g}", side, "--device", setting.device]
    command += ["--threads", str(torch.get_num_threads()), *(["--quick"] if setting.quick else [])]

    def run() -> float:
        done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StudioError(f"'{name}' alone failed: {(done.stderr.splitlines() or ['no word'])[-1]}")
        return float(json.loads(done.stdout.splitlines()[-1])["peak_mb"])

    return lambda: run


def peak_of(benchmark: Benchmark, axis: str, value: str, side: str, setting: Setting) -> float:
    """Run one side of one point once, in this process, and return the most memory that it held, in megabytes.

    That of the GPU, where it computes on one. StudioError where there is no such side.
    """
    point = next((one for one in benchmark.points(setting) if (one.axis, f"{one.value:g}") == (axis, value)), None)
    found = next((one for one in point.sides if one.name == side), None) if point else None
    if found is None:
        raise StudioError(f"There is no side '{side}' at {axis} = {value}: those that there are stand in the tables.")
    if found.missing:
        raise StudioError(f"'{side}' cannot be measured here: {found.missing}.")
    found.make()()
    if setting.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 1e6
    return peak_megabytes()
