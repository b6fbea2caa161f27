"""Attacks on photos beside the bare model: what is spent on everything that is not the model.

    python -m benchmarks.photo_attack --photo PHOTO --sizes 224 384 1600 4000x3000 --json photo_attack.json

Each attack takes all its steps on one photo, scaled to each size, and is compared with as many passes, there and back,
of the network alone at the size that it sees: a ratio of 1 is an attack that costs nothing but its network. Attacks of
torchattacks and foolbox stand beside where they are installed, on the first size. "before" is the standard preset as
recipes of version 4 meant it: pixel by pixel, with the network as it was loaded. All runs take turns. The figures are
seconds of the processor (`time.process_time`), which other programs touch least, with one thread; what an attack holds
in memory at most is measured in a process of its own. Pictures are made in memory, and not saved.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.harness import machine, peak_megabytes, run_benchmark, table, write_json
from benchmarks.suite.peers import foolbox_pgd, installed, torchattacks_pgd
from foundation.command_line.program import Parser
from foundation.errors import StudioError
from foundation.files.places import path_text, result_file
from foundation.images.files import load_image, to_tensor
from foundation.protocols import Classifier
from foundation.record import Maybe, Record
from generator.classes.class_names import class_place
from generator.production.making import Made, make
from generator.recipes.pictures import Pictures
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe
from generator.synthesis.answers import ask
from robust_model.zoo.subjects import load_subject

STEPS = 20
UNREACHED = 0.9999999
"""A probability at which no attack ends early."""
EPS = 8 / 255
Size = tuple[int, int]


def recipes(model: str, target: str) -> dict[str, Recipe]:
    """The attacks of ours, by name."""
    ours = partial(from_preset, "attack", models=(model,), classes=(target,), steps=STEPS)
    return {
        "pgd": ours("pgd"),
        "standard": ours("standard", enough=UNREACHED),
        "standard, before": ours("standard", enough=UNREACHED, version=4, detail=0.0),
    }


class Figures(Record):
    """What a run takes: seconds, and their ratio to the bare model's; of attacks of ours also what came out."""

    seconds: float
    ratio: float
    linf: Maybe[float] = None
    probability: Maybe[float] = None
    peak_mb: Maybe[int] = None

    def cells(self) -> list[str]:
        """Its row of the table."""
        linf = "" if self.linf is None else f"{255 * self.linf:.2f}"
        probability = "" if self.probability is None else f"{self.probability:.4f}"
        peak = "" if self.peak_mb is None else str(self.peak_mb)
        return [f"{self.seconds:.2f}", f"{self.ratio:.2f}", linf, probability, peak]


def bare(
    model: Classifier, side: int, *, images: int = 1, steps: int = STEPS, device: str = "cpu"
) -> Callable[[], None]:
    """As many passes, there and back, of the network alone, on images of the size that it sees."""
    batch = torch.rand(images, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)
    target = torch.full((images,), 5, device=device)

    def run() -> None:
        for _ in range(steps):
            leaf = batch.clone().requires_grad_()
            torch.autograd.grad(functional.cross_entropy(model(leaf), target), leaf)

    return run


def others(model: torch.nn.Module, photo: Tensor) -> dict[str, Callable[[], object]]:
    """PGD of other libraries, as far as they are installed."""
    label = model(photo).argmax(1)
    makers = {"torchattacks": torchattacks_pgd, "foolbox": foolbox_pgd}
    return {f"pgd of {name}": make(model, photo, label, EPS, STEPS) for name, make in makers.items() if installed(name)}


def photo_of(path: str, size: Size) -> Tensor:
    """The photo [1, 3, H, W], scaled to a size (width, height)."""
    return to_tensor(load_image(path).resize(size))


def peak_of(options: argparse.Namespace, size: Size, name: str) -> int:
    """What a process that makes one attack holds at most."""
    command = [sys.executable, "-m", "benchmarks.photo_attack", "--photo", options.photo, "--model", options.model]
    command += ["--sizes", "x".join(map(str, size)), "--target", options.target, "--only", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1])["peak_mb"])


