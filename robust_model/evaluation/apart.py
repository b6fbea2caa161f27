"""Units of an evaluation that workers of a cluster do, and hand in as entries of its journal.

A batch and all attacks that meet it are one part, since they build on each other; so are the clean answers of a batch,
what is found out about the gradient, and each curve. What only the order of all batches decides, which adversarial
images become pictures, is left to where the journal is.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from foundation.cluster.cluster import Cluster, Part
from foundation.cluster.moving import placed
from foundation.cluster.shards import PartContext, Shard, Shared
from foundation.progress import Progress
from robust_model.attacks import AttackOutcome, as_attacked
from robust_model.data.datasets import LabelledImages
from robust_model.evaluation.curves import curve_unit
from robust_model.evaluation.journal import Entry, Journal
from robust_model.evaluation.plan import PlannedAttack
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.results import Results
from robust_model.evaluation.units import (
    DIAGNOSTICS,
    Batch,
    Bench,
    attack_entry,
    attack_unit,
    clean_entry,
    clean_unit,
    gradient_unit,
    last_entry,
    task_of,
)
from robust_model.zoo.subjects import EvaluatedModel

Entries = Mapping[str, Entry]
"""Finished units of work, by their names in the journal."""


class _StoppedError(Exception):
    """The part is to end."""


@dataclass(eq=False)
class Ground:
    """What all parts of an evaluation stand on; see `Bench`."""

    model: EvaluatedModel
    config: EvalConfig
    data: LabelledImages
    places: list[int]
    draws: int
    plan: tuple[PlannedAttack, ...]
    _bench: Bench | None = None

    def bench(self, device: str) -> Bench:
        """The bench on a worker's device, where it stays, with a journal in memory that is new each time."""
        if self._bench is None or str(self._bench.device) != device:
            model: EvaluatedModel = placed(self.model, device)
            exact = model.frozen()
            attacked = as_attacked(exact, self.config.precision)
            where, seed = torch.device(device), self.config.seed
            self._bench = Bench(model, exact, attacked, self.data, self.places, where, self.draws, seed, Journal(None))
        return replace(self._bench, journal=Journal(None))


@dataclass(frozen=True)
class CleanPart:
    """The clean answers of batch `number`, which is the images `rows` (indices)."""

    ground: Shared[Ground]
    number: int
    rows: Tensor

    def __call__(self, context: PartContext) -> Entries:
        """Find them."""
        entry = clean_unit(self.ground.value.bench(context.device), self.number, self.rows)
        return {clean_entry(self.number): entry}


@dataclass(frozen=True)
class BatchPart:
    """All attacks on one batch, one after the other; each is handed in when it is done.

    Attributes:
        clean: what is known before any attack.
        batch: the images.
        known: of these attacks, those that are done.
    """

    ground: Shared[Ground]
    clean: Shared[Results]
    batch: Batch
    known: Entries

    def __call__(self, context: PartContext) -> Entries | None:
        """Attack; None if that was stopped."""
        ground, batch = self.ground.value, self.batch
        bench, results = ground.bench(context.device), copy.deepcopy(self.clean.value)
        for name, done in self.known.items():
            bench.journal.keep(name, done)
        weights = [len(batch.rows) * sum(planned.config.cost()) for planned in ground.plan]
        for index in range(len(ground.plan)):
            entry = bench.journal.get(attack_entry(index, batch.number))
            if entry is None:
                entry = self._meet(context, bench, results, index, weights)
            if entry is None:
                return None
            results.add_attack(index, batch.covered, entry)
        return {}

    def _meet(
        self, context: PartContext, bench: Bench, results: Results, index: int, weights: Sequence[int]
    ) -> Entry | None:
        """Have attack number `index` meet the batch, and hand in what comes of it; None if that was stopped."""
        ground, number = self.ground.value, self.batch.number
        task = task_of(ground.plan, results, self.batch, index, ground.config.samples, bench)
        done, total = sum(weights[:index]), max(1, sum(weights))

        def on_step(count: int, outcome: AttackOutcome) -> None:
            if context.stop_requested:
                raise _StoppedError
            share = weights[index] * min(1.0, count / task.planned.config.units)
            left = len(outcome.broken) - int(outcome.broken.sum())
            words = f"{task.planned.name}: {left} of {len(outcome.broken)} images still stand"
            context.progress(Progress(int(done + share), total, words))

        try:
            entry = attack_unit(bench, replace(task, shown_later=True), on_step)
        except _StoppedError:
            return None
        last = bench.journal.get(last_entry(index, number))
        before = {} if last is None else {last_entry(index, number): last}
        context.hand_in({**before, attack_entry(index, number): entry})
        return entry


@dataclass(frozen=True)
class GradientPart:
    """What the gradient is worth at the images `rows` (indices), which are right when clean."""

    ground: Shared[Ground]
    rows: Tensor

    def __call__(self, context: PartContext) -> Entries:
        """Find it out."""
        ground = self.ground.value
        return {DIAGNOSTICS: gradient_unit(ground.bench(context.device), ground.config, self.rows)}


