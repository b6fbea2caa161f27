"""Why an attacked picture works, made visible: read-outs, the line through it, gradients, views, the way there.

Pure functions of the findings and the media addresses; SVG and HTML, nothing to load.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from app.records.findings import AttackFindings, HeatMap, Line, ReadoutFound
from app.ui.markup import charts, markup
from app.ui.markup.media import Media

Place = Callable[[float], float]
"""From a value to where it is drawn."""

CELL, HEAD, SIDE, TAIL = 30, 74, 74, 112
"""Of a heat map: side of a cell, height of its head, width of the names of read-outs, and of their answers."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 200, 40, 12, 14, 48
BAND = 8
"""Height of the strip that shows the answer along the line."""


# ---------------------------------------------------------------------- read-outs by classes


def heat_view(findings: AttackFindings, titles: Mapping[str, str]) -> str:
    """Which read-outs of the layered models were fooled: their probabilities by classes, before and after."""
    return "".join(_heat(one, titles.get(one.victim, one.victim)) for one in findings.heat or ())


def _heat(found: HeatMap, title: str) -> str:
    before, after = found.before, found.after
    fooled = [name for name, b, a in zip(found.readouts, before, after, strict=True) if a.label != b.label]
    was, now = found.answers.before, found.answers.after
    together = f"together they now say {now}, and said {was}" if was != now else f"together they still say {was}"
    words = f"{len(fooled)} of {len(before)} read-outs changed their answer; {together}."
    maps = "".join(
        f"<div><h4>{name}</h4>{heat_map(found.readouts, found.classes, rows, before)}</div>"
        for name, rows in (("before", before), ("after", after))
    )
    return (
        f'<article class="cx-verdict"><header><h3>{markup.text(title)}</h3><span>{markup.text(words)}</span></header>'
        f'<div class="cx-pair">{maps}</div></article>'
    )


def heat_map(
    readouts: Sequence[str],
    classes: Sequence[str],
    rows: Sequence[ReadoutFound],
    before: Sequence[ReadoutFound],
) -> str:
    """Read-outs by classes as one SVG: the darker, the more probable.

    Answers that are not those of before are marked.
    """
    width, height = SIDE + CELL * len(classes) + TAIL, HEAD + CELL * len(rows)
    parts = [
        f'<text class="cx-heat-class" transform="translate({SIDE + CELL * (i + 0.6):.0f},{HEAD - 6}) rotate(-50)">'
        f"{markup.text(_short(name))}</text>"
        for i, name in enumerate(classes)
    ]
    described = []
    for number, (name, row, old) in enumerate(zip(readouts, rows, before, strict=True)):
        y = HEAD + CELL * number
        changed = row.label != old.label
        css = "cx-heat-fell" if changed else ""
        said = row.label or "no answer"
        middle = y + CELL / 2 + 4
        parts.append(f'<text x="{SIDE - 8}" y="{middle:.0f}" text-anchor="end">{markup.text(_short(name))}</text>')
        parts += [
            f'<rect x="{SIDE + CELL * i}" y="{y}" width="{CELL - 1}" height="{CELL - 1}" '
            f'fill-opacity="{share or 0:.3f}"><title>{markup.text(name)}, {markup.text(class_name)}: '
            f"{'no number' if share is None else charts.percent(share)}</title></rect>"
            for i, (class_name, share) in enumerate(zip(classes, row.shares, strict=True))
        ]
        end = SIDE + CELL * len(classes) + 8
        parts.append(f'<text class="{css}" x="{end}" y="{middle:.0f}">{markup.text(_short(said))}</text>')
        described.append(f"{name} says {said}")
    return (
        f'<svg class="cx-heat" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{markup.text("; ".join(described))}">{"".join(parts)}</svg>'
    )


def _short(name: str, most: int = 14) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}\u2026"


# ---------------------------------------------------------------------- the line


def lines_view(findings: AttackFindings, titles: Mapping[str, str]) -> str:
    """What the models say on the line from the photo to the picture, and beyond."""
    charts_of = "".join(line_chart(one, titles.get(one.victim, one.victim)) for one in findings.lines or ())
    return f'<div class="cx-pair">{charts_of}</div>' if charts_of else ""


