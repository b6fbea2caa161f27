"""Work that a test holds back, so that what is to be seen while it runs is seen on a machine of any pace."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foundation.files.text_files import replace_whole
from foundation.jobs.context import JobContext

Part = Literal["steps", "short", "measuring"]
"""Where work can be held back: among its steps (of a job that is known to be short, or of any other), or between them
and the last of what is measured afterwards."""


_met: dict[tuple[Path, Part], str] = {}
"""The first hold that each job met: once it is over, no later one is for this job, whose test has ended."""


def is_held(context: JobContext, part: Part = "steps") -> bool:
    """Whether this job is to go no further in this part for now."""
    try:
        hold = _file(context.dir.parents[1], part).read_text()
    except FileNotFoundError:
        return False
    return _met.setdefault((context.dir, part), hold) == hold and not context.stop_requested


@dataclass(frozen=True)
class Hold:
    """Holds back the work of the server with this data directory, unless it is stopped."""

    data_dir: Path

    def start(self, part: Part = "steps") -> None:
        replace_whole(_file(self.data_dir, part), secrets.token_bytes(8).hex().encode(), durable=False)

    def release(self, part: Part = "steps") -> None:
        _file(self.data_dir, part).unlink(missing_ok=True)


def _file(data_dir: Path, part: Part) -> Path:
    return data_dir / f"held-{part}"
