"""The files of a job by their names: what is asked for is looked up among those that are there, and is never a path."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import FileResponse, Response

from app.evaluation.order import EVALUATION
from app.ui.markup.media import FILE_TYPES, MEDIA_TYPES, REPORT_POLICY, REPORT_TYPES
from app.ui.wiring.services import Studio
from app.web.answers import RefusedError
from foundation.errors import StudioError
from foundation.jobs.store.copies import RECORD_NAME
from foundation.jobs.store.model import JobSnapshot
from foundation.jobs.store.store import CURVES_NAME

OWN = frozenset({RECORD_NAME, CURVES_NAME, "planned.json"})
"""Files of the program's own, of which one has the owner's secret in it."""
TYPES = MEDIA_TYPES | FILE_TYPES | REPORT_TYPES
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}


def files_of(job: JobSnapshot, studio: Studio) -> Mapping[str, Path]:
    """The files of a job by name: pictures, videos, archives, records and reports."""
    folder = Path(job.folder)
    with contextlib.suppress(FileNotFoundError):  # it was removed a moment ago
        found = {path.name: path for path in sorted(folder.iterdir()) if _is_shown(path)}
        if job.kind == EVALUATION and job.status.finished:
            with contextlib.suppress(StudioError):
                report = studio.evaluations.files(folder)
                found |= {path.name: path for path in (report.json, report.html, report.markdown)}
        return found
    return {}


def _is_shown(path: Path) -> bool:
    if path.name in OWN or path.name.startswith(".") or path.suffix.lower() not in TYPES:
        return False
    return path.is_file() and not path.is_symlink()


def send_file(job: JobSnapshot, studio: Studio, name: str) -> Response:
    """A file of a job as an answer. RefusedError (404): there is none of this name."""
    path = files_of(job, studio).get(name)
    missing = RefusedError(404, "This job has no such file: its 'files' are the names of those that are there.")
    if path is None:
        raise missing
    kind = TYPES[path.suffix.lower()]
    if path.suffix.lower() in FILE_TYPES:  # large, and written once
        return FileResponse(path, media_type=kind, headers=HEADERS)
    policy = {"Content-Security-Policy": REPORT_POLICY} if path.suffix.lower() in REPORT_TYPES else {}
    try:
        return Response(path.read_bytes(), media_type=kind, headers=HEADERS | policy)
    except FileNotFoundError:
        raise missing from None
