"""What an attack did, found out in its job from the saved files: who falls, what survives, and why.

The findings (see `app.records.findings`) are written again as soon as more is known.

Parameters come from a browser: victims are taken from what the catalogue has for strangers (see
`robust_model.zoo.catalogue`), labels from the built-in lists.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.handlers.exploring_pictures import Frames, Subject, draw_all
from app.handlers.findings import write_findings
from app.records.findings import AnswerFound, Asked, AttackFindings, RowFound, VictimFound
from app.records.params import Wish
from foundation.catalogue.catalogue import Catalogue
from foundation.errors import StudioError
from foundation.jobs import JobContext
from foundation.progress import Progress
from generator.classes.labels import LabelList
from generator.inputs.photos import Photo
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model
from generator.transfer.aims import question_of
from generator.transfer.attacking import surrogate_classes
from generator.transfer.batch import REPORT_HTML, REPORT_JSON, ROWS_CSV, save_report
from generator.transfer.perceptual import Distances
from generator.transfer.report import Report
from generator.transfer.table import Case, Comparison, Row, compare
from generator.victims.store import VerdictStore
from generator.victims.survival import SAVED, find_survivals
from generator.victims.verdicts import Verdict
from generator.victims.victims import Victim, unknown_note, victim_of

logger = logging.getLogger(__name__)

PHOTO = "photo"
AT_ONCE = 4
"""Things that happen to the file between two updates of the page."""
"""How messages about the tables begin."""


@dataclass(frozen=True, eq=False)
class Attacked:
    """An attack that was made, and is to be looked at.

    Attributes:
        recipe: that made it.
        models: those attacked with, by name.
        picture: the saved file, in the job's folder beside source.png.
        frames: of the way there.
    """

    recipe: Recipe
    models: Mapping[str, Model]
    source: Path
    picture: Path
    frames: Frames


def explore(context: JobContext, catalogue: Catalogue, wish: Wish, attacked: Attacked) -> Report:
    """Find out what the wish asks for, and keep it in the job's folder as it comes. Asked to stop, keep what there is.

    Returns the report of its tables, which is saved in the folder.

    Raises:
        StudioError: the captions are no choice.
        OSError: the findings cannot be written.
    """
    labels = wish.label_list()
    case = _case(attacked, wish.label)
    survivals = find_survivals(wish.survivals)
    known = _Known(
        context.dir,
        AttackFindings(
            question=Asked(label=case.question.label, targets=case.question.targets),
            survivals={name: survival.description for name, survival in survivals.items()},
            victims=(),
            rows=(),
            complete=False,
        ),
    )
    tables = _Tables(context, case, known)
    victims: list[Victim] = []
    for entry, victim in load_victims(context, catalogue, wish, labels, attacked.models):
        known.add(victims=(*known.found.victims, entry))
        if victim is not None:
            victims.append(victim)
            tables.ask(victim, [SAVED])  # at once: who was attacked answers first, before all others are loaded
    tables.ask_all(victims, [name for name in survivals if name != SAVED])
    compared = tables.comparison(victims, list(survivals))
    report = Report(
        recipes={case.attack: attacked.recipe},
        victims=victims,
        survivals=list(survivals),
        cases=[case],
        comparison=compared,
        stopped=compared.stopped,
        left_out={f"The model {one.name}": one.why_not for one in known.found.victims if one.why_not},
        notes=[one.note for one in known.found.victims if one.note],
    )
    save_report(report, report.to_json(context.dir), context.dir)
    known.add(files={"csv": ROWS_CSV, "json": REPORT_JSON, "html": REPORT_HTML})
    if not context.stop_requested:
        subject = Subject(case, victims, attacked.frames, context.dir)
        draw_all(context, subject, lambda name, drawn: known.add(**{name: drawn}))
    known.add(complete=not context.stop_requested)
    return report


class _Known:
    """What is known so far, kept in the job's folder as it comes."""

    def __init__(self, folder: Path, found: AttackFindings) -> None:
        self._folder = folder
        self.found = found

    def add(self, **more: object) -> None:
        """Keep what is known now. Raises OSError."""
        self.found = AttackFindings.of(self.found, **more)
        write_findings(self._folder, self.found)


