"""A grid as markup: a table of its cells as they come, and what there is to take along once it ended.

Pure functions of a snapshot and its findings; see `app.records.grids` for these.
"""

from collections.abc import Mapping
from pathlib import Path

from app.handlers.findings import read_grid_findings
from app.handlers.grids import KIND
from app.records.grids import GridCell, GridFindings, grid_result_of
from app.records.params import AxisOrder, GridParams
from app.records.pictures import note_of
from app.ui.markup import markup, results
from app.ui.markup.media import Media
from foundation.errors import StudioError
from foundation.jobs.store.model import JobSnapshot
from foundation.record import RecordError
from generator.grids.axis import title_of

Place = tuple[int, int]
"""Row and column of a cell, from 0."""


def is_grid(job: JobSnapshot) -> bool:
    """Whether a job makes a grid."""
    return job.kind == KIND


def task_of(job: JobSnapshot) -> str:
    """The task of a grid's recipe, which is the tab that shows it; "" where it is none."""
    recipe = job.params.get("recipe")
    return str(recipe.get("task", "class")) if is_grid(job) and isinstance(recipe, Mapping) else ""


def told(job: JobSnapshot) -> GridParams:
    """What a grid's job is told. RecordError where that cannot be read."""
    try:
        return GridParams.asked(job.params)
    except StudioError as error:
        raise RecordError(f"This grid cannot be read: {error}") from error


def cells_of(job: JobSnapshot) -> dict[Place, GridCell]:
    """The cells that are there so far. RecordError where they cannot be read."""
    found = read_grid_findings(Path(job.folder)) or GridFindings(cells=())
    return {(cell.row, cell.column): cell for cell in found.cells}


def grid_view(job: JobSnapshot, media: Media, chosen: Place | None = None) -> str:
    """What there is to take along, and the cell that was chosen, as it was saved."""
    result = grid_result_of(job)
    if result is None:
        return markup.notice(note_of(job) or results.NO_PICTURE, tone="warn")
    order, there = told(job).grid, cells_of(job)
    number = len(order.x.values) * len(order.y.values)
    parts = [_chosen(job, media, there.get(chosen)) if chosen is not None else ""]
    parts.append(markup.facts([("made", f"{sum(cell.done for cell in there.values())} of {number} pictures")]))
    folder, stem = Path(job.folder), results.file_stem(job.title)
    links = [
        markup.download_link(media.url(folder / name), f"{stem}{Path(name).suffix}", words)
        for name, words in ((result.sheet, "Download the sheet (PNG)"), (result.table, "Table (CSV)"))
        if name and (folder / name).is_file()
    ]
    if links:
        parts.append(f'<div class="cx-row">{"".join(links)}</div>')
        parts.append('<p class="cx-hint">All of it as one ZIP: choose the grid under Your results, and export it.</p>')
    if result.failed:
        parts.append(markup.notice(" ".join(result.failed), tone="warn"))
    if not result.complete:
        parts.append(markup.notice("It is not complete. What there is is kept; go on with the rest below."))
    return markup.join(parts)


def grid_more(job: JobSnapshot) -> str:
    """The recipe of all cells, but for their two values."""
    result = grid_result_of(job)
    return "" if result is None else results.recipe_fold(result.recipe)


def _chosen(job: JobSnapshot, media: Media, cell: GridCell | None) -> str:
    if cell is None:
        return ""
    url, name = media.url(Path(job.folder) / cell.file), cell_words(job, (cell.row, cell.column))
    link = markup.download_link(url, f"{results.file_stem(name)}.png", "Download this picture (PNG)")
    return (
        f'<div class="cx-canvas">{markup.picture(url, name)}</div>'
        f'<div class="cx-row"><span class="cx-hint">{markup.text(name)}</span>{link}</div>'
    )


def cell_words(job: JobSnapshot, place: Place) -> str:
    """What a cell is called: ``seed 1, steps 50``."""
    order = told(job).grid
    row, column = place
    return f"{_named(order.x, column)}, {_named(order.y, row)}"


def _named(axis: AxisOrder, number: int) -> str:
    return f"{title_of(axis.field)} {' '.join(axis.values[number].split())}"


def grid_table(job: JobSnapshot, media: Media, chosen: Place | None = None) -> str:
    """The cells as a table, with a button for each that is there; `chosen` is the one whose settings are in the form.

    RecordError where the job cannot be read.
    """
    order, there = told(job).grid, cells_of(job)
    head = "".join(f'<th scope="col">{markup.text(value)}</th>' for value in order.x.values)
    corner = f"{markup.text(title_of(order.y.field))} \u2193 {markup.text(title_of(order.x.field))} \u2192"
    lines = "".join(
        f'<tr><th scope="row">{markup.text(value)}</th>'
        f"{''.join(_cell(job, media, (row, column), there, chosen) for column in range(len(order.x.values)))}</tr>"
        for row, value in enumerate(order.y.values)
    )
    words = "Click a picture: its settings go into the form."
    if chosen is not None and chosen in there:
        words = f"The settings of {cell_words(job, chosen)} are in the form."
    return (
        f'<section class="cx-findings cx-grid"><h3>Grid</h3><p class="cx-hint" role="status">{markup.text(words)}</p>'
        f'<div class="cx-scroll" tabindex="0" role="region" aria-label="Grid"><table><thead><tr>'
        f'<th scope="col">{corner}</th>{head}</tr></thead><tbody>{lines}</tbody></table></div></section>'
    )


def _cell(job: JobSnapshot, media: Media, place: Place, there: Mapping[Place, GridCell], chosen: Place | None) -> str:
    cell, name = there.get(place), cell_words(job, place)
    if cell is None:
        return f'<td class="cx-to-come" aria-label="{markup.text(name)}: to come"></td>'
    state = "" if cell.done else ", cut short"
    path = Path(job.folder) / cell.shown
    shown = markup.picture(media.url(path, int(cell.done)), "") if path.is_file() else ""
    said = f"<small>{markup.text(cell.said)}</small>" if cell.said else ""
    pressed = str(place == chosen).lower()
    return (
        f'<td><button class="cx-cell" data-pick="cell:{cell.row}:{cell.column}" aria-pressed="{pressed}"'
        f' aria-label="Use the settings of {markup.text(name)}{state}" title="{markup.text(name)}{state}">'
        f"{shown}</button>{said}</td>"
    )


def picked(pick: object) -> Place | None:
    """Which cell a click names; None for what is none."""
    what, _, rest = str(pick).partition(":")
    row, _, column = rest.partition(":")
    return (int(row), int(column)) if what == "cell" and row.isdecimal() and column.isdecimal() else None
