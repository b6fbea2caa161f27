"""Jobs as the page sees them, and a text that must be escaped."""

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

from foundation.jobs.store.model import JobSnapshot, JobStatus
from tests.picture_results import picture

EVIL = '<img src=x onerror="alert(1)">'


def snapshot(folder: Path, **changes: Any) -> JobSnapshot:
    values: dict[str, Any] = {
        "id": "a1",
        "kind": "image",
        "title": "frog, seed 0",
        "owner": "o" * 32,
        "device": "cpu",
        "status": JobStatus.RUNNING,
        "position": None,
        "done": 40,
        "total": 80,
        "unit": "steps",
        "eta_s": 2.4,
        "message": "",
        "stopping": False,
        "curves": {"total": [(1, 3.0), (40, 1.0)]},
        "preview": None,
        "preview_version": 0,
        "result": None,
        "error": None,
        "created": 0.0,
        "started": 0.0,
        "finished": None,
        "params": {},
        "folder": str(folder),
    }
    return JobSnapshot(**(values | changes))


NOON = datetime.datetime(2026, 5, 20, 12).timestamp()


def job(recipe: dict | None = None, **changes) -> JobSnapshot:
    base = JobSnapshot(
        id="a" * 32,
        kind="image",
        title="frog, seed 3",
        owner="anna",
        device="cpu",
        status=JobStatus.DONE,
        position=None,
        done=3,
        total=3,
        unit="steps",
        eta_s=None,
        message="",
        stopping=False,
        curves={},
        preview=None,
        preview_version=0,
        result={"images": [picture(success={"crossmax-cifar10": True, "lite0": False})]},
        error=None,
        created=NOON,
        started=NOON,
        finished=NOON,
        params={"recipe": recipe or {"models": ["crossmax-cifar10", "lite0"], "classes": ["frog"], "size": [48, 64]}},
        folder="/nowhere",
    )
    return replace(base, **changes)
