"""Jobs on the command line: one line of progress, rewritten in a terminal, and words about Ctrl-C."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from pydantic import JsonValue

from foundation.jobs.context import Clock, JobContext
from foundation.jobs.foreground import run_foreground
from foundation.jobs.store.model import Discarded, JobRequest, JobSnapshot
from foundation.progress import amount, with_amount

LIVE_SECONDS = 0.1
SPARSE_SECONDS = 10.0
"""How often a stream that is no terminal, such as a log, gets a line."""
HEADLINES = ("total", "loss")  # the curve that the line shows is the first of these that there is

STOPPING = "Stopping after this step; what there is will be kept (Ctrl-C again: throw it away)."
DISCARDING = "Throwing it away after this step (Ctrl-C again: end at once)."
CLEAR = "\r\x1b[K"


class Terminal:
    """Runs jobs here and now: their progress goes to standard error, what they say to standard output."""

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._line: ProgressLine | None = None

    def run(
        self, kind: str, device: str, work: Callable[[JobContext], Mapping[str, JsonValue]], *, quiet: bool = False
    ) -> dict[str, JsonValue] | None:
        """Run ``work`` as a foreground job; return its result, or ``None`` if a second Ctrl-C discarded it.

        ``quiet`` shows nothing but what is said. Raises what ``run_foreground`` raises else.
        """
        line = self._line = ProgressLine(sys.stderr, enabled=not quiet, clock=self._clock)
        try:
            return run_foreground(
                JobRequest(kind, {}, device),
                {kind: work},
                on_progress=line.show,
                on_interrupt=lambda discarding: line.note(DISCARDING if discarding else STOPPING),
                clock=self._clock,
            )
        except Discarded:
            return None
        finally:
            line.close()
            self._line = None

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if self._line is not None:
            self._line.clear()
        print(text, flush=True)


class ProgressLine:
    """Shows the snapshots of one job on a stream: as one live line on a terminal, as a few lines elsewhere."""

    def __init__(self, stream: TextIO, *, enabled: bool = True, clock: Clock = time.monotonic) -> None:
        self._stream, self._enabled, self._clock = stream, enabled, clock
        self._live = enabled and stream.isatty()
        self._started = clock()
        self._shown_at: float | None = None
        self._shown_done = -1
        self._open = False
        self._writing = False
        self._notes: list[str] = []

    def show(self, snapshot: JobSnapshot) -> None:
        """Show where the job is, if it is time to."""
        now = self._clock()
        last = snapshot.done >= snapshot.total > 0 and snapshot.done != self._shown_done
        interval = LIVE_SECONDS if self._live else SPARSE_SECONDS
        shown_at = self._shown_at
        if shown_at is None and not self._live and snapshot.done == 0:
            shown_at = self._started  # a log hears of preparations only if they take long
        if not (self._enabled and (last or shown_at is None or now - shown_at >= interval)):
            return
        self._shown_at, self._shown_done = now, snapshot.done
        text = describe(snapshot, now - self._started)
        if self._live:
            self._write(f"{CLEAR}{text[: shutil.get_terminal_size().columns - 1]}")
            self._open = True
        else:
            self._write(f"{text}\n")

    def note(self, text: str) -> None:
        """Write a line that stays. It may be called by a signal handler, which may have interrupted a write."""
        if self._enabled:
            self._notes.append(text)
            if not self._writing:
                self._write_notes()

    def clear(self) -> None:
        """Make room for something else on the live line; the next snapshot brings it back."""
        if self._open:
            self._write(CLEAR)
            self._open = False

    def close(self) -> None:
        """End the live line."""
        if self._open:
            self._write("\n")
            self._open = False

    def _write(self, text: str) -> None:
        self._writing = True
        try:
            self._stream.write(text)
            self._stream.flush()
        finally:
            self._writing = False
        self._write_notes()

    def _write_notes(self) -> None:
        notes, self._notes = self._notes, []
        for text in notes:
            self._write(f"{CLEAR if self._live else ''}{text}\n")
            self._open = False


def describe(snapshot: JobSnapshot, elapsed: float) -> str:
    """One line on where a job is, such as ``3/80 (4%), loss 1.500, 12 s left: Optimising``."""
    done, total, unit = snapshot.done, snapshot.total, snapshot.unit
    if done == 0 or total == 0:
        return with_amount(snapshot.message, done, total, unit)
    parts = [f"{amount(done, total, unit)} ({done / total:.0%})"]
    curve = next((snapshot.curves[name] for name in HEADLINES if snapshot.curves.get(name)), None)
    if curve is not None:
        parts.append(f"loss {curve[-1][1]:.3f}")
    if done >= total:
        parts.append(f"in {duration(elapsed)}")
    elif snapshot.eta_s is not None:
        parts.append(f"{duration(snapshot.eta_s)} left")
    return ", ".join(parts) + (f": {snapshot.message}" if snapshot.message else "")


def duration(seconds: float) -> str:
    """A duration as people write it, in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
