"""How far a job is: a smoothed rate for the time left, and loss curves of bounded size."""

from __future__ import annotations

import math

MAX_POINTS = 500
MAX_CURVES = 64


class Rate:
    """Seconds per step as a ratio of two exponentially decaying sums, of time and of steps.

    The ratio needs no correction for its start, weighs slow and fast steps by the time they took, and
    forgets with the time constant ``smoothing_s``. One interval never makes the rest weigh less than
    ``1 - MAX_FORGET``, so that a single slow step does not decide alone.
    """

    MAX_FORGET = 0.3

    def __init__(self, smoothing_s: float = 30.0) -> None:
        self.smoothing_s = smoothing_s
        self._last: tuple[int, float] | None = None
        self._seconds = 0.0
        self._steps = 0.0

    def update(self, done: int, now: float) -> None:
        """``done`` steps are complete at time ``now``. Time counts from the last call before the first
        step, so that loading a model is not mistaken for slow steps; a smaller ``done`` begins anew."""
        started = self._last is not None and (self._steps > 0.0 or done > self._last[0])
        if self._last is None or done < self._last[0] or not started:
            self._last, self._seconds, self._steps = (done, now), 0.0, 0.0
            return
        steps, seconds = done - self._last[0], max(0.0, now - self._last[1])
        keep = max(math.exp(-seconds / self.smoothing_s), 1.0 - self.MAX_FORGET)
        self._seconds = self._seconds * keep + seconds
        self._steps = self._steps * keep + steps
        self._last = (done, now)

    def skip(self, seconds: float) -> None:
        """Let so many seconds, in which no work was done, count for nothing."""
        if self._last is not None:
            self._last = (self._last[0], self._last[1] + seconds)

    def eta(self, total: int, now: float) -> float | None:
        """Seconds left until ``total``, or ``None`` while no step has been timed.

        It counts down between updates, and waits when the current step is overdue."""
        if self._last is None or self._steps <= 0.0 or self._seconds <= 0.0:
            return None
        done, since = self._last
        remaining = total - done
        if remaining <= 0:
            return 0.0 if total > 0 else None
        per_step = self._seconds / self._steps
        return per_step * remaining - min(max(0.0, now - since), per_step)


class Curve:
    """A loss curve that keeps every ``stride``-th of its values, and the newest one.

    Whenever ``max_points`` are reached, every second point goes and the stride doubles: the memory stays
    bounded, the whole run stays visible, and kept points are true values, not averages.
    """

    def __init__(self, max_points: int = MAX_POINTS) -> None:
        if max_points < 2:
            raise ValueError(f"a curve needs room for 2 points; got max_points={max_points}")
        self.max_points = max_points
        self._points: list[tuple[int, float]] = []
        self._newest: tuple[int, float] | None = None
        self._stride = 1
        self._count = 0

    def add(self, step: int, value: float) -> None:
        """Append a value. Non-finite values leave a gap: JSON cannot hold them, nor a plot draw them."""
        if not math.isfinite(value):
            return
        point = (int(step), float(value))
        self._newest = point
        if self._count % self._stride == 0:
            if len(self._points) == self.max_points:
                self._points = self._points[::2]
                self._stride *= 2
            # After the stride has doubled, this value may fall between the points to keep.
            if self._count % self._stride == 0:
                self._points.append(point)
        self._count += 1

    def points(self) -> list[tuple[int, float]]:
        """The kept points and the newest one, in the order they came; at most ``max_points + 1``."""
        points = list(self._points)
        if self._newest is not None and (self._count - 1) % self._stride != 0:
            points.append(self._newest)
        return points
