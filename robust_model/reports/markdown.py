"""The report as Markdown: a table for a README or a model card."""

from collections.abc import Iterable

from robust_model.evaluation.masking.findings import verdict
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.evaluation.record.values import Proportion
from robust_model.reports.words import (
    FINISHED,
    WORST_CASE,
    autoattack_lines,
    both_rules,
    caveats,
    effort,
    interval,
    named,
    passes,
    percent,
    rule,
    setting,
)


def cell(value: object) -> str:
    """A text inside one cell of a Markdown table: no bars, line breaks or HTML of its own."""
    text = " ".join(str(value).split())
    for character, escaped in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), (">", "&gt;"), ("`", "\\`")):
        text = text.replace(character, escaped)
    return text


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """A Markdown table, line by line; cells are escaped here."""
    head = [cell(name) for name in header]
    lines = [head, ["---"] * len(head), *([cell(value) for value in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _row(name: str, figure: Proportion, how: str = "", spent: str = "") -> tuple[str, ...]:
    return (name, how, percent(figure.accuracy), interval(figure), f"{figure.correct} of {figure.n}", spent)


def render_markdown(report: EvaluationReport) -> str:
    """The figures, the verdict on gradient masking and what the numbers do not say, as Markdown."""
    rows = [_row("clean", report.clean)]
    rows += [_row(f"clean, {name}", figure) for name, figure in report.clean_by_readout.items()]
    for attack in report.attacks:
        rows.append(_row(named(attack), attack, effort(attack), passes(attack.passes)))
    if report.worst_case is not None:
        rows.append(_row(WORST_CASE, report.worst_case, "", passes(report.passes)))
    known = report.worst_case_finished
    if known is not None:
        rows.append(_row(FINISHED, known, ", ".join(known.attacks)))
    lines = [f"## {cell(report.config.model)}", "", cell(setting(report)), ""]
    lines += table(("", "effort", "accuracy", "95 % interval", "images", "passes (forward + backward)"), rows)
    lines += [
        f"\n{cell(name)}: AutoAttack itself reports {percent(own)}; re-scored by majority, {percent(rescored)}."
        for name, own, rescored in autoattack_lines(report)
    ]
    lines += [f"\n{cell(which)}, judged {by}: {percent(figure.accuracy)}." for which, by, figure in both_rules(report)]
    lines += ["", cell(rule(report)), ""] if rule(report) else [""]
    lines += [cell(verdict(report)), "", *(f"- {cell(line)}" for line in (*report.warnings, *caveats(report)))]
    if report.command:
        lines += ["", f"    {' '.join(report.command.split())}"]
    return "\n".join(lines) + "\n"
