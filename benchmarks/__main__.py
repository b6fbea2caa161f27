"""All benchmarks by one command, each beside the published procedure, other packages and a floor, in one run.

    python -m benchmarks --list
    python -m benchmarks --quick                      # small sizes, to see that everything runs
    python -m benchmarks --only prior,text --out FOLDER

Writes results.json, results.md and plots of how the figures grow into a folder, after every point: what was measured
before an interrupt is kept. Other packages are compared where they are installed; a row says which `pip install` brings
one that is not. The exit status is 2 where a benchmark could not be run.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import run_benchmark
from benchmarks.suite.measuring import Benchmark, Found, Setting, measure
from benchmarks.suite.registry import BENCHMARKS, chosen, listed
from benchmarks.suite.report import Report, missing
from benchmarks.suite.starts import peak_of
from foundation.command_line.arguments import MOST_THREADS, number, whole
from foundation.command_line.program import EXIT_ERROR, EXIT_INTERRUPTED, Parser
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import result_folder, writable_folder
from robust_model.commands import THREADS, set_threads

RESULTS = Path(__file__).resolve().parent / "results"
QUICK_REPEATS, REPEATS = 1, 5
QUICK_SECONDS, SECONDS = 0.5, 60.0


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="list the benchmarks, and end")
    parser.add_argument("--only", default=",".join(BENCHMARKS), metavar="NAME,NAME", help="which (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes and few runs: to see that everything runs")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--threads", type=whole(1, MOST_THREADS), metavar="N", help=f"{THREADS} (default: PyTorch's)")
    parser.add_argument(
        "--repeats",
        type=whole(1, 1000),
        help=f"how often each side is measured at each size (default: {REPEATS}; with --quick: {QUICK_REPEATS})",
    )
    parser.add_argument(
        "--seconds",
        type=number(0, 1e6),
        help="after how many at one size no further run begins; one of each side is measured in any case "
        f"(default: {SECONDS:g}; with --quick: {QUICK_SECONDS:g})",
    )
    parser.add_argument("--out", type=result_folder, help="the folder of results (default: benchmarks/results)")
    parser.add_argument(
        "--alone",
        nargs=4,
        metavar=("NAME", "AXIS", "VALUE", "SIDE"),
        help="run one side at one size once, and print the most memory that this process held (as `memory` does)",
    )
    return parser


def run(names: Sequence[str], setting: Setting, folder: Path) -> Report:
    """Measure, and write what there is after every point. Interrupted, returns what there is by then."""
    report = Report(setting)
    try:
        for name in names:
            _run_one(name, BENCHMARKS[name], report, folder)
        report.complete = True
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
    report.write(folder)
    return report


def _run_one(name: str, benchmark: Benchmark, report: Report, folder: Path) -> None:
    found = report.found[name] = Found(benchmark.title, benchmark.unit)
    try:
        for point in benchmark.points(report.setting):
            print(f"{name}: {point.axis} {point.called}", file=sys.stderr, flush=True)
            found.rows += measure(point, report.setting, benchmark.how)
            report.write(folder)
    except StudioError as error:
        found.refused = str(error)
    finally:
        report.draw(folder, name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; print the tables, and where they lie."""
    options = build_parser().parse_args(arguments)
    if options.list:
        print(listed())
        return 0
    names = chosen(options.only)
    set_threads(options.threads)
    quick = options.quick
    setting = Setting(
        device=choose_device(options.device),
        quick=quick,
        repeats=options.repeats or (QUICK_REPEATS if quick else REPEATS),
        at_most=(QUICK_SECONDS if quick else SECONDS) if options.seconds is None else options.seconds,
    )
    if options.alone:
        name, axis, value, side = options.alone
        print(json.dumps({"peak_mb": peak_of(BENCHMARKS[chosen(name)[0]], axis, value, side, setting)}))
        return 0
    folder: Path = options.out or RESULTS
    writable_folder(folder, "folder of results")
    report = run(names, setting, folder)
    print(report.markdown())
    for sentence in missing(report.found):
        print(sentence, file=sys.stderr)
    print(f"Written to '{folder}'.", file=sys.stderr)
    if not report.complete:
        return EXIT_INTERRUPTED
    return EXIT_ERROR if any(found.refused for found in report.found.values()) else 0


if __name__ == "__main__":
    run_benchmark(main)
