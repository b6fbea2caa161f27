"""Jobs on disk: one folder each, written so that a program killed at any moment leaves no half state.

``<data_dir>/jobs/<id>/job.json`` is the record, ``curves.json`` its curves, beside whatever the handler
writes. A record is replaced in one step (temporary file, fsync, rename). A folder appears in one step
(prepared as ``.new-<id>``, then renamed) and disappears in one (renamed to ``.trash-<id>``, then emptied);
both kinds of leftovers are swept at the next start.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter, ValidationError

from app.jobs.model import RECORD_VERSION, JobError, JobRecord, as_json
from generator.text_files import replace_whole, sync_folder

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

logger = logging.getLogger(__name__)

RECORD_NAME = "job.json"
CURVES_NAME = "curves.json"
PREVIEW_NAME = "preview.jpg"
LOG_NAME = "log.txt"
ID_PATTERN = re.compile(r"[0-9a-f]{32}")

Curves = dict[str, list[tuple[int, float]]]


@functools.cache
def _record_type() -> TypeAdapter[JobRecord]:
    return TypeAdapter(JobRecord)


@functools.cache
def _curves_type() -> TypeAdapter[Curves]:
    return TypeAdapter(Curves)


class DirectoryLock:
    """Exclusive use of a data directory by one process at a time.

    The operating system drops the lock when its holder ends, however it ends: no stale lock can remain.
    """

    def __init__(self, path: Path) -> None:
        """Raises ``JobError`` if somebody else holds it, ``OSError`` if there can be no lock."""
        self._file: IO[str] | None = path.open("a+", encoding="utf-8")
        try:
            self._lock(self._file)
        except OSError as error:
            self.release()
            # POSIX says EWOULDBLOCK, Windows EACCES; anything else is no other holder.
            if not isinstance(error, BlockingIOError | PermissionError):
                raise
            raise JobError(
                f"Another CrossMax Studio already uses the folder {path.parent}. "
                "Close it first, or start this one with another --data-dir."
            ) from error

    @staticmethod
    def _lock(file: IO[str]) -> None:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Closing the file drops the lock. The file stays: removing it would race with the next holder."""
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclasses.dataclass(frozen=True)
class Recovery:
    """What a start found: readable records in the order of submission, and problems as sentences."""

    records: list[JobRecord]
    problems: list[str]


class JobStore:
    """The folders under ``<data_dir>/jobs``; exclusive until ``close``.

    Raises:
        JobError: the directory is in use, or cannot be written to.
    """

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / "jobs"
        try:
            self._prepare()
        except OSError as error:
            raise JobError(
                f"The data folder {data_dir} cannot be used ({error.strerror or error}). "
                "Choose one that you may write to with --data-dir."
            ) from error

    def _prepare(self) -> None:
        """Make the folder, which is for nobody else on the machine, and lock it. Raises ``OSError``, ``JobError``."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        self._lock = DirectoryLock(self.root.parent / "studio.lock")

    def folder(self, job_id: str) -> Path:
        return self.root / job_id

    def create(self, record: JobRecord) -> None:
        """Make the job's folder with its record in it, as one step. All folders are made anew if somebody removed them.

        Raises ``OSError``, and ``JobError`` if another studio uses the new folder.
        """
        new = self.root / f".new-{record.id}"
        if not self.root.is_dir():
            self._lock.release()
            self._prepare()
        try:
            new.mkdir(mode=0o700)
            replace_whole(new / RECORD_NAME, _dump(record))
            new.rename(self.folder(record.id))
            sync_folder(self.root)
        except OSError:
            for folder in (new, self.folder(record.id)):
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def save(self, record: JobRecord, curves: Mapping[str, list[tuple[int, float]]] | None = None) -> None:
        """Replace the record, and the curves if given. Never makes the folder: a removed job stays so."""
        folder = self.folder(record.id)
        if curves is not None:
            replace_whole(folder / CURVES_NAME, json.dumps(curves, allow_nan=False).encode())
        replace_whole(folder / RECORD_NAME, _dump(record))

    def read_curves(self, job_id: str) -> Curves:
        """Curves of a finished job; empty if there are none or they cannot be read."""
        try:
            return _curves_type().validate_json((self.folder(job_id) / CURVES_NAME).read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError):
            logger.warning("curves of job %s cannot be read", job_id, exc_info=True)
            return {}

    def append_log(self, job_id: str, text: str) -> None:
        """Add to the job's log, which stays on the server."""
        with (self.folder(job_id) / LOG_NAME).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text if text.endswith("\n") else text + "\n")

    def remove(self, job_id: str) -> None:
        """Delete the job's folder. From the rename on, the job is gone for every later start."""
        trash = self.root / f".trash-{job_id}"
        try:
            self.folder(job_id).rename(trash)
        except FileNotFoundError:
            return
        shutil.rmtree(trash, ignore_errors=True)

    def recover(self) -> Recovery:
        """Sweep what an unfinished step left, and read every record; unreadable ones are set aside."""
        records: list[JobRecord] = []
        problems: list[str] = []
        for folder in sorted(self.root.iterdir()):
            if folder.name.startswith((".new-", ".trash-")):
                shutil.rmtree(folder, ignore_errors=True)
            elif ID_PATTERN.fullmatch(folder.name) and folder.is_dir():
                for leftover in folder.glob(".*.tmp"):
                    leftover.unlink(missing_ok=True)
                record = self._read(folder, problems)
                if record is not None:
                    records.append(record)
        records.sort(key=lambda record: (record.sequence, record.created))
        for problem in problems:
            logger.error("%s", problem)
        return Recovery(records, problems)

    def _read(self, folder: Path, problems: list[str]) -> JobRecord | None:
        path = folder / RECORD_NAME
        aside = path.with_name(RECORD_NAME + ".corrupt")
        try:
            record = _record_type().validate_json(path.read_bytes(), strict=True)
            if record.version > RECORD_VERSION:
                problems.append(f"Job {folder.name} was saved by a newer version and is left as it is.")
                return None
            if record.id != folder.name:
                raise ValueError(f"its record names another job: {record.id!r}")
        except FileNotFoundError:
            if not aside.exists():  # otherwise an earlier start has reported it
                problems.append(f"The folder {folder} has no {RECORD_NAME}; it is left as it is.")
            return None
        except ValueError:  # pydantic's ValidationError is one
            logger.warning("unreadable record %s", path, exc_info=True)
            with contextlib.suppress(OSError):
                path.replace(aside)
            problems.append(
                f"The record of job {folder.name} cannot be read and was set aside as {aside.name}; "
                "the job's other files are kept."
            )
            return None
        except OSError as error:
            problems.append(f"The record of job {folder.name} cannot be read ({error.strerror or error}).")
            return None
        return record

    def close(self) -> None:
        self._lock.release()


def _dump(record: JobRecord) -> bytes:
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return json.dumps(as_json(fields), indent=1, allow_nan=False).encode()
