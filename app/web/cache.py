"""The files on their way between the page and its functions, under addresses that tell nothing of this machine.

They lie in Gradio's cache, each in a folder whose name nobody can guess. On the page such a file is called
/cache/FOLDER/NAME; what a page sends back is taken for a file only in that form.
"""

import contextlib
import os
import re
import secrets
import stat
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gradio_client.utils import is_file_obj_with_meta, strip_invalid_filename_characters, traverse

from foundation.errors import NoRoomError
from foundation.files.living import found_below
from foundation.files.room import check_free
from foundation.limits import Limits

PREFIX = "/cache/"
ROUTE = "/gradio_api/file="
_ADDRESS = re.compile(r"/cache/([A-Za-z0-9_-]{1,128})/([^/\\\x00-\x1f]{1,255})")
_KEPT_NAME_BYTES = 150


class CacheError(Exception):
    """An address names no file of the cache."""


class Cache:
    """Names the files below a folder.

    Args:
        folder: Gradio's cache.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def make_room(self, limits: Limits, now: float | None = None) -> None:
        """Delete what waited for too long, and see that there is room for more.

        Raises:
            NoRoomError: too much waits already, or the disk has too little room.
        """
        before, size = (time.time() if now is None else now) - limits.cache_seconds, 0
        for path, found in found_below(self.folder):
            with contextlib.suppress(OSError):
                if stat.S_ISDIR(found.st_mode):
                    if found.st_mtime < before:
                        path.rmdir()  # if it is empty
                elif found.st_mtime < before:
                    path.unlink()
                else:
                    size += found.st_size
        if size > limits.cache_bytes:
            raise NoRoomError("Too many files wait to be used here: try again in some minutes.")
        check_free(self.folder, limits.free_bytes)

    def address(self, path: str) -> str:
        """What the page calls a file. ValueError if it lies elsewhere (a fault of the program)."""
        return PREFIX + Path(path).resolve().relative_to(self.folder).as_posix()

    def find(self, address: str) -> Path:
        """The file behind what the page calls it. CacheError if there is none."""
        found = _ADDRESS.fullmatch(address)
        if found is None or found[2] in (".", ".."):
            raise CacheError("That is no file that was brought here: bring it again.")
        path = self.folder / found[1] / found[2]
        if path.is_symlink() or not path.is_file():
            raise CacheError("A file that was brought is no longer here: bring it again.")
        return path

    def place(self, name: str) -> Path:
        """A new place for a file that somebody brings, of which its name is kept where that can be."""
        plain = strip_invalid_filename_characters(Path(name.replace("\\", "/")).name, _KEPT_NAME_BYTES)
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir(mode=0o700, parents=True)
        return folder / (plain if plain.strip(". ") else "file")

    def inward(self, value: Any) -> Any:
        """What a page sent, with the paths of the files in it. CacheError if it names anything else."""

        def found(file: dict[str, Any]) -> dict[str, Any]:
            path = self.find(file["path"])
            return {**_plain(file), "path": str(path)}

        return traverse(value, found, _names_file)

    def outward(self, value: Any) -> Any:
        """What is sent to a page, with addresses in place of paths."""

        def hidden(file: dict[str, Any]) -> dict[str, Any]:
            path = file["path"]
            if not os.path.isabs(path):  # noqa: PTH117 (a text out of JSON)
                return file
            address = self.address(path)
            return {**file, "path": address, "url": f"{ROUTE}{quote(address)}"}

        return traverse(value, hidden, is_file_obj_with_meta)


def _names_file(value: Any) -> bool:
    """Whether anything in Gradio could take this for a file."""
    return isinstance(value, dict) and isinstance(value.get("path"), str)


def _plain(file: dict[str, Any]) -> dict[str, Any]:
    """The fields by which Gradio would fetch the file from elsewhere, or not look where it lies, left out."""
    name = file.get("orig_name")
    return {"orig_name": name if isinstance(name, str) else None, "meta": {"_type": "gradio.FileData"}}
