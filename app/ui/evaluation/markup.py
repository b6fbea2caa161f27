"""Evaluations as markup: what they cost, how they stand, what came out. Pure functions of what they are given."""

import time
from collections.abc import Callable, Sequence

from app.evaluation.order import Cost, DataChoice, KnownReport, LabelledUpload, SuiteChoice
from app.ui.markup import markup
from app.ui.markup.media import Media
from app.ui.markup.stage import PAUSED, caption, waiting_words
from app.visitors.uploads import Uploads
from foundation.jobs.store.model import JobSnapshot, JobStatus
from foundation.progress import with_amount
from robust_model.attacks import attack_words
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.evaluation.record.values import Proportion

Interval = Callable[[int, int], tuple[float, float]]

FEW_LABELS = 60

# Hands on the label that was chosen for a picture, or that it is to go.
LABELS_JS = """
element.addEventListener('change', event => {
  const {digest} = event.target.dataset;
  if (digest) trigger('select', {digest, label: event.target.value, remove: false});
});
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-digest]');
  if (button) trigger('select', {digest: button.dataset.digest, label: '', remove: true});
});
"""

# Gives the handle of the sidebar a name, and says whether it is open.
HANDLE_JS = """
const sidebar = element.closest('.sidebar');
const handle = sidebar?.querySelector('.toggle-button');
if (handle) {
  const tell = () => {
    const open = sidebar.classList.contains('open'), opener = document.querySelector('[data-open-evaluation]');
    handle.setAttribute('aria-expanded', String(open));
    // One of the two is to be seen: the button in the head opens the sidebar, the one in the sidebar closes it.
    if (opener) opener.style.visibility = open ? 'hidden' : '';
  };
  handle.setAttribute('aria-label', 'Evaluate a model');
  new MutationObserver(tell).observe(sidebar, {attributes: true, attributeFilter: ['class']});
  tell();
}
"""


def share(value: float) -> str:
    """An accuracy, to a tenth of a percent."""
    return f"{100 * value:.1f}%"


def interval_words(low: float, high: float) -> str:
    """The two ends of an interval."""
    return f"{100 * low:.1f} to {100 * high:.1f}%"


# ---------------------------------------------------------------------- before it starts


def cost_words(cost: Cost) -> str:
    """What something costs, in a few words."""
    return f"{cost.forward + cost.backward:,} passes, {markup.duration(cost.seconds)} at most"


def suite_label(suite: SuiteChoice, cost: Cost | None) -> str:
    """One suite as its checkbox says it: title, what it is, and what it costs where that is known."""
    return "\n".join(filter(None, (suite.title, suite.description, cost_words(cost) if cost else "")))


def estimate(cost: Cost, device: str) -> str:
    """What the whole order costs, as a paragraph."""
    return (
        f'<div class="cx-estimate"><strong>{markup.text(markup.duration(cost.seconds))}</strong>'
        f"<span>at most on {markup.text(device)}: {cost.forward:,} forward and {cost.backward:,} backward passes of "
        "one image. Images that break leave early, so it is often much less.</span></div>"
    )


def waiting(words: str) -> str:
    """Words that something is being found out."""
    return f'<div class="cx-estimate cx-pending" role="status"><span>{markup.text(words)}</span></div>'


