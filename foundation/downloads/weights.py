"""Files of weights: which one a folder holds, whether it can be what it says, and its digest."""

import contextlib
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch.serialization import get_unsafe_globals_in_checkpoint

from foundation.errors import StudioError
from foundation.files.text_files import FileError, read_json, write_json

SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")
# The order in which open_clip's "local-dir:" prefers them.
_PREFERRED = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
_CHUNK = 8 * 2**20


def find_weights(folder: Path) -> Path | None:
    """The file that open_clip loads from a folder in its form, or None where there is none."""
    found = [path for path in folder.glob("*") if path.suffix in (".safetensors", ".bin", ".pth") and path.is_file()]
    if not found:
        return None

    def rank(path: Path) -> tuple[int, bool, str]:
        place = _PREFERRED.index(path.name) if path.name in _PREFERRED else len(_PREFERRED)
        return place, path.suffix != ".safetensors", path.name

    return min(found, key=rank)


def check_weights(path: Path) -> None:
    """See, without loading it, that a file can hold weights and nothing else.

    StudioError for one that is missing, cut off, of another kind, or that would have to run code of its own.
    """
    if path.suffix not in SUFFIXES:
        raise StudioError(f"'{path}' is no file of weights that is read here: they end in {', '.join(SUFFIXES)}.")
    try:
        with path.open("rb") as file:
            start = file.read(64)
        if not start:
            raise StudioError(f"The weights '{path}' are an empty file: fetch them again.")
        if start.startswith(b"version https://git-lfs"):
            raise StudioError(f"'{path}' only says where Git LFS keeps the weights: run 'git lfs pull' in its folder.")
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt"):
                return
        if start.startswith(b"PK"):
            _check_archive(path)
    except SafetensorError as error:
        raise StudioError(f"The weights '{path}' are damaged or cut off ({error}): fetch them again.") from error
    except OSError as error:
        raise StudioError(f"The weights '{path}' cannot be read ({error.strerror or error}).") from error


def _check_archive(path: Path) -> None:
    """Judge what torch.save wrote by the names in its pickle, which is taken apart and not run."""
    try:
        unsafe = get_unsafe_globals_in_checkpoint(str(path))
    except ValueError as error:
        raise StudioError(
            f"'{path}' is a TorchScript program, as OpenAI published its models, and programs are not run here. "
            "Use the pretrained tag ('ViT-B-32/openai'), or save the state_dict as safetensors."
        ) from error
    except (RuntimeError, LookupError, EOFError) as error:
        raise StudioError(f"The weights '{path}' are damaged or cut off: fetch them again.") from error
    if unsafe:
        raise StudioError(
            f"'{path}' holds more than weights: it wants to run {', '.join(sorted(unsafe)[:3])}, which is refused. "
            "Have whoever made it save the state_dict alone, best as safetensors."
        )


def sha256(path: Path, after_chunk: Callable[[int], None] | None = None) -> str:
    """The file's SHA-256 in hexadecimal; `after_chunk` is told the bytes read so far, and may raise."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if after_chunk is not None:
                after_chunk(done)
    return digest.hexdigest()


class Revisions:
    """The revisions of files of weights, remembered as long as a file keeps its size and time of change.

    They are also kept in a file, so that a program that starts anew need not read gigabytes.
    """

    def __init__(self, memory: Path) -> None:
        """`memory` is the JSON file to keep them in; it is made on the first use."""
        self._memory = memory
        self._lock = threading.Lock()
        self._known: dict[str, list[str | int]] | None = None

    def of(self, path: Path) -> str:
        """The first 16 hexadecimal digits of the file's SHA-256. OSError where it cannot be read."""
        facts = path.stat()
        stamp: list[str | int] = [facts.st_size, facts.st_mtime_ns]
        key = str(path.resolve())
        with self._lock:
            if self._known is None:
                self._known = self._read()
            entry = self._known.get(key)
        if entry is not None and entry[1:] == stamp:
            return str(entry[0])
        revision = sha256(path)[:16]
        with self._lock:
            self._known[key] = [revision, *stamp]
            self._write(self._known)
        return revision

    def _read(self) -> dict[str, list[str | int]]:
        try:
            known = read_json(self._memory)
        except FileError:
            return {}  # it can be made again
        if not isinstance(known, dict):
            return {}
        return {key: entry for key, entry in known.items() if isinstance(entry, list) and len(entry) == 3}

    def _write(self, known: dict[str, list[str | int]]) -> None:
        with contextlib.suppress(FileError):  # only the next start will be slower
            write_json(self._memory, known, indent=1)
