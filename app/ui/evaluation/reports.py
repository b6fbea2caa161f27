"""Past evaluations as markup: their list, a report to read, and several of them side by side."""

from collections.abc import Sequence
from pathlib import Path

from app.evaluation.order import Headline, ReportFiles, ShippedReport, headline_of
from app.ui.evaluation.markup import interval_words, range_bar, share
from app.ui.markup import markup
from app.ui.markup.media import Media
from app.ui.markup.results import file_stem
from app.ui.markup.stage import state_word, when
from app.ui.wiring.services import Comparison, Difference
from foundation.jobs.store.model import JobSnapshot, JobStatus
from robust_model.attacks import attack_words
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.evaluation.record.values import Proportion

MOST_RUNS = 40

# Hands on which run is to be opened, which are to be compared, or which is to be removed.
RUNS_JS = """
const chosen = () => [...element.querySelectorAll('input[data-run]:checked')].map(box => box.dataset.run);
element.addEventListener('change', () => {
  const button = element.querySelector('[data-compare]');
  if (button) button.disabled = chosen().length < 2;
});
element.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  const {pick = '', remove = '', compare} = button.dataset;
  trigger('select', {pick, remove, runs: compare === undefined ? [] : chosen()});
});
"""

# Closes at once, whatever the server does; Escape closes too, and the focus goes into what was opened.
SHEET_JS = """
const close = () => {
  const sheet = element.querySelector('.cx-report');
  if (!sheet) return;
  sheet.remove();
  trigger('select', {pick: ''});
};
element.addEventListener('click', event => { if (event.target.closest('[data-close]')) close(); });
document.addEventListener('keydown', event => { if (event.key === 'Escape') close(); });
new MutationObserver(() => element.querySelector('[data-close]')?.focus()).observe(
  element, {childList: true, subtree: true}
);
"""


def runs(jobs: Sequence[JobSnapshot], shipped: Sequence[ShippedReport] = ()) -> str:
    """The visitor's evaluations, newest first, and below them those that came with the models: to open and compare."""
    own = [job for job in jobs if job.status is not JobStatus.DISCARDED][:MOST_RUNS]
    hint = "" if own else '<p class="cx-hint">None yet of your own. They stay here, also after a reload.</p>'
    entries = [*map(_run, own), *map(_shipped, shipped)]
    listed = f'<ul class="cx-runs">{"".join(entries)}</ul>' if entries else ""
    compare = (
        '<div class="cx-row"><button class="cx-button" data-compare disabled>Compare the chosen</button></div>'
        if len(entries) > 1
        else ""
    )
    return f"{hint}{listed}{compare}"


def _run(job: JobSnapshot) -> str:
    state = "" if job.status is JobStatus.DONE else f" · {state_word(job)}"
    said = f"{when(job.created)}{state}{_headline(Headline.of(job.result))}"
    title = job.title or job.kind
    return _entry(job.id, title, said, comparable=bool(job.result), removable=job.status.finished)


def _shipped(one: ShippedReport) -> str:
    said = f"shipped with the model{_headline(one.report)}"
    return _entry(one.name, one.title, said, comparable=True, removable=False)


def _entry(name: str, title: str, said: str, *, comparable: bool, removable: bool) -> str:
    name, title = markup.text(name), markup.text(title)
    remove = f'<button class="cx-word" data-remove="{name}" aria-label="Remove {title}">remove</button>'
    return (
        f'<li><input type="checkbox" data-run="{name}" aria-label="Choose {title}"{"" if comparable else " disabled"}>'
        f'<button class="cx-run" data-pick="{name}"><span>{title}</span><small>{markup.text(said)}</small></button>'
        f"{remove if removable else ''}</li>"
    )


def _headline(found: Headline | EvaluationReport | None) -> str:
    headline = headline_of(found)
    if headline is None:
        return ""
    words, worst = headline
    return f" · {words} {share(worst.accuracy)} ({interval_words(*worst.ci95)}) of {worst.n:,}"


def sheet(title: str, inner_html: str, links: str = "") -> str:
    """Something to read, over the whole page. ``inner_html`` and ``links`` are markup."""
    return (
        f'<div class="cx-report" role="dialog" aria-modal="true" aria-label="{markup.text(title)}">'
        f'<header><h2>{markup.text(title)}</h2><div class="cx-row">{links}'
        f'<button class="cx-button" data-close>Close</button></div></header>{inner_html}</div>'
    )


def report_sheet(title: str, files: ReportFiles, media: Media) -> str:
    """A report as it was written, in a frame in which nothing can run, with its files."""

    def address(path: Path) -> str:
        return media.url(path, path.stat().st_mtime_ns)

    stem = file_stem(title)
    links = "".join(
        markup.download_link(address(path), f"{stem}{path.suffix}", label)
        for path, label in ((files.html, "HTML"), (files.markdown, "Markdown"), (files.json, "JSON"))
    )
    frame = f'<iframe sandbox="" src="{markup.text(address(files.html))}" title="{markup.text(title)}"></iframe>'
    return sheet(title, frame, links)


def comparison_sheet(titles: Sequence[str], compared: Comparison) -> str:
    """Several evaluations side by side: a column each, a row for each figure, then what of it is more than chance."""
    head = "".join(
        f'<th scope="col">{markup.text(title)}<small>{markup.text(name)}</small></th>'
        for title, name in zip(titles, compared.names, strict=True)
    )
    rows = [("evaluated on", "".join(f"<td>{markup.text(setting)}</td>" for setting in compared.settings))]
    rows += [(name, "".join(map(_cell, figures))) for name, figures in compared.figures.items()]
    body = "".join(f'<tr><th scope="row">{_measure(name)}</th>{cells}</tr>' for name, cells in rows)
    warnings = "".join(markup.notice(warning, tone="warn") for warning in compared.warnings)
    table = f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    inner = f"{warnings}{table}{_differences(compared.differences)}"
    return sheet("Comparison", f'<div class="cx-report-body" tabindex="0">{inner}</div>')


def _differences(found: Sequence[Difference]) -> str:
    if not found:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "first", "second", "first \u2212 second", "verdict"))
    rows = "".join(
        f'<tr><th scope="row">{_measure(one.measure)}</th><td>{markup.text(one.first)}</td>'
        f"<td>{markup.text(one.second)}</td><td>{one.points:+.1f} points</td><td>{markup.text(one.words)}</td></tr>"
        for one in found
    )
    return f"<h3>Is it more than chance?</h3><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(figure: Proportion | None) -> str:
    if figure is None or not figure.n:
        return "<td>not done</td>"
    low, high = figure.ci95
    accuracy = figure.accuracy
    return (
        f"<td><b>{share(accuracy)}</b> <small>{interval_words(low, high)}</small>{range_bar(low, accuracy, high)}"
        f"<small>{figure.correct:,} of {figure.n:,}</small></td>"
    )


def _measure(name: str) -> str:
    """What was measured, with what an attack of that name does."""
    words = attack_words(name)
    return markup.text(name) + (f"<small>{markup.text(words)}</small>" if words else "")
