"""Your results, the models and the foot of the page, as markup."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from app.jobs.model import JobSnapshot, JobStatus
from app.pictures import CARD_NAME
from app.ui import markup
from app.ui.media import Media
from app.ui.stage import STATE_WORDS, when
from generator.catalogue.entry import ModelInfo

KINDS = ("text", "image", "attack")
"""The kinds of jobs whose results are shown."""

CLICK_JS = """
element.addEventListener('click', event => {
  const chosen = event.target.closest('[data-pick]');
  if (chosen) trigger('select', {pick: chosen.dataset.pick});
});
"""


def results(snapshots: Sequence[JobSnapshot], media: Media, most: int = 48) -> str:
    """The visitor's earlier jobs as a grid of buttons, newest first."""
    shown = [job for job in snapshots if job.status is not JobStatus.DISCARDED and job.kind in KINDS]
    if not shown:
        inner = "<p>Nothing yet. What you make appears here, and stays after a reload.</p>"
    else:
        inner = f'<div class="cx-results">{"".join(_result(job, media) for job in shown[:most])}</div>'
    return f'<section class="cx-section" aria-label="Your results"><h2>Your results</h2>{inner}</section>'


def fingerprint(snapshots: Sequence[JobSnapshot]) -> str:
    """Changes whenever a list of jobs would look different."""
    parts = (f"{job.id} {job.status.value} {job.stopping} {bool(job.preview)}" for job in snapshots)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _result(job: JobSnapshot, media: Media) -> str:
    title = job.title or job.kind
    image = _card_picture(job, media)
    done = job.status is JobStatus.DONE
    state = "" if done else f" · {'stopping' if job.stopping else STATE_WORDS[job.status]}"
    return (
        f'<button class="cx-result" data-pick="{markup.text(job.id)}">{image}'
        f"<span>{markup.text(title)}</span><small>{when(job.created)}{markup.text(state)}</small></button>"
    )


def _card_picture(job: JobSnapshot, media: Media) -> str:
    """One whole picture: of a finished job its first, of one that runs the first of those that its preview shows."""
    card = Path(job.folder) / CARD_NAME
    if card.is_file():
        return markup.picture(media.url(card), "")
    if not job.preview or not Path(job.preview).is_file():
        return '<span class="cx-noimage"></span>'
    shown = markup.picture(media.url(Path(job.preview), job.preview_version), "")
    recipe = job.params.get("recipe", {})
    if job.kind == "attack" or int(recipe.get("images", 1)) < 2:
        return shown
    height, width = (max(1, int(side)) for side in recipe.get("size", (1, 1)))
    ratio = f"aspect-ratio: {width} / {height}; width: {100 * min(1.0, width / height):.2f}%"
    return f'<span class="cx-first">{shown.replace("<img ", f"""<img style="{ratio}" """, 1)}</span>'


def models(infos: Sequence[ModelInfo], encoders: Sequence[ModelInfo] = ()) -> str:
    """What models there are, what each is and whether it is ready."""
    cards = "".join([*map(_model, infos), *map(_encoder, encoders)])
    if not cards:
        cards = markup.notice("No models are listed. See the README for how to train or fetch one.", tone="warn")
    return (
        f'<section class="cx-section" aria-label="Models"><h2>Models</h2><div class="cx-models">{cards}</div></section>'
    )


def _model(info: ModelInfo) -> str:
    state = '<span class="cx-ready">ready</span>' if info.ready else '<span class="cx-missing">not ready</span>'
    return _card(info, state, "" if info.ready else info.why_not)


def _encoder(info: ModelInfo) -> str:
    if not needs_download(info):
        return _model(info)
    return _card(info, f'<span class="cx-absent">{download_words(info)}</span>', "")


def _card(info: ModelInfo, state: str, why: str) -> str:
    reason = f'<p class="cx-why">{markup.text(why)}</p>' if why else ""
    return (
        f'<article class="cx-model"><h3>{markup.text(info.title)}{state}</h3>'
        f"<p>{markup.text(info.description)}</p>{reason}</article>"
    )


def model_line(info: ModelInfo | None) -> str:
    """The chosen model in one paragraph under its menu."""
    if info is None:
        return markup.notice("This model is not in the list. Choose another.", tone="warn")
    if needs_download(info):
        return f'<p class="cx-hint">{markup.text(f"{info.description} {info.why_not}")}</p>'
    if not info.ready:
        return markup.notice(info.why_not, tone="warn", title="Not ready.")
    return f'<p class="cx-hint">{markup.text(info.description)}</p>'


def needs_download(info: ModelInfo) -> bool:
    """Whether a model has to be fetched before it can be used."""
    return info.origin == "download" and not info.ready


def download_words(info: ModelInfo) -> str:
    """What fetching a model means, in a few words."""
    size = f" ({info.download_bytes / 1e6:,.0f} MB)" if info.download_bytes else ""
    return f"needs a download{size}"


def encoder_title(info: ModelInfo) -> str:
    """A model that reads prompts, as its menu shows it."""
    if needs_download(info):
        return f"{info.title}, {download_words(info)}"
    return info.title if info.ready else f"{info.title} (not ready)"


def encoder_line(info: ModelInfo | None, infos: Sequence[ModelInfo]) -> str:
    """The chosen model in one paragraph under its menu, and what of all models is on this machine."""
    if info is None or not (info.ready or needs_download(info)):
        return model_line(info)
    lines = [info.description]
    if needs_download(info):
        lines += [info.why_not, "It can be stopped, and goes on from there the next time."]
    elif all(other.origin == "shipped" for other in infos if other.ready):
        lines.append("No other model that reads prompts is on this machine yet; the menu has more to download.")
    return f'<p class="cx-hint">{markup.text(" ".join(lines))}</p>'


def footer(device: str, note: str) -> str:
    """Where the work runs, and what happens to it."""
    return (
        f'<div class="cx-foot">Running on <code>{markup.text(device)}</code>: {markup.text(note)} '
        "Everything stays on this machine; only a vision-language model elsewhere, if this server is set up for one, "
        "sees the pictures that you have it look at.</div>"
    )
