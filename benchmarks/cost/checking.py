"""The model of cost beside runs that really happen here: two evaluations and a training.

    python -m benchmarks.cost --data folder:PATH --json cost.json

PATH is CIFAR-10 as a class folder. The evaluations are of models that ship; the training is a part of an epoch of the
network of one of them, in float32. What `robust_model cost` reckons comes before each run, from passes that are timed
then and, for how many images break, from the model's own report. Of an evaluation the attacks are timed, of a training
the steps. What else runs on the machine spoils it.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.harness import machine, table, timed, write_json
from foundation.command_line.arguments import whole
from foundation.command_line.program import Parser
from foundation.files.places import result_file
from foundation.memory import reuse_freed
from robust_model.cost_model import Speed, evaluation_work, shipped_reports, training_passes
from robust_model.data.datasets import LabelledImages, load_data
from robust_model.evaluation.cost import MEASURED, measure_on_grey
from robust_model.evaluation.engine import evaluate_model
from robust_model.evaluation.record.config import EvalConfig
from robust_model.networks.ensemble import SelfEnsemble
from robust_model.training.presets import PRESETS
from robust_model.training.train_config import TrainConfig
from robust_model.training.training import Run
from robust_model.zoo.subjects import EvaluatedModel, load_subject

EVALUATIONS = (("crossmax-cifar10", "adaptive"), ("undefended-cifar10", "autoattack-standard"))
TRAINED, STEPS = "crossmax-cifar10", 20
ALLOWED = 0.2


@dataclass(frozen=True)
class Checked:
    """A run: what it was, and the seconds that it was reckoned to take, and took."""

    run: str
    reckoned: float
    took: float

    @property
    def off(self) -> float:
        """By which share what was reckoned is too much, or (negative) too little."""
        return self.reckoned / self.took - 1


def speed_of(model: EvaluatedModel) -> Speed:
    """Passes of one image a second, as `robust_model cost` measures them."""
    forward, backward = measure_on_grey(model, MEASURED)
    return Speed(1 / forward, 1 / backward)


def evaluation(name: str, suite: str, data: LabelledImages, count: int) -> Checked:
    """A shipped model's evaluation on so many images. StopIteration where its own report does not have the suite."""
    model: EvaluatedModel = load_subject(name).model
    config = EvalConfig(model=name, data=data.source, count=count, suites=(suite,), samples=0)
    own = [report for report in shipped_reports() if report.config.model == name]
    work = next(one for one in evaluation_work(model, suite, config.eps, count, own) if one.survivors)
    reckoned = speed_of(model).seconds(work.passes)
    report = evaluate_model(config, model, data=data)
    took = sum(attack.seconds or 0.0 for attack in report.attacks)
    return Checked(f"evaluation: {suite} of {name}, {count} images", reckoned, took)


def training(preset: str, steps: int) -> Checked:
    """So many steps of a preset's network in float32, on noise: what it learns costs nothing."""
    usual = PRESETS[preset].make("synthetic:1")
    assert isinstance(usual, TrainConfig)
    images, side = steps * usual.batch, usual.model.image_size
    pixels = torch.randint(0, 256, (images, 3, side, side), generator=torch.Generator().manual_seed(0))
    names = usual.model.class_names
    noise = LabelledImages(pixels.to(torch.uint8), torch.arange(images) % len(names), names, "noise")
    config = usual.model_copy(update={"bf16": False, "epochs": 1, "holdout": 0})
    model = SelfEnsemble(config.model).eval().requires_grad_(False)
    reckoned = speed_of(model).seconds(training_passes(config, images))
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, Path(folder), data=noise)
        took = timed(lambda: [run.train_step() for _ in range(steps)])
    return Checked(f"training: {steps} steps of {preset}, {usual.batch} images each", reckoned, took)


def report(found: Sequence[Checked]) -> str:
    """The runs as a table."""
    rows = [("run", "reckoned, s", "took, s", "off by")]
    rows += [(one.run, f"{one.reckoned:.1f}", f"{one.took:.1f}", f"{one.off:+.0%}") for one in found]
    return table(rows)


def main() -> int:
    parser = Parser(prog="python -m benchmarks.cost", description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="CIFAR-10: cifar10, or folder:PATH")
    parser.add_argument("--count", type=whole(1, 10_000), default=100, help="images that are evaluated (%(default)s)")
    parser.add_argument("--steps", type=whole(1, 10_000), default=STEPS, help="of the training (%(default)s)")
    parser.add_argument("--json", type=result_file, help="write the figures here as well")
    options = parser.parse_args()
    reuse_freed()  # as `robust_model` does
    data = load_data(options.data, "test")
    found = [evaluation(name, suite, data, options.count) for name, suite in EVALUATIONS]
    found.append(training(TRAINED, options.steps))
    print(report(found))
    if options.json:
        rows = [{"run": one.run, "reckoned_s": one.reckoned, "took_s": one.took, "off": one.off} for one in found]
        write_json(options.json, {"machine": machine(), "allowed": ALLOWED, "results": rows})
    return int(any(abs(one.off) > ALLOWED for one in found))
