"""This version of the program beside another checkout of it: is anything slower than it was?

    git worktree add ../before v1.0
    python -m benchmarks.against ../before --turns 3 --json against.json

Runs the benchmarks of both checkouts in turn, each as a process of its own with this Python, and puts the fastest run
of every figure in seconds (`min_s`, or any other that ends in `_s` where a benchmark keeps no fastest) beside the
other's. Figures that only one of them knows are left out. The exit status is 1 where one is slower by more than
`--allowed`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.harness import machine, run_benchmark, table, write_json
from foundation.command_line.arguments import number, whole
from foundation.command_line.program import Parser
from foundation.errors import StudioError
from foundation.files.places import result_file, user_path
from foundation.files.text_files import read_json

HERE = Path(__file__).resolve().parent.parent
USUAL = ("frozen_speed", "stack_speed", "prior_step", "clip_step", "text_to_image")
"""What needs no data and no browser."""
SIDES = ("there", "here")


def figures(found: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """Every figure in seconds of a benchmark's JSON under the words that lead to it; of several kinds, the fastest."""
    if not isinstance(found, Mapping):
        return
    seconds = {key: value for key, value in found.items() if key.endswith("_s") and isinstance(value, float)}
    if "min_s" in seconds:
        yield ", ".join(path), seconds["min_s"]
    else:
        yield from ((", ".join((*path, key.removesuffix("_s"))), value) for key, value in seconds.items())
    for key, value in found.items():
        if key not in ("settings", "machine"):
            yield from figures(value, (*path, key) if key not in ("results", "seconds") else path)


def run(checkout: Path, name: str, options: Sequence[str]) -> dict[str, float]:
    """The figures of one run of a benchmark of a checkout. StudioError where it wrote none.

    What it says goes to standard error; its exit status does not count, since some end with 1 when a ratio that was
    measured on another machine is missed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "figures.json"
        command = [sys.executable, "-m", f"benchmarks.{name}", *options, "--json", str(target)]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        subprocess.run(command, cwd=checkout, env=environment, stdout=2, check=False)  # this process's standard error
        if not target.is_file():
            raise StudioError(f"'{checkout}' has no benchmark '{name}' that ran to its end with: {' '.join(options)}.")
        return dict(figures(read_json(target)))


def fastest(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The least seconds of each figure that every run has."""
    names = [name for name in runs[0] if all(name in one for one in runs)]
    return {name: min(one[name] for one in runs) for name in names}


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=user_path, help="a folder with the other version of the program")
    parser.add_argument("--benchmarks", nargs="*", default=list(USUAL), help="their names (default: %(default)s)")
    parser.add_argument("--turns", type=whole(1, 100), default=3, help="runs of each (default: %(default)s)")
    parser.add_argument(
        "--allowed", type=number(0, 10), default=0.05, help="how much slower is let pass (default: %(default)s)"
    )
    parser.add_argument("--options", default="", help="handed on to every benchmark, such as '--repeats 5'")
    parser.add_argument("--json", type=result_file, help="write the figures here")
    options = parser.parse_args()
    if not (options.checkout / "benchmarks").is_dir():
        raise StudioError(f"'{options.checkout}' is no checkout of the program: it has no folder 'benchmarks'.")
    checkouts = {"there": options.checkout.resolve(), "here": HERE}
    rows = [("benchmark, figure", "there ms", "here ms", "here / there")]
    found: dict[str, dict[str, float]] = {}
    for name in options.benchmarks:
        runs: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for turn in range(options.turns):
            for side in SIDES if turn % 2 == 0 else SIDES[::-1]:  # whoever is first meets a cooler machine
                runs[side].append(run(checkouts[side], name, options.options.split()))
        there, here = (fastest(runs[side]) for side in SIDES)
        for figure in [figure for figure in there if figure in here]:
            ratio = here[figure] / there[figure]
            found[f"{name}: {figure}"] = {"there_s": there[figure], "here_s": here[figure], "ratio": ratio}
            rows.append(
                (f"{name}: {figure}", f"{1e3 * there[figure]:.2f}", f"{1e3 * here[figure]:.2f}", f"{ratio:.3f}")
            )
    described = machine()
    print(
        f"The fastest of {options.turns} runs in turn; "
        + ", ".join(f"{key} {value}" for key, value in described.items())
    )
    print(table(rows))
    slower = {name: one["ratio"] for name, one in found.items() if one["ratio"] > 1 + options.allowed}
    if options.json:
        write_json(options.json, {"machine": described, "turns": options.turns, "figures": found})
    if slower:
        print(f"\nSlower by more than {options.allowed:.0%}: {', '.join(slower)}.", file=sys.stderr)
    return 1 if slower else 0


if __name__ == "__main__":
    run_benchmark(main)
