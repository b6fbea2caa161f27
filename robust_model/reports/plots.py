"""The report's plots as inline SVG, in the colours of the page: light or dark is decided where it is shown.

Matplotlib draws with the colours of the light scheme; in its SVG each is then replaced by the style sheet's variable of
that role, and the font by the page's own. Only matplotlib's objects are used, not its global state of figures.
"""

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from robust_model.evaluation.record.schema import Curve
from robust_model.evaluation.record.values import Proportion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 400
"""Points; a narrow phone shows little less than that, so that the text stays readable."""
ROLES = {
    "ink": "#1b2723",
    "soft": "#4b5c55",
    "line": "#c6d0ca",
    "accent": "#0a6b4f",
    "attack": "#c4361b",
    "iris": "#a87900",
    "violet": "#6a5fc1",
    "sky": "#2079b0",
    "rose": "#a9447f",
}
"""Colours by role; each is unlike any other in the SVG, so that it can be replaced by `var(--role)`."""


@dataclass(frozen=True)
class Look:
    """How a curve looks; no two are told apart by colour alone."""

    role: str
    marker: str
    dash: str


LOOKS = (
    Look("accent", "o", "-"),
    Look("attack", "s", "--"),
    Look("sky", "^", "-."),
    Look("violet", "D", ":"),
    Look("rose", "v", "-"),
    Look("iris", "P", "--"),
)


@contextmanager
def _canvas(name: str, height: float) -> "Iterator[Figure]":
    """A figure, and matplotlib's settings while it is drawn: texts stay texts, and none is read as a formula."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False}):
        yield Figure(figsize=(WIDTH / 72, height / 72), facecolor="none")


def _svg(figure: "Figure", name: str, description: str) -> str:
    """The figure as an `<svg>` element without a fixed size, its ids its own (`name`), read aloud as `description`."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    FigureCanvasSVG(figure)  # becomes the figure's canvas
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    view = re.search(r'viewBox="([^"]*)"', text)
    assert view is not None
    head = f'<svg viewBox="{view.group(1)}" role="img" aria-label="{escape(description, quote=True)}">'
    text = re.sub(r"<svg[^>]*>", lambda _: head, text, count=1)
    text = re.sub(r"(font: [^;\"]*?px) [^;\"]+", r"\1 var(--sans)", text)
    for role, colour in ROLES.items():
        text = text.replace(colour, f"var(--{role})")
    # Ids are unique within one figure only, and the page has several.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    return re.sub(r'xlink:href="#', f'href="#{name}-', text)


def _frame(axes: "Axes") -> None:
    """Grid lines instead of a box."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(ROLES["line"])
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    axes.tick_params(colors=ROLES["soft"], labelsize=10, length=0, pad=5)


def accuracy_plot(figures: Sequence[tuple[str, Proportion, str]]) -> str:
    """Accuracies with 95 % intervals, one row for each of `figures`: (name, proportion, role of its colour)."""
    row, top, bottom = 36, 6, 30
    height = row * len(figures) + top + bottom
    with _canvas("accuracies", height) as figure:
        axes = figure.add_axes((0.015, bottom / height, 0.93, 1 - (bottom + top) / height))
        _frame(axes)
        axes.set_xlim(0, 1)
        axes.set_ylim(len(figures), 0)
        axes.set_yticks([])
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
        axes.grid(axis="x", color=ROLES["line"], linewidth=0.8)
        for place, (name, value, role) in enumerate(figures):
            colour, (low, high) = ROLES[role], value.ci95
            line = place + 0.7
            axes.plot([0, value.accuracy], [line, line], color=colour, linewidth=1.2, alpha=0.35)
            axes.plot([low, high], [line, line], color=colour, linewidth=5, solid_capstyle="butt", alpha=0.4)
            axes.plot([value.accuracy], [line], "o", color=colour, markersize=7)
            axes.text(0, place + 0.36, name, color=ROLES["ink"], fontsize=11, va="center", ha="left")
            axes.text(1, place + 0.36, f"{value.accuracy:.1%}", color=colour, fontsize=11, va="center", ha="right")
        said = "; ".join(f"{name} {value.accuracy:.1%}" for name, value, _ in figures)
        return _svg(figure, "accuracies", f"Accuracies with 95 % intervals: {said}")


def _place(value: float, smallest: float) -> float:
    """Where a value stands on the axis: by doublings; 0 one doubling before the smallest."""
    return -1.0 if value == 0 else math.log2(value / smallest)


def _ticks(values: Sequence[float]) -> list[float]:
    """Of ascending values, those whose labels have room: each well above the one before."""
    shown: list[float] = []
    for value in values:
        if not shown or value >= 1.6 * shown[-1]:
            shown.append(value)
    return shown


def curve_plot(curves: Sequence[Curve], name: str, label: str, factor: float = 1.0) -> str:
    """Accuracy against what the curves vary, by doublings; `factor` turns the values into those of the `label`."""
    with _canvas(name, 260) as figure:
        axes = figure.add_axes((0.12, 0.18, 0.85, 0.79 - 0.065 * len(curves)))
        _frame(axes)
        values = sorted({point.value for curve in curves for point in curve.points})
        smallest = min((value for value in values if value > 0), default=1.0)
        for curve, look in zip(curves, LOOKS * (1 + len(curves) // len(LOOKS)), strict=False):
            colour, points = ROLES[look.role], curve.points
            places = [_place(point.value, smallest) for point in points]
            lows, highs = ([point.ci95[side] for point in points] for side in (0, 1))
            axes.fill_between(places, lows, highs, color=colour, alpha=0.14, linewidth=0)
            heights = [point.accuracy for point in points]
            axes.plot(
                places, heights, linewidth=2, markersize=5.5, label=curve.name, clip_on=False,
                color=colour, marker=look.marker, linestyle=look.dash,
            )  # fmt: skip
        shown = _ticks(values)
        axes.set_xticks([_place(value, smallest) for value in shown], [f"{value * factor:.4g}" for value in shown])
        axes.set_ylim(0, 1)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
        axes.grid(axis="y", color=ROLES["line"], linewidth=0.8)
        axes.set_xlabel(label, color=ROLES["soft"], fontsize=10.5, labelpad=6)
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.02, 1.0), frameon=False, fontsize=10.5, labelcolor=ROLES["ink"],
            handlelength=2.6, borderaxespad=0.2,
        )  # fmt: skip
        last = [(curve.name, curve.points[-1]) for curve in curves]
        ends = (f"{title} ends at {point.accuracy:.1%} for {point.value * factor:.4g}" for title, point in last)
        return _svg(figure, name, f"Accuracy against {label}: {'; '.join(ends)}")
