"""Folders in which others write and delete meanwhile: what goes away while one looks is no fault."""

import os
from collections.abc import Iterator
from pathlib import Path


def found_below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything below a folder that is still there when its turn comes, with what the disk says of it.

    The contents of a folder come before it, links are not followed, and nothing comes of a folder that is not there.
    `Path.rglob` raises where a folder is deleted under it.
    """
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            path = Path(place, name)
            try:
                found = path.lstat()
            except OSError:
                continue
            yield path, found
