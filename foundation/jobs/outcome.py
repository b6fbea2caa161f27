"""Running one handler, and how it ended in words: nothing a handler does may escape from here."""

from __future__ import annotations

import dataclasses
import errno
import logging
import traceback
from collections.abc import Callable

from pydantic import JsonValue

from foundation.errors import StudioError
from foundation.jobs.context import Handler, Job, JobContext
from foundation.jobs.store.database import DatabaseError
from foundation.jobs.store.model import Discarded, JobRecord, JobStatus, as_json
from foundation.memory import OUT_OF_MEMORY, is_out_of_memory

logger = logging.getLogger(__name__)

INTERRUPTED = "The studio ended while this job was running. Its files are kept; run it again to finish it."
UNSAVED_DATABASE = (
    "Ended, and kept in its folder; the studio's database could not be written to yet. It is tried again, at the "
    "latest at the next start."
)
UNSAVED_DISK = "Ended, but this could not be written to the disk yet: make room there before the studio ends."
DISK_FULL = "The disk is full: free some space where the studio keeps its data, then run the job again."


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a handler ended: DONE with a result, FAILED with a sentence, or DISCARDED."""

    status: JobStatus
    result: dict[str, JsonValue] | None = None
    error: str | None = None


def is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _came_of_a_full_disk(error: BaseException) -> bool:
    """Whether an error was raised since the disk is full: then it names a file of the server, which says less."""
    below = error.__cause__ or error.__context__
    return below is not None and (is_disk_full(below) or _came_of_a_full_disk(below))


def sentence(error: BaseException) -> str:
    """What a person is told about an error that is no ``StudioError``; never its details."""
    if is_disk_full(error):
        return DISK_FULL
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    if isinstance(error, DatabaseError):
        return (
            f"The studio's database cannot be used ({error.strerror}): whoever runs this studio has to see to it. What "
            "is finished is kept in the jobs' folders meanwhile."
        )
    if isinstance(error, OSError):
        return (
            f"A file could not be read or written ({error.strerror or type(error).__name__}): check the disk "
            "and the permissions of the studio's data folder, then run the job again."
        )
    return (
        f"The job ran into an error inside the studio ({type(error).__name__}). "
        "Run it again; if it fails again, the job's log on the server has the details."
    )


def traced(error: OSError) -> bool:
    """Whether a log is to say where an error came from: of a database that refuses, the reason says it all."""
    return not isinstance(error, DatabaseError)


def unsaved(error: OSError) -> str:
    """What a person is told of a job that has ended, and whose record could not be written."""
    return UNSAVED_DATABASE if isinstance(error, DatabaseError) and not is_disk_full(error) else UNSAVED_DISK


def run_handler(handler: Handler, context: JobContext, log: Callable[[str], None]) -> Outcome:
    """Run the handler to its end, whatever that is. ``log`` takes the traceback of an unexpected error."""
    try:
        result = as_json(handler(context))
        if not isinstance(result, dict):
            raise TypeError(f"a handler returns a dict; got {type(result).__name__}")
    except Discarded:
        return Outcome(JobStatus.DISCARDED)
    except StudioError as error:
        return Outcome(JobStatus.FAILED, error=DISK_FULL if _came_of_a_full_disk(error) else str(error))
    # The worker thread of a device must outlive any handler, whatever it raises (SystemExit included).
    except BaseException as error:
        logger.exception("job %s failed", context.id)
        try:
            log("".join(traceback.format_exception(error)))
        except OSError:
            logger.warning("the log of job %s cannot be written", context.id, exc_info=True)
        return Outcome(JobStatus.FAILED, error=sentence(error))
    return Outcome(JobStatus.DONE, result=result)


def final_record(job: Job, outcome: Outcome, now: float) -> JobRecord | None:
    """The record of a job that has ended, or ``None`` if nothing of it is to be kept.

    A job that its owner stopped is STOPPED even if that came too late to shorten it. One that the end of
    the program cut short is INTERRUPTED, with whatever it returned.
    """
    record, status, error = job.record, outcome.status, outcome.error
    if job.discard_requested or status is JobStatus.DISCARDED:
        return None
    if status is JobStatus.DONE and job.stopped_by_owner:
        status = JobStatus.STOPPED
    elif status is JobStatus.DONE and job.stop_requested and not record.done >= record.total > 0:
        status, error = JobStatus.INTERRUPTED, INTERRUPTED
    return dataclasses.replace(record, status=status, result=outcome.result, error=error, finished=now)
