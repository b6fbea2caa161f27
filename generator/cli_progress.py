"""A line of progress for the terminal: rewritten in place where it can be, a few plain lines where not."""

import time
from collections.abc import Callable, Sequence
from typing import TextIO

SPARSE_SECONDS = 10.0
"""How often a stream that is no terminal gets a line."""
LIVE_SECONDS = 0.1


class ProgressLine:
    """Shows steps, the mean loss and the time left on a text stream."""

    def __init__(self, stream: TextIO, *, enabled: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._enabled, self._clock = stream, enabled, clock
        self._live = enabled and stream.isatty()
        self._started = clock()
        self._first: tuple[int, float] | None = None
        self._shown_at: float | None = None
        self._width = 0

    def update(self, done: int, total: int, losses: Sequence[float]) -> None:
        """Tell that `done` of `total` steps are done, with the losses of the images; shown if it is time to."""
        now = self._clock()
        if self._first is None:
            self._first = (done, now)
        interval = LIVE_SECONDS if self._live else SPARSE_SECONDS
        due = self._shown_at is None or now - self._shown_at >= interval or done == total
        if not (self._enabled and due):
            return
        self._shown_at = now
        text = f"step {done}/{total}  loss {sum(losses) / len(losses):.3f}{self._time_left(done, total, now)}"
        if self._live:
            self._stream.write(f"\r{text:<{self._width}}")
            self._width = len(text)
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def _time_left(self, done: int, total: int, now: float) -> str:
        """Extrapolate from the second step on: the first one also pays for preparations."""
        if self._first is None or done <= self._first[0] or done == total:
            return f"  {now - self._started:.0f} s" if done == total else ""
        seconds = (now - self._first[1]) / (done - self._first[0]) * (total - done)
        minutes, rest = divmod(round(seconds), 60)
        return f"  {minutes} min {rest} s left" if minutes else f"  {rest} s left"

    def close(self) -> None:
        """End the line."""
        if self._live and self._width:
            self._stream.write("\n")
            self._stream.flush()
