"""Text on disk, read and written here alone: encodings, byte-order marks, names that are not UTF-8, whole files.

Whatever a path that a user gave can do wrong ends as a `FileError`, a sentence that names the file and says what to do.
Files are written as UTF-8 and appear whole or not at all.
"""

import codecs
import contextlib
import errno
import json
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from foundation.errors import StudioError

MOST_BYTES = 256 * 2**20
"""Of a text file that is read, where its reader sets no other bound: nothing that we write is larger."""
_LONGEST_SHOWN = 160
_MARKS = {  # the longer mark first: that of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF32_LE: ("utf-32", "UTF-32"),
    codecs.BOM_UTF32_BE: ("utf-32", "UTF-32"),
    codecs.BOM_UTF16_LE: ("utf-16", "UTF-16"),
    codecs.BOM_UTF16_BE: ("utf-16", "UTF-16"),
}
_REASONS: dict[int, str] = {
    errno.ENOENT: "it is not there; check the path",
    errno.ENOTDIR: "what its path takes for a folder is a file; check the path",
    errno.EISDIR: "it is a folder; give the path of a file",
    errno.EEXIST: "there is a file of that name already; give another name",
    errno.EACCES: "its permissions do not allow it; change them, or choose another place",
    errno.EPERM: "the system does not permit it; choose another place",
    errno.EROFS: "that disk can only be read; choose another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ENOSPC: "the disk is full; make room there, or choose another place",
    errno.EDQUOT: "your share of the disk is used up; make room there, or choose another place",
    errno.EFBIG: "it would be larger than that disk allows; choose another place",
    errno.EMFILE: "too many files are open; close other programs, or raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open; close other programs, or raise the limit (ulimit -n)",
    errno.ELOOP: "its links lead in a circle; check the path",
    errno.ETXTBSY: "another program is using it; end that one, or choose another place",
}


class FileError(StudioError):
    """A file that cannot be read or written: the message names it, says why, and what to do."""


class NoFileError(FileError):
    """There is no file of that name."""


def reason(error: OSError) -> str:
    """Why the file system refused, and what to do, as the end of a sentence without a full stop."""
    return _REASONS.get(error.errno or 0, error.strerror or str(error) or type(error).__name__)


def printable(text: str) -> str:
    """Return a text without surrogates, so that it can be encoded.

    The bytes of file names that are not UTF-8, which Python keeps as surrogate escapes, become \\xNN; other lone
    surrogates become \\uNNNN.
    """
    if text.isascii():
        return text
    return "".join(_escaped(char) if "\ud800" <= char <= "\udfff" else char for char in text)


def _escaped(surrogate: str) -> str:
    number = ord(surrogate)
    return f"\\x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else f"\\u{number:04x}"


def shown(path: str | os.PathLike[str]) -> str:
    """A path for a sentence: printable, in one line, and not endless."""
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in printable(os.fspath(path)))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN // 2]}...{text[-_LONGEST_SHOWN // 2 :]}"


