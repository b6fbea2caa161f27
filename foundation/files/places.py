"""Paths that a user gives: read by one function from flags, and tried before the work where results shall lie."""

import argparse
import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from foundation.files.text_files import FileError, is_stream, reason, shown

_LONGEST_PART, _LONGEST_PATH = 255, 4096
"""Bytes of one name and of a whole path on all common systems; what is longer is asked of no file system."""
_ATTEMPTS = 20
_TRIAL = bytes(4096)
"""Written to see whether there is room: an empty file fits on many a full disk."""


def user_path(text: str) -> Path:
    """Return the path that a flag gives (`type=user_path`). ArgumentTypeError for what no path can be.

    An empty text is refused: it would be the current folder, which nobody means who writes `--out "$UNSET"`.
    """
    why = wrong_name(text)
    if why:
        raise argparse.ArgumentTypeError(f"'{shown(text)}' is no path: {why}")
    return Path(text)


def wrong_name(text: str) -> str:
    """Why no file system takes a text for a path, and what to do, without a full stop; "" if it may."""
    if not text.strip():
        return "it is empty; name a file or a folder"
    if "\0" in text:
        return "it holds a zero character; check what it was put together from"
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        return "it holds half a character; check what it was put together from"
    if len(encoded) >= _LONGEST_PATH or any(len(part) > _LONGEST_PART for part in encoded.split(b"/")):
        return f"it is too long (a name has at most {_LONGEST_PART} bytes); choose a shorter one"
    return ""


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file of that name; False, too, for what can be no name, or lies where nobody may look."""
    return os.path.isfile(path)  # noqa: PTH113 -- Path.is_file raises OSError for over-long names and closed folders


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether there is a folder of that name; otherwise as `is_file`."""
    return os.path.isdir(path)  # noqa: PTH112


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether there is anything of that name; otherwise as `is_file`."""
    return os.path.exists(path)  # noqa: PTH110


def same_place(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths lead to one place, which need not be there."""
    return os.path.realpath(one) == os.path.realpath(other)  # Path.resolve raises RuntimeError for links in a circle


def writable_file(path: Path, what: str = "file") -> None:
    """Make sure, before the work, that a file can be written at `path`; leaves nothing behind. Raises FileError.

    It is really tried, with the folders that would be made: permissions tell little (of root, of full disks, of
    names that one file system takes and another does not).
    """
    _refuse_wrong_name(path, what)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        if is_stream(path):
            _try_stream(path)
            return
        target = Path(os.path.realpath(path))  # where a link leads, which need not be there
        with _folders(target.parent):
            _try_file(target.with_name(f".{secrets.token_hex(8)}.tmp") if target.exists() else target)
    except OSError as error:
        raise FileError(f"The {what} '{shown(path)}' cannot be written: {reason(error)}.") from error


def writable_folder(path: Path, what: str = "folder") -> None:
    """Make sure, before the work, that files can be written into the folder `path`, which need not be there.

    Leaves nothing behind. Raises FileError.
    """
    _refuse_wrong_name(path, what)
    try:
        if path.exists() and not path.is_dir():
            raise FileError(f"The {what} '{shown(path)}' cannot be used: it is a file; name a folder.")
        _try_folder(path)
    except OSError as error:
        raise FileError(f"The {what} '{shown(path)}' cannot be written to: {reason(error)}.") from error


def _refuse_wrong_name(path: Path, what: str) -> None:
    why = wrong_name(os.fspath(path))
    if why:
        raise FileError(f"The {what} '{shown(path)}' cannot be written: {why}.")


def _try_folder(folder: Path) -> None:
    """Write into a folder that is made for that. Of several processes that try at once, one may remove it first."""
    for attempt in range(_ATTEMPTS):
        try:
            with _folders(folder):
                _try_file(folder / f".{secrets.token_hex(8)}.tmp")
            return
        except FileNotFoundError:
            if attempt == _ATTEMPTS - 1:
                raise


@contextlib.contextmanager
def _folders(folder: Path) -> Iterator[None]:
    """Make a folder with those that it is in, and remove again those that were not there before."""
    missing = []
    place = folder
    while not place.exists():
        missing.append(place)
        place = place.parent
    made: list[Path] = []
    try:
        for place in reversed(missing):
            with contextlib.suppress(FileExistsError):  # `a/..` needs `a` alone
                place.mkdir()
                made.append(place)
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
        yield
    finally:
        for place in reversed(made):
            with contextlib.suppress(OSError):  # somebody else has put something there meanwhile
                place.rmdir()


def _try_file(path: Path) -> None:
    """Write a few bytes into a new file, and remove it."""
    with path.open("xb", buffering=0) as file:
        try:
            file.write(_TRIAL)
        finally:
            path.unlink()


def _try_stream(path: Path) -> None:
    """Write a zero byte to a device that is no terminal (/dev/full takes none); pipes are left alone.

    Whoever reads a pipe would get that byte, or take its closing for the end.
    """
    if not path.is_char_device():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not os.isatty(descriptor):
            os.write(descriptor, b"\0")
    finally:
        os.close(descriptor)


# Types of flags (`type=`): what a path stands for is said where the flag is added, and
# `foundation.command_line.program.Parser` tries every place for a result as soon as all flags are read.


def path_text(text: str) -> str:
    """A path that stays a text, since it may be something else, too (an address, a name); else as `user_path`."""
    return str(text) if user_path(text) else ""


def optional_path(text: str) -> Path | None:
    """A path, or None for an empty text, which counts as not given; else as `user_path`."""
    return user_path(text) if text.strip() else None


def result_file(text: str) -> Path:
    """A file that a command writes: as `user_path`, and tried by the parser."""
    return user_path(text)


def result_pictures(text: str) -> Path:
    """A PNG that a command writes, or a folder for it: as `user_path`, and tried by the parser."""
    return user_path(text)


def result_folder(text: str) -> Path:
    """A folder that a command writes into: as `user_path`, and tried by the parser."""
    return user_path(text)
