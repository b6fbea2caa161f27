"""A batch photo by photo: each is measured as soon as it is attacked, and the report grows while one looks on.

With a cluster it is as many photos at once as its workers attack without waiting for each other.

The files are those of `generator.transfer.batch`, and either goes on from what the other left.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from foundation.cluster.cluster import Cluster
from foundation.part_of_job import PartOfJob
from foundation.progress import Progress
from foundation.protocols import JobContext
from generator.production.parts import Spread
from generator.synthesis.models import Model
from generator.transfer.attacking import Attacked, AttackPlan, attack_photos
from generator.transfer.batch import ANSWERS, Measuring, check_plan, refuse_nothing
from generator.transfer.perceptual import Distances
from generator.transfer.report import Report
from generator.transfer.table import Comparison, Row, compare
from generator.victims.store import VerdictStore

TURNS = 4
"""Photos that each worker of a cluster gets before all are looked at: the last of them may wait for one another."""


@dataclass(frozen=True)
class _Turn(PartOfJob):
    """The part of a job that one photo is, or some, as a job: steps are counted on from those of the photos before.

    Losses are left out: curves that begin anew with each photo show nothing.
    """

    done: int
    total: int
    words: str

    def progress(self, now: Progress, /) -> None:
        done = self.done + now.done
        self.whole.progress(Progress(done, self.total, self.words, unit="items", preview=now.preview))


@dataclass
class _SoFar:
    """What there is by now."""

    attacked: Attacked = field(default_factory=Attacked)
    rows: list[Row] = field(default_factory=list)
    distances: dict[tuple[str, str], Distances] = field(default_factory=dict)
    unreadable: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, attacked: Attacked, compared: Comparison) -> None:
        self.attacked.cases += attacked.cases
        self.attacked.failed |= attacked.failed
        self.rows += compared.rows
        self.distances |= compared.distances
        self.unreadable |= compared.unreadable

    def report(self, plan: AttackPlan, measuring: Measuring, *, stopped: bool) -> Report:
        return Report(
            recipes=plan.attacks,
            victims=measuring.victims,
            survivals=measuring.survivals,
            cases=tuple(self.attacked.cases),
            comparison=Comparison(tuple(self.rows), dict(self.distances), dict(self.unreadable)),
            failed=dict(self.attacked.failed),
            left_out=measuring.left_out,
            notes=measuring.notes,
            stopped=stopped,
        )


def attack_by_photo(
    context: JobContext,
    plan: AttackPlan,
    models: Mapping[str, Model],
    measuring: Measuring,
    cluster: Cluster | None = None,
) -> Iterator[Report]:
    """Attack and measure one photo after the other, and yield the report as it stands after each.

    Nothing of the report is saved (see `save_report`). Asked to stop, it ends with a report that says so, in which
    the photo under way may be missing. What is there already is neither made nor asked again. StudioError if the
    folder holds other attacks, or every photo failed. With a `cluster` its workers attack, some photos at once.
    """
    plan = replace(plan, attacks=check_plan(plan.folder, plan.attacks))
    store = VerdictStore(plan.folder / ANSWERS)
    steps = sum(recipe.steps for recipe in plan.attacks.values())
    total = steps * len(plan.photos)
    sofar = _SoFar()
    spread = None if cluster is None else Spread(cluster)
    at_once = 1 if cluster is None else max(1, TURNS * cluster.workers // len(plan.attacks))
    for number in range(0, len(plan.photos), at_once):
        photos = plan.photos[number : number + at_once]
        words = f"{number + 1} of {len(plan.photos)}: {photos[0].name}"
        if len(photos) > 1:
            words = f"{number + 1} to {number + len(photos)} of {len(plan.photos)}"
        turn = _Turn(context, number * steps, total, f"Attacking {words}")
        turn.progress(Progress(0, steps * len(photos)))
        attacked = attack_photos(turn, replace(plan, photos=photos), models, cluster, spread)
        compared = _look(turn, steps * len(photos), attacked, measuring, store)
        sofar.add(attacked, compared)
        stopped = attacked.stopped or compared.stopped
        yield sofar.report(plan, measuring, stopped=stopped)
        if stopped:
            return
    refuse_nothing(sofar.attacked)
    context.progress(Progress(total, total, "Measured", unit="items"))


def _look(turn: _Turn, steps: int, attacked: Attacked, measuring: Measuring, store: VerdictStore) -> Comparison:
    """Measure what was made of one photo, if anything was."""
    if not attacked.cases:
        return Comparison((), {}, {})
    looking = replace(turn, words=f"{turn.words}, looked at by the models")
    return compare(
        attacked.cases,
        measuring.victims,
        survivals=measuring.survivals,
        names=measuring.names,
        store=store,
        on_progress=lambda _now: looking.progress(Progress(steps, steps)),
        should_stop=lambda: turn.stop_requested,
    )
