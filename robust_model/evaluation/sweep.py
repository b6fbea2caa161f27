"""Accuracy against the attack's budget: epsilon until nothing stands, and steps and EOT until more changes nothing.

Carlini et al. 2019 (arXiv 1902.06705), sections 4.6 and 4.8. An image that is broken at one value counts as broken at
all larger ones and is attacked no further: it carries over. That makes every curve fall, and cheap.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor

from foundation.progress import Progress, silent
from foundation.work_time import worked
from robust_model.attacks import Defence, Judge, PassCount, PgdConfig, run_attack
from robust_model.evaluation.accounting import proportion
from robust_model.evaluation.record.schema import Axis, Curve, CurvePoint, Curves
from robust_model.evaluation.record.values import Passes
from robust_model.networks.noise import Noise

WRONG_WHEN_CLEAN = -1.0


class SweepConfig(BaseModel):
    """What is swept, and with which attack. Frozen, validated, JSON.

    `eps`: L-inf budgets in [0, 1] pixel units; the sweep ends early where nothing stands. `steps` and `eot` (for a
    defence that is random): the values of the convergence curves, at the attack's own eps. `sources` are attacked one
    after the other, each with a curve of its own, by the otherwise equal `attack`. Values must increase.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attack: PgdConfig = PgdConfig(loss="margin", steps=20, restarts=1)
    sources: tuple[str, ...] = ("defence", "mean")
    eps: tuple[float, ...] = tuple(e / 255 for e in (1, 2, 4, 8, 12, 16, 24, 32, 64, 128))
    steps: tuple[int, ...] = (5, 10, 20, 40, 80)
    eot: tuple[int, ...] = (1, 2, 4, 8, 16)
    batch: int = Field(250, ge=1)

    @field_validator("eps", "steps", "eot")
    @classmethod
    def _increases(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not values or list(values) != sorted(set(values)):
            raise ValueError(f"needs at least one value, and each larger than the one before: {values}")
        return values


@dataclass
class Ladder:
    """Attacks of growing budget on one batch of images, and what was found.

    `images` [B, 3, H, W] in [0, 1] and `labels` [B] on the defence's device; `clean` bool [B]: right from the start.
    `judge` says whether the defended answer still stands; `on_progress` hears of image steps,
    and `should_stop` is asked after each step: the rung in work is then dropped.
    """

    defence: Defence
    images: Tensor
    labels: Tensor
    clean: Tensor
    judge: Judge
    noise: Noise
    rng: torch.Generator
    batch: int = 250
    on_progress: Callable[[Progress], None] = silent
    should_stop: Callable[[], bool] = lambda: False
    passes: PassCount = field(default_factory=PassCount)
    stopped: bool = False
    done: int = 0
    total: int = 0
    _started: float = field(default_factory=worked)

    def climb(self, axis: Axis, attacks: Sequence[PgdConfig], values: Sequence[float]) -> Curve:
        """One curve: each of `attacks`, of rising `values` along `axis`, meets what those before it left standing."""
        standing = self.clean.clone()
        broken_at = torch.full((len(standing),), torch.inf, dtype=torch.float64)
        broken_at[~self.clean.cpu()] = WRONG_WHEN_CLEAN
        points = [CurvePoint(value=0.0, **proportion(standing).parts())] if axis == "eps" else []
        for attack, value in zip(attacks, values, strict=True):
            share, first = len(self.images) * attack.units, self.done
            fallen = self._attack(attack, torch.nonzero(standing).squeeze(1))
            if fallen is None:
                break
            self.done = first + share
            standing[fallen] = False
            broken_at[fallen.cpu()] = value
            points.append(CurvePoint(value=value, **proportion(standing).parts()))
            if not bool(standing.any()):
                break
        name = attacks[0].name
        found = [None if value == torch.inf else value for value in broken_at.tolist()]
        return Curve(name=name, axis=axis, config=attacks[0], points=tuple(points), broken_at=tuple(found))

    def _attack(self, attack: PgdConfig, alive: Tensor) -> Tensor | None:
        """Which of the images `alive` (indices) the attack breaks, as indices; None if it was stopped."""
        fallen = [alive[:0]]
        for chunk in alive.split(self.batch):
            running = run_attack(
                self.defence,
                self.images[chunk],
                self.labels[chunk],
                attack,
                rng=self.rng,
                noise=self.noise,
                judge=self.judge,
            )
            broken, passes = torch.zeros(len(chunk), dtype=torch.bool), PassCount()
            for outcome in running:
                broken, passes = outcome.broken, outcome.passes
                self.done += len(chunk)
                left = int((~broken).sum())
                message = f"{attack.name} at {attack.eps * 255:.3g}/255: {left} of {len(chunk)} images still stand"
                self.on_progress(Progress(min(self.done, self.total), self.total, message))
                self.stopped = self.stopped or self.should_stop()
                if self.stopped:
                    break
            self.passes += passes
            if self.stopped:
                return None
            fallen.append(chunk[broken.to(chunk.device)])
        return torch.cat(fallen)

    def expect(self, attacks: Sequence[PgdConfig]) -> None:
        """Announce these attacks to the progress."""
        self.total += len(self.images) * sum(attack.units for attack in attacks)

    def report(self, curves: Sequence[Curve]) -> Curves:
        """`curves` with what they were measured on, as the report's `sweep` or `convergence`."""
        return Curves(
            complete=not self.stopped,
            n=len(self.images),
            clean_correct=int(self.clean.sum()),
            curves=tuple(curve for curve in curves if curve.points),
            passes=Passes.of(self.passes),
            seconds=round(worked() - self._started, 1),
        )


def _rungs(config: SweepConfig, source: str, axis: Axis, values: Sequence[float]) -> list[PgdConfig]:
    return [config.attack.model_copy(update={"source": source, axis: value}) for value in values]


def _axes(config: SweepConfig, name: str, *, random: bool) -> dict[Axis, Sequence[float]]:
    """What the curves called `name` ("sweep" or "convergence") vary."""
    if name == "sweep":
        return {"eps": config.eps}
    return {"steps": config.steps, "eot": config.eot} if random else {"steps": config.steps}


_Rungs: TypeAlias = tuple[Axis, list[PgdConfig], Sequence[float]]


def _plan(config: SweepConfig, axes: Mapping[Axis, Sequence[float]]) -> list[_Rungs]:
    return [(axis, _rungs(config, source, axis, axes[axis]), axes[axis]) for source in config.sources for axis in axes]


def most_passes(config: SweepConfig, name: str, *, random: bool) -> PassCount:
    """What the curves called `name` cost for one image that never breaks."""
    plan = _plan(config, _axes(config, name, random=random))
    return sum((attack.cost() for _axis, attacks, _values in plan for attack in attacks), PassCount())


def _curves(ladder: Ladder, config: SweepConfig, name: str) -> Curves:
    plan = _plan(config, _axes(config, name, random=ladder.defence.random))
    for _axis, attacks, _values in plan:
        ladder.expect(attacks)
    curves = []
    for axis, attacks, values in plan:
        before = ladder.done
        curves.append(ladder.climb(axis, attacks, values))
        if ladder.stopped:
            break
        ladder.done = before + len(ladder.images) * sum(attack.units for attack in attacks)
        ladder.on_progress(Progress(ladder.done, ladder.total, f"{attacks[0].name} over {axis}: done"))
    return ladder.report(curves)


def epsilon_sweep(ladder: Ladder, config: SweepConfig) -> Curves:
    """The report's `sweep`: accuracy against epsilon for each source, from 0 (clean) until nothing stands."""
    return _curves(ladder, config, "sweep")


def convergence(ladder: Ladder, config: SweepConfig) -> Curves:
    """The report's `convergence`: accuracy against steps, and against EOT where the defence is random."""
    return _curves(ladder, config, "convergence")
