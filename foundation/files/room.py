"""Whether there is room on a disk: asked before anything is written that nobody has to keep."""

import shutil
from pathlib import Path

from foundation.errors import NoRoomError


def check_free(folder: Path, least: int) -> None:
    """Refuse to write where less than ``least`` bytes of the disk are free.

    Raises:
        NoRoomError: there are fewer.
    """
    there = next((place for place in (folder, *folder.parents) if place.exists()), None)
    if there is None or shutil.disk_usage(there).free >= least:
        return
    raise NoRoomError(
        f"Less than {least / 1e9:g} GB of the disk are free where the studio keeps its data: make room there first."
    )