def line_chart(line: Line, title: str) -> str:
    """The probabilities of the answer before and of what the line leads to, against the share of the change."""
    points = line.points
    low = points[0].t
    span = points[-1].t - low

    def x(t: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (t - low) / span

    def y(share: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    drawn, legend = [_line_grid(x, y)], []
    curves = (
        (line.was, "cx-path-was", [(one.t, one.was) for one in points]),
        (line.now, "cx-path-now", [(one.t, one.now) for one in points]),
    )
    for name, css, curve in curves:
        route = " ".join(f"{x(t):.1f},{y(share):.1f}" for t, share in curve if share is not None)
        if name and route:
            drawn.append(f'<polyline class="cx-line {css}" points="{route}"/>')
            legend.append(f'<span class="cx-key {css}">{markup.text(name)}</span>')
    drawn += _band(line, x)
    said = _crossings(line)
    return (
        f'<figure class="cx-chart cx-path"><figcaption><b>{markup.text(title)}</b>{"".join(legend)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{markup.text(title)}: {markup.text(said)}">'
        f'{"".join(drawn)}</svg><p class="cx-hint">{markup.text(said)}</p></figure>'
    )


def _line_grid(x: Place, y: Place) -> str:
    parts = []
    for share in (0.0, 0.5, 1.0):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(share):.1f}" y2="{y(share):.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    for t, words in ((0.0, "photo"), (1.0, "attacked"), (2.0, "twice")):
        parts.append(f'<line x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        anchor = "end" if t == 2 else "middle"
        parts.append(f'<text x="{x(t):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{words}</text>')
    return f'<g class="cx-grid">{"".join(parts)}</g>'


def _band(line: Line, x: Place) -> list[str]:
    """A strip below the curves: which answer is first, where."""
    points = line.points
    ends = [points[0].t, *(crossing.t for crossing in line.crossings), points[-1].t]
    labels = [label for label, _ in groupby(points, key=lambda one: one.label)]
    kinds = {line.was: "cx-path-was", line.now: "cx-path-now"}
    top = HEIGHT - BOTTOM + 8
    return [
        f'<rect class="{kinds.get(label, "cx-path-other")}" x="{x(start):.1f}" y="{top}" '
        f'width="{max(x(end) - x(start), 0.5):.1f}" height="{BAND}"><title>{markup.text(label or "no answer")}</title>'
        "</rect>"
        for label, start, end in zip(labels, ends, ends[1:], strict=False)
    ]


def _crossings(line: Line) -> str:
    changes = [one for one in line.crossings if one.t >= 0]
    if not changes:
        return f"The answer is {line.was or 'nothing'} all along, also beyond the attacked picture."
    words = [f"{one.before or 'nothing'} becomes {one.after or 'nothing'} at {one.t:.2f}" for one in changes[:4]]
    more = f", and {len(changes) - 4} more changes" if len(changes) > 4 else ""
    return f"{'; '.join(words)} of the change{more}."


# ---------------------------------------------------------------------- pictures


def saliency_view(findings: AttackFindings, titles: Mapping[str, str], folder: Path, media: Media) -> str:
    """What moves the answer of each model, side by side: in the photo and in the attacked picture."""
    rows = "".join(
        _row_of(
            titles.get(one.victim, one.victim),
            one.why_not or f"what moves its answer {one.label}",
            [
                (file, f"{words}: where {one.label} is decided")
                for file, words in zip((one.before, one.after), WHEN, strict=True)
                if file is not None
            ],
            folder,
            media,
        )
        for one in findings.saliency or ()
    )
    return f'<div class="cx-pair">{rows}</div>' if rows else ""


WHEN = ("in the photo", "in the attacked picture")
"""What before and after are called."""


def stack_view(findings: AttackFindings, titles: Mapping[str, str], folder: Path, media: Media) -> str:
    """The views at several resolutions that the models themselves see, before and after."""
    return "".join(
        _row_of(
            f"{titles.get(one.victim, one.victim)}, {words}",
            "",
            [
                (file, f"{resolution} \u00d7 {resolution}")
                for file, resolution in zip(files, one.resolutions, strict=True)
            ],
            folder,
            media,
            crisp=True,
        )
        for one in findings.views or ()
        for files, words in zip((one.before, one.after), WHEN, strict=True)
    )


def _row_of(
    title: str, words: str, files: Sequence[tuple[str, str]], folder: Path, media: Media, *, crisp: bool = False
) -> str:
    figures = "".join(
        f"<figure>{markup.picture(media.url(folder / file), f'{title}: {caption}', pixelated=crisp)}"
        f"<figcaption>{markup.text(caption)}</figcaption></figure>"
        for file, caption in files
    )
    return (
        f'<article class="cx-verdict"><header><h3>{markup.text(title)}</h3><span>{markup.text(words)}</span></header>'
        f'<div class="cx-views">{figures}</div></article>'
    )


def video_view(findings: AttackFindings, folder: Path, media: Media) -> str:
    """The way from the photo to the picture as a video."""
    video = findings.video
    if video is None:
        return ""
    url = markup.text(media.url(folder / video.file))
    factor = charts.number(video.factor)
    words = f"Step by step: the picture, and beside it its change, {factor} times as strong."
    return (
        f'<div class="cx-canvas cx-way"><video src="{url}" aria-label="{words}" controls loop muted playsinline '
        f'preload="metadata"></video></div><p class="cx-hint">{words}</p>'
    )
