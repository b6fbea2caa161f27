"""Passes of a classifier in programs that return freed memory at once, beside ones that keep it for what comes next.

    python -m benchmarks.reused_memory --json reused_memory.json

Forward, and forward with the gradient of the image, of the network that attacks compute with, each side a process of
its own, in turn: how an allocator works cannot be changed back. With the time of each pass come the pages that the
system had to empty for it, and the most memory that the process held.
"""

import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from benchmarks.frozen_speed import forward, gradient
from benchmarks.harness import machine, paired_ratio, peak_megabytes, table, timed, write_json
from foundation.command_line.arguments import whole
from foundation.command_line.program import Parser
from foundation.errors import StudioError
from foundation.files.places import result_file
from foundation.memory import reuse_freed
from robust_model.networks.plain import DEFAULT_SIDE
from robust_model.zoo.subjects import EvaluatedModel, load_subject

SIDES = ("returned", "kept")
MEASURES = ("forward_s", "gradient_s", "faults", "peak_mb")
PASSES = 4
"""Of each kind in a process, after one that is not counted."""


def measured(model: EvaluatedModel, images: Tensor) -> dict[str, float]:
    """The median seconds of both passes, the pages that were emptied for a pass of both, and the peak in megabytes."""
    frozen = model.frozen()
    gradient(frozen, images)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    turns = [(timed(lambda: forward(frozen, images)), timed(lambda: gradient(frozen, images))) for _ in range(PASSES)]
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / PASSES
    there, back = (statistics.median(one) for one in zip(*turns, strict=True))
    return dict(zip(MEASURES, (there, back, faults, peak_megabytes()), strict=True))


def side(kept: bool, name: str, batch: int) -> dict[str, float]:
    """What this process measures. StudioError where freed memory cannot be kept."""
    if kept and not reuse_freed():
        raise StudioError("Freed memory is kept with glibc only, and where none of its variables says otherwise.")
    model = load_subject(name).model
    size = model.config.image_size or DEFAULT_SIDE
    images = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
    return measured(model, images)


def _in_a_process(kept: bool, name: str, batch: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.reused_memory", "--model", name, "--batch", str(batch)]
    done = subprocess.run([*command, "--side", SIDES[kept]], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StudioError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "A side ended.")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compared(
    found: Mapping[str, Sequence[Mapping[str, float]]], measures: Sequence[str]
) -> dict[str, dict[str, float]]:
    """What runs of both `SIDES` measured, in turn: by measure, the median of each side, and of their ratios."""
    results: dict[str, dict[str, float]] = {}
    for measure in measures:
        runs = [[one[measure] for one in found[name]] for name in SIDES]
        results[measure] = dict(zip(SIDES, map(statistics.median, runs), strict=True))
        if all(runs[1]):  # no page at all may have been emptied
            results[measure]["ratio"] = paired_ratio(*runs)
    return results


def rows_of(results: Mapping[str, Mapping[str, float]]) -> list[tuple[str, ...]]:
    """The same as rows of a table, below its head."""
    figures = ((name, (*(f"{one[side]:.3g}" for side in SIDES), one.get("ratio"))) for name, one in results.items())
    rows = [(name, *sides, "" if ratio is None else f"{ratio:.2f}") for name, (*sides, ratio) in figures]
    return [("what is measured", *SIDES, "ratio"), *rows]


def main() -> int:
    parser = Parser(prog="python -m benchmarks.reused_memory", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="crossmax-cifar10", help="a classifier, or a model's folder (%(default)s)")
    parser.add_argument("--batch", type=whole(1, 10_000), default=250, help="images at a time (%(default)s)")
    parser.add_argument("--turns", type=whole(1, 1000), default=3, help="processes of each side (%(default)s)")
    parser.add_argument("--side", choices=SIDES, help="measure this side alone, in this process")
    parser.add_argument("--json", type=result_file, help="write the figures here as well")
    options = parser.parse_args()
    if options.side:
        print(json.dumps(side(options.side == "kept", options.model, options.batch)))
        return 0
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
    for _ in range(options.turns):
        for kept, name in enumerate(SIDES):
            found[name].append(_in_a_process(bool(kept), options.model, options.batch))
    results = compared(found, MEASURES)
    print(f"{options.model}, batch {options.batch}; medians of {options.turns} processes of each side, in turn")
    print(", ".join(f"{key} {value}" for key, value in machine().items()), end="\n\n")
    print(table(rows_of(results)))
    if options.json:
        settings = {"model": options.model, "batch": options.batch, "turns": options.turns}
        write_json(options.json, {"settings": settings, "machine": machine(), "results": results})
    return 0
