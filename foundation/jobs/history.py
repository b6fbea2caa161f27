"""What their owners do with the jobs that they have: all of them listed, named, noted, deleted and had back, within a
budget of the disk."""

from __future__ import annotations

import contextlib
import logging
import stat
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from foundation.files.living import found_below
from foundation.jobs.context import Clock, Job
from foundation.jobs.files import JobFiles
from foundation.jobs.outcome import sentence
from foundation.jobs.retention import UNDO_SECONDS
from foundation.jobs.store.database import DatabaseError
from foundation.jobs.store.model import NOTE_LENGTH, TITLE_LENGTH, JobError, JobSnapshot, JobStatus, without_controls
from foundation.jobs.store.owners import NamedSettings, Owners, Preset
from foundation.jobs.table import JobTable

logger = logging.getLogger(__name__)


class Changes(TypedDict, total=False):
    """What an owner changes of a job."""

    title: str
    note: str
    favourite: bool
    deleted: float | None


@dataclass(frozen=True)
class Usage:
    """The bytes on the disk of an owner's results, of the favourites among them, and what they may take (None: all)."""

    bytes: int
    favourites: int
    budget: int | None


class History:
    """The jobs of a service, for their owners; nobody sees or changes anybody else's.

    Args:
        jobs: all jobs; guarded, like the jobs themselves, by ``changed``, which is notified of every change.
        files: where a job is written.
        owners: budgets and presets.
        now: Unix seconds.
        throw_away: removes a job at once, with its files.
    """

    def __init__(
        self,
        jobs: JobTable,
        files: JobFiles,
        owners: Owners,
        changed: threading.Condition,
        *,
        now: Clock,
        throw_away: Callable[[Job], None],
    ) -> None:
        self._jobs, self._files, self.owners, self._changed = jobs, files, owners, changed
        self._now, self._throw_away = now, throw_away

    def all(self, owner: str) -> list[JobSnapshot]:
        """Every job of an owner, newest first, without curves, and without those that they deleted."""
        with self._changed:
            return self._jobs.newest(owner, len(self._jobs.all()))

    def change(
        self,
        job_id: str,
        owner: str,
        *,
        title: str | None = None,
        note: str | None = None,
        favourite: bool | None = None,
    ) -> None:
        """Give a job another title or note, or make it a favourite; None leaves as it is.

        Raises:
            JobError: a text is empty or too long, or it cannot be kept; nothing is changed then.
        """
        changes = Changes()
        if title is not None:
            changes["title"] = without_controls(" ".join(title.split()))
            if not 1 <= len(changes["title"]) <= TITLE_LENGTH:
                raise JobError(f"Give the result a title of 1 to {TITLE_LENGTH} characters.")
        if note is not None:
            changes["note"] = without_controls(note).strip()
            if len(changes["note"]) > NOTE_LENGTH:
                raise JobError(f"A note has at most {NOTE_LENGTH:,} characters: shorten it.")
        if favourite is not None:
            changes["favourite"] = favourite
        with self._changed:
            job = self._jobs.owned(job_id, owner)
        self._update(job, changes)

    def delete(self, ids: Collection[str], owner: str) -> list[str]:
        """Delete ended jobs; the ids of those that were there. For some minutes ``restore`` has them back.

        Raises:
            JobError: one of them has not ended, is somebody else's, or cannot be written; those before it are deleted.
        """
        with self._changed:
            jobs = [self._jobs.owned(job_id, owner) for job_id in dict.fromkeys(ids)]
            if any(not job.record.status.finished for job in jobs):
                raise JobError("One of these is still being made: stop it first, then delete it.")
        for job in jobs:
            self._update(job, {"deleted": self._now()})
        return [job.record.id for job in jobs]

    def deleted(self, owner: str) -> list[str]:
        """The ids of an owner's deleted jobs that ``restore`` still has back, also after a restart."""
        with self._changed:
            return [
                job.record.id
                for job in self._jobs.all()
                if job.record.owner == owner
                and job.record.deleted is not None
                and job.record.status is not JobStatus.DISCARDED
                and self._now() - job.record.deleted <= UNDO_SECONDS
            ]

    def restore(self, ids: Collection[str], owner: str) -> int:
        """Have deleted jobs back; how many of these there still were."""
        with self._changed:
            jobs = [
                job
                for job in self._jobs.all()
                if job.record.id in ids and job.record.owner == owner and job.record.status is not JobStatus.DISCARDED
            ]
        for job in jobs:
            self._update(job, {"deleted": None})
        return len(jobs)

    def forget(self, owner: str) -> None:
        """Throw away what an owner has deleted and could have back, and their budget and presets."""
        with self._changed:
            jobs = [job for job in self._jobs.all() if job.record.owner == owner and job.record.deleted is not None]
        for job in jobs:
            self._throw_away(job)
        with worded():
            self.owners.forget(owner)

    # ------------------------------------------------------------------ presets of their own

    def presets(self, owner: str) -> list[Preset]:
        """An owner's presets, by their names. Raises ``JobError``."""
        with worded():
            return self.owners.presets(owner)

    def keep_preset(self, owner: str, kind: str, name: str, settings: Mapping[str, object]) -> str:
        """Keep settings under a name, in place of those of that name and kind; the id. Raises ``JobError``."""
        with worded():
            return self.owners.keep_preset(owner, kind, name, settings, self._now())

    def keep_presets(self, owner: str, wanted: Sequence[NamedSettings], *, replace: bool) -> list[tuple[str, str]]:
        """See `Owners.keep_presets`. Raises ``JobError``."""
        with worded():
            return self.owners.keep_presets(owner, wanted, self._now(), replace=replace)

    def delete_preset(self, owner: str, preset_id: str) -> None:
        """Delete one of an owner's presets. Raises ``JobError``."""
        with worded():
            self.owners.delete_preset(owner, preset_id)

    # ------------------------------------------------------------------ the disk

    def usage(self, owner: str) -> Usage:
        """What an owner's results take."""
        jobs = self._ended(owner)
        sizes = {job.record.id: size_of(job.folder) for job in jobs}
        kept = sum(sizes[job.record.id] for job in jobs if job.record.favourite)
        with worded():
            return Usage(sum(sizes.values()), kept, self.owners.budgets().get(owner))

    def set_budget(self, owner: str, budget: int | None) -> list[str]:
        """Let an owner's results take so many bytes; the ids of the oldest that were deleted for it.

        They can be had back as others, which only helps with a larger budget. Raises ``JobError``.
        """
        with worded():
            self.owners.set_budget(owner, budget, self._now())
        return [] if budget is None else self._keep_within(owner, budget)

    def keep_budgets(self) -> None:
        """Delete the oldest results of every owner who is over their budget; never a favourite."""
        try:
            for owner, budget in self.owners.budgets().items():
                self._keep_within(owner, budget)
        except (DatabaseError, JobError):  # there will be a next time
            logger.warning("the budgets of results cannot be kept", exc_info=True)

    def _keep_within(self, owner: str, budget: int) -> list[str]:
        jobs = self._ended(owner)
        sizes = [size_of(job.folder) for job in jobs]
        return self.delete([job.record.id for job in beyond(jobs, sizes, budget)], owner)

    def _ended(self, owner: str) -> list[Job]:
        """An owner's ended jobs that are not deleted, oldest first."""
        with self._changed:
            return [
                job
                for job in self._jobs.all()
                if job.record.owner == owner
                and job.record.deleted is None
                and job.record.status.finished
                and job.record.status is not JobStatus.DISCARDED
            ]

    def _update(self, job: Job, changes: Changes) -> None:
        """Write changes of a job, then announce them."""
        with job.disk:  # nobody else writes this job meanwhile
            with self._changed:
                record = replace(job.record, **changes)
            if record.status is JobStatus.DISCARDED:
                return
            try:
                self._files.write(job, record)
            except OSError as error:
                logger.exception("a change of job %s cannot be saved", record.id)
                raise JobError(sentence(error)) from error
            with self._changed:
                job.update(**changes)
                self._changed.notify_all()


@contextlib.contextmanager
def worded() -> Iterator[None]:
    """Make a refusal of the database a ``JobError``, which says it to people."""
    try:
        yield
    except DatabaseError as error:
        logger.exception("the database refused")
        raise JobError(sentence(error)) from error


def beyond(jobs: Sequence[Job], sizes: Sequence[int], budget: int) -> list[Job]:
    """The oldest jobs, which come first, that have to go for all to take at most ``budget`` bytes; no favourite."""
    over = sum(sizes) - budget
    found = []
    for job, size in zip(jobs, sizes, strict=True):
        if over > 0 and not job.record.favourite:
            found.append(job)
            over -= size
    return found


def size_of(folder: Path) -> int:
    """The bytes of the files below a folder; 0 where there is none."""
    return sum(found.st_size for _, found in found_below(folder) if not stat.S_ISDIR(found.st_mode))
