"""The visitor's jobs that have not ended, as markup. Pure functions of what they are given."""

import json
from collections.abc import Iterable

from app.ui.markup import markup
from app.ui.markup.stage import PAUSED, STATE_WORDS, waiting_words
from foundation.jobs.queue.view import OwnJob, QueueView
from foundation.jobs.store.model import JobSnapshot, JobStatus

ENDED_SECONDS = 120.0
"""For how long the page says how a job ended, for those browsers that tell their visitor."""
MOST_RUNNING = 2
"""How many jobs the head names that have been started: what computes, and what gives way to it."""
OTHERS = "another visitor's job"


def your_jobs(view: QueueView, recent: Iterable[JobSnapshot], now: float) -> str:
    """The list, with what runs now in its head.

    Args:
        view: the queue as the visitor sees it.
        recent: of their jobs those that have ended a moment ago.
        now: Unix seconds.
    """
    ended = {job.id: [job.title or job.kind, STATE_WORDS[job.status]] for job in recent}
    told = f'data-share="{share(view)}" data-ended="{markup.text(json.dumps(ended))}"'
    head = f"<summary><b>Your jobs</b> <span>{markup.text(_head(view, now))}</span></summary>"
    lines = "".join(_line(entry, now) for entry in view.own)
    jobs = f'<ol class="cx-queue-list">{lines}</ol>' if lines else ""
    others = _others(view)
    hint = f'<p class="cx-hint">{markup.text(others)}</p>' if others else ""
    return (
        f'<section class="cx-queue" aria-label="Your jobs" {told}><details>{head}{jobs}{hint}'
        '<label class="cx-queue-notify"><input type="checkbox" data-notify> Tell me by a notification of this browser '
        "when one ends</label></details></section>"
    )


def share(view: QueueView) -> str:
    """How much is done of the job that runs, in percent: "" for none, "?" while nobody can tell."""
    if not view.own:
        return ""
    running = _running(view)
    return str(percent(running[0])) if running and running[0].total else "?"


def percent(job: JobSnapshot) -> int:
    """How much of a job is done, rounded down."""
    return 100 * min(job.done, job.total) // job.total if job.total else 0


def recently_ended(jobs: Iterable[JobSnapshot], now: float) -> list[JobSnapshot]:
    """Of jobs those that have ended a moment ago."""
    return [job for job in jobs if job.status.finished and now - (job.finished or 0.0) < ENDED_SECONDS]


def _head(view: QueueView, now: float) -> str:
    """What runs now, and how many wait, in a few words."""
    running = _running(view)
    waiting = len(view.own) - len(running)
    parts = [f"{_words(job, now)}: {job.title or job.kind}" for job in running[:MOST_RUNNING]]
    parts += [f"{waiting:,} waiting"] if waiting else []
    if not running:
        parts += [f"{OTHERS} runs now"] if view.others_started else [] if waiting else ["none"]
    return " \u00b7 ".join(parts)


def _running(view: QueueView) -> list[JobSnapshot]:
    """The visitor's jobs that have been started, first what computes now."""
    running = [entry.job for entry in view.own if entry.job.status is JobStatus.RUNNING]
    return sorted(running, key=lambda job: job.paused)


def _line(entry: OwnJob, now: float) -> str:
    job = entry.job
    name, title = markup.text(job.id), markup.text(job.title or job.kind)
    running = job.status is JobStatus.RUNNING
    bar = (
        f'<span class="cx-queue-bar" aria-hidden="true"><i style="width:{percent(job)}%"></i></span>' if running else ""
    )
    buttons = f'<button class="cx-word" data-act="show" data-id="{name}" aria-label="Show: {title}">show</button>'
    buttons += (
        "" if running else _mover(name, title, "up", entry.can_rise) + _mover(name, title, "down", entry.can_fall)
    )
    word, off = ("stop and keep" if running else "cancel"), " disabled" if job.stopping else ""
    buttons += (
        f'<button class="cx-word" data-act="stop" data-id="{name}" '
        f'aria-label="{word.capitalize()}: {title}"{off}>{word}</button>'
    )
    return (
        f'<li data-queued="{name}" data-kind="{markup.text(job.kind)}" data-status="{job.status.value}">'
        f'<span class="cx-queue-title">{title}</span>'
        f'<span class="cx-queue-words">{markup.text(_words(job, now))}</span>{bar}'
        f'<span class="cx-queue-tools">{buttons}</span></li>'
    )


def _mover(name: str, title: str, way: str, possible: bool) -> str:
    off = "" if possible else " disabled"
    named = f'data-act="{way}" data-id="{name}" aria-label="Move {way}: {title}"'
    return f'<button class="cx-word" {named}{off}>{way}</button>'


def _words(job: JobSnapshot, now: float) -> str:
    """How a job stands."""
    if job.status is JobStatus.QUEUED:
        return waiting_words(job, now)
    parts = [f"{percent(job)} %" if job.total else (job.message or "starting")]
    if job.stopping:
        parts.append("stopping")
    elif job.paused:
        parts.append(PAUSED)
    elif job.expected_finish is not None or job.eta_s is not None:
        left = job.eta_s if job.expected_finish is None else job.expected_finish - now
        parts.append(f"{markup.duration(left or 0.0)} left")
    return ", ".join(parts)


def _others(view: QueueView) -> str:
    """That others have jobs, and nothing of them."""
    run = {0: "", 1: f"{OTHERS.capitalize()} runs"}.get(view.others_started, "Other visitors' jobs run")
    wait = f"{view.others_waiting:,} of others wait{'s' if view.others_waiting == 1 else ''}"
    if not view.others_waiting:
        return f"{run}." if run else ""
    return f"{run}; {wait}." if run else f"{wait}."
