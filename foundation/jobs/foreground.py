"""The same handlers without the service: one job, here and now, for the command line."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

from pydantic import JsonValue

from foundation.jobs.admission import check_params
from foundation.jobs.context import Clock, Handler, Job, JobContext
from foundation.jobs.store.model import (
    RECORD_VERSION,
    Discarded,
    JobError,
    JobRecord,
    JobRequest,
    JobSnapshot,
    JobStatus,
    as_json,
)
from foundation.jobs.store.scratch import scratch_folder
from foundation.limits import Limits


def run_foreground(
    request: JobRequest,
    handlers: Mapping[str, Handler],
    folder: Path | None = None,
    on_progress: Callable[[JobSnapshot], None] | None = None,
    *,
    on_interrupt: Callable[[bool], None] = lambda _discarding: None,
    clock: Clock = time.monotonic,
) -> dict[str, JsonValue]:
    """Run a job in this thread and return its result; its files are in ``folder``, as the service's are.

    Without ``folder`` the job gets a temporary one, which is gone when this returns: for handlers that know
    where their files go, and write them when they are done. Those are never touched, so a discard that comes
    after the handler has last asked or reported is too late, and the result counts.

    Ctrl-C asks the job to stop and keep what it has; a second one discards it and the files in its folder; a
    third interrupts as usual. ``on_progress`` is called after every step of the handler, ``on_interrupt``
    (by the signal's handler, so it must be quick) after the first Ctrl-C with False, after the second with True.

    Raises:
        Discarded: after the second Ctrl-C; ``folder`` is as empty as before.
        StudioError: the job was refused or failed; the message says why.
        JobError: ``folder`` holds files already, or cannot be made.
    """
    params = check_params(request, handlers, Limits())
    if folder is None:
        with scratch_folder() as temporary:
            return _run(request, handlers, params, temporary, on_progress, on_interrupt, clock)[0]
    made = _prepare(folder)
    try:
        result, discarded = _run(request, handlers, params, folder, on_progress, on_interrupt, clock)
        if discarded:
            raise Discarded
    except Discarded:
        _clear(folder, made)
        raise
    return result


def _run(
    request: JobRequest,
    handlers: Mapping[str, Handler],
    params: dict[str, JsonValue],
    folder: Path,
    on_progress: Callable[[JobSnapshot], None] | None,
    on_interrupt: Callable[[bool], None],
    clock: Clock,
) -> tuple[dict[str, JsonValue], bool]:
    """The handler's result, and whether a discard was asked for that the handler did not hear of."""
    record = JobRecord(
        version=RECORD_VERSION,
        id="foreground",
        sequence=0,
        kind=request.kind,
        title=request.title,
        owner=request.owner,
        device=request.device,
        params=params,
        created=time.time(),
        started=time.time(),
        status=JobStatus.RUNNING,
    )
    job = Job(record, folder)
    lock = threading.Condition()

    def report() -> None:
        if on_progress is not None:
            with lock:
                snapshot = job.snapshot(now=clock())
            on_progress(snapshot)

    context = _ForegroundContext(job, lock=lock, clock=clock, on_progress=report, preview_interval_s=None)
    with _interrupts(job, on_interrupt):
        result = as_json(handlers[request.kind](context))
    if not isinstance(result, dict):
        raise TypeError(f"a handler returns a dict; got {type(result).__name__}")
    return result, job.discard_requested


class _ForegroundContext(JobContext):
    """Its handler may be about to save where nothing is ever deleted: a discard must not look like a stop to it."""

    @property
    def stop_requested(self) -> bool:
        """Whether to end at the next step and return what there is. Raises ``Discarded`` like ``progress``."""
        if self._job.discard_requested:
            raise Discarded
        return super().stop_requested


def _prepare(folder: Path) -> bool:
    """Make ``folder`` unless it is there and empty; whether it was made. What it may lose is all ours."""
    try:
        if folder.is_dir():
            if any(folder.iterdir()):
                raise JobError(f"The folder {folder} is not empty: name a new one, so that no file is lost.")
            return False
        folder.mkdir(parents=True)
    except OSError as error:
        raise JobError(f"The folder {folder} cannot be used ({error.strerror or error}): name another one.") from error
    return True


def _clear(folder: Path, made: bool) -> None:
    shutil.rmtree(folder)
    if not made:
        folder.mkdir()


@contextlib.contextmanager
def _interrupts(job: Job, on_interrupt: Callable[[bool], None]) -> Iterator[None]:
    """While inside, Ctrl-C means stop, then discard. Python delivers signals to the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    # Plain assignments, without the lock: the interrupted code may be holding it.
    def interrupt(number: int, frame: FrameType | None) -> None:
        if job.discard_requested:
            signal.default_int_handler(number, frame)
        job.discard_requested = job.stop_requested
        job.stop_requested = True
        on_interrupt(job.discard_requested)

    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
