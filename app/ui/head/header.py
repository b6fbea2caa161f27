"""The head of the page as markup: its name, what lies behind buttons, and the list of the keys."""

from app.ui.markup import markup
from app.ui.markup.theme import mosaic_uri

KEYS = (
    (("Ctrl", "Enter"), "start what the open tab, or the open sidebar, says"),
    (("Esc",), "close what lies over the page; where nothing does, stop the picture and keep it"),
    (("?",), "this list"),
    (("\u2190", "\u2192"), "the tab before, the next one; the same in choices of one of several"),
    (("Tab",), "the next field or button, with Shift the one before"),
)
VIEWER_KEYS = (
    (("\u2190", "\u2192"), "the picture before, the next one"),
    (("+", "\u2212"), "closer, further away"),
    (("0",), "whole"),
    (("1",), "pixel for pixel"),
    (("C",), "keep this picture beside the next ones, to compare"),
    (("Esc",), "back to the page"),
)
THEMES = {"system": "System theme", "light": "Light theme", "dark": "Dark theme"}


def header(version: str) -> str:
    """Name, one sentence, the same eye at five resolutions, and what is to be had on every tab."""
    tiles = "".join(
        f'<span><img src="{mosaic_uri(cells)}" alt=""><small>{cells}</small></span>' for cells in (1, 2, 4, 8, 16, 32)
    )
    return (
        '<div class="cx-head"><header class="cx-header"><div><h1>CrossMax Studio'
        f"<small>{markup.text(version)}</small></h1>"
        "<p>Pictures drawn by models that understand texts or are hard to fool, "
        "and attacks that show how hard they are.</p></div>"
        f'<div class="cx-pyramid" aria-hidden="true">{tiles}</div>{_tools()}</header></div>{keys_dialog()}'
    )


def _tools() -> str:
    options = "".join(f'<option value="{name}">{words}</option>' for name, words in THEMES.items())
    return (
        '<div class="cx-tools">'
        '<button class="cx-button" data-open-evaluation aria-expanded="false" aria-controls="evaluation">'
        "Evaluate a model</button>"
        f'<select class="cx-theme" data-theme aria-label="Theme">{options}</select>'
        '<button class="cx-button" data-keys aria-haspopup="dialog">Keys</button></div>'
    )


def keys_dialog() -> str:
    """What the keyboard does, as a dialog that is closed at first."""
    return (
        '<dialog id="keys" class="cx-dialog" data-plain aria-labelledby="keys-title"><div>'
        '<header><h2 id="keys-title">Keys</h2><button class="cx-button" data-close>Close</button></header>'
        f'<dl class="cx-keys">{"".join(_key(*one) for one in KEYS)}</dl>'
        f'<h3>In a picture seen closely</h3><dl class="cx-keys">{"".join(_key(*one) for one in VIEWER_KEYS)}</dl>'
        "</div></dialog>"
    )


def _key(keys: tuple[str, ...], words: str) -> str:
    shown = " ".join(f"<kbd>{markup.text(key)}</kbd>" for key in keys)
    return f"<div><dt>{shown}</dt><dd>{markup.text(words)}</dd></div>"
