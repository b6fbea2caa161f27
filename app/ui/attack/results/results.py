"""A finished attack, and one that is being looked at, as markup. Pure functions of a snapshot and its findings."""

from collections.abc import Mapping
from pathlib import Path

from app.handlers.findings import read_findings
from app.records.changes import LayerPart, LayerParts, NamedPart, NamedParts, OctavePart, OctaveParts, Parts
from app.records.findings import AttackFindings
from app.records.pictures import Picture, PictureResult, result_of
from app.ui.attack.results import seeing, tables
from app.ui.markup import charts, markup, nearness, results
from app.ui.markup.media import Media
from foundation.jobs.store.model import JobSnapshot
from generator.priors.parting import LAYERS, OCTAVES


def attack_view(job: JobSnapshot, media: Media, titles: Mapping[str, str] | None = None) -> str:
    """The slider between before and after, what the models say now, how large the change is, and what is missing."""
    result = result_of(job)
    if result is None:
        return results.no_picture(job)
    findings = read_findings(Path(job.folder))
    truth = "" if findings is None else findings.question.label
    known = {} if findings is None else tables.outcomes(findings)
    answers = results.answers_in_short(result.images[0], result.recipe, titles or {}, truth, known)
    shown = results.attack_view(job, media, None if findings is None else findings.distances, answers)
    if not result.with_recipe:
        shown += '<p class="cx-hint">The file carries no recipe. It is below, at the end.</p>'
    return shown + _missing(result, findings)


def _missing(result: PictureResult, findings: AttackFindings | None) -> str:
    if result.findings_error:
        return markup.notice(result.findings_error, tone="warn", title="Not everything was measured.")
    if findings is not None and not findings.complete:
        return markup.notice("It was stopped while it was being measured. What was known by then is below.")
    return ""


def attack_more(job: JobSnapshot, media: Media, titles: Mapping[str, str]) -> str:
    """The tables first; then, each folded away, why it is so."""
    result = result_of(job)
    if result is None:
        return ""
    image = result.images[0]
    findings, folder = read_findings(Path(job.folder)), Path(job.folder)
    change = results.change_view(result, folder, media) + parts_view(image, folder, media)
    said, shown, files = nearness.nearness(image, titles), "", ""
    seen: list[tuple[str, str, bool]] = []
    if findings is None:
        said += results.verdicts(image, result.recipe, titles)
    else:
        truth, known = findings.question.label, tables.outcomes(findings)
        said += results.verdicts(image, result.recipe, titles, truth, known)
        shown, files = tables.tables(findings, titles), downloads(findings, job, media)
        named = tables.victim_titles(findings, titles)
        seen = [
            ("Which read-outs were fooled", seeing.heat_view(findings, named), False),
            ("From the photo to the picture, and beyond", seeing.lines_view(findings, named), False),
            ("What moves the answers", seeing.saliency_view(findings, named, folder, media), False),
            ("What the model sees", seeing.stack_view(findings, named, folder, media), False),
            ("The way there", seeing.video_view(findings, folder, media), False),
        ]
    folds = [
        ("What the models attacked with say", said, not shown),
        ("The change, magnified", change, True),
        *seen,
    ]
    parts = [
        markup.details(title, f'<div class="cx-fold-body">{body}</div>', opened=opened)
        for title, body, opened in folds
        if body
    ]
    return shown + files + "".join(parts) + results.recipe_fold(result.recipe)


def downloads(findings: AttackFindings, job: JobSnapshot, media: Media) -> str:
    """Links to the numbers of both tables, and to the report; empty before they are there."""
    stem, folder = results.file_stem(job.title), Path(job.folder)
    links = "".join(
        markup.download_link(media.url(folder / name), f"{stem}-tables.{kind}", f"Tables as {kind.upper()}")
        for kind, name in (findings.files or {}).items()
    )
    return f'<div class="cx-row" id="attack-files">{links}</div>' if links else ""


def parts_view(image: Picture, folder: Path, media: Media) -> str:
    """The change by resolution, each part magnified by its own factor; empty where there is none.

    See `app.records.changes` for the parts.
    """
    parts = None if image.perturbation is None else image.perturbation.parts
    if parts is None:
        return ""
    figures = "".join(_part(one, folder, media) for one in parts.shown)
    words = markup.text(_says(parts).replace("{rest}", f"{255 * parts.rest:.2f}"))
    heading = "Part by part" if isinstance(parts, NamedParts) else "By resolution"
    return f'<h4>{heading}</h4><p class="cx-hint">{words}</p><div class="cx-views cx-parts">{figures}</div>'


def _says(parts: Parts) -> str:
    """What the parts of a change are."""
    match parts:
        case LayerParts():
            return LAYERS.says
        case OctaveParts():
            return OCTAVES.says
        case NamedParts():
            return parts.says


def _part(one: LayerPart | OctavePart | NamedPart, folder: Path, media: Media) -> str:
    name = _name(one)
    if one.largest:
        size = f"at most {255 * one.largest:.2g}/255, shown {charts.number(one.factor)} times as strong"
    else:
        size = "nothing"
    url = media.url(folder / one.file)
    return (
        f"<figure>{markup.picture(url, f'The change, {name}: {size}')}"
        f"<figcaption><b>{markup.text(name)}</b><br>{markup.text(size)}</figcaption></figure>"
    )


def _name(one: LayerPart | OctavePart | NamedPart) -> str:
    match one:
        case LayerPart():
            return _layer_name(one)
        case OctavePart():
            return _octave_name(one)
        case NamedPart():
            return one.title


def _layer_name(one: LayerPart) -> str:
    resolutions = one.resolutions
    if len(resolutions) > 1:
        return f"layers of {resolutions[0]} to {resolutions[-1]} cells"
    return "\u00d7".join(map(str, one.cells)) + (" cells" if max(one.cells) > 1 else " cell")


def _octave_name(one: OctavePart) -> str:
    if one.longest is None or one.shortest is None:
        return "the mean"
    return f"waves of {charts.number(one.longest)} to {charts.number(one.shortest)} pixels"


def measured_so_far(job: JobSnapshot, titles: Mapping[str, str]) -> str:
    """The tables of an attack that is being measured; empty before."""
    findings = read_findings(Path(job.folder))
    return "" if findings is None else tables.tables(findings, titles)
