"""The spectrum of pictures as a chart: the power of waves against their number, both axes logarithmic."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.ui.markup.markup import text
from generator.priors.spectrum import FourierSpectrum, PowerLaw

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 34
MOST_POINTS = 90

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class _Axis:
    """A logarithmic scale from two values to two places."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)


def spectrum_chart(spectra: Mapping[str, FourierSpectrum]) -> str:
    """The spectra by what they are of, each with its fitted line and slope; empty without any points."""
    drawn = {name: points for name, one in spectra.items() if (points := _points(one))}
    if not drawn:
        return ""
    every = [point for points in drawn.values() for point in points]
    x = _Axis(*_spread([r for r, _ in every]), LEFT, WIDTH - RIGHT)
    y = _Axis(*_spread([v for _, v in every]), HEIGHT - BOTTOM, TOP)
    parts, legend, described = [_grid(x, y)], [], []
    for index, (name, points) in enumerate(drawn.items()):
        fit = spectra[name].fit
        words = f"slope {fit.slope:.2f}" if fit else "no line fits"
        parts.append(_series(index, points, fit, x, y))
        legend.append(f'<span class="cx-key cx-key-{index}">{text(name)} <b>{text(words)}</b></span>')
        described.append(f"{name}, {words}")
    return (
        f'<figure class="cx-chart cx-spectrum"><figcaption>{"".join(legend)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Power of waves against their number: {text("; ".join(described))}">'
        f"{''.join(parts)}</svg></figure>"
    )


def _points(spectrum: FourierSpectrum) -> Points:
    points = [(r, v) for r, v in zip(spectrum.frequencies, spectrum.power, strict=True) if r > 0 and v > 0]
    stride = -(-len(points) // MOST_POINTS) if points else 1
    # Short waves lie closely on this scale: of many, every long one and some of the short ones show the same.
    return [point for i, point in enumerate(points) if stride == 1 or i < MOST_POINTS // 3 or i % stride == 0]


def _spread(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low / 2, high * 2)


def _series(index: int, points: Points, fit: PowerLaw | None, x: _Axis, y: _Axis) -> str:
    dots = "".join(f'<circle cx="{x.place(r):.1f}" cy="{y.place(v):.1f}" r="2.6"/>' for r, v in points)
    line = ""
    if fit:
        ends = [(r, 10**fit.intercept * r**fit.slope) for r in (fit.first, fit.last)]
        route = " ".join(f"{x.place(r):.1f},{y.place(v):.1f}" for r, v in ends)
        line = f'<polyline class="cx-line cx-fit" points="{route}"/>'
    return f'<g class="cx-series cx-series-{index}">{dots}{line}</g>'


def _grid(x: _Axis, y: _Axis) -> str:
    lines = []
    for r in (2**k for k in range(14)):
        if x.low <= r <= x.high:
            at = x.place(r)
            lines.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
            lines.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{r}</text>')
    for power in range(math.ceil(math.log10(y.low)), math.floor(math.log10(y.high)) + 1):
        at = y.place(10.0**power)
        lines.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{_power(power)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    lines.append(f'<text x="{middle}" y="{HEIGHT - 3}" text-anchor="middle">waves across the longer side</text>')
    return f'<g class="cx-grid">{"".join(lines)}</g>'


def _power(exponent: int) -> str:
    if exponent == 0:
        return "1"
    return f'10<tspan dy="-4" font-size="8">{"−" if exponent < 0 else ""}{abs(exponent)}</tspan>'
