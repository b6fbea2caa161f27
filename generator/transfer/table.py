"""The transfer table: which attack fools which victim, measured on saved files alone."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from foundation.images.files import ImageError, load_image, to_tensor
from foundation.intervals import Rate, RateRecord
from foundation.progress import Progress, silent
from foundation.record import Record
from generator.classes.names import Names
from generator.transfer.outcome import Outcome, Question, meaning_of, outcome_of, succeeded
from generator.transfer.perceptual import Distances, distances
from generator.victims.store import VerdictStore
from generator.victims.survival import SAVED, NotApplicableError
from generator.victims.verdicts import NOT_ASKED, Verdict
from generator.victims.victims import Victim

NOT_APPLICABLE = Outcome.NOT_APPLICABLE


@dataclass(frozen=True)
class Case:
    """One photo and the file that an attack made of it.

    Attributes:
        image: what the photo goes by.
        attack: what the attack, or the set of surrogates, goes by.
        photo, attacked: the files, of one size in pixels.
        question: what was wanted.
    """

    image: str
    attack: str
    photo: Path
    attacked: Path
    question: Question


@dataclass(frozen=True)
class Row:
    """One picture before one victim, after one thing that happened to the file.

    Attributes:
        before: what the victim says about the photo, saved losslessly.
        after: what it says about the attacked file, after what happened to it.
        photo_after: what it says about the photo after the same: what is not the attack's doing.
        share_before, share_after: the probability of the targets, or else of what was to be left (the true label, or
            the answer before); None where the victim has no label for it.
        outcome: of the attack.
        reached: whether `after` is what was wanted, also where there was nothing to win.
        by_itself: whether the photo, after the same, would have counted as a success: the control.
        why: why the outcome is "not applicable"; else "". Nobody was asked about the picture after it then.
    """

    image: str
    attack: str
    victim: str
    survival: str
    question: Question
    before: Verdict
    after: Verdict
    photo_after: Verdict
    share_before: float | None
    share_after: float | None
    outcome: Outcome
    reached: bool
    by_itself: bool
    why: str = ""


class CellRecord(Record):
    """A cell as it is written; see `Cell`."""

    attack: str
    victim: str
    survival: str
    rate: RateRecord
    of_all: RateRecord
    control: RateRecord
    left_out: dict[str, int]
    total: int
    confidence_before: float | None
    confidence_after: float | None


@dataclass(frozen=True)
class Cell:
    """The rows of one attack, victim and survival, added up.

    Attributes:
        rate: successes out of the pictures that count.
        of_all: answers that are what was wanted, out of all pictures that can be compared, right before or not.
        control: the same photos without the attack, after the same, that would have counted as successes.
        left_out: pictures that don't count, by reason.
        total: pictures in all: those that count and those that don't.
        confidence_before, confidence_after: mean confidence of the answers, over the pictures that count.
    """

    attack: str
    victim: str
    survival: str
    rate: Rate
    of_all: Rate
    control: Rate
    left_out: dict[str, int]
    total: int
    confidence_before: float | None
    confidence_after: float | None

    def record(self) -> CellRecord:
        """Return the cell as it is written."""
        rates = {name: getattr(self, name).record() for name in ("rate", "of_all", "control")}
        return CellRecord.model_validate(vars(self) | rates)


@dataclass(frozen=True)
class Comparison:
    """What came of comparing: the rows, the distances by (attack, image), and the files that could not be read."""

    rows: tuple[Row, ...]
    distances: dict[tuple[str, str], Distances]
    unreadable: dict[tuple[str, str], str]
    stopped: bool = False


def compare(
    cases: Sequence[Case],
    victims: Sequence[Victim],
    *,
    survivals: Sequence[str] = (SAVED,),
    names: Names | None = None,
    store: VerdictStore | None = None,
    known: Mapping[tuple[str, str], Distances] | None = None,
    on_progress: Callable[[Progress], None] = silent,
    should_stop: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Look at every case with every victim, from the files on disk.

    `on_progress` is called before every picture and victim, and at the end. Asked to stop, it returns the rows of the
    cases that are complete. A file that cannot be read, or has changed its size, is named in `unreadable`. Distances
    that are `known` are not measured again.
    """
    names, store = names or Names(), store or VerdictStore()
    rows: list[Row] = []
    found: dict[tuple[str, str], Distances] = {}
    unreadable: dict[tuple[str, str], str] = {}
    total = len(cases) * len(victims)
    for number, case in enumerate(cases):
        key = (case.attack, case.image)
        try:
            photo, attacked = load_image(case.photo), load_image(case.attacked)
            if photo.size != attacked.size:
                raise ImageError(f"'{case.attacked.name}' is not of the size of its photo: attack it again.")
        except ImageError as error:
            unreadable[key] = str(error)
            continue
        of_case: list[Row] = []
        for index, victim in enumerate(victims):
            if should_stop():
                return Comparison(tuple(rows), found, unreadable, stopped=True)
            meaning = meaning_of(case.question, victim.labels, names)
            done = number * len(victims) + index
            on_progress(Progress(done, total, f"{victim.name} looks at {case.image}", unit="items"))
            before = store.look(victim, photo, SAVED, meaning.labels)
            shown = meaning.wanted or meaning.right or (before.label,)
            before = store.look(victim, photo, SAVED, shown)
            for survival in survivals:
                why = ""
                try:
                    after, alone = (store.look(victim, picture, survival, shown) for picture in (attacked, photo))
                except NotApplicableError as error:
                    why, after, alone = str(error), NOT_ASKED, NOT_ASKED
                of_case.append(
                    Row(
                        image=case.image,
                        attack=case.attack,
                        victim=victim.name,
                        survival=survival,
                        question=case.question,
                        before=before,
                        after=after,
                        photo_after=alone,
                        share_before=before.share_of(shown),
                        share_after=after.share_of(shown),
                        outcome=outcome_of(case.question, meaning, before, after) if not why else NOT_APPLICABLE,
                        reached=succeeded(case.question, meaning, before, after),
                        by_itself=succeeded(case.question, meaning, before, alone),
                        why=why,
                    )
                )
        rows += of_case
        measured = (known or {}).get(key)
        found[key] = distances(to_tensor(attacked), to_tensor(photo)) if measured is None else measured
    on_progress(Progress(total, total, "Measured", unit="items"))
    return Comparison(tuple(rows), found, unreadable)


