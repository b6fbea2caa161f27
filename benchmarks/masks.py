"""What the adaptive suite makes of networks whose gradients are masked on purpose.

    python -m benchmarks.masks --images 96 --json masks.json

Each mask of `tests/robust_model/masks.py` is planted on one small network, trained on gratings and robust to nothing.
Three attacks meet it, in the same budget: PGD on its answers, as papers of old report it; the adaptive suite; and an
attack that knows the mask and takes the open network's gradients (BPDA, arXiv 1802.00420). What the first leaves beyond
the last is robustness in appearance; the signs are what the report of the suite says of it.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import nn

from benchmarks.harness import machine, run_benchmark, table, write_json
from foundation.command_line.program import Parser
from foundation.files.places import result_file
from robust_model.attacks import PgdConfig, run_attack
from robust_model.data.datasets import LabelledImages, to_float
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.units import Referee, noise_from
from robust_model.networks.plain import PlainConfig, PlainDefence
from tests.robust_model.evaluated import evaluate_model
from tests.robust_model.masks import EPS, MASKS, NAMES, SIZE, Known, Open, saved

STEPS, RESTARTS, DRAWS = 50, 2, 5


def defence(network: nn.Module) -> PlainDefence:
    """The network as one that is evaluated."""
    return PlainDefence(network, PlainConfig(name="mask", class_names=NAMES, image_size=SIZE)).probed()


def left_by_pgd(mask: nn.Module, gradients: nn.Module, data: LabelledImages) -> float:
    """The share of images that stands after PGD which follows the gradients of one network and is judged by another."""
    judged, shown = defence(mask), defence(gradients)
    images, labels = to_float(data.images), data.labels
    rng = torch.Generator().manual_seed(0)
    referee = Referee(judged, DRAWS if judged.random else 1, noise_from(judged, rng))
    clean = referee.stands(images, labels)
    eot = 8 if judged.random else 1
    attack = PgdConfig(source="defence", loss="margin", eps=EPS, steps=STEPS, restarts=RESTARTS, eot=eot)
    *_, last = run_attack(shown, images, labels, attack, rng=rng, noise=noise_from(shown, rng), judge=referee.stands)
    return float((clean & ~last.broken).float().mean())


@dataclass(frozen=True)
class Row:
    """One mask: the share of images that stands clean, after each of three attacks, and the signs that are named."""

    mask: str
    clean: float
    pgd: float
    adaptive: float
    known: float
    signs: list[str]

    def cells(self) -> list[str]:
        """Its row of the table."""
        shares = (self.clean, self.pgd, self.adaptive, self.known)
        return [self.mask, *(f"{share:.0%}" for share in shares), ", ".join(self.signs)]


def measure(name: str, make: Callable[[], nn.Module], data: LabelledImages) -> Row:
    """A row of the table."""
    settings = {"eps": EPS, "steps": STEPS, "restarts": RESTARTS, "draws": DRAWS, "count": 0, "samples": 0}
    report = evaluate_model(EvalConfig(model="mask", data="gratings", **settings), defence(make()), data=data)
    signs = sorted(finding["sign"] for finding in report["findings"] if finding["verdict"] == "found")
    return Row(
        mask=name,
        clean=report["clean"]["accuracy"],
        pgd=left_by_pgd(make(), make(), data),
        adaptive=report["worst_case"]["accuracy"],
        known=left_by_pgd(make(), Known(make()), data),
        signs=signs,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write it if asked to."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=96, help="gratings (default: %(default)s)")
    parser.add_argument("--json", type=result_file, help="write the figures here")
    options = parser.parse_args(arguments)
    data = saved(options.images)
    rows = []
    for name, make in {"none": Open, **MASKS}.items():
        rows.append(measure(name, make, data))
        print(asdict(rows[-1]), flush=True)
    heading = ["mask", "clean", "PGD alone", "adaptive suite", "who knows it", "signs named"]
    print(table([heading, *(row.cells() for row in rows)]))
    if options.json:
        write_json(options.json, {"machine": machine(), "rows": [asdict(row) for row in rows]})
    return 0


if __name__ == "__main__":
    run_benchmark(main)
