"""The photos of a batch: files in folders, with what a label file says about them."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.errors import StudioError
from generator.explorer.label_files import LabelFile
from generator.folders import left_out, walk

_NOT_IN_NAMES = re.compile(r"[^\w.+=-]+")
_LONGEST = 120


@dataclass(frozen=True)
class Photo:
    """One photo of a batch.

    Attributes:
        name: what its results go by; no two photos of a batch share it.
        path: the file.
        label: its true class, "" if it is not known.
        target: the class that it is to be taken for, "" where that is for the recipe to say.
    """

    name: str
    path: Path
    label: str = ""
    target: str = ""


@dataclass(frozen=True)
class PhotoList:
    """The photos to attack, and those that are left out, with a sentence on why."""

    photos: tuple[Photo, ...]
    left_out: dict[str, str]


def find_photos(sources: Sequence[Path]) -> tuple[Path, ...]:
    """Return the photos in folders (not in folders within), in the order of their names, and those given as files.

    Hidden files are passed over, unless they are given themselves (see `generator.folders`). StudioError for a path
    that is not there or cannot be read, and if there is no photo at all.
    """
    found: list[Path] = []
    for source in sources:
        if source.is_file():
            found.append(source)
        elif source.is_dir():
            found += walk(source, deep=False).pictures
        else:
            raise StudioError(f"There is no photo or folder '{source}'. Check the path.")
    if not found:
        raise StudioError(f"There is no photo in '{sources[0]}': give a folder with PNG or JPEG files in it.")
    return tuple(dict.fromkeys(found))


def passed_over(sources: Sequence[Path]) -> list[str]:
    """Return a sentence for each folder in which there are files that are no pictures."""
    notes = [left_out(walk(source, deep=False).others, str(source)) for source in sources if source.is_dir()]
    return list(filter(None, notes))


def list_photos(paths: Sequence[Path], labels: LabelFile | None = None, classes: Sequence[str] = ()) -> PhotoList:
    """Name the photos, and take over what a label file says; `classes` are what its numbers count.

    With a label file, photos that it does not list are left out, and so are those whose target is their own class.
    StudioError if nothing is left, or two photos have the same name.
    """
    names = _names(paths)
    if labels is None:
        return PhotoList(tuple(Photo(name, path) for name, path in names.items()), {})
    photos: list[Photo] = []
    left_out: dict[str, str] = {}
    for name, path in names.items():
        entry = labels.entry_of(path.name)
        if entry is None:
            left_out[name] = "The label file does not list it."
            continue
        entry = labels.named(entry, classes)
        if entry.target and entry.target == entry.label:
            left_out[name] = f"Its target is its own class, '{entry.label}'."
            continue
        photos.append(Photo(name, path, entry.label, entry.target))
    if not photos:
        first = next(iter(labels.entries))
        raise StudioError(f"The label file lists none of the photos: it has '{first}', and there is '{paths[0].name}'.")
    return PhotoList(tuple(photos), left_out)


def file_name(name: str) -> str:
    """Return a name as a name of a file or folder: what other names could be mistaken for it has a digest added."""
    plain = _NOT_IN_NAMES.sub("_", name).lstrip(".")[:_LONGEST]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _names(paths: Sequence[Path]) -> dict[str, Path]:
    """Names for photos: without the ending, unless that leaves two the same."""
    stems = Counter(path.stem.casefold() for path in paths)
    names = {(path.stem if stems[path.stem.casefold()] == 1 else path.name): path for path in paths}
    if len({name.casefold() for name in names}) < len(paths):
        raise StudioError(
            "Two of the photos have the same name: put one of them into a batch of its own, or rename it."
        )
    return names
