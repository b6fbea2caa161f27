"""The running job: its changing state, and the handle through which a handler reports and is told to end."""

from __future__ import annotations

import dataclasses
import io
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from foundation.files.text_files import replace_whole
from foundation.jobs.progress import MAX_CURVES, Curve, Rate
from foundation.jobs.queue.forecast import Expected
from foundation.jobs.store.model import Cost, Discarded, JobRecord, JobSnapshot, JobStatus, as_json
from foundation.jobs.store.store import PREVIEW_NAME
from foundation.progress import Progress
from foundation.work_time import Pauses

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger(__name__)

PREVIEW_INTERVAL_S = 0.2
PREVIEW_SIDE = 1024
Clock = Callable[[], float]


class Job:
    """A job in memory. Everything but ``disk`` is guarded by the lock of whoever runs it.

    Attributes:
        record: what is known for certain; replaced, never changed.
        line: where it waits, or is done: its device, or a line of other machines.
        stop_requested: end soon and keep what there is (by the owner, or because the program ends).
        stopped_by_owner: the owner asked for it.
        discard_requested: end soon and keep nothing.
        cost: what it was thought to take before it ran.
        began: when it was started, by the clock of rates; ``paused_at``: since when it pauses, None while it does not;
            ``pauses``: how long it has paused before that.
        unsaved: the job has ended, but writing its record failed: what a person is told; "" otherwise.
        disk: held while the job's folder is written by the service, so that writers take turns; taken
            before the lock, never under it.
    """

    def __init__(self, record: JobRecord, folder: Path, cost: Cost | None = None) -> None:
        self.record = record
        self.line = record.device
        self.folder = folder
        self.cost = cost or Cost()
        self.began = 0.0
        self.paused_at: float | None = None
        self.pauses = Pauses()
        self.curves: dict[str, Curve] = {}
        self.rate = Rate()
        self.stop_requested = False
        self.stopped_by_owner = False
        self.discard_requested = False
        self.unsaved = ""
        self.disk = threading.RLock()

    def update(self, **changes: Any) -> None:
        self.record = dataclasses.replace(self.record, **changes)

    @property
    def ending(self) -> bool:
        """Whether it is to end at its next step."""
        return self.stop_requested or self.discard_requested

    def left(self, now: float) -> float | None:
        """How many seconds it still has to compute; None where nobody can tell.

        What was expected of it, less what it took, has what follows the last step; its rate knows how fast it is. What
        was expected at most is passed over once there is a rate.
        """
        if self.record.status is JobStatus.QUEUED:
            return self.cost.seconds
        at = now if self.paused_at is None else self.paused_at
        known = [self.rate.eta(self.record.total, at)]
        if self.cost.seconds is not None and (self.cost.at_most is None or known == [None]):
            rest = self.cost.seconds - (at - self.began - self.pauses.seconds)
            known.append(rest if rest > 0 else None)
        return max((seconds for seconds in known if seconds is not None), default=None)

    def points(self) -> dict[str, list[tuple[int, float]]]:
        return {name: curve.points() for name, curve in self.curves.items()}

    def snapshot(
        self,
        *,
        now: float,
        position: int | None = None,
        with_curves: bool = True,
        expected: Expected | None = None,
        today: float = 0.0,
    ) -> JobSnapshot:
        """The job at this moment: ``now`` by the clock of rates, ``today`` in Unix seconds for what is ``expected``."""
        record = self.record
        running = not record.status.finished
        stopping = running and self.ending
        at = now if self.paused_at is None else self.paused_at
        told = expected if running and not stopping else None
        start = told.start if told is not None and record.status is JobStatus.QUEUED else None
        end = told.end if told is not None else None
        preview = str(self.folder / PREVIEW_NAME) if record.preview_version else None
        return JobSnapshot(
            id=record.id,
            kind=record.kind,
            title=record.title,
            owner=record.owner,
            device=record.device,
            status=record.status,
            position=position,
            done=record.done,
            total=record.total,
            unit=record.unit,
            eta_s=self.rate.eta(record.total, at) if running and not stopping else None,
            message=self.unsaved or record.message,
            stopping=stopping,
            curves=self.points() if with_curves else {},
            preview=preview,
            preview_version=record.preview_version,
            result=record.result,
            error=record.error,
            created=record.created,
            started=record.started,
            finished=record.finished,
            params=record.params,
            folder=str(self.folder),
            favourite=record.favourite,
            note=record.note,
            paused=running and self.paused_at is not None,
            expected_start=None if start is None else today + start,
            expected_finish=None if end is None else today + end,
        )


