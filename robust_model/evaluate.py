"""Evaluation: clean accuracy by layer, and what is left under the adaptive suite, counted per image.

The headline is the worst case per image over all attacks, judged by the majority of `draws` passes (one pass
for a deterministic model).
"""

import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from generator.errors import StudioError
from robust_model.attacks import AttackConfig, AttackOutcome, adaptive_suite, run_attack
from robust_model.crossmax import AGGREGATORS
from robust_model.data import LabelledImages, load_data, to_float
from robust_model.ensemble import FreshNoise, Noise, SelfEnsemble, SilentNoise


class EvalConfig(BaseModel):
    """An evaluation, whole. Frozen, validated, JSON.

    `noise`: "model" (as the model is configured), "off" or "fresh". `count` images are drawn from the test split
    by `seed` (0: all of them, in order). `draws` passes vote on each verdict where noise is on. `attacks` empty: the
    adaptive suite with eps, steps, restarts and eot.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    data: str
    count: int = Field(1000, ge=0)
    eps: float = Field(8 / 255, ge=0, le=1)
    steps: int = Field(50, ge=1)
    restarts: int = Field(2, ge=1)
    eot: int = Field(4, ge=1)
    draws: int = Field(9, ge=1)
    noise: str = Field("model", pattern="^(model|off|fresh)$")
    aggregator: str = ""
    attacks: tuple[AttackConfig, ...] = ()
    batch: int = Field(250, ge=1)
    seed: int = 0


@dataclass(frozen=True)
class EvalProgress:
    """`done` of about `total` units of work (image steps; breaking images early ends sooner) and what is known."""

    done: int
    total: int
    message: str


def wilson(successes: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % Wilson score interval of a proportion (Wilson 1927)."""
    if total == 0:
        return (0.0, 1.0)
    p = successes / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return (max(0.0, centre - half), min(1.0, centre + half))


def proportion(mask: Tensor) -> dict[str, Any]:
    """An accuracy with its count and interval, from a bool tensor [n]."""
    right, total = int(mask.sum()), len(mask)
    return {"accuracy": right / max(1, total), "correct": right, "n": total, "ci95": list(wilson(right, total))}


def choose(data: LabelledImages, count: int, seed: int) -> tuple[LabelledImages, list[int]]:
    """`count` images drawn by `seed` (all for 0), with their indices in the split, ascending."""
    if count == 0 or count >= len(data):
        return data, list(range(len(data)))
    rng = torch.Generator().manual_seed(seed)
    indices = torch.randperm(len(data), generator=rng)[:count].sort().values
    return data.subset(indices), [int(i) for i in indices]


