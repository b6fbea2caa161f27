"""What an owner sees of the queue: their own jobs in it, that others have some, and how long one more would wait."""

from __future__ import annotations

from dataclasses import dataclass

from foundation.jobs.store.model import JobSnapshot


@dataclass(frozen=True)
class OwnJob:
    """A job of the owner's that has not ended, without curves, and whether it can be moved up or down."""

    job: JobSnapshot
    can_rise: bool
    can_fall: bool


@dataclass(frozen=True)
class QueueView:
    """The queue as one owner sees it.

    Attributes:
        own: their jobs: first those that have been started, then the waiting in the order of their places.
        others_started: how many jobs of others have been started, and ``others_waiting`` how many wait.
    """

    own: tuple[OwnJob, ...]
    others_started: int
    others_waiting: int


@dataclass(frozen=True)
class Outlook:
    """What a job that joined the queue now could expect, if no more come.

    Attributes:
        start: seconds until it starts, and ``end`` until it ends; None where nobody can tell.
        before: how many jobs have their turns before it.
    """

    start: float | None
    end: float | None
    before: int
