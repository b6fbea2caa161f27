"""How folders of a user are walked: the one rule for which files are pictures, everywhere.

Hidden files and folders (their names begin with a dot: `._frog.png` of macOS, `.ipynb_checkpoints`) and what other
programs keep beside files (`__MACOSX`, `@eaDir`) are passed over; links are followed, each folder is entered once. A
picture is what has an ending of a format that `foundation.images.files.load_image` reads; other files are counted.
"""

import os
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import StudioError
from foundation.files.text_files import reason, shown

ENDINGS = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif"}
)
"""Of the files in a folder, those with these endings are pictures, in whichever case they are written."""
_KEPT_BY_OTHERS = frozenset({"__MACOSX", "@eaDir"})
_NAMED_ENDINGS = 3
_LONGEST_NUMBER = 100


@dataclass(frozen=True)
class Walked:
    """The pictures in a folder, in the order of their names, and how many other files have which ending."""

    pictures: tuple[Path, ...]
    others: Counter[str]


def is_passed_over(name: str) -> bool:
    """Whether a file or folder of this name belongs to nobody who looks for pictures."""
    return name.startswith(".") or name in _KEPT_BY_OTHERS


def walk(folder: Path, *, deep: bool) -> Walked:
    """The pictures in `folder` (with `deep`, at any depth). `folder` itself may have any name.

    Raises StudioError for a folder, it or one within, that cannot be read.
    """
    pictures: list[Path] = []
    others: Counter[str] = Counter()
    waiting, entered = deque([folder]), set()
    while waiting:
        place = waiting.popleft()
        entries, identity = _entries(place)
        if identity in entered:  # a link to a folder above, or the second one to the same
            continue
        entered.add(identity)
        for entry in entries:
            ending = Path(entry.name).suffix.lower()
            if _leads_to_folder(entry):
                waiting += [place / entry.name] if deep else []
            elif ending in ENDINGS and (
                entry.is_symlink() or entry.is_file()
            ):  # what a broken link lacks, reading says
                pictures.append(place / entry.name)
            else:
                others[ending] += 1
    return Walked(tuple(sorted(pictures)), others)


def _entries(folder: Path) -> tuple[list[os.DirEntry[str]], tuple[int, int]]:
    """What is in a folder and not passed over, by name, and what tells the folder from all others."""
    try:
        real = folder.stat()
        with os.scandir(folder) as found:
            entries = sorted((entry for entry in found if not is_passed_over(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise StudioError(f"The folder '{shown(folder)}' cannot be read: {reason(error)}.") from error
    return entries, (real.st_dev, real.st_ino)


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def folders_in(folder: Path) -> list[Path]:
    """The folders in `folder` that are not passed over, links to folders too, in the order of `by_number`.

    Raises StudioError if it cannot be read.
    """
    found = [entry.name for entry in _entries(folder)[0] if _leads_to_folder(entry)]
    return [folder / name for name in by_number(found)]


def by_number(names: Iterable[str]) -> list[str]:
    """Names in their order: those that are numbers by what they are worth (2 before 10), before all others by text."""
    return sorted(names, key=lambda name: (0, int(name), name) if is_number(name) else (1, 0, name))


def is_number(name: str) -> bool:
    """Whether a name is a whole number, written in digits."""
    return name.isdecimal() and len(name) < _LONGEST_NUMBER


def left_out(others: Counter[str], place: str) -> str:
    """A sentence on the files that are no pictures; "" if there are none."""
    count = others.total()
    if not count:
        return ""
    endings = [ending or "without an ending" for ending, _ in others.most_common(_NAMED_ENDINGS)]
    named = ", ".join(endings) + (", ..." if len(others) > _NAMED_ENDINGS else "")
    files = "1 file" if count == 1 else f"{count:,} files"
    return f"{files} in '{place}' {'is' if count == 1 else 'are'} left out, as no picture that is read here ({named})."
