"""What is known of every image so far: collected from the finished units of work, read by the report."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from robust_model.attacks import PassCount
from robust_model.evaluation.accounting import majority
from robust_model.evaluation.journal import Entry
from robust_model.evaluation.plan import PlannedAttack
from robust_model.evaluation.record.schema import Sample
from robust_model.evaluation.record.values import Look, Numbers
from robust_model.evaluation.unit_facts import AttackFacts, UnitFacts


@dataclass
class AttackResults:
    """What one attack did to the n images.

    `met` [n]: those whose batch it has finished (attacked or not); `broken` [n]: by it (a cumulative one: by it or
    before it); `rescored` [n]: still right by the majority of fresh draws on the image that the attack returned;
    `right` [n, K]: right in each of these draws. Images that it did not attack keep what was known of them. `own` [n]:
    those that stand by its own count, of an attack that keeps one. `attacked`: how many images it
    attacked (of a sample, those in it). `tied`: of how many that it broke the true class's logit is as high as any, so
    that the order of the classes decides. `speechless`: to
    how many images that it returned the model has no answer. `ends`: what was seen where it ended, batch by batch.
    """

    planned: PlannedAttack
    met: Tensor
    broken: Tensor
    rescored: Tensor
    right: Tensor
    own: Tensor | None = None
    attacked: int = 0
    passes: PassCount = field(default_factory=lambda: PassCount(0, 0))
    seconds: float = 0.0
    distance_max: float = 0.0
    tied: int = 0
    speechless: int = 0
    samples: list[Sample] = field(default_factory=list)
    extras: list[Numbers] = field(default_factory=list)
    ends: list[Look] = field(default_factory=list)


class Results:
    """Clean answers, then attack by attack, batch by batch. All tensors are on the CPU.

    `answers` [K, n, N + 1]: the class that each read-out, and last the defence, names in each draw; `named` [n, N + 1]:
    by majority; `seen` [n]: where they are known.
    """

    def __init__(self, labels: Tensor, readouts: int, draws: int) -> None:
        n = len(labels)
        self.labels = labels
        self.answers = torch.zeros(draws, n, readouts + 1, dtype=torch.int64)
        self.named = torch.zeros(n, readouts + 1, dtype=torch.int64)
        self.seen = torch.zeros(n, dtype=torch.bool)
        self.clean_passes, self.clean_seconds = PassCount(0, 0), 0.0
        self.attacks: list[AttackResults] = []

    def add_clean(self, rows: Tensor, entry: Entry) -> None:
        """Take in the clean answers [K, b, N + 1] of the images `rows`."""
        found = entry.tensors["answers"].long()
        self.answers[:, rows], self.named[rows] = found, majority(found)
        self.seen[rows] = True
        facts = entry.read(UnitFacts)
        self.clean_passes += facts.passes
        self.clean_seconds += facts.seconds

    @property
    def clean(self) -> Tensor:
        """Which images the defence gets right by majority: bool [n]."""
        return (self.named[:, -1] == self.labels) & self.seen

    @property
    def clean_right(self) -> Tensor:
        """Which of the clean draws are right: bool [n, K]."""
        return (self.answers[:, :, -1] == self.labels).T

    def begin_attacks(self, plan: tuple[PlannedAttack, ...]) -> None:
        """The clean answers are complete: make room for the attacks."""
        clean, right = self.clean, self.clean_right
        nothing = torch.zeros_like(clean)
        self.attacks = [
            AttackResults(planned, nothing.clone(), nothing.clone(), clean.clone(), right.clone()) for planned in plan
        ]

    def add_attack(self, index: int, covered: Tensor, entry: Entry) -> None:
        """Take in one batch of attack number `index`, with which it has met the images `covered` (indices)."""
        result, tensors, facts = self.attacks[index], entry.tensors, entry.read(AttackFacts)
        if result.planned.cumulative:  # what it did not attack is as those before it left it
            before = self.attacks[:index]
            result.broken[covered] = self.broken(before)[covered]
            result.rescored[covered] = self.rescored(before)[covered]
            result.right[covered] = self.worst_right(before)[covered]
        rows = tensors["rows"]
        result.met[covered] = True
        result.broken[rows] = tensors["broken"]
        result.rescored[rows] = tensors["rescored"]
        result.right[rows] = tensors["right"]
        if "own" in tensors:
            result.own = torch.zeros_like(result.met) if result.own is None else result.own
            result.own[rows] = ~tensors["own"]
        result.attacked += int(facts.extra.get("asked", len(rows)))
        result.passes += facts.passes
        result.seconds += facts.seconds
        result.distance_max = max(result.distance_max, facts.distance_max)
        result.tied += facts.tied
        result.speechless += facts.speechless
        result.samples += facts.samples
        result.extras.append(facts.extra)
        result.ends += [] if facts.ends is None else [facts.ends]

    @property
    def counted(self) -> Tensor:
        """Which images every attack has met: bool [n]."""
        met = [attack.met for attack in self.attacks]
        return torch.stack(met).all(0) if met else torch.zeros_like(self.seen)

    def broken(self, attacks: Sequence[AttackResults]) -> Tensor:
        """Which images at least one of these attacks has broken: bool [n]."""
        return torch.stack([torch.zeros_like(self.seen), *(attack.broken for attack in attacks)]).any(0)

    def rescored(self, attacks: Sequence[AttackResults]) -> Tensor:
        """Which images are right, clean and on what each of these attacks returned, by fresh draws: bool [n]."""
        return torch.stack([self.clean, *(attack.rescored for attack in attacks)]).all(0)

    def worst_right(self, attacks: Sequence[AttackResults]) -> Tensor:
        """Of each image, the draws on whichever of the clean image and these attacks' has fewest right: bool [n, K]."""
        every = torch.stack([self.clean_right, *(attack.right for attack in attacks)])
        worst = every.sum(2).argmin(0)
        return every[worst, torch.arange(every.shape[1])]

    @property
    def passes(self) -> PassCount:
        """All passes of one image, forward and backward."""
        return sum((attack.passes for attack in self.attacks), self.clean_passes)

    @property
    def seconds(self) -> float:
        """The time that the finished units of work took."""
        return self.clean_seconds + sum(attack.seconds for attack in self.attacks)
