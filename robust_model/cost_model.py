"""What a whole evaluation and a whole training take on other machines: passes, by how many go in a second.

An evaluation's passes are those of images that never break, or those that evaluations of other models took of them: an
image that breaks leaves its attack. Devices are alike, and share the work; how much of their sum is left is assumed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from foundation.errors import StudioError
from foundation.files.shipped import ASSETS
from foundation.files.text_files import read_json
from robust_model.attacks import Defence, PassCount
from robust_model.evaluation.cost import passes_of
from robust_model.evaluation.engine import attacks_of
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.record.reading import as_report
from robust_model.evaluation.record.schema import AttackReport, EvaluationReport
from robust_model.networks.crossmax import AGGREGATORS
from robust_model.networks.model_config import ModelConfig
from robust_model.networks.noise import Noise
from robust_model.training.pipeline import PipelineConfig
from robust_model.training.train_config import TrainConfig
from robust_model.training.training import batch_sizes

TO_WEIGHTS = 2
"""What a pass back to the weights, too, counts as beside one back to the images alone: a layer has two gradients."""


NONE_BREAKS = "no image breaks"
"""What the bound supposes."""


class Speed(NamedTuple):
    """Passes of one image that one device takes in a second, when it takes nothing else: forward, and backward."""

    forward: float
    backward: float

    def seconds(self, passes: PassCount) -> float:
        """What so many passes take."""
        return passes.forward / self.forward + passes.backward / self.backward


class Scaling(NamedTuple):
    """What is left of the speed of many devices: with every doubling of their number this share of it, in each part."""

    evaluation: float = 0.99
    training: float = 0.95


@dataclass(frozen=True)
class Outline:
    """A classifier as far as its configuration tells: enough to count passes, of which it takes none itself."""

    config: ModelConfig

    @property
    def class_names(self) -> tuple[str, ...]:
        """Its classes."""
        return self.config.class_names

    @property
    def readout_names(self) -> tuple[str, ...]:
        """Its predictors."""
        return self.config.readout_names

    @property
    def random(self) -> bool:
        """Whether two passes over one image may differ."""
        return self.config.inference_noise == "fresh" and self.config.stack.random

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """It has no weights: AssertionError."""
        raise AssertionError(f"an outline is not asked about {len(images)} images with {noise}")

    def voting(self, logits: Tensor) -> Tensor:
        """Of all predictors' logits [B, N, C], those that take part in the answer."""
        return logits[:, -self.config.voters :]

    def combine(self, logits: Tensor) -> Tensor:
        """The answer's logits [B, C] from all predictors'."""
        return AGGREGATORS[self.config.aggregator](self.voting(logits))


@dataclass(frozen=True)
class Survivors:
    """What one attack left of an evaluated model's images, and what it took, in shares of what it takes at most.

    Attributes:
        attack, model: their names.
        standing: the share of all images that stands.
        forward, backward: the passes that it took, over those of as many images that are attacked and never break.
    """

    attack: str
    model: str
    standing: float
    forward: float
    backward: float

    @classmethod
    def of(cls, attack: AttackReport, model: str) -> "Survivors":
        """As a report has them; of an attack whose passes were not recorded, as if no image had broken."""
        most, took = attack.config.cost() * attack.n, attack.passes
        if took is None or took.backward is None:
            return cls(attack.name, model, attack.accuracy, 1.0, 1.0)
        shares = (part / whole if whole else 0.0 for part, whole in zip(took.counted(), most, strict=True))
        return cls(attack.name, model, attack.accuracy, *shares)


@dataclass(frozen=True)
class Work:
    """One part of the work: its name, what it supposes, its passes, and the survivors that it was reckoned by."""

    name: str
    supposing: str
    images: int
    passes: PassCount
    survivors: tuple[Survivors, ...] = ()


