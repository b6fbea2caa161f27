"""What a job is: its states, what is submitted, what is kept on disk and what a page sees.

Everything here is a value. Times of day are Unix seconds, durations are seconds, and every field of
``JobRecord`` and ``JobSnapshot`` is JSON.
"""

from __future__ import annotations

import dataclasses
import math
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import JsonValue

from foundation.errors import NoRoomError, StudioError
from foundation.progress import Unit

RECORD_VERSION = 1
TITLE_LENGTH = 200
NOTE_LENGTH = 2_000
MAX_DEPTH = 64


class JobError(StudioError):
    """A request to the job service that cannot be met; the message says what to do."""


class InUseError(JobError):
    """Another studio uses the data directory, or the database."""


class UnavailableError(JobError):
    """No job can be taken just now, whatever it is: the service closes, or cannot write it down."""


class FullDiskError(UnavailableError, NoRoomError):
    """A job cannot be written down, because the disk is full."""


class UnknownJobError(JobError):
    """No job has this id (any more)."""


class NotYourJobError(JobError):
    """The job belongs to somebody else."""


class QueueFullError(JobError):
    """Too many jobs are waiting already."""


class Discarded(BaseException):
    """Raised inside a handler, by ``JobContext.progress``, once nobody wants the job any more.

    Like ``asyncio.CancelledError`` it is no ``Exception``, so that code between the service and the
    handler's loop which recovers from errors does not swallow it.
    """


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """Stopped by its owner; what was reached is kept (nothing, if it had not begun)."""
    FAILED = "failed"
    DISCARDED = "discarded"
    """Thrown away by its owner together with its files."""
    INTERRUPTED = "interrupted"
    """The program ended while the job ran; its files are kept and it can be submitted again."""

    @property
    def finished(self) -> bool:
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


def as_json(value: Any, *, _depth: int = 0) -> Any:
    """Copy of ``value`` made of JSON types only: tuples become lists, non-finite numbers ``None``, and
    halves of surrogate pairs, which are no valid text, question marks.

    Raises:
        TypeError: something in it is no JSON value (a tensor, a path, a key that is no string), or it is
            nested deeper than ``MAX_DEPTH``.
    """
    if _depth > MAX_DEPTH:
        raise TypeError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"JSON keys are strings; got {type(key).__name__}")
        return {as_json(key): as_json(item, _depth=_depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item, _depth=_depth + 1) for item in value]
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def without_controls(text: str) -> str:
    """A text that somebody typed or pasted, without control characters other than line ends and tabs.

    What writes to the right, and what joins the parts of an emoji, stays. Halves of surrogate pairs are question marks.
    """
    kept = "".join(sign for sign in text if sign in "\n\t" or unicodedata.category(sign) != "Cc")
    return str(as_json(kept))


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What a job costs, as far as it can be told before it runs: memory in bytes, at least, and hours, about.

    Hours that are not ``known`` are counted where jobs have to be few, and tell nobody when one ends. ``at_most`` are
    the seconds that a job takes if nothing ends early, where that is all that can be told: they are what is expected of
    it, until its own pace says better, and its hours are those that it counts.
    """

    bytes: int = 0
    hours: float = 0.0
    known: bool = True
    at_most: float | None = None

    @property
    def seconds(self) -> float | None:
        """How long the job is expected to compute; None where nobody can tell."""
        if self.at_most is not None:
            return self.at_most
        return 3600 * self.hours if self.known and self.hours > 0 else None


@dataclasses.dataclass(frozen=True, slots=True)
class JobRequest:
    """What somebody wants done: ``kind`` names a handler, ``params`` is its JSON input.

    Of the jobs of one ``device`` one computes at a time, and short ones go first. ``owner`` is who may stop, move,
    discard or remove the job, and ``address`` is where the request came from, "" if nobody knows.
    """

    kind: str
    params: Mapping[str, object]
    device: str = "cpu"
    owner: str = "local"
    title: str = ""
    address: str = ""

    def __post_init__(self) -> None:
        for name in ("kind", "device", "owner"):
            value = getattr(self, name)
            if not isinstance(value, str) or not 1 <= len(value) <= TITLE_LENGTH or not value.isprintable():
                raise JobError(f"A job's {name} is 1 to {TITLE_LENGTH} printable characters; give it some.")


@dataclasses.dataclass(frozen=True, slots=True)
class JobRecord:
    """What the database holds of a job, and ``job.json``, its copy.

    ``sequence`` orders jobs by submission, whatever the clock did; two of one owner's that change places while they
    wait exchange it.

    ``hours`` is what the job was thought to take when it was submitted. Records that were kept before units were
    have no ``unit``: steps. ``favourite``, ``note`` and ``title`` are its owner's to change; ``deleted`` is when they
    deleted it, None while they have not: for a while that can be undone.
    """

    version: int
    id: str
    sequence: int
    kind: str
    title: str
    owner: str
    device: str
    params: dict[str, JsonValue]
    created: float
    status: JobStatus = JobStatus.QUEUED
    done: int = 0
    total: int = 0
    unit: Unit = "steps"
    message: str = ""
    preview_version: int = 0
    result: dict[str, JsonValue] | None = None
    error: str | None = None
    started: float | None = None
    finished: float | None = None
    address: str = ""
    hours: float = 0.0
    favourite: bool = False
    note: str = ""
    deleted: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class JobSnapshot:
    """A job at one moment, for pages and the command line. Read-only: nested values are shared.

    Attributes:
        position: 1 for the next job to run on its device, short ones before long ones; ``None`` once it has left the
            queue.
        done, total: how much of the work is done, in ``unit``; ``total`` is 0 while unknown.
        eta_s: seconds still needed; ``None`` while unknown, and once its end has been asked for.
        stopping: its end has been asked for, and the handler has not come to it yet.
        curves: name -> (step, value) points, at most about 500 each; empty in listings.
        preview: path of a JPEG of the newest frame; the file is replaced in place, and
            ``preview_version`` grows each time.
        result: what the handler returned; file names in it are relative to ``folder``.
        error: one sentence for people; never a traceback.
        created, started, finished: Unix seconds.
        favourite, note: its owner's; as the title.
        paused: it has been started, and another job has its turn between two of its steps.
        expected_start, expected_finish: Unix seconds, if no more jobs come; ``None`` while nobody can tell, and once
            that is past.
    """

    id: str
    kind: str
    title: str
    owner: str
    device: str
    status: JobStatus
    position: int | None
    done: int
    total: int
    unit: Unit
    eta_s: float | None
    message: str
    stopping: bool
    curves: dict[str, list[tuple[int, float]]]
    preview: str | None
    preview_version: int
    result: dict[str, JsonValue] | None
    error: str | None
    created: float
    started: float | None
    finished: float | None
    params: dict[str, JsonValue]
    folder: str
    favourite: bool = False
    note: str = ""
    paused: bool = False
    expected_start: float | None = None
    expected_finish: float | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """A deep copy made of JSON types, safe to change."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        copy: dict[str, JsonValue] = as_json(fields)
        return copy
