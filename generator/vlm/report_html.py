"""The descriptions in the explorer's HTML report: rates, and what was said about each picture.

Texts come from a server, and are escaped like any other.
"""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from generator.transfer.batch import save_report
from generator.transfer.report import Report
from generator.transfer.report_html import Addition
from generator.victims.survival import SAVED
from generator.vlm.record import DescriptionsRecord, DescriptionsSummary
from generator.vlm.report import DESCRIPTIONS_CSV, DESCRIPTIONS_JSON, MEANING, VlmCell, cells_of, mean_text, means_of
from generator.vlm.verdicts import Described, VlmVerdict

LONGEST_SHOWN = 1000
"""Characters of a text that are shown; the files have all of it."""
_SCORES = {"target_keywords": "target", "label_keywords": "label", "judge": "judge"}
"""The scores that are shown beside a text, and what they are called there."""


def addition_of(found: DescriptionsRecord) -> Addition:
    """Return what a report says of descriptions, given what descriptions.json holds."""
    by_case: dict[tuple[str, str], list[Described]] = {}
    for entry in found.described:
        if entry.survival == SAVED:
            by_case.setdefault((entry.attack, entry.image), []).append(entry)
    return Addition(
        _chapter(found, cells_of(found.described)), {key: _said(entries) for key, entries in by_case.items()}
    )


def summary_of(found: DescriptionsRecord) -> DescriptionsSummary:
    """Return what the explorer's report says of descriptions."""
    return DescriptionsSummary(
        files=(DESCRIPTIONS_JSON, DESCRIPTIONS_CSV),
        meaning=found.meaning,
        complete=found.complete,
        ended=found.ended,
        inquiry=found.inquiry,
        judge_model=found.judge_model,
        cells=found.cells,
    )


def save_described(report: Report, folder: Path, found: DescriptionsRecord) -> None:
    """Save a report in its three forms, with what descriptions.json holds. Raises StudioError."""
    whole = report.to_json(folder) | {"descriptions": summary_of(found).to_json()}
    save_report(report, whole, folder, addition_of(found))


def _chapter(found: DescriptionsRecord, cells: Sequence[VlmCell]) -> str:
    incomplete = "" if found.complete else f"Not all was asked. {found.ended}".strip()
    return (
        "<h2>What vision-language models say</h2>"
        + (f"<p><strong>{escape(incomplete)}</strong></p>" if incomplete else "")
        + f"<p>{escape(MEANING)}</p><p>Asked: {escape(found.inquiry.question)}</p>"
        + _table(("attacked with", "model", "file", "measure", "attacked", "clean"), map(_row, _measures(cells)))
    )


def _measures(cells: Iterable[VlmCell]) -> Iterable[tuple[str, ...]]:
    for cell in cells:
        place = (cell.attack, cell.model, cell.survival)
        yield (*place, "samples answered", f"{cell.asked - cell.failed} of {cell.asked}, clean ones too", "")
        for name, (attacked, clean) in cell.rates.items():
            yield (*place, name, str(attacked), str(clean))
        for name, (of_attacked, of_clean) in means_of(cell):
            yield (*place, name, mean_text(of_attacked), mean_text(of_clean))


def _said(entries: Iterable[Described]) -> str:
    """What models say about one picture as it was saved, and about its photo."""
    rows = [
        _row((entry.model, picture, _shown(verdict), _scores(verdict)))
        for entry in entries
        for picture, verdicts in (("photo", entry.clean), ("attacked", entry.attacked))
        for verdict in verdicts
    ]
    return _table(("model", "picture", "says", "scores"), rows)


def _shown(verdict: VlmVerdict) -> str:
    if not verdict.answered:
        return f"No answer: {verdict.error}"
    more = len(verdict.text) - LONGEST_SHOWN
    if more <= 0:
        return verdict.text
    return f"{verdict.text[:LONGEST_SHOWN]} ... ({more:,} more characters in {DESCRIPTIONS_JSON})"


def _scores(verdict: VlmVerdict) -> str:
    found = {shown: getattr(verdict, name) for name, shown in _SCORES.items()}
    return ", ".join(f"{shown} {score:.0%}" for shown, score in found.items() if score is not None)


def _row(cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _table(headings: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
