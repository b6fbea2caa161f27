"""Work on the server: submitted once, followed by polling, kept on disk whatever happens to the page."""

from app.jobs.context import Handler, JobContext
from app.jobs.foreground import run_foreground
from app.jobs.model import (
    Cost,
    Discarded,
    JobError,
    JobRecord,
    JobRequest,
    JobSnapshot,
    JobStatus,
    NotYourJobError,
    QueueFullError,
    UnknownJobError,
)
from app.jobs.service import JobService
from app.jobs.terminal import Terminal
from app.limits import Limits

__all__ = [
    "Cost",
    "Discarded",
    "Handler",
    "JobContext",
    "JobError",
    "JobRecord",
    "JobRequest",
    "JobService",
    "JobSnapshot",
    "JobStatus",
    "Limits",
    "NotYourJobError",
    "QueueFullError",
    "Terminal",
    "UnknownJobError",
    "run_foreground",
]
