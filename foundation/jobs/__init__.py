"""Work on the server: submitted once, followed by polling, kept on disk whatever happens to the page.

    JobRequest -> admission -> queue (lanes, turns) -> worker threads of a line -> handler(JobContext) -> outcome
                                                                 |
                          JobSnapshot  <-  table, progress  <----'      rows, files  ->  store

- `store` has the values (`store.model`) and writes them such that a program killed at any moment leaves no half state:
  rows of a database, and a folder for the files of each job.
- `service` takes jobs, `workers` are the threads of a line (of a device, or elsewhere), `runner` runs a job in one of
  them; `admission` refuses before anything is written. `table` is what the store has, in memory.
- `queue` has the rules of whose turn it is: short jobs go before long ones, which give way between two steps, and
  owners take turns.
- `context` is what a running handler reports through, and is told to end by; `progress` keeps rates and curves;
  `outcome` turns whatever a handler does into how the job ended, in words; `files` are what it leaves.
- `history` is what owners do with the jobs that they have; `retention` says what has had its time.
- `allowance` is what each owner may use where there are shares, and has used; `store.users` are those with an account.
- `meter` has figures of all jobs together, for whoever watches the machine.
- `foreground` and `terminal` run the same handlers for the command line, one job, here and now.

A handler is a function of a `JobContext` that returns JSON; see `app.handlers.registry`. Nothing here knows what a job
is about.
"""

from foundation.jobs.context import Handler, JobContext
from foundation.jobs.foreground import run_foreground
from foundation.jobs.service import JobService
from foundation.jobs.store.model import (
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
from foundation.jobs.terminal import Terminal
from foundation.limits import Limits

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
