"""Files on their way from a visitor: the originals go once what is needed of them is kept."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

EXAMPLE_SUFFIXES = (".png", ".jpg", ".jpeg")


@contextlib.contextmanager
def brought(path: str | Path) -> Iterator[Path]:
    """The file that Gradio wrote for an upload, for as long as it is read: then it is deleted, whatever came of it.

    Gradio names its files by their content, so another visitor may have brought the same in between: that one stays.
    """
    file = Path(path)
    before = _identity(file)
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            if _identity(file) == before:
                file.unlink()
                file.parent.rmdir()  # each has a folder of its own (`app.web.cache`)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def list_examples(folder: Path) -> list[Path]:
    """The example pictures, by name."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in EXAMPLE_SUFFIXES)
