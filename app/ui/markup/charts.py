"""Charts as inline SVG and HTML: nothing to load, nothing to run, readable by a screen reader."""

import math
from collections.abc import Mapping, Sequence

from app.ui.markup.markup import text

Curve = Sequence[tuple[int, float]]

WIDTH, HEIGHT, MARGIN = 600, 120, 4
STYLES = 6
"""Ways to draw a line in the style sheet."""


def number(value: float) -> str:
    """A number in at most four significant digits, without a useless exponent."""
    if not math.isfinite(value):
        return "not a number"
    return f"{value:.4g}".replace("e-0", "e-").replace("e+0", "e+")


def _finite(curve: Curve) -> list[tuple[int, float]]:
    return [(int(step), float(value)) for step, value in curve if math.isfinite(value)]


def _thin(points: list[tuple[int, float]], most: int = 200) -> list[tuple[int, float]]:
    """At most about ``most`` points, evenly taken, the last always among them."""
    if len(points) <= most:
        return points
    stride = math.ceil(len(points) / most)
    kept = points[::stride]
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def loss_chart(curves: Mapping[str, Curve], total_steps: int) -> str:
    """Loss curves against the step as one SVG; empty text while there is nothing to draw.

    ``total`` is drawn strongest; the other terms, unweighted, each in a colour and a dash of its own, are named
    in a legend. Values that are not finite are left out rather than drawn somewhere.
    """
    drawn = {name: _thin(_finite(curve)) for name, curve in curves.items()}
    drawn = {name: points for name, points in drawn.items() if points}
    if set(drawn) > {"total"} and len(drawn) == 2:
        drawn = {"total": drawn["total"]}  # one term is its own total: a second, identical line says nothing
    if not drawn:
        return ""
    values = [value for points in drawn.values() for _, value in points]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    last = max(total_steps, max(points[-1][0] for points in drawn.values()), 1)

    def place(step: int, value: float) -> str:
        x = WIDTH * step / last
        y = MARGIN + (HEIGHT - 2 * MARGIN) * (high - value) / span
        return f"{x:.1f},{y:.1f}"

    lines, legend = [], []
    for index, (name, points) in enumerate(sorted(drawn.items(), key=lambda item: item[0] != "total")):
        route = " ".join(place(step, value) for step, value in points)
        lines.append(f'<polyline class="cx-line cx-line-{index % STYLES}" points="{route}"/>')
        legend.append(
            f'<span class="cx-key cx-key-{index % STYLES}">{text(name)} <b>{number(points[-1][1])}</b></span>'
        )
    described = "; ".join(f"{name} now {number(points[-1][1])}" for name, points in sorted(drawn.items()))
    return (
        f'<figure class="cx-chart"><figcaption><span>loss</span>{"".join(legend)}</figcaption>'
        f'<div class="cx-plot"><svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="Loss curve: {text(described)}">{"".join(lines)}</svg>'
        f"<span>{number(high)}</span><span>{number(low)}</span></div>"
        f'<div class="cx-chart-ends"><span>0</span><span>{last} steps</span></div></figure>'
    )


def percent(share: float) -> str:
    """A probability as a percentage that never claims more certainty than there is."""
    if not math.isfinite(share):
        return "?"
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{100 * share:.0f}%"


def bars(rows: Sequence[tuple[str, float]], *, marks: Mapping[str, str] | None = None) -> str:
    """Horizontal bars for (class name, probability), largest first as given.

    ``marks`` names classes that matter (``{"frog": "was", "ship": "target"}``); they get a colour and a word.
    """
    lines = []
    for name, share in rows:
        mark = (marks or {}).get(name, "")
        css = f" cx-mark-{text(mark)}" if mark else ""
        word = f"<em>{text(mark)}</em>" if mark else ""
        width = 100 * min(max(share, 0.0), 1.0) if math.isfinite(share) else 0
        lines.append(
            f'<li class="cx-bar{css}"><span class="cx-bar-name">{text(name)}{word}</span>'
            f'<span class="cx-bar-track"><i style="width:{width:.1f}%"></i></span>'
            f'<span class="cx-bar-value">{percent(share)}</span></li>'
        )
    return f'<ol class="cx-bars">{"".join(lines)}</ol>'
