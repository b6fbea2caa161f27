"""What the benchmarks share: timing in alternation, the machine in words, a table, and JSON."""

import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import torch

from foundation.command_line.program import answered, run_program
from foundation.errors import StudioError
from foundation.files import text_files
from foundation.files.text_files import read_text


def timed(run: Callable[[], object]) -> float:
    """The seconds that a case takes, with whatever it leaves to the device."""
    _wait_for_device()
    begin = time.perf_counter()
    run()
    _wait_for_device()
    return time.perf_counter() - begin


def alternate(
    cases: Mapping[str, Callable[[], object]],
    repeats: int,
    *,
    at_most: float = math.inf,
    figure: Callable[[Callable[[], object]], float] = timed,
) -> dict[str, list[float]]:
    """Seconds (or another `figure`) of each of `repeats` runs of every case, after one run unmeasured.

    The cases take turns, so that a load that comes and goes meets all of them alike. Once `at_most` seconds of measured
    turns are over, no further turn begins; one is measured in any case.
    """
    found: dict[str, list[float]] = {name: [] for name in cases}
    began = math.inf
    for turn in range(repeats + 1):
        if turn == 1:  # what is made once and kept, in the turn before, is not counted
            began = time.perf_counter()
        if turn > 1 and time.perf_counter() - began > at_most:
            break
        for name, run in cases.items():
            value = figure(run)
            if turn:
                found[name].append(value)
    return found


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median over the turns of the ratio within a turn: what slows down a whole turn cancels out."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Median, fastest and slowest run."""
    return {"median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds)}


def machine() -> dict[str, str | int]:
    """Processor, threads and versions: what a figure depends on."""
    facts: dict[str, str | int] = {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.cuda.is_available():
        facts["cuda_device"] = torch.cuda.get_device_name()
    return facts


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equal length, the first being the heading, in aligned columns: the first left, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)


def write_json(path: Path, result: Mapping[str, object]) -> None:
    text_files.write_json(path, result)


def run_benchmark(main: Callable[[], int | None]) -> NoReturn:
    """Run a benchmark as a program, with the streams, refusals and the last net of all commands."""
    sys.exit(run_program(lambda: answered(lambda: main() or 0)))


def peak_megabytes() -> float:
    """The most memory that this process has held so far. StudioError where the system does not tell.

    Linux tells it of the program that runs now; `getrusage` would count the process that started it, too.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in read_text(status).splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    raise StudioError("How much memory a process held is measured on Linux and macOS only.")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in read_text(info).splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _wait_for_device() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
