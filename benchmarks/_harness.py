"""What the benchmarks share: timing in alternation, the machine in words, a table, and JSON."""

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
from foundation.files import text_files
from foundation.files.text_files import read_text


def alternate(cases: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each of `repeats` runs of every case, after one run unmeasured.

    The cases take turns, so that a load that comes and goes meets all of them alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(repeats + 1):
        for name, run in cases.items():
            _wait_for_device()
            begin = time.perf_counter()
            run()
            _wait_for_device()
            if turn:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


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
