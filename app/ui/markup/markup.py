"""Small pure functions that make the page's own HTML. Every text that goes in is escaped here."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Literal

Tone = Literal["info", "good", "warn", "bad"]


def text(value: object) -> str:
    """A value as HTML text, safe inside an element or a double-quoted attribute."""
    return escape(str(value), quote=True)


def notice(message: str, *, tone: Tone = "info", title: str = "") -> str:
    """A sentence in a coloured frame; announced at once by screen readers when it is bad news.

    Indented lines keep their form: they show a place, with a caret below it.
    """
    role = "alert" if tone in ("bad", "warn") else "status"
    head = f"<strong>{text(title)}</strong> " if title else ""
    parts = []
    for indented, lines in groupby(message.split("\n"), key=lambda line: line.startswith("    ")):
        shown = "\n".join(line[4:] if indented else line for line in lines)
        parts.append(f'<pre class="cx-place">{text(shown)}</pre>' if indented else f"<p>{head}{text(shown)}</p>")
        head = ""
    return f'<div class="cx-notice cx-{tone}" role="{role}">{"".join(parts)}</div>'


def picture(url: str, alt: str, *, pixelated: bool = False, css_class: str = "") -> str:
    """An image element. ``decoding=sync`` keeps a live preview from flickering between two frames."""
    classes = " ".join(c for c in (css_class, "cx-pixelated" if pixelated else "") if c)
    return f'<img class="{classes}" src="{text(url)}" alt="{text(alt)}" decoding="sync">'


def download_link(url: str, filename: str, label: str = "Download PNG") -> str:
    """A link that saves a file of the page under a given name."""
    return f'<a class="cx-button" href="{text(url)}" download="{text(filename)}">{text(label)}</a>'


def facts(items: Mapping[str, object] | Iterable[tuple[str, object]]) -> str:
    """A row of name and value pairs."""
    pairs = items.items() if isinstance(items, Mapping) else items
    cells = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="cx-facts">{cells}</dl>'


def progress_words(done: int, total: int, eta_s: float | None) -> str:
    """How far along, in words: ``step 40/80 · about 3 s left``."""
    words = f"step {done}/{total}" if total else "starting"
    return with_time_left(words, eta_s if total and done < total else None)


def with_time_left(words: str, eta_s: float | None) -> str:
    """Words, and how long it still takes where that is known."""
    return words if eta_s is None else f"{words} · {duration(eta_s)} left"


def duration(seconds: float) -> str:
    """A length of time as people say it, rounded up so that it does not promise too much."""
    whole = max(1, int(-(-seconds // 1)))
    if whole < 90:
        return f"about {whole} s"
    minutes = -(-whole // 60)
    if minutes < 90:
        return f"about {minutes} min"
    return f"about {minutes / 60:.1f} h"


def progress_bar(done: int, total: int, words: str) -> str:
    """A bar that also says how far along it is; without a total it moves without saying how far."""
    idle = "" if total else " cx-unknown"
    share = f' style="transform:scaleX({min(done, total) / total:.3f})"' if total else ""
    return (
        f'<div class="cx-progress{idle}" role="progressbar" aria-label="Progress" aria-valuemin="0" '
        f'aria-valuemax="{max(total, 1)}" aria-valuenow="{min(done, max(total, 1))}" '
        f'aria-valuetext="{text(words)}"><i{share}></i></div>'
        f'<p class="cx-words">{text(words)}</p>'
    )


def compare(
    before_url: str, after_url: str, *, pixelated: bool = False, words: str = "the image before the attack"
) -> str:
    """Two pictures on top of each other with a handle between them that the keyboard moves too.

    At first the one after is seen whole. ``words`` say what the first of them is.
    """
    crisp = " cx-pixelated" if pixelated else ""
    return (
        '<div class="cx-compare cx-whole" style="--cut:0%">'
        f'<img class="cx-after{crisp}" src="{text(after_url)}" alt="The image after">'
        f'<img class="cx-before{crisp}" src="{text(before_url)}" alt="{text(words[:1].upper() + words[1:])}">'
        '<span class="cx-tag cx-tag-before">before</span><span class="cx-tag cx-tag-after">after</span>'
        f'<input type="range" min="0" max="100" value="0" aria-label="Share of {text(words)}" '
        "oninput=\"this.parentNode.style.setProperty('--cut', this.value + '%'); "
        "this.parentNode.classList.toggle('cx-whole', this.value === '0')\"></div>"
    )


# Shows the pictures of a stage so that each of their pixels is one of the screen's, and back.
_TRUE_SIZE_JS = (
    "const stage = this.closest('.cx-stage'), on = stage.classList.toggle('cx-true');"
    "this.setAttribute('aria-pressed', on);"
    "stage.querySelectorAll('.cx-canvas img, .cx-compare > img, .cx-sheet img').forEach("
    "i => { i.style.width = on ? i.naturalWidth / devicePixelRatio + 'px' : ''; });"
)


def true_size(size: Sequence[int]) -> str:
    """Buttons that show the pictures above them closely, and pixel for pixel with their size: (height, width)."""
    if len(size) != 2:
        return ""
    return (
        '<button class="cx-button" data-closely aria-haspopup="dialog">Look closely</button>'
        f'<button class="cx-button cx-pixels" aria-pressed="false" onclick="{_TRUE_SIZE_JS}">'
        f"Pixel for pixel ({size[1]} x {size[0]})</button>"
    )


def details(summary: str, inner_html: str, *, opened: bool = False) -> str:
    """A part that folds away. ``inner_html`` is markup and must already be escaped."""
    return f"<details{' open' if opened else ''}><summary>{text(summary)}</summary>{inner_html}</details>"


def code_block(source: str) -> str:
    """Preformatted text, reachable with the keyboard because it may scroll."""
    return f'<pre class="cx-code" tabindex="0">{text(source)}</pre>'


def join(parts: Sequence[str]) -> str:
    """Concatenate markup, leaving out what is empty."""
    return "".join(part for part in parts if part)
