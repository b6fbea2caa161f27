"""Finding results again: by words, kind, model, time and favourites."""

import datetime
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.ui.history.words import KIND_WORDS, models_of, said_of
from foundation.jobs.store.model import JobSnapshot, JobStatus

PERIODS = {
    "": "any time",
    "day": "today",
    "week": "the last 7 days",
    "month": "the last 30 days",
    "older": "before that",
}
"""When a result was made, as the menu has it."""


@dataclass(frozen=True)
class Search:
    """What is looked for; what is empty counts for all.

    ``words`` must each be somewhere in the title, note, prompts, classes or models of a result, whatever their case.
    ``period`` is a key of ``PERIODS``.
    """

    words: str = ""
    kind: str = ""
    model: str = ""
    period: str = ""
    favourites: bool = False

    def finds(self, job: JobSnapshot, titles: Mapping[str, str], now: float) -> bool:
        """Whether a result is among what is looked for; ``now`` is in Unix seconds."""
        if self.kind and job.kind != self.kind:
            return False
        if self.model and self.model not in models_of(job):
            return False
        if self.favourites and not job.favourite:
            return False
        if not _is_of(self.period, job.created, now):
            return False
        words = folded(self.words).split()
        return not words or all(word in _text(job, titles) for word in words)


def shown(jobs: Sequence[JobSnapshot]) -> list[JobSnapshot]:
    """The jobs whose results are listed."""
    return [job for job in jobs if job.status is not JobStatus.DISCARDED and job.kind in KIND_WORDS]


def model_choices(jobs: Sequence[JobSnapshot], titles: Mapping[str, str]) -> list[tuple[str, str]]:
    """Title and name of every model that a result was made with, by their titles."""
    names = {name for job in jobs for name in models_of(job)}
    return sorted(((titles.get(name, name), name) for name in names), key=lambda choice: choice[0].casefold())


def folded(text: str) -> str:
    """A text as it is compared: case and forms of letters do not count."""
    return unicodedata.normalize("NFKC", text).casefold()


def _text(job: JobSnapshot, titles: Mapping[str, str]) -> str:
    models = models_of(job)
    parts = (job.title, job.note, *said_of(job), *models, *(titles.get(name, "") for name in models))
    return folded("\n".join(parts))


def _is_of(period: str, created: float, now: float) -> bool:
    if not period:
        return True
    midnight = datetime.datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"day": 0, "week": 6, "month": 29, "older": 29}.get(period, 0)
    since = (midnight - datetime.timedelta(days=days)).timestamp()
    return created < since if period == "older" else created >= since