def cells_of(rows: Iterable[Row]) -> tuple[Cell, ...]:
    """Add rows up by attack, victim and survival, in the order in which these first appear."""
    ordered: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        ordered.setdefault((row.attack, row.victim, row.survival), []).append(row)
    return tuple(_cell(*key, group) for key, group in ordered.items())


def _cell(attack: str, victim: str, survival: str, rows: Sequence[Row]) -> Cell:
    counted = [row for row in rows if row.outcome.counts]
    comparable = [row for row in rows if row.outcome not in (Outcome.NOT_COMPARABLE, NOT_APPLICABLE)]
    reasons = sorted(row.outcome for row in rows if not row.outcome.counts)
    return Cell(
        *(attack, victim, survival),
        rate=Rate(sum(row.outcome is Outcome.SUCCESS for row in counted), len(counted)),
        of_all=Rate(sum(row.reached for row in comparable), len(comparable)),
        control=Rate(sum(row.by_itself for row in counted), len(counted)),
        left_out={str(reason): len(list(group)) for reason, group in groupby(reasons)},
        total=len(rows),
        confidence_before=_mean(row.before.confidence for row in counted),
        confidence_after=_mean(row.after.confidence for row in counted),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def matrix_of(cells: Collection[Cell], survival: str = SAVED) -> dict[str, dict[str, Cell]]:
    """Return the cells of one survival by attack and victim: the table of surrogates by victims."""
    table: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        if cell.survival == survival:
            table.setdefault(cell.attack, {})[cell.victim] = cell
    return table