def precision_hint(count: int, interval: Interval) -> str:
    """What the number of images means for what can be said afterwards."""
    if count < 1:
        return ""
    low, high = interval((count + 1) // 2, count)
    words = f"If half of {count:,} images are right, the accuracy lies between {interval_words(low, high)}"
    words += " (95 % interval)."
    if count < 30:
        least, _ = interval(count, count)
        words = (
            f"{count:,} {'image says' if count == 1 else 'images say'} next to nothing about accuracy: even if all "
            f"are right, it may be as low as {share(least)} (95 % interval). They show what attacks do to them."
        )
    elif count < 1000:
        words += " Four times as many images halve that."
    return f'<p class="cx-hint">{markup.text(words)}</p>'


def data_line(choice: DataChoice | None) -> str:
    """The chosen data under their menu: what they are, or why they cannot be used and what to do."""
    if choice is None:
        return markup.notice("These data are no longer there. Choose others.", tone="warn")
    said = f'<p class="cx-hint">{markup.text(choice.description)}</p>'
    return said + (markup.notice(choice.why_not, tone="warn") if choice.why_not else "")


def label_list(
    images: Sequence[LabelledUpload], classes: Sequence[str], uploads: Uploads, media: Media, name: str
) -> str:
    """Images with a menu each for what they show; those that are no longer here are passed over."""
    images = [image for image in images if uploads.has(image.digest, image.owner)]
    if not images:
        return ""
    few = len(classes) <= FEW_LABELS
    known = f"{name}-classes"
    names = "".join(f"<option>{markup.text(label)}</option>" for label in classes)
    items = "".join(
        f'<li><img src="{markup.text(media.url(uploads.find(image.digest, image.owner)))}" alt="Image {number}">'
        f"{_label_input(image, number, classes, known if not few else '')}"
        f'<button data-digest="{image.digest}" aria-label="Remove image {number}">&times;</button></li>'
        for number, image in enumerate(images, start=1)
    )
    shared = "" if few else f'<datalist id="{known}">{names}</datalist>'
    ready = sum(image.label in classes for image in images)
    words = f"{ready} of {len(images)} have a label and take part." if ready < len(images) else ""
    return f'<ul class="cx-labels">{items}</ul>{shared}<p class="cx-hint" role="status">{markup.text(words)}</p>'


def _label_input(image: LabelledUpload, number: int, classes: Sequence[str], known: str) -> str:
    shown = image.label if image.label in classes else ""
    common = f'data-digest="{image.digest}" aria-label="What image {number} shows"'
    if known:
        return f'<input {common} list="{known}" value="{markup.text(shown)}" placeholder="what it shows">'
    options = "".join(
        f"<option{' selected' if label == shown else ''}>{markup.text(label)}</option>" for label in classes
    )
    return f'<select {common}><option value="">what it shows</option>{options}</select>'


# ---------------------------------------------------------------------- while it runs, and afterwards


def run_view(job: JobSnapshot, known: KnownReport | None, problem: str = "") -> str:
    """One evaluation in whatever state it is: how far it is, and the figures so far, or the ``problem`` with them."""
    parts = [
        caption(job),
        _progress(job),
        _outcome(job),
        figures(known) if known else "",
        markup.notice(problem, tone="warn") if problem else "",
    ]
    return (
        f'<section class="cx-stage cx-is-{job.status.value}" data-job="{markup.text(job.id)}" '
        f'data-status="{job.status.value}">{markup.join(parts)}</section>'
    )


def _progress(job: JobSnapshot) -> str:
    if job.status is JobStatus.QUEUED:
        return markup.progress_bar(0, 0, waiting_words(job, time.time()))
    if job.status is not JobStatus.RUNNING:
        return ""
    said = with_amount(job.message or "starting", job.done, job.total, job.unit)
    words = markup.with_time_left(said, job.eta_s if job.total and job.done < job.total else None)
    if job.stopping:
        words = f"{words} · stopping, what is finished is kept"
    elif job.paused:
        words = f"{words} · {PAUSED}"
    return markup.progress_bar(job.done, job.total, words)


def _outcome(job: JobSnapshot) -> str:
    if job.status is JobStatus.STOPPED:
        return markup.notice(
            "What was finished is kept. The worst case over all attacks counts only images that met every one of them."
        )
    if job.status is JobStatus.INTERRUPTED:
        sentence = "The program ended while this ran. What was finished is kept."
        return markup.notice(sentence, tone="warn", title="Interrupted.")
    if job.status is JobStatus.FAILED:
        reason = job.error or "The log of the server says more."
        return markup.notice(reason, tone="bad", title="This did not work.")
    return ""


def figures(known: KnownReport) -> str:
    """Accuracies with their intervals: clean, worst case, and under each attack."""
    report = known.report
    total = report.data.n
    rows = [_figure("without an attack", report.clean, total)]
    rows.append(_figure("worst case over all attacks", report.worst_case, total, "cx-headline"))
    finished = report.worst_case_finished
    if finished is not None:
        names = ", ".join(finished.attacks)
        rows.append(_figure(f"worst case over the finished attacks ({names})", finished, total, "cx-headline"))
    met = {attack.name: attack for attack in report.attacks}
    rows += [_figure(name, met.get(name), total) for name in dict.fromkeys((*known.planned, *met))]
    return f'<ol class="cx-figures" aria-label="Accuracy">{"".join(rows)}</ol>'


def _figure(name: str, figure: Proportion | None, total: int, css_class: str = "") -> str:
    css = f' class="{css_class}"' if css_class else ""
    words = attack_words(name)
    said = f"<small>{markup.text(words)}</small>" if words else ""
    head = f'<span class="cx-figure-name">{markup.text(name)}{said}</span>'
    if figure is None or not figure.n:
        return f'<li{css}>{head}<span class="cx-figure-value">not yet</span>{range_bar(0, 0, 0)}</li>'
    low, high = figure.ci95
    accuracy, counted = figure.accuracy, figure.n
    so_far = f" of {total:,}" if counted < total else ""
    return (
        f'<li{css}>{head}<span class="cx-figure-value"><b>{share(accuracy)}</b> '
        f"<small>{interval_words(low, high)}</small></span>{range_bar(low, accuracy, high)}"
        f"<small>{figure.correct:,} right of {counted:,}{so_far} images</small></li>"
    )


def range_bar(low: float, value: float, high: float) -> str:
    """A bar up to a value, with its interval marked."""
    return (
        f'<span class="cx-range" aria-hidden="true"><i style="width:{100 * value:.2f}%"></i>'
        f'<u style="left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"></u></span>'
    )


def notes(report: EvaluationReport) -> str:
    """What has to be said about the figures: signs of masked gradients, and warnings."""
    found = [one for one in report.findings if one.verdict == "found"]
    parts = [markup.notice(one.evidence, tone="warn", title=f"{one.sign}.") for one in found]
    parts += [markup.notice(warning, tone="warn") for warning in report.warnings]
    return markup.join(parts)


def run_actions(job: JobSnapshot, known: KnownReport | None) -> str:
    """What can be done with an evaluation that has come to figures."""
    if known is None:
        return ""
    return (
        f'<div class="cx-stage">{notes(known.report)}<div class="cx-row">'
        f'<button class="cx-button" data-pick="{markup.text(job.id)}">Open the report</button></div></div>'
    )
