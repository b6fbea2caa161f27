"""Where a job waits: in the line of its device or, if other machines can do it, in one of theirs."""

from collections.abc import Callable
from dataclasses import dataclass

from foundation.jobs.store.model import JobRecord


@dataclass(frozen=True)
class Elsewhere:
    """Lines beside those of this machine's devices: each does one job at a time, which gives way to no other.

    Attributes:
        lines: their names, which no device has.
        takes: whether a job of this kind, with these parameters, can be done there.
    """

    lines: tuple[str, ...] = ()
    takes: Callable[[JobRecord], bool] = lambda _job: False

    def of(self, job: JobRecord) -> tuple[str, ...]:
        """The lines that a job may wait in."""
        return self.lines if self.lines and self.takes(job) else (job.device,)