@dataclass(frozen=True)
class CurvePart:
    """The report's curves `name` on the images `rows` (indices), of which `right` (bool) are right when clean."""

    ground: Shared[Ground]
    name: str
    rows: Tensor
    right: Tensor

    def __call__(self, context: PartContext) -> Entries | None:
        """Measure them; None if that was stopped."""
        bench, config = self.ground.value.bench(context.device), self.ground.value.config
        curve_unit(bench, config, self.name, self.rows, self.right, context.progress, lambda: context.stop_requested)
        entry = bench.journal.get(self.name)
        return None if entry is None else {self.name: entry}


@dataclass(frozen=True)
class _Planned:
    """A part, and how much of the evaluation's passes it is."""

    title: str
    work: Callable[[], Callable[[PartContext], Entries | None]]
    share: float


class Apart:
    """Has a cluster do what an evaluation's journal lacks.

    Args:
        cluster: does it.
        ground: what it is done on.
        journal: keeps what comes back.
        should_stop: whether to end within a step.
        say: hears how many passes are done of those asked for, and what is being done; it may raise.
    """

    def __init__(
        self,
        cluster: Cluster,
        ground: Ground,
        journal: Journal,
        should_stop: Callable[[], bool],
        say: Callable[[float, str], None],
    ) -> None:
        self._cluster, self._ground = cluster, cluster.share(ground)
        self._plan, self._config = ground.plan, ground.config
        self._journal, self._should_stop, self._say = journal, should_stop, say

    def clean(self, batches: Sequence[Tensor], draws: int) -> bool:
        """Find the clean answers of the batches, each the indices of its images; False after a stop."""
        parts = [
            _Planned(
                f"batch {number + 1}, clean", partial(CleanPart, self._ground, number, rows), float(len(rows) * draws)
            )
            for number, rows in enumerate(batches)
            if self._journal.get(clean_entry(number)) is None
        ]
        return self._run(parts, lambda: None, "clean answers")

    def attack(
        self,
        clean: Results,
        batches: Sequence[tuple[Batch, float]],
        further: Sequence[tuple[str, Tensor, Tensor, float]],
        on_entry: Callable[[], None],
    ) -> bool:
        """Attack all batches, each with its share of the passes, and measure what else there is to measure.

        `further` are the curves by their names in the journal, or "diagnostics", with the indices of their images,
        which of them are right when clean, and their shares. `on_entry` is called when something has come into the
        journal. False after a stop.
        """
        known = self._cluster.share(copy.deepcopy(clean))
        parts = [
            _Planned(
                name,
                partial(GradientPart, self._ground, rows)
                if name == DIAGNOSTICS
                else partial(CurvePart, self._ground, name, rows, right),
                share,
            )
            for name, rows, right, share in sorted(further, key=lambda one: -one[3])  # a long one last is waited for
            if self._journal.get(name) is None
        ]
        for batch, share in batches:
            if all(self._journal.get(attack_entry(index, batch.number)) for index in range(len(self._plan))):
                continue

            def begin(batch: Batch = batch) -> BatchPart:
                """By what is known when it begins: where a worker died, it goes on from what that one handed in."""
                return BatchPart(self._ground, known, batch, self._entries(batch.number))

            parts.append(_Planned(f"batch {batch.number + 1}", begin, share))
        return self._run(parts, on_entry, "attacks")

    def _entries(self, batch: int) -> dict[str, Entry]:
        """What the journal has of the attacks on a batch."""
        names = [name(index, batch) for index in range(len(self._plan)) for name in (attack_entry, last_entry)]
        found = {name: self._journal.get(name) for name in names}
        return {name: entry for name, entry in found.items() if entry is not None}

    def _run(self, parts: Sequence[_Planned], on_entry: Callable[[], None], what: str) -> bool:
        done = [0.0] * len(parts)
        ended = 0

        def keep(entries: object) -> bool:
            assert isinstance(entries, dict)
            new = {name: entry for name, entry in entries.items() if self._journal.get(name) is None}
            for name, entry in new.items():
                self._journal.keep(name, entry)
            if new:
                on_entry()
            return bool(new)

        def tell(number: int, now: Progress) -> None:
            part = parts[number]
            if now.total:
                done[number] = part.share * min(1.0, now.done / now.total)
            self._say(sum(done), f"{part.title}, {now.message} ({ended} of {len(parts)} parts of the {what} done)")

        def end(part: Part[Entries]) -> None:
            nonlocal ended
            keep(part.get())
            ended += 1
            done[part.number] = parts[part.number].share
            self._say(sum(done), f"{what}: {ended} of {len(parts)} parts done")

        return self._cluster.run(
            _Job(self._should_stop),
            [Shard(part.title, part.work) for part in parts],
            on_part=end,
            on_told=tell,
            on_given=lambda _number, entries: keep(entries),
            waiting=lambda: self._say(sum(done), f"{what}: waiting for the workers"),
        )


@dataclass(frozen=True)
class _Job:
    """The evaluation as a job of the cluster's."""

    should_stop: Callable[[], bool]
    device: str = "cpu"

    @property
    def stop_requested(self) -> bool:
        return self.should_stop()

    def progress(self, _now: Progress, /) -> None:
        """Said by the evaluation itself."""
