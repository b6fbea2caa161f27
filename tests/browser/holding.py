"""Work that a test holds back, so that what is to be seen while it runs is seen on a machine of any pace."""

from dataclasses import dataclass
from pathlib import Path

from foundation.jobs.context import JobContext

HELD = "held"
"""A file of this name in the data directory holds all work of the stand-ins back, until it is stopped."""


def is_held(context: JobContext) -> bool:
    """Whether this job is to take no further step for now."""
    return (context.dir.parents[1] / HELD).exists() and not context.stop_requested


@dataclass(frozen=True)
class Hold:
    """Holds back the work of the server with this data directory, from now on."""

    data_dir: Path

    def start(self) -> None:
        (self.data_dir / HELD).touch()

    def release(self) -> None:
        (self.data_dir / HELD).unlink(missing_ok=True)
