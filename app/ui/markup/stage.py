"""The stage: one job in whatever state it is, as markup. Pure functions of a snapshot and the media addresses."""

import datetime
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from app.ui.markup import charts, markup
from app.ui.markup.media import Media
from app.ui.markup.theme import mosaic_uri
from foundation.jobs.store.model import JobSnapshot, JobStatus
from foundation.progress import with_amount
from foundation.record import RecordError

DoneView = Callable[[JobSnapshot], str]

STATE_WORDS = {
    JobStatus.QUEUED: "waiting",
    JobStatus.RUNNING: "running",
    JobStatus.DONE: "done",
    JobStatus.STOPPED: "stopped",
    JobStatus.FAILED: "failed",
    JobStatus.DISCARDED: "discarded",
    JobStatus.INTERRUPTED: "interrupted",
}


def state_word(job: JobSnapshot) -> str:
    """How a job stands or how it ended, in a few words."""
    if job.stopping:
        return "stopping"
    kept = job.status is JobStatus.STOPPED and job.result  # one that never ran has none
    return "stopped, results kept" if kept else STATE_WORDS[job.status]


def empty_stage(title: str, sentence: str) -> str:
    """What stands on the stage before the first picture."""
    tiles = "".join(f'<img src="{mosaic_uri(cells)}" alt="">' for cells in (1, 2, 4, 8, 16, 32))
    return (
        '<section class="cx-stage cx-empty"><div class="cx-blank">'
        f'<div class="cx-steps" aria-hidden="true">{tiles}</div>'
        f"<h2>{markup.text(title)}</h2><p>{markup.text(sentence)}</p></div></section>"
    )


def stage(snapshot: JobSnapshot, media: Media, done_view: DoneView) -> str:
    """The stage for one job; ``done_view`` renders the result of a job that has one."""
    status = snapshot.status
    if status in (JobStatus.QUEUED, JobStatus.RUNNING):
        body = _working(snapshot, media)
    elif status in (JobStatus.DONE, JobStatus.STOPPED) and snapshot.result:
        body = readable(done_view, snapshot)
    elif status is JobStatus.STOPPED:
        body = markup.notice("It was stopped before there was a picture.", title="Stopped.")
    elif status is JobStatus.INTERRUPTED:
        sentence = "The program ended while this was being made. Start it again whenever you like."
        body = preview(snapshot, media) + markup.notice(sentence, tone="warn", title="Interrupted.")
    elif status is JobStatus.DISCARDED:
        body = markup.notice("Nothing of it was kept.", title="Discarded.")
    else:
        reason = snapshot.error or "The log of the server says more."
        body = preview(snapshot, media) + markup.notice(reason, tone="bad", title="This did not work.")
    return (
        f'<section class="cx-stage cx-is-{status.value}" data-job="{markup.text(snapshot.id)}" '
        f'data-status="{status.value}">{caption(snapshot)}{body}</section>'
    )


def readable(view: DoneView, snapshot: JobSnapshot) -> str:
    """A view of what a job left; where it cannot be read, what is amiss."""
    try:
        return view(snapshot)
    except RecordError as error:
        return markup.notice(str(error), tone="bad", title="This cannot be shown.")


def caption(snapshot: JobSnapshot) -> str:
    """The line above the picture: what it is and how it stands."""
    return (
        f'<div class="cx-caption"><h2>{markup.text(snapshot.title or snapshot.kind)}</h2>'
        f'<span class="cx-state">{state_word(snapshot)}</span></div>'
    )


def preview(snapshot: JobSnapshot, media: Media) -> str:
    """The newest frame of a job, or nothing where there is none."""
    if not snapshot.preview or not Path(snapshot.preview).is_file():
        return ""
    url = media.url(Path(snapshot.preview), snapshot.preview_version)
    alt = f"Preview of {snapshot.title or snapshot.kind} at step {snapshot.done}"
    return f'<div class="cx-canvas">{markup.picture(url, alt)}</div>'


PAUSED = "paused for a short job"


def waiting_words(snapshot: JobSnapshot, now: float) -> str:
    """The place of a waiting job, and when it is expected to start and to be done; ``now`` is Unix seconds."""
    place = snapshot.position or 1
    words = "next in line" if place == 1 else f"number {place} in line"
    start, end = snapshot.expected_start, snapshot.expected_finish
    if start is not None:
        words += f" \u00b7 starts {'now' if start - now < 1 else f'in {markup.duration(start - now)}'}"
    if end is not None:
        words += f", done in {markup.duration(end - now)}"
    return words


def _working(snapshot: JobSnapshot, media: Media) -> str:
    if snapshot.status is JobStatus.QUEUED:
        words = waiting_words(snapshot, time.time())
        return f'<div class="cx-canvas cx-waiting"></div>{markup.progress_bar(0, 0, words)}'
    words = _work_words(snapshot)
    if snapshot.stopping:
        words = f"{words} · stopping after this step, the picture is kept"
    elif snapshot.paused:
        words = f"{words} · {PAUSED}"
    frame = preview(snapshot, media) or '<div class="cx-canvas cx-waiting"></div>'
    return frame + markup.progress_bar(snapshot.done, snapshot.total, words)


def _work_words(snapshot: JobSnapshot) -> str:
    """How far the work is: steps as steps, all else as what is being done, with how much has arrived."""
    if snapshot.unit == "steps" and (snapshot.done or not snapshot.message):
        return markup.progress_words(snapshot.done, snapshot.total, snapshot.eta_s)
    words = with_amount(snapshot.message or "starting", snapshot.done, snapshot.total, snapshot.unit)
    return markup.with_time_left(words, snapshot.eta_s if snapshot.done else None)


def details_of(snapshot: JobSnapshot, more_view: DoneView) -> str:
    """What stands further down: the loss curve, and for a finished job its details before that."""
    finished = snapshot.status in (JobStatus.DONE, JobStatus.STOPPED) and snapshot.result
    details = ""
    if finished:
        with suppress(RecordError):  # the stage says what is amiss
            details = more_view(snapshot)
    return f'<div class="cx-stage">{details}{loss_curves(snapshot)}</div>'


def loss_curves(snapshot: JobSnapshot) -> str:
    """The loss curves of a job, over the steps of its recipe whatever it is counting at the moment."""
    return charts.loss_chart(snapshot.curves, snapshot.total if snapshot.unit == "steps" else 0)


def fingerprint(snapshot: JobSnapshot) -> str:
    """Changes exactly when the stage would look different."""
    eta = "" if snapshot.eta_s is None else str(round(snapshot.eta_s))
    parts = (
        snapshot.id,
        snapshot.status.value,
        snapshot.done,
        snapshot.preview_version,
        snapshot.position,
        snapshot.stopping,
        snapshot.unit,
        snapshot.message,
        snapshot.paused,
        waiting_words(snapshot, time.time()) if snapshot.status is JobStatus.QUEUED else eta,
    )
    return "|".join(map(str, parts))


def when(seconds: float) -> str:
    """A moment as hours and minutes, with the day when it was not today."""
    moment = datetime.datetime.fromtimestamp(seconds)
    today = datetime.datetime.now().date()
    return moment.strftime("%H:%M" if moment.date() == today else "%d %b %H:%M")
