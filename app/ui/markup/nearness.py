"""How near a picture is to what led it, as markup."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.ui.markup import markup

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


def nearness(image: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """How near a picture is to everything that it was led by, and was before, in the eyes of each model."""
    near = "".join(_nearness(titles.get(name, name), rows) for name, rows in image.get("cosines", {}).items())
    return f'<div class="cx-verdicts">{near}</div>' if near else ""


def _nearness(model: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """How near the picture is to each prompt, now and before, in the eyes of one model."""
    rows = "".join(_cosine(entry) for entry in entries)
    return (
        f'<article class="cx-verdict"><header><h3>{markup.text(model)}</h3>'
        "<span>how near the picture is to each prompt (cosine), and was before</span></header>"
        f'<ol class="cx-bars cx-cosines">{rows}</ol></article>'
    )


def _cosine(entry: Mapping[str, Any]) -> str:
    role, text = ROLES.get(entry["role"], entry["role"]), entry.get("text")
    name = f"<em>{markup.text(role)}</em> {markup.text(text)}" if text and role else markup.text(text or role)
    away = " cx-away" if entry.get("weight", 1) < 0 else ""
    before, after = entry.get("before"), entry.get("after")
    width = 100 * min(max(after or 0.0, 0.0), 1.0)
    return (
        f'<li class="cx-bar{away}"><span class="cx-bar-name">{name}</span>'
        f'<span class="cx-bar-track"><i style="width:{width:.1f}%"></i></span>'
        f'<span class="cx-bar-value">{_number(after)} <small>{_number(before)}</small></span></li>'
    )


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}".replace("-", "\u2212")
