"""The bench on which a defence is attacked through one read-out and judged by all of them.

A read-out is any way to turn the predictors' logits into an answer: a predictor alone, their mean, CrossMax, or what
the model itself does. They are named as attacks name their sources (`robust_model.attacks.source_of`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from foundation.errors import StudioError
from robust_model.analyses.base import DataConfig, Material, Monitor, Stopped
from robust_model.attacks import AttackOutcome, Defence, PassCount, PgdConfig, run_attack, source_of
from robust_model.attacks.answers import NO_ANSWER, named
from robust_model.evaluation.accounting import majority
from robust_model.evaluation.plan import generator_of
from robust_model.networks.crossmax import AGGREGATORS, crossmaxes
from robust_model.networks.noise import FreshNoise, Noise, SilentNoise

Found = TypeVar("Found")


@dataclass(frozen=True)
class ReadOut:
    """One way to read a defence out: its name as an attack's source, and its name for people."""

    source: str
    title: str


ANSWER = ReadOut("defence", "answer")


def combined_by(source: str) -> ReadOut:
    """The read-out of what combines the predictors, by its name as an attack's source."""
    kind = crossmaxes().get(source)
    return ANSWER if source == ANSWER.source else ReadOut(source, source if kind is None else kind.title)


def predictors(defence: Defence) -> tuple[ReadOut, ...]:
    """Every predictor alone, the deepest last."""
    return tuple(ReadOut(f"predictor {i}", name) for i, name in enumerate(defence.readout_names))


def combinations(defence: Defence, crossmax: str = "") -> tuple[ReadOut, ...]:
    """The voters' mean, CrossMax (see `choose_crossmax`), and the defence's own answer if it is none of the read-outs.

    Of a single voter there is nothing to combine: then they are left out.
    """
    probe = _probe(defence)
    found = []
    if defence.voting(probe).shape[1] > 1:
        found = [combined_by(name) for name in ("mean", choose_crossmax(defence, crossmax))]
    answer = defence.combine(probe)
    known = (*predictors(defence), *found)
    if not any(torch.equal(source_of(defence, r.source)(probe), answer) for r in known):
        found.append(ANSWER)
    return tuple(found)


def choose_crossmax(defence: Defence, name: str = "") -> str:
    """The CrossMax called `name`; for no name the one that the defence answers by, else the first that it allows.

    StudioError if so few predictors take part in the answer that there is no such CrossMax.
    """
    probe = _probe(defence)
    voters = defence.voting(probe)
    if name:
        AGGREGATORS[name](voters)  # says what is wrong, if anything is
        return name
    allowed = []
    for candidate, combine in crossmaxes().items():
        try:
            combined = combine(voters)
        except StudioError:  # too few predictors
            continue
        if torch.equal(combined, defence.combine(probe)):
            return candidate
        allowed.append(candidate)
    return allowed[0]


def _probe(defence: Defence) -> Tensor:
    """Random logits [64, N, C]: functions of logits that agree on them are the same."""
    shape = (64, len(defence.readout_names), len(defence.class_names))
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


class Workbench:
    """One defence, its noise, and the count of what is asked of it.

    Every batch and purpose has a stream of random numbers of its own: `place` names it.
    """

    def __init__(self, defence: Defence, config: DataConfig, material: Material, monitor: Monitor) -> None:
        self.defence, self.material, self.monitor = defence, material, monitor
        self.seed = config.seed
        self.draws = config.draws if defence.random else 1

    def noise(self, place: str) -> Noise:
        """Where the passes of `place` get their noise from."""
        return FreshNoise(generator_of(self.seed, place)) if self.defence.random else SilentNoise()

    @torch.no_grad()
    def answers(self, images: Tensor, read_outs: Sequence[ReadOut], place: str) -> Tensor:
        """The class that each read-out names, by the majority of the draws: int64 [B, R]."""
        noise, votes = self.noise(f"answers {place}"), []
        sources = [source_of(self.defence, read_out.source) for read_out in read_outs]
        for _ in range(self.draws):
            logits = self.defence.readouts(images, noise)
            votes.append(torch.stack([named(source(logits)) for source in sources], dim=1))
        self.monitor.passes += PassCount(len(images) * self.draws, 0)
        found = majority(torch.stack(votes))
        if bool((found == NO_ANSWER).any()):
            silent = int((found == NO_ANSWER).any(1).sum())
            raise StudioError(
                f"To {silent} of {len(images)} images the model answers with NaN or infinity ({place}): that is no "
                "answer, and an analysis of it means nothing. Mend the model first."
            )
        return found

    def attack(
        self,
        images: Tensor,
        labels: Tensor,
        config: PgdConfig,
        place: str,
        *,
        before: AttackOutcome | None = None,
        to_the_end: bool = False,
    ) -> AttackOutcome:
        """Attack images [B, 3, H, W]: those whose answer is confirmed to be wrong by the majority leave the batch.

        `to_the_end` keeps them all for the whole of the fixed number of steps, whatever they are taken for on the
        way; the outcome's `last` are then the final iterates.
        """
        attack = f"{config.name} at {255 * config.eps:g}/255, {place}"
        first, judged = self.monitor.done, 0

        def stands(x: Tensor, y: Tensor) -> Tensor:
            nonlocal judged
            judged += 1
            return self.answers(x, (ANSWER,), f"{attack}, judged {judged}")[:, 0] == y

        def never_falls(_x: Tensor, y: Tensor) -> Tensor:
            return torch.ones_like(y, dtype=torch.bool)

        running = run_attack(
            self.defence,
            images,
            labels,
            config,
            rng=generator_of(self.seed, f"start of {attack}"),
            noise=self.noise(attack),
            judge=never_falls if to_the_end else stands,
            before=before,
        )
        outcome: AttackOutcome | None = None
        for count, state in enumerate(running, start=1):
            outcome = state
            self.monitor.at(first + len(images) * min(count, config.units), attack)
        assert outcome is not None
        self.monitor.passes += outcome.passes
        self.monitor.at(first + len(images) * config.units, attack)  # breaking all images early ends sooner
        return outcome


def over_batches(
    material: Material, batch: int, work: Callable[[Tensor, Tensor, str], Found], monitor: Monitor
) -> list[Found]:
    """What `work` (images, labels, place) makes of every batch of the material's images; a stop ends the list.

    Raises `Stopped` if there was no time for even one batch.
    """
    found: list[Found] = []
    start = 0
    for images, labels in material.images.batches(batch):
        place = f"images {start + 1} to {start + len(labels)} of {len(material.images)}"
        try:
            found.append(work(images.to(material.device), labels.to(material.device), place))
        except Stopped:
            monitor.complete = False
            if not found:
                raise
            break
        start += len(labels)
    monitor.images = start
    return found