class Evaluation:
    """One evaluation of one network; `run` returns the report."""

    def __init__(
        self,
        model: SelfEnsemble,
        config: EvalConfig,
        data: LabelledImages,
        *,
        on_progress: Callable[[EvalProgress], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        if data.class_names != model.class_names:
            raise StudioError(
                f"The model knows {', '.join(model.class_names[:4])}...; the data has "
                f"{', '.join(data.class_names[:4])}...; "
                "evaluate on data with the model's own classes."
            )
        if config.noise != "model":
            model = model.with_noise("off" if config.noise == "off" else "fresh")
        if config.aggregator:
            if config.aggregator not in AGGREGATORS:
                raise StudioError(f"Unknown aggregator '{config.aggregator}': use {', '.join(AGGREGATORS)}.")
            model = model.with_aggregator(config.aggregator)
        self.model, self.config = model, config
        self.on_progress, self.should_stop = on_progress, should_stop
        self.random = model.config.inference_noise == "fresh" and model.config.stack.random
        self.draws = config.draws if self.random else 1
        eot = config.eot if self.random else 1  # averaging equal gradients buys nothing
        self.attacks = config.attacks or adaptive_suite(config.eps, config.steps, config.restarts, eot)
        self.data, self.indices = choose(data, config.count, config.seed)
        self.rng = torch.Generator().manual_seed(config.seed)
        self.device = next(model.parameters()).device
        self.done, self.passes = 0, 0
        self.total = len(self.data) * sum(a.restarts * (a.steps + 1) for a in self.attacks)

    def _noise(self) -> Noise:
        return FreshNoise(self.rng) if self.random else SilentNoise()

    def votes(self, images: Tensor) -> Tensor:
        """How often each class wins in `draws` passes, for each read-out and then the defence: [B, N + 1, C]."""
        with torch.no_grad():
            total: Tensor | None = None
            for _ in range(self.draws):
                logits = self.model.readouts(images, self._noise())
                every = torch.cat([logits, self.model.combine(logits)[:, None]], dim=1)
                vote = torch.nn.functional.one_hot(every.argmax(2), every.shape[2])
                total = vote if total is None else total + vote
                self.passes += len(images)
        assert total is not None
        return total

    def _stands(self, images: Tensor, labels: Tensor) -> Tensor:
        """Whether the defended answer, by majority, is still right: bool [B]."""
        return self.votes(images)[:, -1].argmax(1) == labels

    def run(self) -> dict[str, Any]:
        """Evaluate; a stop between two steps returns what is finished, marked `complete: false`.

        Images whose attacks were cut short by a stop say nothing about the worst case and leave the count.
        """
        started = time.monotonic()
        readouts, clean = self._clean()
        standing, counted = self._attack_all(clean)
        worst = clean.clone()
        for mask in standing.values():
            worst &= mask
        names = self.model.readout_names
        attacked = bool(counted[clean].any()) or not bool(clean.any())
        return {
            "schema": 1,
            "complete": bool(counted.all()),
            "config": self.config.model_dump(mode="json"),
            "data": {"source": self.data.source, "n": len(self.data), "indices": self.indices},
            "defence": {
                "aggregator": self.model.config.aggregator,
                "voters": self.model.config.voters or len(names),
                "noise": "fresh" if self.random else "off",
                "draws": self.draws,
            },
            "clean": proportion(clean),
            "clean_by_readout": {name: proportion(readouts[:, i]) for i, name in enumerate(names)},
            "attacks": [
                {"config": a.model_dump(mode="json"), "name": a.name, **proportion(standing[a.name][counted])}
                for a in self.attacks
                if attacked
            ],
            "worst_case": proportion(worst[counted]) if attacked else None,
            "per_image": {
                "label": self.data.labels.tolist(),
                "clean": clean.tolist(),
                "counted": counted.tolist(),
                "standing": {name: mask.tolist() for name, mask in standing.items()},
            },
            "passes": self.passes,
            "seconds": round(time.monotonic() - started, 1),
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
            "device": str(self.device),
            "warnings": self._warnings(standing, counted),
        }

    def _clean(self) -> tuple[Tensor, Tensor]:
        rows = [
            self.votes(images.to(self.device)).argmax(2).cpu() == labels[:, None]
            for images, labels in self.data.batches(self.config.batch)
        ]
        right = torch.cat(rows)
        self.on_progress(EvalProgress(0, self.total, f"clean accuracy {right[:, -1].float().mean():.1%}"))
        return right[:, :-1], right[:, -1]

    def _attack_all(self, clean: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Run every attack on every batch of the images that are right when clean.

        Returns by attack name which images still stand, bool [n], and which images count: those that
        were wrong from the start, and those that met every attack.
        """
        standing = {a.name: clean.clone() for a in self.attacks}
        counted = ~clean
        candidates = torch.nonzero(clean).squeeze(1)
        share = self.total / max(1, len(candidates) * len(self.attacks))
        base = 0.0
        for chunk in candidates.split(self.config.batch):
            images = to_float(self.data.images[chunk]).to(self.device)
            labels = self.data.labels[chunk].to(self.device)
            before: AttackOutcome | None = None
            for attack in self.attacks:
                before = self._attack(images, labels, attack, before, base, len(chunk) * share)
                if before is None:
                    return standing, counted
                standing[attack.name][chunk] = ~before.broken.cpu()
                base += len(chunk) * share
            counted[chunk] = True
        return standing, counted

    def _attack(
        self,
        images: Tensor,
        labels: Tensor,
        attack: AttackConfig,
        before: AttackOutcome | None,
        base: float,
        share: float,
    ) -> AttackOutcome | None:
        outcome: AttackOutcome | None = None
        steps = attack.restarts * (attack.steps + 1)
        running = run_attack(
            self.model, images, labels, attack, rng=self.rng, noise=self._noise(), judge=self._stands, before=before
        )
        for count, outcome in enumerate(running, start=1):
            if self.should_stop():
                return None
            left = int((~outcome.broken).sum())
            message = f"{attack.name}: {left} of {len(images)} images of this batch still stand"
            self.done = int(base + share * min(1.0, count / steps))
            self.on_progress(EvalProgress(self.done, self.total, message))
        assert outcome is not None
        self.passes += outcome.passes
        return outcome

    def _warnings(self, standing: dict[str, Tensor], counted: Tensor) -> list[str]:
        found = []
        if not self.random and self.model.config.stack.random:
            found.append("The network was trained with random draws; evaluated here with their centre (deterministic).")
        left = {
            direct: [int(standing[a.name][counted].sum()) for a in self.attacks if (a.source == "defence") == direct]
            for direct in (True, False)
        }
        if left[True] and left[False] and min(left[True]) - min(left[False]) > 0.02 * int(counted.sum()):
            found.append(
                "Attacking another source and transferring breaks more images than attacking the defence itself: "
                "a sign of masked gradients."
            )
        return found


def evaluate_model(
    config: EvalConfig,
    model: SelfEnsemble,
    *,
    data: LabelledImages | None = None,
    on_progress: Callable[[EvalProgress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Evaluate `model` on `config.data`'s test split (or `data`); returns the report as plain JSON types."""
    images = data or load_data(config.data, "test")
    return Evaluation(model, config, images, on_progress=on_progress, should_stop=should_stop).run()
