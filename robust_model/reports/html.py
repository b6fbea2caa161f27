"""The report as one HTML page that needs nothing else: no network, no script, light and dark, wide and narrow."""

import json
from pathlib import Path

from foundation.files.text_files import read_text
from robust_model.evaluation.masking.findings import findings_of, verdict
from robust_model.evaluation.record.schema import EvaluationReport, Verdict
from robust_model.evaluation.record.values import DrawCounts, Passes, Proportion, WorstDrawCounts
from robust_model.reports.markup import Markup, join, table, tag
from robust_model.reports.plots import accuracy_plot, curve_plot
from robust_model.reports.samples import sample_card
from robust_model.reports.words import (
    AFRESH,
    FINISHED,
    NOTHING,
    WHILE_ATTACKED,
    WORST_CASE,
    autoattack_lines,
    budget,
    caveats,
    duration,
    effort,
    interval,
    named,
    passes,
    percent,
    rule,
    setting,
)

STYLE_PATH = Path(__file__).with_name("report.css")
CURVES = (
    ("sweep", "eps", "Accuracy against epsilon", "L∞ budget, in grey levels of 255", 255.0),
    ("convergence", "steps", "Do more steps break more?", "steps of the attack", 1.0),
    ("convergence", "eot", "Do better averages break more?", "passes averaged for a gradient (EOT)", 1.0),
)
"""(part of the report, axis, title, the axis's label, what turns its values into those of the label)"""
MARKS: dict[Verdict, str] = {"found": "!", "not found": "✓", "not tested": "·"}


def _section(title: str, *body: Markup, lead: str = "") -> Markup:
    """A titled part of the page; none where there is nothing in it."""
    if not any(body):
        return Markup()
    return tag("section", tag("h2", title), tag("p", lead, kind="lead") if lead else Markup(), *body)


def _figure(title: str, svg: str) -> Markup:
    return tag("figure", tag("figcaption", title), Markup(svg))


def _bullets(lines: list[str]) -> Markup:
    return tag("ul", *(tag("li", line) for line in lines)) if lines else Markup()


def _number(figure: Proportion, words: str, kind: str) -> Markup:
    big = tag("b", f"{figure.accuracy * 100:.1f}", tag("small", "%"))
    detail = f"{interval(figure)} (95 % interval), {figure.correct:,} of {figure.n:,}"
    return tag("div", big, tag("span", words), tag("span", detail), kind=f"number {kind}")


def _headline(report: EvaluationReport) -> Markup:
    numbers = [_number(report.clean, "right when clean", "clean")]
    if report.worst_case is not None:
        words = f"still right under every attack, L∞ {budget(report.config.eps)}"
        numbers.insert(0, _number(report.worst_case, words, "worst"))
    found = any(finding.verdict == "found" for finding in findings_of(report))
    notices = [tag("p", verdict(report), kind=f"notice {'bad' if found else 'good'}")]
    if not report.complete:
        notices.insert(0, tag("p", "Not complete: more is to come, or it was stopped.", kind="notice bad"))
    notices += [tag("p", warning, kind="notice") for warning in report.warnings]
    return tag(
        "header",
        tag("p", "Robustness report", kind="eyebrow"),
        tag("h1", report.config.model),
        tag("p", setting(report)),
        tag("div", *numbers, kind="numbers"),
        *notices,
    )


def _accuracies(report: EvaluationReport) -> Markup:
    rows: list[tuple[str, Proportion, str]] = [("clean", report.clean, "accent")]
    rows += [(attack.name, attack, "sky") for attack in report.attacks]
    if report.worst_case is not None:
        rows.append((WORST_CASE, report.worst_case, "attack"))
    if report.worst_case_finished is not None:
        rows.append((FINISHED, report.worst_case_finished, "attack"))
    return _figure("What is left under each attack", accuracy_plot(rows))


def _attacks(report: EvaluationReport) -> Markup:
    def row(
        name: object,
        figure: Proportion,
        spent: Passes | None = None,
        seconds: float | None = None,
        distance: float | None = None,
    ) -> tuple[object, ...]:
        right = f"{figure.correct:,} / {figure.n:,}"
        far = NOTHING if distance is None else budget(distance)
        return (name, percent(figure.accuracy), interval(figure), right, passes(spent), duration(seconds), far)

    rows = [row("clean", report.clean)]
    rows += [
        row(join((named(a), tag("small", effort(a)))), a, a.passes, a.seconds, a.distance_max) for a in report.attacks
    ]
    if report.worst_case is not None:
        rows.append(row(WORST_CASE, report.worst_case, report.passes, report.seconds))
    if report.worst_case_finished is not None:
        rows.append(row(FINISHED, report.worst_case_finished))
    header = ("", "accuracy", "95 % interval", "images", "passes forward + back", "time", "distance")
    return table("Attack by attack", header, rows, WORST_CASE)


