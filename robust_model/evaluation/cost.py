"""What an evaluation would cost at most, before it begins."""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from robust_model.attacks import ATTACKS, Defence, PassCount
from robust_model.data.datasets import LabelledImages, LabelledSet, to_float
from robust_model.evaluation.curves import curve_costs
from robust_model.evaluation.engine import attacks_of, configured
from robust_model.evaluation.masking.diagnostics import AT_THE_END, look_cost
from robust_model.evaluation.plan import extend, generator_of
from robust_model.evaluation.record.config import EvalConfig, choose
from robust_model.evaluation.units import noise_from
from robust_model.networks.plain import DEFAULT_SIDE
from robust_model.zoo.subjects import EvaluatedModel

MEASURED = 32
"""How many images the passes are timed on."""
TRIES = 5
_LEAST = 1e-9
"""Seconds that anything takes: where a pass back adds nothing that could be told from noise, speeds stay numbers."""


class CostEstimate(NamedTuple):
    """Passes of one image, and the seconds that they take, if every image were right when clean and none ever broke.

    That is an upper bound: images that are wrong are not attacked, and broken ones are attacked no further. Not in it
    are the verdicts on images that an attack's own pass got wrong (`draws` passes each), what a short Square takes
    where its sample shows that it pays, and the diagnostics at the clean images (some passes of at most 250 images).
    """

    forward: int
    backward: int
    seconds: float
    images: int

    def text(self) -> str:
        """The estimate in a sentence."""
        return (
            f"At most about {self.forward:,} forward and {self.backward:,} backward passes of one image, "
            f"{duration(self.seconds)} on this machine, for {self.images:,} images that never break; images that break "
            "leave early."
        )


def duration(seconds: float) -> str:
    """Seconds in words, in the unit that fits."""
    for size, unit in ((3600.0, "hours"), (60.0, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def passes_of(model: Defence, config: EvalConfig, n: int) -> PassCount:
    """The passes for `n` images that never break, on a model that is `configured`."""
    draws = config.draws if model.random else 1
    plan = extend((), attacks_of(model, config), config.cascade)
    per_image = sum((planned.config.cost() for planned in plan), PassCount(0, 0))
    attacked = (per_image + PassCount(draws * (1 + len(plan)), 0)) * n
    ends = sum(
        min(AT_THE_END, config.batch, n - start) for start in range(0, n, config.batch)
    )  # at most a batch is looked at
    looked = sum(ATTACKS[planned.config.kind].by_gradients for planned in plan) * ends
    attacked += look_cost(model.random) * looked
    return sum(curve_costs(model, config, n).values(), attacked)


def estimate(model: EvaluatedModel, config: EvalConfig, data: LabelledSet) -> CostEstimate:
    """The cost of evaluating on `data`, with the passes timed on one small batch. Raises StudioError."""
    model = configured(model, config)
    count = min(config.count or len(data), len(data))
    passes = passes_of(model, config, count)
    timed, _indices = choose(data, min(MEASURED, config.batch, count), config.seed)
    forward, backward = measure(model, timed, len(timed))
    seconds = passes.forward * forward + passes.backward * backward
    return CostEstimate(passes.forward, passes.backward, seconds, count)


def measure_on_grey(model: EvaluatedModel, batch: int) -> tuple[float, float]:
    """As `measure`, on a batch of grey images of the model's own size: what they show costs nothing."""
    side = model.config.image_size or DEFAULT_SIDE
    grey = torch.full((batch, 3, side, side), 128, dtype=torch.uint8)
    labels = torch.zeros(batch, dtype=torch.int64)
    return measure(model, LabelledImages(grey, labels, model.class_names, "grey"), batch)


def measure(model: EvaluatedModel, data: LabelledImages, batch: int) -> tuple[float, float]:
    """Seconds that one image takes forward, and what a pass back adds to that, each the median of some tries.

    A pass forward that keeps what gradients need takes longer than one that does not: that is part of what is added.
    """
    model = model.frozen()  # as attacks see it
    device = next(iter(model.state_dict().values()), torch.empty(0)).device
    images = to_float(data.images[:batch]).to(device)
    noise = noise_from(model, generator_of("cost"))

    def forward() -> None:
        with torch.no_grad():
            model.readouts(images, noise)

    def both() -> None:
        leaf = images.clone().requires_grad_()
        with torch.enable_grad():
            logits = model.readouts(leaf, noise)
        if logits.requires_grad:
            torch.autograd.grad(logits.sum(), leaf)

    def seconds(taken: Callable[[], None]) -> float:
        started = time.perf_counter()
        taken()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - started

    both()  # what is met for the first time takes longer
    tries = [(seconds(forward), seconds(both)) for _ in range(TRIES)]  # in turn: a machine's speed drifts
    alone, there_and_back = (statistics.median(one) for one in zip(*tries, strict=True))
    count = max(1, len(images))
    return max(alone, _LEAST) / count, max(there_and_back - alone, _LEAST) / count
