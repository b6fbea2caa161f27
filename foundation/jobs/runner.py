"""One job from its start to its end: its handler is run, how far it is is kept, and how it ended is written."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping

from foundation.jobs.context import Clock, Handler, Job, JobContext
from foundation.jobs.files import JobFiles
from foundation.jobs.outcome import INTERRUPTED, Outcome, final_record, run_handler, sentence, traced, unsaved
from foundation.jobs.store.model import JobStatus
from foundation.jobs.store.store import JobStore
from foundation.jobs.table import JobTable
from foundation.work_time import without

logger = logging.getLogger(__name__)

CHECKPOINT_S = 5.0
"""Seconds between two records of how far a running job is."""


class JobRunner:
    """Runs the jobs of a service, which shares with it its table and the condition that guards all state.

    Args:
        handlers: kind of job -> the function that does it.
        store, files: where a job is written.
        jobs: all jobs; guarded, like the jobs themselves, by ``changed``, which is notified of every change.
        clock: seconds that only grow; ``now``: Unix seconds.
        preview_interval_s: between two previews of a job.
        checkpoint_s: between two records of a job that runs.
        give_way: lets another job go first between two steps of one; see `foundation.jobs.workers`.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        store: JobStore,
        files: JobFiles,
        jobs: JobTable,
        changed: threading.Condition,
        clock: Clock,
        now: Clock,
        preview_interval_s: float,
        checkpoint_s: float,
        give_way: Callable[[Job], bool],
    ) -> None:
        self._handlers = dict(handlers)
        self._store, self._files, self._jobs, self._changed = store, files, jobs, changed
        self._clock, self._now = clock, now
        self._preview_interval_s = preview_interval_s
        self._checkpoint_s = checkpoint_s
        self._give_way = give_way

    @property
    def kinds(self) -> Collection[str]:
        """The kinds of jobs that can be done."""
        return self._handlers.keys()

    def run(self, job: Job) -> None:
        """Run a job that has been taken from its queue, and settle it. It never raises what its handler raises."""
        self._finish(job, self._outcome(job))

    def give_up(self, job: Job) -> None:
        """Settle a job whose handler did not end in time; its thread changes nothing any more."""
        with job.disk:
            with self._changed:
                if job.record.status is not JobStatus.RUNNING:
                    return
                if job.discard_requested:
                    self._forget(job)
                else:
                    job.update(status=JobStatus.INTERRUPTED, finished=self._now(), error=INTERRUPTED)
            if job.discard_requested:
                self._files.delete(job)
            else:
                self._files.save(job)

    def _outcome(self, job: Job) -> Outcome:
        handler = self._handlers.get(job.record.kind)
        if handler is None:
            return Outcome(JobStatus.FAILED, error=f"This studio can do no job of the kind {job.record.kind!r}.")
        try:
            self._files.start(job)
        except OSError as error:
            logger.error("the start of job %s cannot be saved: %s", job.record.id, error, exc_info=traced(error))
            return Outcome(JobStatus.FAILED, error=sentence(error))
        saved_at = self._clock()

        def checkpoint() -> None:
            nonlocal saved_at
            if self._clock() - saved_at >= self._checkpoint_s:
                self._files.save(job)
                saved_at = self._clock()

        context = JobContext(
            job,
            lock=self._changed,
            clock=self._clock,
            on_progress=checkpoint,
            give_way=self._give_way,
            preview_interval_s=self._preview_interval_s,
        )
        with without(job.pauses):
            return run_handler(handler, context, lambda text: self._store.append_log(job.record.id, text))

    def _finish(self, job: Job, outcome: Outcome) -> None:
        """Write how the job ended, then announce it."""
        with job.disk:
            with self._changed:
                if job.record.status is not JobStatus.RUNNING:  # given up by close
                    return
                final = final_record(job, outcome, self._now())
            _log_end(job, "discarded" if final is None else final.status.value, self._now())
            if final is not None:
                refused = ""
                try:
                    self._files.write(job, final)
                except OSError as error:
                    logger.error("the end of job %s cannot be saved: %s", final.id, error, exc_info=traced(error))
                    refused = unsaved(error)
                with self._changed:
                    if not job.discard_requested:
                        job.record = final
                        job.unsaved = refused
                        if not refused:  # from now on its curves are read from disk
                            self._jobs.cache_curves(final.id, job.points())
                            job.curves = {}
                        self._changed.notify_all()
                        return
            self._files.delete(job)
            with self._changed:
                self._forget(job)

    def _forget(self, job: Job) -> None:
        self._jobs.forget(job, self._now())
        self._changed.notify_all()


def _log_end(job: Job, status: str, now: float) -> None:
    """Say how a job ended: its id, kind and seconds, and nothing of what was asked or found."""
    record = job.record
    seconds = round(now - (record.started or now), 3)
    facts = {"job": record.id, "kind": record.kind, "status": status, "seconds": seconds}
    logger.info("job %s (%s): %s after %.1f s", record.id, record.kind, status, seconds, extra={"facts": facts})