def _autoattack(report: EvaluationReport) -> Markup:
    rows = [(name, percent(own), percent(rescored)) for name, own, rescored in autoattack_lines(report)]
    if not rows:
        return Markup()
    warned = [f"{a.name}: {w}" for a in report.attacks if a.autoattack is not None for w in a.autoattack.warnings]
    header = ("", "its own figure", "re-scored by majority")
    return join((table("AutoAttack, counted in two ways", header, rows), _bullets(warned)))


def _accounting(report: EvaluationReport) -> Markup:
    """A random model's accuracy, counted in every way that the report has."""
    ways, worst = report.accounting, report.worst_case
    if ways is None or worst is None:
        return Markup()

    def row(title: str, majority: Proportion, afresh: str, other: DrawCounts | WorstDrawCounts) -> tuple[str, ...]:
        return title, percent(majority.accuracy), afresh, percent(other.mean), percent(other.every_draw.accuracy)

    rows = [
        row("clean", report.clean, NOTHING, ways.clean),
        row(WORST_CASE, worst, percent(ways.worst_case.rescored.accuracy), ways.worst_case),
    ]
    header = ("", f"by majority, {WHILE_ATTACKED}", f"by majority, {AFRESH}", "mean of one draw", "right in every draw")
    title = f"Counted in other ways, {ways.clean.draws} draws"
    return join((table(title, header, rows), tag("p", rule(report))))


def _readouts(report: EvaluationReport) -> Markup:
    rows = [
        (name, percent(figure.accuracy), interval(figure), f"{figure.correct:,} / {figure.n:,}")
        for name, figure in report.clean_by_readout.items()
    ]
    return table("Each read-out alone, clean", ("", "accuracy", "95 % interval", "images"), rows) if rows else Markup()


def _findings(report: EvaluationReport) -> Markup:
    order = list(MARKS)
    items = [
        tag(
            "li",
            tag("i", MARKS[finding.verdict], aria_hidden="true"),
            tag(
                "div",
                tag("h3", finding.sign, " ", tag("small", finding.verdict)),
                tag("p", finding.evidence),
            ),
            kind=finding.verdict.replace(" ", "-"),
        )
        for finding in sorted(findings_of(report), key=lambda f: order.index(f.verdict))
    ]
    return tag("ul", *items, kind="findings") if items else Markup()


def _curves(report: EvaluationReport) -> Markup:
    """One plot for each thing that was varied."""
    plots = []
    parts = {"sweep": report.sweep, "convergence": report.convergence}
    for part, axis, title, label, factor in CURVES:
        measured = parts[part]
        curves = [c for c in measured.curves if c.axis == axis and c.points] if measured else []
        if curves:
            plots.append(_figure(title, curve_plot(curves, f"{part}-{axis}", label, factor)))
    return tag("div", *plots, kind="plots") if plots else Markup()


def _samples(report: EvaluationReport, folder: Path | None) -> Markup:
    if folder is None or not report.samples:
        return Markup()
    eps = report.config.eps
    return tag("div", *(sample_card(sample, folder, eps) for sample in report.samples), kind="samples")


def _appendix(report: EvaluationReport) -> Markup:
    facts = {
        "device": report.device,
        **report.versions,
        "suites": ", ".join(report.suites) or NOTHING,
        "report schema": report.version,
    }
    command = tag("pre", report.command) if report.command else Markup()
    settings = {
        "config": report.config.model_dump(mode="json"),
        "defence": report.defence.to_json(),
        "attacks": [attack.config.model_dump(mode="json") for attack in report.attacks],
    }
    whole = tag("pre", json.dumps(settings, indent=2, ensure_ascii=False), tabindex=0)
    return join(
        (
            tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts.items())),
            command,
            tag("details", tag("summary", "Full configuration"), whole),
        )
    )


def render_html(report: EvaluationReport, folder: Path | None = None) -> str:
    """The whole page of a report. `folder` holds the sample images that the report names, if any.

    Raises StudioError for a sample outside the folder, or for a damaged one.
    """
    scale = budget(report.config.eps)
    main = tag(
        "main",
        _headline(report),
        _section(
            "Accuracy",
            tag(
                "div",
                _accuracies(report),
                tag("div", _readouts(report), _accounting(report), _autoattack(report)),
                kind="wide",
            ),
            _attacks(report),
        ),
        _section(
            "Signs of gradient masking",
            _findings(report),
            lead="Is the model sturdy, or do its gradients only hide the way?",
        ),
        _section(
            "Budget and effort",
            _curves(report),
            lead="Shaded: 95 % intervals. An image that is broken once counts as broken at all larger values.",
        ),
        _section(
            "Images that were broken",
            _samples(report, folder),
            lead=f"The middle picture is the change: grey where there is none, black and white at {scale} either way.",
        ),
        _section("What the numbers do not say", _bullets(caveats(report))),
        _section("How it was measured", _appendix(report)),
    )
    head = join(
        (
            Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup('<meta name="color-scheme" content="light dark">'),
            tag("title", f"{report.config.model}: robustness report"),
            tag("style", Markup(read_text(STYLE_PATH))),
        )
    )
    return "<!doctype html>\n" + tag("html", tag("head", head), tag("body", main), lang="en") + "\n"