def _case(attacked: Attacked, label: str) -> Case:
    question = question_of(attacked.recipe, Photo(PHOTO, attacked.source, label), surrogate_classes(attacked.models))
    return Case(PHOTO, "+".join(attacked.recipe.models), attacked.source, attacked.picture, question)


def load_victims(
    context: JobContext,
    catalogue: Catalogue,
    wish: Wish,
    labels: LabelList,
    models: Mapping[str, Model],
    device: str = "",
) -> Iterator[tuple[VictimFound, Victim | None]]:
    """The victims, the `models` that are attacked with first; one that cannot be loaded comes with the reason.

    The models are on `device`, which is the job's where none is named, and so are the others.
    """
    device = device or context.device
    for name in dict.fromkeys([*models, *wish.victims]):
        if context.stop_requested:
            return
        context.progress(Progress(0, 0, f"Measuring: {name}", unit="items"))
        attacked = name in models
        try:
            model = models[name] if attacked else catalogue.load(name, device, context)
            victim = victim_of(name, model, labels, device)
        except StudioError as error:  # one that is damaged is no reason to say nothing about the others
            logger.warning("the model %s cannot be tested on", name, exc_info=True)
            why_not = str(error)
            yield (
                VictimFound(name=name, model=name, kind="", attacked=attacked, labels=0, note="", why_not=why_not),
                None,
            )
            continue
        yield (
            VictimFound(
                name=victim.name,
                model=name,
                kind=victim.kind,
                attacked=attacked,
                labels=len(victim.labels),
                note=unknown_note(victim),
                why_not="",
            ),
            victim,
        )


class _Tables:
    """The rows of the tables, kept in the findings as they come."""

    def __init__(self, context: JobContext, case: Case, known: _Known) -> None:
        self._context, self._case, self._known = context, case, known
        self._store = VerdictStore()
        self._rows: dict[tuple[str, str], Row] = {}
        self._distances: dict[tuple[str, str], Distances] = {}

    def ask(self, victim: Victim, survivals: Sequence[str]) -> None:
        """Add the rows of a victim for some things that may happen to the file. StudioError for one unreadable."""
        found = compare([self._case], [victim], survivals=survivals, store=self._store, known=self._distances)
        if found.unreadable:
            raise StudioError(next(iter(found.unreadable.values())))
        self._rows |= {(row.victim, row.survival): row for row in found.rows}
        self._distances |= found.distances
        before = self._known.found
        distances = before.distances or next(iter(found.distances.values())).record()
        self._known.add(rows=(*before.rows, *map(_row, found.rows)), distances=distances)

    def ask_all(self, victims: Sequence[Victim], survivals: Sequence[str]) -> None:
        """Add the rows of all victims for everything that may happen to the file, until the job is to stop."""
        parts = [(victim, survivals[i : i + AT_ONCE]) for victim in victims for i in range(0, len(survivals), AT_ONCE)]
        for done, (victim, names) in enumerate(parts):
            if self._context.stop_requested:
                return
            self._context.progress(
                Progress(done, len(parts), f"Measuring: {victim.name}, {', '.join(names)}", unit="items")
            )
            self.ask(victim, names)

    def comparison(self, victims: Sequence[Victim], survivals: Sequence[str]) -> Comparison:
        """All rows in the order of `compare`."""
        ordered = [(victim.name, survival) for victim in victims for survival in survivals]
        measured = tuple(self._rows[key] for key in ordered if key in self._rows)
        return Comparison(measured, self._distances, {}, stopped=self._context.stop_requested)


def _row(row: Row) -> RowFound:
    return RowFound(
        victim=row.victim,
        survival=row.survival,
        before=_said(row.before),
        after=_said(row.after),
        photo_after=_said(row.photo_after),
        outcome=row.outcome,
        why=row.why,
        reached=row.reached,
        by_itself=row.by_itself,
        share_before=row.share_before,
        share_after=row.share_after,
    )


def _said(verdict: Verdict) -> AnswerFound:
    return AnswerFound(label=verdict.label, confidence=verdict.confidence)
