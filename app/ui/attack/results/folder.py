"""An attack on a folder of photos as markup: how often it fools whom, out of how many, and all of it as a file.

Pure functions of a snapshot and its findings; see `app.records.folders` for these.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from app.handlers.findings import read_folder_findings
from app.handlers.folders import ARCHIVE, FOLDER
from app.records.findings import VictimFound
from app.records.folders import AttackedPhoto, FolderFindings, folder_result_of
from app.records.pictures import note_of
from app.ui.attack.results.descriptions import descriptions_in
from app.ui.markup import charts, markup, results
from app.ui.markup.media import Media
from foundation.intervals import RateRecord
from foundation.jobs.store.model import JobSnapshot
from generator.transfer.batch import REPORT_HTML
from generator.transfer.table import CellRecord
from generator.victims.survival import SAVED
from generator.victims.victims import said_of

Cells = Mapping[tuple[str, str], CellRecord]
"""Victim and survival -> cell of the transfer table of one attack."""
HEADINGS = ("model", "fooled", "wanted answer, of all", "without the attack", "not counted")


def is_folder(job: JobSnapshot) -> bool:
    """Whether a job attacks a folder of photos."""
    return "folder" in job.params


def folder_view(job: JobSnapshot, media: Media) -> str:
    """How many are attacked, the files, and the first of the pictures."""
    result, found = folder_result_of(job), _found(job)
    if found is None:
        return markup.notice(note_of(job) or "There is nothing in this result.", tone="warn")
    parts = [markup.facts(_facts(found)), _files(job, media)]
    if result is not None and result.archive_error:
        parts.append(markup.notice(result.archive_error, tone="warn"))
    if not found.complete:
        parts.append(markup.notice("It is not complete. What there is is kept; go on with the rest below."))
    return markup.join([*parts, _pictures(job, found, media)])


def folder_more(job: JobSnapshot, titles: Mapping[str, str]) -> str:
    """The tables, what was said, which photos are missing, and the recipe."""
    result = folder_result_of(job)
    error = "" if result is None else result.descriptions_error or ""
    return markup.join(
        [
            folder_tables(job, titles),
            descriptions_in(Path(job.folder) / FOLDER, error),
            "" if result is None else results.recipe_fold(result.recipe),
        ]
    )


def folder_tables(job: JobSnapshot, titles: Mapping[str, str]) -> str:
    """The tables as far as they are known, and which photos are missing; empty before there is anything."""
    found = _found(job)
    if found is None or not found.victims:
        return ""
    attacks = found.attacks
    cells: dict[str, dict[tuple[str, str], CellRecord]] = {name: {} for name in attacks}
    for cell in found.cells:
        cells[cell.attack][cell.victim, cell.survival] = cell
    if len(attacks) == 1:
        ((name, models),) = attacks.items()
        tables = [_transfer(found, models, cells[name], titles), _survival(found, cells[name], titles)]
        return markup.join([*tables, _missing(found)])
    folds = [
        markup.details(
            f"From {_named(models, titles)}",
            _transfer(found, models, cells[name], titles, "") + _survival(found, cells[name], titles, ""),
        )
        for name, models in attacks.items()
    ]
    return markup.join([_matrix(found, cells, titles), *folds, _missing(found)])


def _matrix(found: FolderFindings, cells: Mapping[str, Cells], titles: Mapping[str, str]) -> str:
    """Each attack and each victim: how many of the saved files fool it."""
    victims = [one for one in found.victims if not one.why_not]
    head = "".join(f'<th scope="col">{_title(one, titles)}</th>' for one in victims)
    lines = "".join(
        f'<tr><th scope="row">{markup.text(_named(models, titles))}</th>'
        f"{''.join(_pair(one, models, cells[name].get((one.name, SAVED))) for one in victims)}</tr>"
        for name, models in found.attacks.items()
    )
    sentence = (
        f"Rows: whom the attack is made with; columns: who looks on. After {found.done} of {found.total} photos, "
        "on the saved 8-bit files, out of those that the model had right before, with the 95% interval (Wilson)."
    )
    return _section(
        "Who falls to whom",
        sentence,
        f'<table><thead><tr><th scope="col">attacked with</th>{head}</tr></thead><tbody>{lines}</tbody></table>',
        "attack-matrix",
    )


def _pair(victim: VictimFound, models: Sequence[str], cell: CellRecord | None) -> str:
    if cell is None:
        return '<td class="cx-to-come">to come</td>'
    own = "<small>attacked itself</small>" if victim.model in models else ""
    return f"<td>{_rate(cell.rate)}{own}</td>"


def _named(models: Sequence[str], titles: Mapping[str, str]) -> str:
    return " and ".join(titles.get(name, name) for name in models)


def _found(job: JobSnapshot) -> FolderFindings | None:
    return read_folder_findings(Path(job.folder))


def _facts(found: FolderFindings) -> list[tuple[str, str]]:
    facts = [("attacked and measured", f"{found.done} of {found.total} photos")]
    return [*facts, ("left out", str(len(found.missing)))] if found.missing else facts


def _files(job: JobSnapshot, media: Media) -> str:
    """Links to all of it as one file, and to the report."""
    stem = results.file_stem(job.title)
    archive, report = Path(job.folder) / ARCHIVE, Path(job.folder) / FOLDER / REPORT_HTML
    links = []
    if archive.is_file():
        size = f"{archive.stat().st_size / 1e6:,.1f} MB"
        links.append(markup.download_link(media.url(archive), f"{stem}.zip", f"Download everything (ZIP, {size})"))
    if report.is_file():
        links.append(markup.download_link(media.url(report), f"{stem}.html", "Report (HTML)"))
    return f'<div class="cx-row">{"".join(links)}</div>' if links else ""


def _pictures(job: JobSnapshot, found: FolderFindings, media: Media) -> str:
    """The attacked pictures, the first of them, with a link to each as it was saved."""

    def tile(one: AttackedPhoto) -> str:
        url = media.url(Path(job.folder) / one.attacked)
        name = f"{one.image} ({one.attack})" if len(found.attacks) > 1 else one.image
        link = markup.download_link(url, f"{results.file_stem(name)}.png", "PNG")
        return (
            f"<figure>{markup.picture(url, 'Attacked: ' + name)}"
            f"<figcaption><span>{markup.text(name)}</span>{link}</figcaption></figure>"
        )

    shown = [one for one in found.pictures if (Path(job.folder) / one.attacked).is_file()]
    if not shown:
        return ""
    rest = found.done * len(found.attacks) - len(shown)
    more = f'<p class="cx-hint">And {rest} more, in the file.</p>' if rest > 0 else ""
    return f'<div class="cx-sheet">{"".join(map(tile, shown))}</div>{more}'


def _transfer(
    found: FolderFindings,
    models: Sequence[str],
    cells: Cells,
    titles: Mapping[str, str],
    elem_id: str = "attack-transfer",
) -> str:
    lines = "".join(
        _transfer_row(victim, victim.model in models, cells.get((victim.name, SAVED)), titles)
        for victim in found.victims
    )
    head = "".join(f'<th scope="col">{words}</th>' for words in HEADINGS)
    wanted = "says what was wanted" if found.targeted else "no longer says what it said, or what is right"
    sentence = (
        f"After {found.done} of {found.total} photos, on the saved 8-bit files. Fooled: the model {wanted}; out "
        "of the photos that it had right before, with the 95% interval (Wilson). Without the attack: the photos "
        "themselves that would have counted."
    )
    return _section(
        "Who falls", sentence, f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>", elem_id
    )


def _transfer_row(victim: VictimFound, attacked: bool, cell: CellRecord | None, titles: Mapping[str, str]) -> str:
    role = "attacked" if attacked else "held out"
    if says := said_of(victim.kind, victim.labels):
        role += f", {says}"
    name = f'<th scope="row">{_title(victim, titles)}<small>{markup.text(role)}</small></th>'
    if victim.why_not:
        return f'<tr>{name}<td colspan="4">{markup.text(victim.why_not)}</td></tr>'
    if cell is None:
        return f'<tr>{name}<td colspan="4" class="cx-to-come">to come</td></tr>'
    left_out = ", ".join(f"{count} {reason}" for reason, count in cell.left_out.items()) or "none"
    said = (
        _rate(cell.rate),
        f"{cell.of_all.successes} of {cell.of_all.total}",
        f"{cell.control.successes} of {cell.control.total}",
        markup.text(left_out),
    )
    return f"<tr>{name}{''.join(f'<td>{words}</td>' for words in said)}</tr>"


def _rate(rate: RateRecord) -> str:
    if rate.rate is None:
        return "none to count"
    low, high = rate.ci95
    css = "cx-fell" if rate.successes else "cx-held"
    return (
        f'<span class="{css}">{rate.successes} of {rate.total}</span><small>{charts.percent(rate.rate)}, '
        f"{charts.percent(low)} to {charts.percent(high)}</small>"
    )


def _survival(found: FolderFindings, cells: Cells, titles: Mapping[str, str], elem_id: str = "attack-survival") -> str:
    """What is left of the attacks after things that happen to files; empty if nothing was asked for."""
    victims = [one for one in found.victims if not one.why_not]
    if len(found.survivals) < 2 or not victims:
        return ""
    head = "".join(f'<th scope="col">{_title(one, titles)}</th>' for one in victims)
    lines = "".join(
        f'<tr><th scope="row">{markup.text(name)}<small>{markup.text(description)}</small></th>'
        f"{''.join(_survival_cell(cells.get((one.name, name))) for one in victims)}</tr>"
        for name, description in found.survivals.items()
    )
    return _section(
        "What survives",
        "How many are fooled by the saved files after what happens to files; below it, how many the photos alone, "
        "after the same, would fool.",
        f'<table><thead><tr><th scope="col">the files</th>{head}</tr></thead><tbody>{lines}</tbody></table>',
        elem_id,
    )


def _survival_cell(cell: CellRecord | None) -> str:
    if cell is None:
        return '<td class="cx-to-come">to come</td>'
    control = cell.control
    alone = f"<small>alone: {control.successes} of {control.total}</small>" if control.total else ""
    return f"<td>{_rate(cell.rate)}{alone}</td>"


def _missing(found: FolderFindings) -> str:
    """A sentence for each photo that nothing is known of."""
    if not found.missing:
        return ""
    sentences = (one.why if one.image in one.why else f"{one.image}: {one.why}" for one in found.missing)
    items = "".join(f"<li>{markup.text(sentence)}</li>" for sentence in sentences)
    return markup.details(
        f"Not in the tables: {len(found.missing)}", f'<ul class="cx-answers">{items}</ul>', opened=True
    )


def _title(victim: VictimFound, titles: Mapping[str, str]) -> str:
    return markup.text(titles.get(victim.model, victim.model))


def _section(title: str, sentence: str, table: str, elem_id: str) -> str:
    named = f' id="{elem_id}"' if elem_id else ""
    return (
        f'<section class="cx-findings"{named}><h3>{markup.text(title)}</h3>'
        f'<p class="cx-hint">{markup.text(sentence)}</p>'
        f'<div class="cx-scroll" tabindex="0" role="region" aria-label="{markup.text(title)}">{table}</div></section>'
    )
