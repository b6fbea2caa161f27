"""Which jobs have had their time, and which pictures the others need."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from foundation.jobs.context import Job
from foundation.jobs.store.model import JobStatus
from foundation.limits import DAY_SECONDS, Limits

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Pictures(Protocol):
    """The pictures that visitors brought (see `app.visitors.uploads`)."""

    def remove(self, owner: str, digests: Collection[str]) -> None: ...
    def sweep(self, needed: Mapping[str, Collection[str]], now: float | None = None) -> None: ...


def digests_in(params: Any) -> set[str]:
    """Every digest of pixels anywhere in the parameters of a job."""
    if isinstance(params, str):
        return {params} if _DIGEST.fullmatch(params) else set()
    if isinstance(params, Mapping):
        return set().union(*map(digests_in, params.values()))
    return set().union(*map(digests_in, params)) if isinstance(params, list | tuple) else set()


UNDO_MINUTES = 10
"""How long a deletion can be undone; then the files go."""
UNDO_SECONDS = 60.0 * UNDO_MINUTES


def expired(jobs: Sequence[Job], limits: Limits, now: float) -> list[Job]:
    """The finished jobs that are too old, deleted, or beyond the number that is kept for their owner.

    ``jobs`` are oldest first. Of those within the age that is kept, favourites are kept before others, then the newest.
    """
    newest_first = jobs[::-1]
    found = []
    kept: Counter[str] = Counter()
    for job in sorted(newest_first, key=lambda job: not job.record.favourite):
        record = job.record
        if record.status is JobStatus.DISCARDED:
            continue
        if record.deleted is not None:
            found += [job] if now - record.deleted > UNDO_SECONDS else []
            continue
        kept[record.owner] += 1
        old = now - (record.finished or now) > limits.jobs_days * DAY_SECONDS
        if record.status.finished and (old or kept[record.owner] > limits.jobs_kept_per_owner):
            found.append(job)
    return found


def needed(jobs: Iterable[Job]) -> dict[str, set[str]]:
    """The digests of the pictures that jobs need, by owner."""
    by_owner: dict[str, set[str]] = {}
    for job in jobs:
        if job.record.status is not JobStatus.DISCARDED:
            by_owner.setdefault(job.record.owner, set()).update(digests_in(job.record.params))
    return by_owner


def released(gone: Job, jobs: Iterable[Job]) -> set[str]:
    """The digests of the pictures that only this job, which is no more, needed."""
    others = needed(job for job in jobs if job is not gone and job.record.owner == gone.record.owner)
    return digests_in(gone.record.params) - others.get(gone.record.owner, set())
