"""A finished attack, and one that is being looked at, as markup. Pure functions of a snapshot and its findings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.findings import read_findings
from app.jobs.model import JobSnapshot
from app.ui import attack_seeing as seeing
from app.ui import attack_tables as tables
from app.ui import markup, results, text_results
from app.ui.media import Media


def attack_view(job: JobSnapshot, media: Media) -> str:
    """The slider between before and after, how large the change is, and what is missing."""
    result = job.result or {}
    if not result.get("images"):
        return markup.notice(str(result.get("note") or "There is no picture in this result."), tone="warn")
    findings = read_findings(Path(job.folder))
    return results.attack_view(job, media, findings.get("distances")) + _missing(result, findings)


def _missing(result: Mapping[str, Any], findings: Mapping[str, Any]) -> str:
    if result.get("findings_error"):
        return markup.notice(str(result["findings_error"]), tone="warn", title="Not everything was measured.")
    if findings and not findings.get("complete"):
        return markup.notice("It was stopped while it was being measured. What was known by then is below.")
    return ""


def attack_more(job: JobSnapshot, media: Media, titles: Mapping[str, str]) -> str:
    """The tables first; then, each folded away, why it is so."""
    result = job.result or {}
    images = result.get("images", [])
    if not images:
        return ""
    findings, folder = read_findings(Path(job.folder)), Path(job.folder)
    named = tables.victim_titles(findings, titles)
    shown = tables.tables(findings, titles)
    said = text_results.nearness(images[0], titles) + results.verdicts(images[0], result, titles)
    folds = [
        ("What the models attacked with say", said, not shown),
        ("The change, magnified", results.change_view(job, media), True),
        ("Which read-outs were fooled", seeing.heat_view(findings, named), False),
        ("From the photo to the picture, and beyond", seeing.lines_view(findings, named), False),
        ("What moves the answers", seeing.saliency_view(findings, named, folder, media), False),
        ("What the model sees", seeing.stack_view(findings, named, folder, media), False),
        ("The way there", seeing.video_view(findings, folder, media), False),
    ]
    parts = [
        markup.details(title, f'<div class="cx-fold-body">{body}</div>', opened=opened)
        for title, body, opened in folds
        if body
    ]
    return shown + "".join(parts) + results.recipe_fold(result)


def measured_so_far(job: JobSnapshot, titles: Mapping[str, str]) -> str:
    """The tables of an attack that is being measured; empty before."""
    return tables.tables(read_findings(Path(job.folder)), titles)