def measure(options: argparse.Namespace, model: Any, size: Size) -> dict[str, Figures]:
    """Ratios, seconds, memory and what the model says in the end, by attack."""
    photo = photo_of(options.photo, size)
    attacks = {
        name: recipe for name, recipe in recipes(options.model, options.target).items() if _wanted(options, size, name)
    }
    made: dict[str, Made] = {}

    def attack(name: str) -> None:
        made[name] = make(attacks[name], {options.model: model}, pictures=Pictures(photo))

    cases: dict[str, Callable[[], object]] = {"bare": bare(model.network, model.config.image_size)}
    cases |= {name: lambda name=name: attack(name) for name in attacks}
    if size == options.sizes[0]:
        cases |= others(model, photo)
    seconds = alternated(cases, options.repeats)
    base = statistics.median(seconds["bare"])
    found: dict[str, Figures] = {}
    for name, runs in seconds.items():
        median = statistics.median(runs)
        found[name] = Figures(seconds=median, ratio=median / base)
        if name in made:
            images = made[name].images
            shares = ask(model, images).passes[:, 0].softmax(dim=1).mean(dim=0)
            found[name] = Figures(
                seconds=median,
                ratio=median / base,
                linf=(images - photo).abs().max().item(),
                probability=shares[class_place(model.class_names, options.target)].item(),
                peak_mb=peak_of(options, size, name) if options.memory else None,
            )
    return found


def alternated(cases: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of the processor of each of `repeats` runs of every case, in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    cases["bare"]()  # kernels are prepared
    for _ in range(repeats):
        for name, run in cases.items():
            begin = time.process_time()
            run()
            seconds[name].append(time.process_time() - begin)
    return seconds


def _wanted(options: argparse.Namespace, size: Size, name: str) -> bool:
    return name != "standard, before" or size[0] * size[1] <= options.before * 1e6


def _size(text: str) -> Size:
    width, _, height = text.partition("x")
    return int(width), int(height or width)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(prog="python -m benchmarks.photo_attack", description=__doc__.split("\n")[0])
    parser.add_argument("--photo", type=path_text, required=True, help="the photo, which is scaled to each size")
    parser.add_argument("--model", default="lite0", help="a network of one output (default: %(default)s)")
    parser.add_argument("--target", default="5", help="class to lead to (default: %(default)s)")
    parser.add_argument(
        "--sizes", nargs="+", type=_size, default=["224", "384", "1600", "4000x3000"], help="WIDTHxHEIGHT, or a side"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="runs of each; their median counts (default: %(default)s)"
    )
    parser.add_argument(
        "--before",
        type=float,
        default=3.0,
        help="megapixels up to which the way of before is run (default: %(default)s)",
    )
    parser.add_argument("--memory", action="store_true", help="measure memory, in a process for each attack")
    parser.add_argument("--only", default="", help="make one attack of that name, and print what it held in memory")
    parser.add_argument("--json", type=result_file, help="write the figures here as well")
    options = parser.parse_args()
    options.sizes = [_size(size) if isinstance(size, str) else size for size in options.sizes]
    return options


def main() -> int:
    options = parse()
    torch.set_num_threads(1)
    model: Any = load_subject(options.model, "cpu").model
    if not hasattr(model, "network"):
        raise StudioError(f"'{options.model}' is no network of one output: choose another, such as lite0.")
    if options.only:
        make(
            recipes(options.model, options.target)[options.only],
            {options.model: model},
            pictures=Pictures(photo_of(options.photo, options.sizes[0])),
        )
        print(json.dumps({"peak_mb": round(peak_megabytes())}))
        return 0
    results = {f"{size[0]} x {size[1]}": measure(options, model, size) for size in options.sizes}
    rows = [["attack", "seconds", "ratio", "L-inf / 255", "probability", "peak MB"]]
    rows += [[f"{size}: {name}", *one.cells()] for size, found in results.items() for name, one in found.items()]
    print(", ".join(f"{key} {value}" for key, value in machine().items()), end="\n\n")
    print(table(rows))
    if options.json:
        written = {size: {name: one.to_json() for name, one in found.items()} for size, found in results.items()}
        settings = {"photo": options.photo, "model": options.model, "steps": STEPS, "repeats": options.repeats}
        write_json(options.json, {"settings": settings, "machine": machine(), "results": written})
    return 0


if __name__ == "__main__":
    run_benchmark(main)
