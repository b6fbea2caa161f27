"""The report as one HTML file: tables with their denominators, and small pictures; nothing is fetched from anywhere."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from PIL import Image, ImageChops

from foundation.images.files import ImageError, load_image
from foundation.intervals import Rate
from generator.transfer.perceptual import Distances, lpips_note
from generator.transfer.report import MEANING, Report
from generator.transfer.table import Case, Cell, Row, matrix_of
from generator.victims.survival import SAVED, SURVIVALS

MAX_PICTURES = 60
"""Cases that are shown with pictures; the tables have them all."""
_THUMBNAIL = 160
_GAIN = 8
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1c1c1c;background:#fff}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{border:1px solid #ccc;padding:.3rem .6rem;text-align:left}
th{background:#f2f2f2}td small{color:#555;display:block}.scroll{overflow-x:auto}
figure{display:inline-block;margin:0 .6rem .6rem 0}figcaption{font-size:13px;color:#555}
pre{white-space:pre-wrap;background:#f6f6f6;padding:.6rem;font-size:12px}
"""


@dataclass(frozen=True)
class Addition:
    """What others have to say, as HTML in which every text is escaped.

    Attributes:
        chapter: stands behind the tables.
        cases: by attack and image, stands with the picture.
    """

    chapter: str = ""
    cases: Mapping[tuple[str, str], str] = field(default_factory=dict)


NOTHING_MORE = Addition()


def to_html(report: Report, title: str = "Transfer of attacks", addition: Addition = NOTHING_MORE) -> str:
    """Return the report as an HTML document. Every text in it is escaped; pictures are small JPEGs in the file."""
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(MEANING)}</p>",
        "" if not report.stopped else "<p><strong>Stopped before it was complete.</strong></p>",
        *(f"<p><strong>Note:</strong> {escape(note)}</p>" for note in report.notes),
        "<h2>Which attack fools which model</h2>" + _matrix(report.cells) if report.cells else "",
        _survivals(report) if report.cells else "",
        addition.chapter,
        "<h2>Pictures</h2>",
        f"<p>{escape(lpips_note())}</p>",
        *(_case(report, case, addition) for case in report.cases[:MAX_PICTURES]),
        _missing(report),
        "<h2>Recipes</h2>",
        *(f"<h3>{escape(n)}</h3><pre>{escape(recipe.to_json())}</pre>" for n, recipe in report.recipes.items()),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n" + "\n".join(filter(None, body)) + "\n"
        "</body></html>\n"
    )


def _matrix(cells: Sequence[Cell], survival: str = SAVED) -> str:
    table = matrix_of(cells, survival)
    victims = list(dict.fromkeys(name for row in table.values() for name in row))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in victims)
    rows = "".join(
        f'<tr><th scope="row">{escape(attack)}</th>' + "".join(_cell(row.get(name)) for name in victims) + "</tr>"
        for attack, row in table.items()
    )
    return f'<div class="scroll"><table><tr><th>attacked with</th>{head}</tr>{rows}</table></div>'


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "<td></td>"
    left_out = ", ".join(f"{count} {reason}" for reason, count in cell.left_out.items())
    small = "".join(
        f"<small>{escape(line)}</small>"
        for line in (
            f"of all {cell.of_all.total} comparable: {_percent(cell.of_all)}",
            f"without the attack: {_percent(cell.control)}",
            f"confidence: {_share(cell.confidence_before)} before, {_share(cell.confidence_after)} after",
            f"left out: {left_out}" if left_out else "",
        )
        if line
    )
    return f'<td style="background:{_colour(cell.rate)}">{escape(str(cell.rate))}{small}</td>'


def _percent(rate: Rate) -> str:
    return _share(rate.value)


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.0%}"


def _colour(rate: Rate) -> str:
    """White for none to a light red for all: dark text stays readable on it."""
    share = rate.value or 0.0
    return f"rgb(255,{round(255 - 75 * share)},{round(255 - 85 * share)})"


def _survivals(report: Report) -> str:
    """For each attack, what happens to the file by victim."""
    if len(report.survivals) < 2:
        return ""
    victims = [victim.name for victim in report.victims]
    by_key = {(cell.attack, cell.victim, cell.survival): cell for cell in report.cells}
    parts = ["<h2>What survives</h2>"]
    for attack in dict.fromkeys(cell.attack for cell in report.cells):
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in victims)
        rows = "".join(
            f'<tr><th scope="row">{escape(name)}<small> {escape(SURVIVALS[name].description)}</small></th>'
            + "".join(_cell(by_key.get((attack, victim, name))) for victim in victims)
            + "</tr>"
            for name in report.survivals
        )
        parts.append(
            f'<h3>{escape(attack)}</h3><div class="scroll"><table><tr><th></th>{head}</tr>{rows}</table></div>'
        )
    return "".join(parts)


def _case(report: Report, case: Case, addition: Addition) -> str:
    rows = [row for row in report.comparison.rows if (row.attack, row.image) == (case.attack, case.image)]
    found = report.comparison.distances.get((case.attack, case.image))
    if found is None:
        return ""
    wanted = " or ".join(case.question.targets) or "any other answer"
    shown = "".join(_answer(row) for row in rows if row.survival == SAVED)
    head = "<tr><th>victim</th><th>before</th><th>after</th><th>outcome</th></tr>"
    return (
        f"<h3>{escape(case.image)}, {escape(case.attack)}</h3>{_pictures(case)}"
        f"<p>Label: {escape(case.question.label or 'not known')}. Wanted: {escape(wanted)}. {_distances(found)}</p>"
        + (f'<div class="scroll"><table>{head}{shown}</table></div>' if shown else "")
        + addition.cases.get((case.attack, case.image), "")
    )


def _answer(row: Row) -> str:
    said = (
        f"{v.label or 'nothing'} {'' if v.confidence is None else f'{v.confidence:.0%}'}"
        for v in (row.before, row.after)
    )
    cells = (row.victim, *said, f"{row.outcome.sign} {row.outcome.words}".strip())
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _distances(found: Distances) -> str:
    parts = [f"L-inf {found.linf * 255:.0f}/255", f"L2 {found.l2:.2f}"]
    parts += [] if found.ssim is None else [f"SSIM {found.ssim:.4f}"]
    parts += [] if found.lpips is None else [f"LPIPS {found.lpips:.4f}"]
    return ", ".join(parts) + "."


def _pictures(case: Case) -> str:
    """The photo, the attacked picture, and their difference magnified round grey."""
    try:
        photo, attacked = load_image(case.photo), load_image(case.attacked)
    except ImageError:
        return ""
    difference = ImageChops.subtract(attacked, photo, scale=1 / _GAIN, offset=128)
    shown = (("photo", photo), ("attacked", attacked), (f"difference, {_GAIN} times", difference))
    return "".join(_figure(caption, picture) for caption, picture in shown)


def _figure(caption: str, picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=85)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<figure><img alt="{escape(caption)}" width="{small.width}" height="{small.height}" '
        f'src="data:image/jpeg;base64,{data}"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _missing(report: Report) -> str:
    sentences = [
        f"{image} ({attack}): {why}"
        for (attack, image), why in {**report.failed, **report.comparison.unreadable}.items()
    ]
    sentences += [f"{image}: {why}" for image, why in report.left_out.items()]
    sentences += report.skipped
    if len(report.cases) > MAX_PICTURES:
        sentences.append(f"Pictures are shown of the first {MAX_PICTURES} of {len(report.cases)}.")
    if not sentences:
        return ""
    return "<h2>Not in the tables</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in sentences) + "</ul>"
