"""How figures grow: one plot for a benchmark and an axis, both scales logarithmic, as SVG."""

from collections.abc import Mapping

from benchmarks.suite.measuring import Found, Row
from robust_model.analyses.plotting import LIGHT, LOOKS, figure, render, styled

SIZE = (6.4, 4.0)
"""Inches."""
DASHES = {"ours": "-", "also": "-", "reference": "--", "peer": "-.", "floor": ":"}


def growth(found: Found, axis: str, curves: Mapping[str, Mapping[float, Row]]) -> str:
    """The SVG of the sides' medians by the value, from the least to the greatest run each."""
    with styled():
        drawn = figure(*SIZE)
        axes = drawn.subplots()
        for number, (side, rows) in enumerate(curves.items()):
            look, values = LOOKS[number % len(LOOKS)], sorted(rows)
            medians = [rows[value].median or 0.0 for value in values]
            below = [median - (rows[value].least or 0.0) for value, median in zip(values, medians, strict=True)]
            above = [(rows[value].greatest or 0.0) - median for value, median in zip(values, medians, strict=True)]
            axes.errorbar(
                values, medians, yerr=[below, above], marker=look.marker, linestyle=DASHES[rows[values[0]].role],
                color=look.colour, markerfacecolor=look.face or look.colour, markersize=5, elinewidth=1, label=side,
            )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel=axis, ylabel={"s": "seconds", "MB": "megabytes"}[found.unit])
        marks = sorted({value for rows in curves.values() for value in rows})
        axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
        axes.minorticks_off()
        axes.grid(color=LIGHT, linewidth=0.7)
        axes.legend(fontsize=7)
        drawn.suptitle(found.title, x=0.01, ha="left", fontsize=11)
        return render(drawn, "svg").decode()
