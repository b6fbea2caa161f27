"""The report as Markdown: a table for a README or a model card."""

from collections.abc import Iterable, Mapping
from typing import Any

from robust_model.evaluation.masking import verdict
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
    readable,
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


def _row(name: str, figure: Mapping[str, Any], how: str = "", spent: str = "") -> tuple[str, ...]:
    return (name, how, percent(figure["accuracy"]), interval(figure), f"{figure['correct']} of {figure['n']}", spent)


def render_markdown(report: Mapping[str, Any]) -> str:
    """The figures, the verdict on gradient masking and what the numbers do not say, as Markdown."""
    full = readable(report)
    rows = [_row("clean", full["clean"])]
    rows += [_row(f"clean, {name}", figure) for name, figure in full.get("clean_by_readout", {}).items()]
    for attack in full["attacks"]:
        rows.append(_row(named(attack), attack, effort(attack), passes(attack.get("passes"))))
    if full["worst_case"]:
        rows.append(_row(WORST_CASE, full["worst_case"], "", passes(full.get("passes"))))
    if full.get("worst_case_finished"):
        known = full["worst_case_finished"]
        rows.append(_row(FINISHED, known, ", ".join(known["attacks"])))
    lines = [f"## {cell(full['config']['model'])}", "", cell(setting(full)), ""]
    lines += table(("", "effort", "accuracy", "95 % interval", "images", "passes (forward + backward)"), rows)
    lines += [
        f"\n{cell(name)}: AutoAttack itself reports {percent(own)}; re-scored by majority, {percent(rescored)}."
        for name, own, rescored in autoattack_lines(full)
    ]
    lines += [f"\n{cell(which)}, judged {by}: {percent(figure['accuracy'])}." for which, by, figure in both_rules(full)]
    lines += ["", cell(rule(full)), ""] if rule(full) else [""]
    lines += [cell(verdict(full)), "", *(f"- {cell(line)}" for line in (*full["warnings"], *caveats(full)))]
    if full.get("command"):
        lines += ["", f"    {' '.join(str(full['command']).split())}"]
    return "\n".join(lines) + "\n"
