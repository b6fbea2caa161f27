"""What was found out about an attack after it was made, beside its pictures: written as it comes, read by the page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foundation.files.read_once import read_once
from foundation.files.text_files import read_json, replace_whole
from foundation.jobs.store.model import as_json

FINDINGS_NAME = "findings.json"

Findings = Mapping[str, Any]


def write_findings(folder: Path, findings: Findings) -> None:
    """Keep what is known so far in a job's folder: readers see the old or the new. Raises OSError."""
    replace_whole(folder / FINDINGS_NAME, json.dumps(as_json(findings)).encode(), durable=False)


def read_findings(folder: Path) -> Findings:
    """What is known so far about the attack in a job's folder; empty before there is anything."""
    path = folder / FINDINGS_NAME
    try:
        return _read(path)
    except FileNotFoundError:
        return {}


@read_once(8)
def _read(path: Path) -> Findings:
    found: dict[str, Any] = read_json(path)
    return found
