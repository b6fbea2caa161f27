"""Work on the server: submitted once, followed by polling, kept on disk whatever happens to the page.

    JobRequest -> admission -> queue (turns) -> worker thread of a device -> handler(JobContext) -> outcome
                                                                 |
                          JobSnapshot  <-  table, progress  <----'      rows, files  ->  store

- `model` has the values: states, requests, records, snapshots.
- `service` is the queue, `runner` runs a job of it in a worker thread; `admission` refuses before anything is written,
  `turns` says who is next.
- `context` is what a running handler reports through, and is told to end by; `progress` keeps rates and curves;
  `outcome` turns whatever a handler does into how the job ended, in words.
- `history` is what owners do with the jobs that they have, and `owners` what is kept of these beside them.
- `store` and `files` write states such that a program killed at any moment leaves no half state: rows of a `database`
  (`tables`, which `migrations` make; `records`), and a folder for the files of each job, with a copy of its record
  (`copies`), of which a lost database, or a data directory of a version without one, is made. `table` is the same in
  memory; `locks` keep others out; `retention` says what has had its time.
- `foreground`, `terminal` and `scratch` run the same handlers for the command line, one job, here and now.

A handler is a function of a `JobContext` that returns JSON; see `app.work`. Nothing here knows what a job is about.
"""

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
