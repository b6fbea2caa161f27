"""One look for all figures: matplotlib's objects without its global state, and colours for every kind of sight.

Colours: Okabe & Ito's palette, which people with any colour vision deficiency can tell apart; no curve is told by its
colour alone.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from robust_model.analyses.base import AnalysisReport, AttackedConfig, BudgetConfig, Config, Result
from robust_model.evaluation.record.values import Proportion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

INK, GREY, LIGHT = "#222222", "#666666", "#d9d9d9"
BLUE, VERMILION, GREEN, ORANGE, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7"
DOTS_PER_INCH = 160
HEAD = 0.56
"""Inches that the headline takes."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same everywhere
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "crossmax-studio",  # equal figures are equal files
}


@dataclass(frozen=True)
class Look:
    """How one curve or one kind of point looks: colour and marker, so that either alone tells it."""

    colour: str
    marker: str
    face: str = ""


LOOKS = (
    Look(GREY, "o", "white"),
    Look(BLUE, "s"),
    Look(VERMILION, "^"),
    Look(GREEN, "D"),
    Look(PURPLE, "v"),
    Look(ORANGE, "P"),
)


@contextmanager
def styled() -> Iterator[None]:
    """Draw and render within: the style holds here and nowhere else."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        yield


def figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches, whose parts make room for each other and for the headline."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - HEAD / height))
    return Figure(figsize=(width, height), layout=engine, facecolor="white")


def render(drawn: "Figure", kind: str) -> bytes:
    """The figure as the content of an "svg" or "png" file; equal figures give equal bytes."""
    buffer = io.BytesIO()
    metadata = dict.fromkeys({"svg": ("Creator", "Date", "Format", "Type"), "png": ("Software",)}[kind])
    drawn.savefig(buffer, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
    return buffer.getvalue()


def percent(share: float | None) -> str:
    """A share as people read it; a dash where there is none."""
    return "–" if share is None else f"{share:.1%}"


def with_interval(figure: Proportion) -> str:
    """An accuracy with its interval."""
    low, high = figure.ci95
    return f"{figure.accuracy:.1%} ({low:.1%} to {high:.1%})"


def intervals(figures: Sequence[Proportion]) -> tuple[list[float], list[list[float]]]:
    """Accuracies in percent, and how far their intervals reach below and above, as `errorbar` takes them."""
    heights = [100 * f.accuracy for f in figures]
    below = [max(0.0, h - 100 * f.ci95[0]) for h, f in zip(heights, figures, strict=True)]
    above = [max(0.0, 100 * f.ci95[1] - h) for h, f in zip(heights, figures, strict=True)]
    return heights, [below, above]


def points(
    axes: "Axes",
    x: Sequence[float],
    y: Sequence[float],
    errors: Sequence[Sequence[float]],
    look: Look,
    label: str,
    *,
    sideways: bool = False,
) -> None:
    """Points with intervals along y; `sideways`: along x."""
    axes.errorbar(
        x,
        y,
        xerr=errors if sideways else None,
        yerr=None if sideways else errors,
        fmt=look.marker,
        color=look.colour,
        markerfacecolor=look.face or look.colour,
        markersize=5.5,
        elinewidth=1.1,
        label=label,
        zorder=3,
    )


def percent_axis(axes: "Axes", what: str, *, along: str = "y") -> None:
    """An axis from 0 to 100 percent with a light grid, called `what`."""
    axis = axes.yaxis if along == "y" else axes.xaxis
    axes.set(**{f"{along}lim": (-2, 102), f"{along}label": f"{what}, %"})
    axis.set_ticks(range(0, 101, 20))
    axes.grid(axis="y" if along == "y" else "x", color=LIGHT, linewidth=0.7)


def chance(axes: "Axes", classes: int) -> None:
    """Where guessing would be."""
    level = 100 / classes
    axes.axhline(level, color=GREY, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    axes.annotate(
        "chance", (1, level), xycoords=("axes fraction", "data"), xytext=(-2, 2), textcoords="offset points",
        ha="right", color=GREY, fontsize=8,
    )  # fmt: skip


def accuracies(
    axes: "Axes",
    places: Sequence[float],
    curves: Mapping[str, Sequence[Proportion]],
    *,
    joined: slice,
    classes: int,
) -> None:
    """Accuracies with their intervals at `places`, in percent: a look for each curve, a line through those `joined`."""
    for number, ((label, figures), look) in enumerate(zip(curves.items(), LOOKS, strict=False)):
        shifted = [p + 0.09 * (number - (len(curves) - 1) / 2) for p in places]  # so that intervals don't overlap
        heights, errors = intervals(figures)
        points(axes, shifted, heights, errors, look, label)
        axes.plot(shifted[joined], heights[joined], color=look.colour, linewidth=1.2, zorder=2)
    percent_axis(axes, "accuracy")
    chance(axes, classes)


def slant_if_crowded(axes: "Axes", names: Sequence[str]) -> None:
    """Turn the labels of the x axis where they would run into each other."""
    if len(names) > 4 or max(map(len, names)) > 9:
        axes.set_xticks(axes.get_xticks(), names, rotation=35, ha="right", rotation_mode="anchor")


def legend(axes: "Axes", *, columns: int = 4) -> None:
    """The legend in a line above the plot, from the left edge of the figure, where it covers nothing."""
    from matplotlib.transforms import blended_transform_factory

    handles, _ = axes.get_legend_handles_labels()
    whole = axes.get_figure(root=True)
    assert whole is not None
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.005, 1.0),
        bbox_transform=blended_transform_factory(whole.transFigure, axes.transAxes),
        ncols=min(columns, len(handles)),
        borderaxespad=0.1,
        handletextpad=0.4,
        columnspacing=1.4,
    )


def frame(column: float, row: float) -> "Rectangle":
    """The frame of one cell of a heat map."""
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, edgecolor=INK, linewidth=1.2, zorder=4)


class Sheet:
    """Pictures and words on a page of `width` by `height` units of `unit` inches; y grows downwards from 0."""

    MARGIN = 0.12  # in inches, round it

    def __init__(self, width: float, height: float, *, unit: float) -> None:
        from matplotlib.figure import Figure

        size = max(5.2, width * unit + 2 * self.MARGIN), height * unit + HEAD + self.MARGIN
        self.figure = Figure(figsize=size, facecolor="white")
        wide, high = width * unit / size[0], height * unit / size[1]
        self.axes = self.figure.add_axes((self.MARGIN / size[0], self.MARGIN / size[1], wide, high))
        self.axes.set(xlim=(0, width), ylim=(height, 0))
        self.axes.axis("off")

    def picture(self, picture: Image.Image, x: float, y: float, side: float) -> None:
        """A picture with its upper left corner at (x, y), `side` wide and high."""
        import numpy as np

        self.axes.imshow(np.asarray(picture), extent=(x, x + side, y + side, y), aspect="auto")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        anchor: Literal["left", "center", "right"] = "left",
        colour: str = INK,
        weight: Literal["normal", "bold"] = "normal",
    ) -> None:
        """Words on the line y."""
        self.axes.text(x, y, text, fontsize=size, ha=anchor, va="baseline", color=colour, fontweight=weight)

    def finish(self, title: str, report: AnalysisReport[Config, Result]) -> "Figure":
        """The page with its headline."""
        headline(self.figure, title, report)
        return self.figure


def headline(drawn: "Figure", title: str, report: AnalysisReport[Config, Result]) -> None:
    """The title on the left, and below it what was measured on what."""
    height = drawn.get_figheight()
    drawn.text(0.012, 1 - 0.08 / height, title, ha="left", va="top", fontsize=12, fontweight="bold")
    drawn.text(0.012, 1 - 0.33 / height, context(report), ha="left", va="top", fontsize=8.5, color=GREY)


def context(report: AnalysisReport[Config, Result]) -> str:
    """One line on what was measured: models, data, number of images, budget."""
    config, data = report.config, report.data
    parts = [", ".join(model.name for model in report.models)]
    if data is not None:
        parts.append(f"{data.source}, n = {data.n}")
    if isinstance(config, BudgetConfig):
        parts.append(f"L-inf {255 * config.eps:.3g}/255")
    if isinstance(config, AttackedConfig):
        parts.append(f"PGD on the {config.loss} loss, {config.steps} steps")
    if not report.complete:
        parts.append("stopped early")
    return "  ·  ".join(parts)
