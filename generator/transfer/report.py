"""What came of an attack on many pictures, as JSON, as CSV and as one HTML file that needs nothing else."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import JsonValue

from foundation.files.tables import inert
from foundation.intervals import LEVEL
from generator.recipes.recipe import Recipe
from generator.transfer.perceptual import lpips_note
from generator.transfer.record import (
    FailedRecord,
    ImageRecord,
    ReadoutRecord,
    ReportRecord,
    RowRecord,
    VerdictRecord,
    VictimRecord,
)
from generator.transfer.table import Case, Cell, Comparison, Row, cells_of
from generator.victims.survival import SURVIVALS
from generator.victims.verdicts import Verdict
from generator.victims.victims import Victim

REPORT_VERSION = 1
MEANING = (
    "Measured on the saved 8-bit files. Before: the victim's answer on the photo, saved losslessly. An untargeted "
    "attack succeeds when the answer is no longer the true label, or, where no label is known, no longer the answer "
    "before; a targeted one when the answer is the target. Rates leave out pictures that a victim had wrong before (or "
    "already took for the target); left_out says how many. of_all counts every picture that can be compared. A victim "
    "that does not know the class is not comparable, which is no failure; nor is what cannot happen to a picture of "
    "its size, which is not applicable. control: the photo without the attack, after the same change of the file. "
    f"Intervals: {LEVEL:.0%}, Wilson."
)
COLUMNS = (
    *("attack", "image", "victim", "survival", "label", "target"),
    *("before", "confidence_before", "after", "confidence_after", "share_before", "share_after"),
    *("outcome", "by_itself", "linf", "l2", "ssim", "lpips", "why"),
)


@dataclass(frozen=True, eq=False)
class Report:
    """Everything that is reported of one run.

    `failed` and `left_out` say in sentences which pictures there is nothing about, and why; `notes` what else has to
    be known.
    """

    recipes: Mapping[str, Recipe]
    victims: Sequence[Victim]
    survivals: Sequence[str]
    cases: Sequence[Case]
    comparison: Comparison
    failed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    stopped: bool = False

    @property
    def skipped(self) -> tuple[str, ...]:
        """Sentences on what could not happen to a picture, and why; each once, whatever the attack and the victim."""
        rows = (row for row in self.comparison.rows if row.why)
        return tuple(dict.fromkeys(f"{row.survival} is not applicable to {row.image}. {row.why}" for row in rows))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The transfer table."""
        return cells_of(self.comparison.rows)

    def record(self, folder: Path) -> ReportRecord:
        """Return the report as it is written; files are named as seen from `folder`. Equal results are equal."""
        failed = {**self.failed, **self.comparison.unreadable}
        return ReportRecord(
            version=REPORT_VERSION,
            meaning=MEANING,
            lpips=lpips_note(),
            complete=not (self.stopped or self.comparison.stopped),
            recipes={name: json.loads(recipe.to_json()) for name, recipe in self.recipes.items()},
            victims=tuple(map(_victim, self.victims)),
            survivals={name: SURVIVALS[name].description for name in self.survivals},
            cells=tuple(cell.record() for cell in self.cells),
            images=tuple(self._image(case, folder) for case in self.cases),
            rows=tuple(map(_row, self.comparison.rows)),
            failed=tuple(FailedRecord(attack=attack, image=image, why=why) for (attack, image), why in failed.items()),
            left_out=dict(self.left_out),
            notes=tuple(self.notes),
        )

    def to_json(self, folder: Path) -> dict[str, JsonValue]:
        """Return the same as JSON."""
        return self.record(folder).to_json()

    def _image(self, case: Case, folder: Path) -> ImageRecord:
        found = self.comparison.distances.get((case.attack, case.image))
        return ImageRecord(
            attack=case.attack,
            image=case.image,
            photo=os.path.relpath(case.photo, folder),
            attacked=os.path.relpath(case.attacked, folder),
            label=case.question.label,
            targets=case.question.targets,
            distances=None if found is None else found.record(),
        )


def _victim(victim: Victim) -> VictimRecord:
    return VictimRecord(
        name=victim.name,
        kind=victim.kind,
        identity=victim.identity,
        labels=len(victim.labels),
        unknown_words=victim.unknown,
    )


def _row(row: Row) -> RowRecord:
    return RowRecord(
        image=row.image,
        attack=row.attack,
        victim=row.victim,
        survival=row.survival,
        label=row.question.label,
        targets=row.question.targets,
        before=_verdict(row.before),
        after=_verdict(row.after),
        photo_after=_verdict(row.photo_after),
        share_before=row.share_before,
        share_after=row.share_after,
        outcome=row.outcome,
        why=row.why,
        reached=row.reached,
        by_itself=row.by_itself,
    )


def _verdict(verdict: Verdict) -> VerdictRecord:
    """What is worth reporting: the shares are there in the row."""
    return VerdictRecord(
        label=verdict.label,
        confidence=verdict.confidence,
        top=verdict.top,
        draws=verdict.draws,
        agreement=verdict.agreement,
        text=verdict.text,
        readouts=tuple(ReadoutRecord(name=r.name, label=r.label, confidence=r.confidence) for r in verdict.readouts),
    )


def to_csv(report: Report) -> str:
    """Return the rows as CSV with a header, in the order of `COLUMNS`."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in report.comparison.rows:
        found = report.comparison.distances.get((row.attack, row.image))
        fields = {
            **{name: getattr(row, name) for name in ("attack", "image", "victim", "survival")},
            "label": row.question.label,
            "target": " | ".join(row.question.targets),
            "before": row.before.label,
            "confidence_before": row.before.confidence,
            "after": row.after.label,
            "confidence_after": row.after.confidence,
            "share_before": row.share_before,
            "share_after": row.share_after,
            "outcome": str(row.outcome),
            "by_itself": str(row.by_itself).lower(),
            **({} if found is None else asdict(found)),
            "why": row.why,
        }
        writer.writerow({name: inert(value) for name, value in fields.items()})
    return buffer.getvalue()


def to_text(cells: Sequence[Cell]) -> str:
    """Return the transfer table for a terminal, one line for each attack, victim and survival."""
    if not cells:
        return ""
    headings = ("attack", "victim", "survival", "success", "control", "left out")
    lines = [
        (
            *(cell.attack, cell.victim, cell.survival, str(cell.rate), _short(cell)),
            ", ".join(f"{count} {reason}" for reason, count in cell.left_out.items()) or "none",
        )
        for cell in cells
    ]
    widths = [max(len(line[column]) for line in [headings, *lines]) for column in range(len(headings))]
    return "\n".join(
        "  ".join(entry.ljust(width) for entry, width in zip(line, widths, strict=True)).rstrip()
        for line in [headings, *lines]
    )


def _short(cell: Cell) -> str:
    return "-" if cell.control.value is None else f"{cell.control.successes} of {cell.control.total}"
