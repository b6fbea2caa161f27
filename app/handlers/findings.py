"""What was found out about an attack after it was made, beside its pictures: written as it comes, read by the page."""

import json
from pathlib import Path

from pydantic import JsonValue

from app.records.findings import AttackFindings
from app.records.folders import FolderFindings
from app.records.grids import GridFindings
from foundation.files.read_once import read_once
from foundation.files.text_files import read_json, read_object, replace_whole
from foundation.jobs.store.model import as_json

FINDINGS_NAME = "findings.json"


def write_findings(folder: Path, findings: AttackFindings) -> None:
    """Keep what is known so far in a job's folder: readers see the old or the new. Raises OSError."""
    _write(folder, findings.to_json())


def read_findings(folder: Path) -> AttackFindings | None:
    """What is known so far about the attack on a photo in a job's folder; None before there is anything.

    RecordError where it cannot be read.
    """
    try:
        return _read(folder / FINDINGS_NAME)
    except FileNotFoundError:
        return None


@read_once(8)
def _read(path: Path) -> AttackFindings:
    return AttackFindings.read(read_json(path), "record of findings")


def write_folder_findings(folder: Path, findings: FolderFindings) -> None:
    """The same of an attack on a folder of photos."""
    _write(folder, {"folder": findings.to_json()})


def read_folder_findings(folder: Path) -> FolderFindings | None:
    """The same of an attack on a folder of photos."""
    try:
        return _read_folder(folder / FINDINGS_NAME)
    except FileNotFoundError:
        return None


@read_once(8)
def _read_folder(path: Path) -> FolderFindings:
    return FolderFindings.read(read_object(path, needs=("folder",))["folder"], "record of findings")


def write_grid_findings(folder: Path, findings: GridFindings) -> None:
    """The same of a grid."""
    _write(folder, {"grid": findings.to_json()})


def read_grid_findings(folder: Path) -> GridFindings | None:
    """The same of a grid."""
    try:
        return _read_grid(folder / FINDINGS_NAME)
    except FileNotFoundError:
        return None


@read_once(8)
def _read_grid(path: Path) -> GridFindings:
    return GridFindings.read(read_object(path, needs=("grid",))["grid"], "record of findings")


def _write(folder: Path, findings: dict[str, JsonValue]) -> None:
    replace_whole(folder / FINDINGS_NAME, json.dumps(as_json(findings)).encode(), durable=False)
