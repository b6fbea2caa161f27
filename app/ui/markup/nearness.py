"""How near a picture is to what led it, as markup."""

from collections.abc import Mapping, Sequence

from app.ui.markup import markup
from generator.records.pictures import Nearness, PictureFacts

ROLES = {
    "prompt": "",
    "prompt_to": "to",
    "negative": "not",
    "against": "against",
    "target": "the target picture",
    "style": "the style picture",
    "caption": "caption",
}
"""How the record's roles are called beside their texts."""


def nearness(image: PictureFacts, titles: Mapping[str, str]) -> str:
    """How near a picture is to everything that it was led by, and was before, in the eyes of each model."""
    found = image.cosines or {}
    near = "".join(_nearness(titles.get(name, name), rows) for name, rows in found.items())
    return f'<div class="cx-verdicts">{near}</div>' if near else ""


def _nearness(model: str, entries: Sequence[Nearness]) -> str:
    """How near the picture is to each prompt, now and before, in the eyes of one model."""
    rows = "".join(_cosine(entry) for entry in entries)
    return (
        f'<article class="cx-verdict"><header><h3>{markup.text(model)}</h3>'
        "<span>how near the picture is to each prompt (cosine), and was before</span></header>"
        f'<ol class="cx-bars cx-cosines">{rows}</ol></article>'
    )


def _cosine(entry: Nearness) -> str:
    role, text = ROLES.get(entry.role, entry.role), entry.text
    name = f"<em>{markup.text(role)}</em> {markup.text(text)}" if text and role else markup.text(text or role)
    away = " cx-away" if entry.weight < 0 else ""
    width = 100 * min(max(entry.after or 0.0, 0.0), 1.0)
    return (
        f'<li class="cx-bar{away}"><span class="cx-bar-name">{name}</span>'
        f'<span class="cx-bar-track"><i style="width:{width:.1f}%"></i></span>'
        f'<span class="cx-bar-value">{_number(entry.after)} <small>{_number(entry.before)}</small></span></li>'
    )


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}".replace("-", "\u2212")
