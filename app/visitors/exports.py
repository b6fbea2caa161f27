"""Results to take along: one ZIP of their pictures, reports, recipes and a table, in a folder of the data directory.

    results.csv             a row for each result
    001 TITLE/recipe.json   the recipe, as every PNG carries it
    001 TITLE/image-1.png   the pictures as they were saved, and the video if there is one
    002 TITLE/config.json   what an evaluation was told to do
    002 TITLE/report.html   its report, also as JSON and Markdown

An archive is there for an hour (`app.upkeep`), one for each visitor: the next takes its place. Its address is signed,
as those of all files are.
"""

import csv
import hashlib
import io
import secrets
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundation.errors import StudioError
from foundation.files.tables import inert
from foundation.files.text_files import drafted, json_text, reason, replace_whole
from foundation.jobs.store.model import JobSnapshot
from foundation.limits import Limits

FOLDER = "exports"
TABLE = "results.csv"
COLUMNS = (
    *(
        "folder",
        "title",
        "kind",
        "state",
        "created",
        "models",
        "what",
        "budget",
        "outcome",
        "favourite",
        "note",
        "seed",
    ),
    "files",
)
_STEM = 60


@dataclass(frozen=True)
class Entry:
    """A result as a row of the table, with what stands in the columns that say what it is, and its further files."""

    job: JobSnapshot
    columns: Mapping[str, str]
    further: Sequence[Path] = ()

    @property
    def files(self) -> list[Path]:
        """All that is taken along of it."""
        return [*files_of(self.job), *self.further]


def files_of(job: JobSnapshot) -> list[Path]:
    """The pictures of a result, its video or archive, and all of a grid, as far as they are there."""
    result = job.result or {}
    images = result.get("images")
    names = [image.get("file") for image in images if isinstance(image, Mapping)] if isinstance(images, list) else []
    names += [result.get(name) for name in ("video", "archive")]
    names += listed if isinstance(listed := result.get("files"), list) else []
    return [path for name in names if name and (path := Path(job.folder) / Path(str(name)).name).is_file()]


def export(entries: Sequence[Entry], folder: Path, owner: str, limits: Limits) -> Path:
    """Put results into one file in ``folder``, and take the owner's last one away.

    Raises:
        StudioError: there are none, they are larger than may be exported at once, or the disk has no room.
    """
    if not entries:
        raise StudioError("There is nothing to export: choose results that are finished.")
    size = sum(path.stat().st_size for entry in entries for path in entry.files)
    if size > limits.export_bytes:
        raise StudioError(
            f"These results have {size / 1e9:,.1f} GB, and {limits.export_bytes / 1e9:,.1f} GB can be exported at "
            "once: choose fewer, for example by a search."
        )
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if shutil.disk_usage(folder).free - size < limits.free_bytes:
            raise StudioError("There is too little room on the server's disk to put these into one file.")
        path = _place(folder, owner, ".zip")
        with drafted(path, durable=False) as draft:
            _write(entries, draft)
    except OSError as error:
        raise StudioError(f"The results cannot be put into one file: {reason(error)}.") from error
    return path


def export_file(data: bytes, ending: str, folder: Path, owner: str) -> Path:
    """Put a file of another kind there, in place of the owner's last one of it. StudioError: it cannot be written."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        path = _place(folder, owner, ending)
        replace_whole(path, data, durable=False)
    except OSError as error:
        raise StudioError(f"The file cannot be written: {reason(error)}.") from error
    return path


def _place(folder: Path, owner: str, ending: str) -> Path:
    """Where an owner's next export goes, which nobody can guess; their last one of this kind is taken away."""
    remove_exports(folder, owner, ending)
    return folder / f"{_start(owner)}{secrets.token_hex(16)}{ending}"


def remove_exports(folder: Path, owner: str, ending: str = "") -> None:
    """Delete an owner's exports, or those of a kind, in a folder, which need not be there. OSError: one stays."""
    for path in folder.glob(f"{_start(owner)}*{ending}"):
        path.unlink(missing_ok=True)


def _start(owner: str) -> str:
    """How the names of an owner's exports begin."""
    return f"{hashlib.sha256(owner.encode()).hexdigest()[:16]}-"


def _write(entries: Sequence[Entry], path: Path) -> None:
    rows: list[dict[str, str]] = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, entry in enumerate(entries, start=1):
            place = f"{number:03d} {_stem(entry.job.title or entry.job.kind)}".rstrip()
            files = entry.files
            for file in files:
                archive.write(file, f"{place}/{file.name}", zipfile.ZIP_STORED)  # packed already
            recipe = (entry.job.result or {}).get("recipe") or entry.job.params.get("recipe")
            config = entry.job.params.get("config")
            for name, settings in (("recipe", recipe), ("config", config)):
                if settings:
                    archive.writestr(f"{place}/{name}.json", f"{json_text(settings, indent=2)}\n")
            names = ", ".join(file.name for file in files)
            rows.append({**entry.columns, "folder": place, "files": names, "seed": _seed(recipe or config)})
        archive.writestr(TABLE, _table(rows))


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows({name: inert(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _seed(recipe: Any) -> str:
    return str(recipe.get("seed", "")) if isinstance(recipe, Mapping) else ""


def _stem(title: str) -> str:
    """A name for a folder of an archive: letters, digits, blanks and hyphens."""
    kept = "".join(sign if sign.isalnum() or sign in " -_" else " " for sign in title)
    return " ".join(kept.split())[:_STEM].rstrip()
