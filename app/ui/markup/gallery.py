"""The models and the foot of the page, as markup."""

from collections.abc import Sequence

from app.ui.markup import markup
from foundation.catalogue.entry import ModelInfo

CLICK_JS = """
element.addEventListener('click', event => {
  const chosen = event.target.closest('[data-pick]');
  if (chosen) trigger('select', {pick: chosen.dataset.pick});
});
"""


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
