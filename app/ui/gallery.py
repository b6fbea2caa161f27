"""Your results, the models and the foot of the page, as markup."""

from collections.abc import Sequence
from pathlib import Path

from app.jobs.model import JobSnapshot, JobStatus
from app.ui import markup
from app.ui.media import Media
from app.ui.services import ModelInfo
from app.ui.stage import STATE_WORDS, when

CLICK_JS = """
element.addEventListener('click', event => {
  const chosen = event.target.closest('[data-pick]');
  if (chosen) trigger('select', {pick: chosen.dataset.pick});
});
"""


def results(snapshots: Sequence[JobSnapshot], media: Media, most: int = 48) -> str:
    """The visitor's earlier jobs as a grid of buttons, newest first."""
    shown = [job for job in snapshots if job.status is not JobStatus.DISCARDED and job.kind in ("image", "attack")]
    if not shown:
        inner = "<p>Nothing yet. What you make appears here, and stays after a reload.</p>"
    else:
        inner = f'<div class="cx-results">{"".join(_result(job, media) for job in shown[:most])}</div>'
    return f'<section class="cx-section" aria-label="Your results"><h2>Your results</h2>{inner}</section>'


def _result(job: JobSnapshot, media: Media) -> str:
    title = job.title or job.kind
    image = '<span class="cx-noimage"></span>'
    if job.preview and Path(job.preview).is_file():
        image = markup.picture(media.url(Path(job.preview), job.preview_version), "")
    done = job.status is JobStatus.DONE
    state = "" if done else f" · {STATE_WORDS[job.status]}"
    return (
        f'<button class="cx-result" data-pick="{markup.text(job.id)}">{image}'
        f"<span>{markup.text(title)}</span><small>{when(job.created)}{markup.text(state)}</small></button>"
    )


def models(infos: Sequence[ModelInfo]) -> str:
    """What models there are, what each is and whether it is ready."""
    cards = "".join(_model(info) for info in infos)
    if not cards:
        cards = markup.notice("No models are listed. See the README for how to train or fetch one.", tone="warn")
    return (
        f'<section class="cx-section" aria-label="Models"><h2>Models</h2><div class="cx-models">{cards}</div></section>'
    )


def _model(info: ModelInfo) -> str:
    state = '<span class="cx-ready">ready</span>' if info.ready else '<span class="cx-missing">not ready</span>'
    why = "" if info.ready else f'<p class="cx-why">{markup.text(info.why_not)}</p>'
    return (
        f'<article class="cx-model"><h3>{markup.text(info.title)}{state}</h3>'
        f"<p>{markup.text(info.description)}</p>{why}</article>"
    )


def model_line(info: ModelInfo | None) -> str:
    """The chosen model in one paragraph under its menu."""
    if info is None:
        return markup.notice("This model is not in the list. Choose another.", tone="warn")
    if not info.ready:
        return markup.notice(info.why_not, tone="warn", title="Not ready.")
    return f'<p class="cx-hint">{markup.text(info.description)}</p>'


def footer(device: str, note: str) -> str:
    """Where the work runs, and what happens to it."""
    return (
        f'<div class="cx-foot">Running on <code>{markup.text(device)}</code>: {markup.text(note)} '
        "Everything stays on this machine.</div>"
    )
