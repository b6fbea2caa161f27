"""What a studio tells its client (`crossmax_studio.client`): jobs, presets, estimates, refusals."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import httpx

from foundation.errors import StudioError

ENDED = frozenset({"done", "stopped", "failed", "interrupted"})


@dataclass(frozen=True)
class Job:
    """A job as the studio told of it last.

    Attributes:
        id: what it is asked for by.
        kind: text, class, attack, grid or evaluate.
        status: queued, running, done, stopped, failed or interrupted.
        error: why it failed, and what to do.
        result: what came of it; None before it has ended.
        files: names of its files so far.
        told: everything that the studio told, as JSON.
    """

    id: str
    kind: str
    status: str
    error: str | None
    result: Mapping[str, Any] | None
    files: tuple[str, ...]
    told: Mapping[str, Any] = field(repr=False)

    @property
    def ended(self) -> bool:
        """Whether there will be no more of it."""
        return self.status in ENDED


@dataclass(frozen=True)
class Preset:
    """Settings that this owner keeps under a name; ``task`` is "class", "text" or "attack"."""

    id: str
    name: str
    task: str
    settings: Mapping[str, object]


@dataclass(frozen=True)
class Estimate:
    """What an order would take, as far as it can be told before.

    Attributes:
        pictures, steps: how many pictures, and the steps of all together.
        seconds: how long it computes, about; ``at_most``: it may well take less.
        memory_bytes: what it needs at least.
        disk_bytes: what its pictures take, at most about.
        jobs_before: how many jobs have their turns before it.
        starts_in, ends_in: seconds until it would start, and end, if no more jobs came.
        why_not: why it would be refused as things are now, by the owner's share or the queue; "" if it would not.

    What nobody can tell is None.
    """

    pictures: int
    steps: int
    seconds: float | None
    at_most: bool
    memory_bytes: int
    disk_bytes: int | None
    jobs_before: int
    starts_in: float | None
    ends_in: float | None
    why_not: str


def refusal(answer: httpx.Response) -> str:
    """The sentence with which the studio refused something."""
    try:
        said = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        said = answer.text.strip()[:300]
    return str(said) or f"The studio refused that (HTTP {answer.status_code})."


def id_of(job: Job | str) -> str:
    """What a job is asked for by."""
    return job.id if isinstance(job, Job) else job


def preset_of(told: Any) -> Preset:
    """A preset of what the studio tells. StudioError where that is none."""
    try:
        return Preset(**{one.name: told[one.name] for one in fields(Preset)})
    except (KeyError, TypeError) as error:
        raise StudioError("The studio's answer is no preset: it may be of another version.") from error


def job_of(told: Any) -> Job:
    """A job of what the studio tells. StudioError where that is none."""
    try:
        names = ("id", "kind", "status", "error", "result")
        return Job(**{name: told[name] for name in names}, files=tuple(told["files"]), told=told)
    except (KeyError, TypeError) as error:
        raise StudioError("The studio's answer is no job: it may be of another version.") from error
