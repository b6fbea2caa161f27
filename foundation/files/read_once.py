"""What is read from a file is read again only when the file has changed."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")


def read_once(most: int) -> Callable[[Callable[[Path], Value]], Callable[[Path], Value]]:
    """Remember what a reader returned of the `most` files read last, until they change: whoever gets it shares it.

    A change is told by the file's times, size and place on the disk, which a file that is replaced whole never shares
    with the one before. FileNotFoundError where there is no file; what the reader raises is not remembered.
    """

    def remember(read: Callable[[Path], Value]) -> Callable[[Path], Value]:
        @functools.lru_cache(maxsize=most)
        def versions(path: Path, *_version: int) -> Value:
            return read(path)

        @functools.wraps(read)
        def once(path: Path) -> Value:
            facts = path.stat()
            return versions(path, facts.st_mtime_ns, facts.st_size, facts.st_ino)

        return once

    return remember