def shipped_reports() -> list[EvaluationReport]:
    """The evaluations of the models that came with the program."""
    paths = sorted(ASSETS.glob("*/evaluation*.json"))
    found = [(path, read_json(path)) for path in paths]
    return [as_report(one, f"The report '{path}'") for path, one in found if "schema" in one]  # others are of encoders


def evaluation_work(
    defence: Defence, suite: str, eps: float, images: int, reports: Sequence[EvaluationReport]
) -> list[Work]:
    """One suite on so many images: if none ever breaks; and for each report that has all its attacks, as in it.

    Reports of another budget say nothing here. Their models may be others than the defence. Raises StudioError.
    """
    config = EvalConfig(model="", data="", suites=(suite,), eps=eps, count=images)
    attacks = {attack.name: attack for attack in attacks_of(defence, config)}
    found = [Work(suite, NONE_BREAKS, images, passes_of(defence, config, images))]
    clean = PassCount((config.draws if defence.random else 1) * images, 0)
    for report in reports:
        there = {attack.name: attack for attack in report.attacks}
        if not report.complete or not math.isclose(report.config.eps, eps) or not attacks.keys() <= there.keys():
            continue
        survivors = tuple(Survivors.of(there[name], report.config.model) for name in attacks)
        passes = clean
        for attack, left in zip(attacks.values(), survivors, strict=True):
            cost = attack.cost() * images
            passes += PassCount(round(cost.forward * left.forward), round(cost.backward * left.backward))
        found.append(Work(suite, f"images break as those of {report.config.model}", images, passes, survivors))
    return found


def evaluation_totals(works: Sequence[Work]) -> list[Work]:
    """Of the works of several suites, each by itself: their bounds added up, and the most that reports have of each."""
    suites: dict[str, list[Work]] = {}
    for work in works:
        suites.setdefault(work.name, []).append(work)
    if len(suites) < 2:
        return []
    bounds = [found[0] for found in suites.values()]
    most = [max(found[1:] or found, key=lambda work: sum(work.passes)) for found in suites.values()]
    return [
        _added(bounds, "all suites", NONE_BREAKS),
        _added(most, "all suites", "images break as in the reports, the longest of each suite"),
    ]


def _added(works: Sequence[Work], name: str, supposing: str) -> Work:
    return Work(name, supposing, works[0].images, sum((work.passes for work in works), PassCount()))


def training_work(name: str, config: TrainConfig | PipelineConfig, images: int) -> list[Work]:
    """The phases of a training on so many images, and their sum. StudioError where there are too few of them."""
    phases = config.phases if isinstance(config, PipelineConfig) else {"": config}
    works = [
        Work(
            name,
            f"phase {phase}" if phase else f"{settings.epochs:g} epochs",
            images,
            training_passes(settings, images),
        )
        for phase, settings in phases.items()
    ]
    return [*works, _added(works, name, "all phases")] if len(works) > 1 else works


def training_passes(config: TrainConfig, images: int) -> PassCount:
    """The passes of one phase, each counted as one of the network whose speed is known.

    A pass back to the weights counts `TO_WEIGHTS` times; read-outs over a frozen backbone send none through it.
    """
    sizes = batch_sizes(config, images)
    if not sizes:
        raise StudioError(
            f"{images:,} images are too few for a batch of {config.batch} and a holdout of {config.holdout}."
        )
    seen = round(config.epochs * sum(sizes))
    learnt = PassCount(1, 0 if config.phase == "readouts" else TO_WEIGHTS)
    steps = {"none": 0, "pgd": config.adversary_steps}.get(config.adversary, 1)
    return (learnt + PassCount(1, 1) * steps) * seen


def last_model(config: TrainConfig | PipelineConfig) -> ModelConfig:
    """The network that a training ends with."""
    return (list(config.phases.values())[-1] if isinstance(config, PipelineConfig) else config).model


def delivered(count: float, left: float) -> float:
    """As how many devices `count` of them work, if with every doubling the share `left` of the speed is left.

    A part of what was measured (`count` below 1) loses nothing.
    """
    return count * math.pow(left, math.log2(max(1.0, count)))