def read_bytes(path: Path, what: str = "file", *, most: int = MOST_BYTES) -> bytes:
    """Read a whole file of at most so many bytes; `what` is what sentences call it. Raises FileError."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError as error:
        raise NoFileError(_refusal(what, path, "read", reason(error))) from error
    except OSError as error:
        raise FileError(_refusal(what, path, "read", reason(error))) from error
    except ValueError as error:  # a zero byte or a lone surrogate, which no name has
        raise NoFileError(_refusal(what, path, "read", "no file can have that name; check the path")) from error
    if len(data) > most:
        limit = f"{most >> 20} MiB" if most >= 2**20 else f"{most:,} bytes"
        raise FileError(_refusal(what, path, "read", f"it is larger than {limit}; give a smaller one"))
    return data


def read_text(path: Path, what: str = "file", *, most: int = MOST_BYTES, lenient: bool = False) -> str:
    """Read a text in UTF-8, with or without a byte-order mark. Raises FileError.

    Other encodings are refused by name (UTF-16 is what PowerShell's > writes), unless `lenient`: then a text with the
    mark of one is read in that, and bytes that are no text become U+FFFD: for what is only shown, such as cards.
    """
    data = read_bytes(path, what, most=most)
    codec, name = next((known for mark, known in _MARKS.items() if data.startswith(mark)), ("utf-8-sig", ""))
    if lenient:
        return data.decode(codec, errors="replace")
    if not name and b"\x00" in data[:4] and data[:4].strip(b"\x00"):
        name = "UTF-16"  # without its mark: every other byte of Latin letters is zero
    if name:
        why = f"it is {name}, as PowerShell's > writes it; save it as UTF-8 (there: | Out-File -Encoding utf8)"
        raise FileError(_refusal(what, path, "read", why))
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        why = f"it is no text in UTF-8 (line {line}); save it as UTF-8"
        raise FileError(_refusal(what, path, "read", why)) from error


def read_json(path: Path, what: str = "file", *, most: int = MOST_BYTES) -> Any:
    """Read a value of JSON from a text as `read_text` takes it. Raises FileError."""
    text = read_text(path, what, most=most)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        why = f"it is no JSON ({error.msg}, line {error.lineno})"
        raise FileError(f"The {what} '{shown(path)}' cannot be used: {why}.") from error
    except (ValueError, RecursionError) as error:  # a number of more than 4,300 digits, or too deep
        why = "it is no JSON that can be read (its numbers are too long, or it is nested too deep)"
        raise FileError(f"The {what} '{shown(path)}' cannot be used: {why}.") from error


def read_object(path: Path, what: str = "file", *, needs: Sequence[str] = (), most: int = MOST_BYTES) -> dict[str, Any]:
    """Read an object of JSON ({...}) that has certain keys; any other value is refused. Raises FileError."""
    found = read_json(path, what, most=most)
    if not isinstance(found, dict):
        raise FileError(f"The {what} '{shown(path)}' cannot be used: it holds no JSON object, which begins with a {{.")
    missing = next((key for key in needs if key not in found), None)
    if missing is not None:
        raise FileError(f"The {what} '{shown(path)}' cannot be used: it has no '{missing}'. Is it the right file?")
    return found


def json_text(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON that can be encoded: surrogates, which are not UTF-8, stay what they are as \\udNNN.

    Letters beyond ASCII stay readable. ValueError for NaN and infinity, which JSON does not know.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", errors="backslashreplace").decode()


def write_bytes(path: Path, data: bytes, what: str = "file", *, mode: int = 0o666) -> None:
    """Replace the file at `path` by `data`; its folder is made. Raises FileError, with the file as it was.

    A reader, or a crash at any moment, sees the old content or the new one. Through a link the file that it leads to
    is replaced; a device or a pipe (/dev/stdout) is written to. `mode` are the permissions, less the umask.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_stream(path):
            with path.open("wb", buffering=0) as stream:
                _write_all(stream.fileno(), data)
            return
        replace_whole(Path(os.path.realpath(path)) if path.is_symlink() else path, data, mode=mode)
    except OSError as error:
        raise FileError(_refusal(what, path, "written", reason(error))) from error
    except ValueError as error:  # a zero byte or a lone surrogate
        raise FileError(_refusal(what, path, "written", "no file can have that name; choose another")) from error


def write_text(path: Path, text: str, what: str = "file", *, mode: int = 0o666) -> None:
    """Write a text as UTF-8, surrogates as `printable` shows them; otherwise as `write_bytes`."""
    write_bytes(path, printable(text).encode("utf-8"), what, mode=mode)


def write_json(path: Path, value: Any, what: str = "file", *, indent: int | None = 2) -> None:
    """Write JSON with a newline at its end, as `json_text` and `write_bytes` say."""
    write_bytes(path, f"{json_text(value, indent=indent)}\n".encode(), what)


def is_stream(path: Path) -> bool:
    """Whether a device, a pipe or a socket has that name: nothing that could be replaced."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def replace_whole(path: Path, data: bytes | memoryview, *, mode: int = 0o666, durable: bool = True) -> None:
    """Write beside `path`, then move there; `durable` also waits until that would survive a power cut.

    Whoever reads meanwhile sees the old content or the new one. OSError, with the file as it was and nothing beside it.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not os.access(path, os.W_OK):  # its owner has protected it: moving over it would not ask
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    with drafted(path, durable=durable) as draft:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        try:
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def drafted(path: Path, suffix: str = ".tmp", *, durable: bool = True) -> Iterator[Path]:
    """The name of a file beside `path` to be written, which is moved there in the end, or removed where that failed.

    `durable` waits until the move would survive a power cut. OSError.
    """
    draft = path.with_name(f".{secrets.token_hex(8)}{suffix}")
    try:
        yield draft
        if durable:
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    if durable:
        with contextlib.suppress(OSError):  # the file is there; not every file system can promise more
            sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename inside a folder survive a power cut. Windows has no such call. Raises OSError."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _refusal(what: str, path: Path, done: str, why: str) -> str:
    return f"The {what} '{shown(path)}' cannot be {done}: {why}."
