"""A job that is watched: what it reports is remembered, and it can be stopped at any report."""

from foundation.progress import Progress


class Context:
    """A job that is stopped at the report number `stop_at`."""

    device = "cpu"

    def __init__(self, stop_at: int = 1000) -> None:
        self.stop_at = stop_at
        self.reports: list[tuple[int, int, str]] = []

    @property
    def stop_requested(self) -> bool:
        return len(self.reports) >= self.stop_at

    def progress(self, now: Progress, /) -> None:
        self.reports.append((now.done, now.total, now.message))