class JobContext:
    """What a handler is given.

    Attributes:
        id, device, owner: the job's.
        params: the request's parameters; the handler's own copy.
        dir: the job's folder, which exists. Results go here, and nothing else does.
    """

    def __init__(
        self,
        job: Job,
        *,
        lock: threading.Condition,
        clock: Clock,
        on_progress: Callable[[], None],
        give_way: Callable[[Job], bool] = lambda _job: False,
        preview_interval_s: float | None = PREVIEW_INTERVAL_S,
    ) -> None:
        """``preview_interval_s`` of ``None`` asks for no previews at all.

        ``on_progress`` is called after each report; ``give_way`` then returns once it is this job's turn to go on, and
        says whether another one's was before.
        """
        self.id = job.record.id
        self.device = job.record.device
        self.owner = job.record.owner
        self.params: dict[str, JsonValue] = as_json(job.record.params)
        self.dir = job.folder
        self._job = job
        self._lock = lock
        self._clock = clock
        self._on_progress = on_progress
        self._give_way = give_way
        self._preview_interval_s = preview_interval_s
        self._previewed_at: float | None = None
        self._preview_failed = False

    @property
    def stop_requested(self) -> bool:
        """Whether to end at the next step and return what there is."""
        with self._lock:
            return self._job.stop_requested or self._job.discard_requested

    def progress(self, now: Progress, /) -> None:
        """Report where the work stands. Call it after every step.

        An empty message leaves the last one, and losses are added to the curves. The preview is rendered only
        when a new one is due: at most every ``PREVIEW_INTERVAL_S``, and for the last step.

        Another job may have its turn before this returns, but not while bytes are counted: whoever receives a file
        holds it, and the other may wait for the same.

        Raises:
            Discarded: the job has been thrown away; let it pass.
        """
        time = self._clock()
        with self._lock:
            job = self._job
            # A job that no longer counts as running was given up by a service that has closed.
            if job.discard_requested or job.record.status is not JobStatus.RUNNING:
                raise Discarded
            last_step = now.done >= now.total > 0 and now.done != job.record.done
            if now.unit != job.record.unit:
                job.rate = Rate()  # what a byte took says nothing of a step
            job.rate.update(now.done, time)
            message = now.message or job.record.message
            job.update(done=int(now.done), total=int(now.total), unit=now.unit, message=message)
            for name, value in now.losses.items():
                if name in job.curves or len(job.curves) < MAX_CURVES:
                    job.curves.setdefault(name, Curve()).add(now.done, value)
        if now.preview is not None and self._preview_due(time, last_step):
            self._previewed_at = time
            self._write_preview(now.preview())
        self._on_progress()
        if now.unit != "bytes" and self._give_way(self._job):
            with self._lock:
                if self._job.discard_requested or self._job.record.status is not JobStatus.RUNNING:
                    raise Discarded

    def _preview_due(self, now: float, last_step: bool) -> bool:
        if self._preview_interval_s is None:
            return False
        return last_step or self._previewed_at is None or now - self._previewed_at >= self._preview_interval_s

    def _write_preview(self, image: Image.Image) -> None:
        """A preview that cannot be written (a full disk) is no reason to lose the job."""
        frame = image.convert("RGB")
        frame.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        data = io.BytesIO()
        frame.save(data, format="JPEG", quality=90, subsampling=0)
        try:
            replace_whole(self.dir / PREVIEW_NAME, data.getvalue(), durable=False)
        except OSError:
            if not self._preview_failed:
                logger.warning("the preview of job %s cannot be written", self.id, exc_info=True)
            self._preview_failed = True
            return
        with self._lock:
            self._job.update(preview_version=self._job.record.preview_version + 1)


Handler = Callable[[JobContext], Mapping[str, JsonValue]]
"""Does a job and returns its result: JSON whose file names are relative to ``JobContext.dir``."""
