"""Jobs on disk: a row in the database each, and a folder for their files, such that a kill leaves no half state.

``<data_dir>/jobs/<id>/`` has ``curves.json`` and the copy of the record (``foundation.jobs.store.copies``) beside
whatever the handler writes. A job appears in two steps: its folder (prepared as ``.new-<id>``, then renamed), then its
row; one that was cut short in between is taken over at the next start, as those of versions without a database are. It
disappears in three: its folder is renamed to ``.trash-<id>``, its row deleted, the folder emptied; the next start does
what is left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from foundation.files.text_files import replace_whole, sync_folder
from foundation.jobs.store.copies import RECORD_NAME, read_copy, write_copy
from foundation.jobs.store.database import Database, DatabaseError
from foundation.jobs.store.locks import DirectoryLock
from foundation.jobs.store.model import JobError, JobRecord
from foundation.jobs.store.records import Records
from foundation.jobs.store.reserve import NAME, Reserve

logger = logging.getLogger(__name__)

DATABASE_NAME = "studio.db"
CURVES_NAME = "curves.json"
PREVIEW_NAME = "preview.jpg"
LOG_NAME = "log.txt"
ID_PATTERN = re.compile(r"[0-9a-f]{32}")

Curves = dict[str, list[tuple[int, float]]]


@functools.cache
def _curves_type() -> TypeAdapter[Curves]:
    return TypeAdapter(Curves)


@dataclasses.dataclass(frozen=True)
class Recovery:
    """What a start found: readable records in the order of submission, and problems as sentences."""

    records: list[JobRecord]
    problems: list[str]


def default_database(data_dir: Path) -> str:
    """The address of the database that lies in a data directory."""
    return f"sqlite:///{(data_dir / DATABASE_NAME).absolute()}"


class JobStore:
    """The folders under ``<data_dir>/jobs`` and their rows; exclusive until ``close``.

    Attributes:
        reserve: room that is kept for the ends of jobs.

    Args:
        database: its address; "" for a file in ``data_dir``.

    Raises:
        JobError: the directory or the database is in use, or cannot be written to.
    """

    def __init__(self, data_dir: Path, database: str = "") -> None:
        self.root = data_dir / "jobs"
        try:
            self._prepare()
        except OSError as error:
            raise JobError(
                f"The data folder {data_dir} cannot be used ({error.strerror or error}). "
                "Choose one that you may write to with --data-dir."
            ) from error
        try:
            self.database = Database(database or default_database(data_dir))
        except BaseException:
            self._lock.release()
            raise
        self._records = Records(self.database)
        self.reserve = Reserve(data_dir / NAME)
        with contextlib.suppress(OSError):  # a start is no reason to refuse: jobs are, that begin without it
            self.reserve.hold()
        self._generation = self.database.generation

    def _prepare(self) -> None:
        """Make the folder, which is for nobody else on the machine, and lock it. Raises ``OSError``, ``JobError``."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        self._lock = DirectoryLock(self.root.parent / "studio.lock")

    def folder(self, job_id: str) -> Path:
        return self.root / job_id

    def create(self, record: JobRecord) -> None:
        """Make the job's folder with its record in it, then its row. Folders are made anew if somebody removed them.

        Raises ``OSError``, and ``JobError`` if another studio uses the new folder.
        """
        new = self.root / f".new-{record.id}"
        if not self.root.is_dir():
            self._lock.release()
            self._prepare()
        try:
            new.mkdir(mode=0o700)
            write_copy(new, record)
            new.rename(self.folder(record.id))
            sync_folder(self.root)
            self._records.add([record])
        except OSError:
            for folder in (new, self.folder(record.id)):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        self._take_over_lost()

    def save(self, record: JobRecord, curves: Mapping[str, list[tuple[int, float]]] | None = None) -> None:
        """Replace the record, and the curves if given. Never makes the folder: a removed job stays so.

        The end of a job is written to its folder first, so that it is kept where the database refuses, and to the
        database also where the folder does. Raises ``OSError``, that of the database before that of a file.
        """
        folder = self.folder(record.id)
        if not folder.is_dir():
            raise FileNotFoundError(f"the folder of job {record.id} was removed")
        refusals: list[OSError] = []
        if record.status.finished:
            try:
                write_copy(folder, record)
            except OSError as error:
                refusals.append(error)
        if curves is not None:
            try:
                replace_whole(folder / CURVES_NAME, json.dumps(curves, allow_nan=False).encode())
            except OSError as error:
                refusals.append(error)
        if not self._records.save(record):
            self._records.add([record])  # of a database that was made anew
        if refusals:
            raise refusals[0]
        self._take_over_lost()

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
        """Delete the job's folder and its row. From the rename on, the job is gone for every later start.

        Raises ``OSError``; the folder's files are gone then if it is a ``DatabaseError``.
        """
        trash: Path | None = self.root / f".trash-{job_id}"
        try:
            self.folder(job_id).rename(self.root / f".trash-{job_id}")
        except FileNotFoundError:
            trash = None
        try:
            self._records.delete([job_id])
        except DatabaseError:
            if trash is not None:  # the empty folder says at the next start that the row is to go
                for path in trash.iterdir():
                    if path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)
            raise
        if trash is not None:
            shutil.rmtree(trash, ignore_errors=True)

    def recover(self) -> Recovery:
        """Sweep what an unfinished step left, take over what has no row, and read every record."""
        problems: list[str] = []
        trash = list(self.root.glob(".trash-*"))
        self._records.delete([folder.name.removeprefix(".trash-") for folder in trash])
        for folder in (*trash, *self.root.glob(".new-*")):
            shutil.rmtree(folder, ignore_errors=True)
        records, damaged, newer = self._records.all()
        problems += [f"Job {job_id} was saved by a newer version and is left as it is." for job_id in newer]
        known = {record.id: record for record in records}
        known |= {record.id: record for record in self._mend(damaged, problems)}
        for folder in sorted(self.root.iterdir()):
            if ID_PATTERN.fullmatch(folder.name) and folder.is_dir():
                for leftover in folder.glob(".*.tmp"):
                    leftover.unlink(missing_ok=True)
        ended = self._ended_since(known, problems)
        known |= {record.id: record for record in (*ended, *self._take_over({*known, *damaged, *newer}, problems))}
        for problem in problems:
            logger.error("%s", problem)
        return Recovery(sorted(known.values(), key=lambda record: (record.sequence, record.created)), problems)

    def _mend(self, damaged: Sequence[str], problems: list[str]) -> list[JobRecord]:
        """The jobs whose rows cannot be read, out of their folders where these can."""
        copies = [read_copy(self.folder(job_id), problems) for job_id in damaged]
        found = [copy for copy in copies if copy is not None]
        self._records.delete([record.id for record in found])
        self._records.add(found)
        mended = {record.id for record in found}
        problems += [
            f"The record of job {job_id} in the database cannot be read; it is left as it is."
            for job_id in damaged
            if job_id not in mended
        ]
        return found

    def _ended_since(self, known: Mapping[str, JobRecord], problems: list[str]) -> list[JobRecord]:
        """The jobs whose end the folder has and the database has not: a kill, or a database that was away."""
        found = []
        for record in known.values():
            folder = self.folder(record.id)
            if not record.status.finished and (folder / RECORD_NAME).is_file():
                copy = read_copy(folder, problems)
                if copy is not None and copy.status.finished:
                    self._records.save(copy)
                    found.append(copy)
        return found

    def _take_over(self, known: set[str], problems: list[str]) -> list[JobRecord]:
        """Give a row to every job that has a folder alone: of an older version, or of a database that was lost."""
        found = []
        for folder in sorted(self.root.iterdir()):
            if ID_PATTERN.fullmatch(folder.name) and folder.name not in known and folder.is_dir():
                record = read_copy(folder, problems)
                if record is not None:
                    found.append(record)
        self._records.add(found)
        return found

    def _take_over_lost(self) -> None:
        """Fill a database that was made anew while the studio ran."""
        if self.database.generation != self._generation:
            self._generation = self.database.generation
            self._take_over(set(), [])

    def close(self) -> None:
        self.database.close()
        self._lock.release()
