"""The photos of a batch: files in folders, with what a label file says about them."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from foundation.errors import StudioError
from foundation.files.folders import left_out, walk
from foundation.files.text_files import printable, shown
from foundation.images.files import accepted_formats
from generator.inputs.label_files import LabelFile
from generator.recipes.completion import check_photo

_NOT_IN_NAMES = re.compile(r"[^\w.+=-]+")
_LONGEST = 120
MOST_BYTES = 250
"""Of a name of a file without its ending: file systems take 255 with it."""


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

    Hidden files are passed over, unless they are given themselves (see `foundation.files.folders`). StudioError for a
    path that is not there or cannot be read, and if there is no photo at all.
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


def list_photos(
    paths: Sequence[Path],
    labels: LabelFile | None = None,
    classes: Sequence[str] = (),
    *,
    use_targets: bool = True,
) -> PhotoList:
    """Name the photos, and take over what a label file says; `classes` are what its numbers count.

    With a label file, photos that it does not list are left out, and so are those whose target is their own class.
    Where targets mean nothing, as to an attack that only leads away, they are not taken over (not `use_targets`).
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
        entry = labels.named(entry if use_targets else replace(entry, target=""), classes)
        if entry.target and entry.target == entry.label:
            left_out[name] = f"Its target is its own class, '{entry.label}'."
            continue
        photos.append(Photo(name, path, entry.label, entry.target))
    if not photos:
        first = next(iter(labels.entries))
        raise StudioError(
            f"Every photo that the label file lists has its own class for a target. {next(iter(left_out.values()))}"
            if any(labels.entry_of(path.name) for path in paths)
            else f"The label file lists none of the photos: it has '{first}', and there is '{shown(paths[0].name)}'."
        )
    return PhotoList(tuple(photos), left_out)


def fitting_photos(listed: PhotoList) -> PhotoList:
    """Leave out the photos that are too large, or too small, to be attacked in their own size, by their headers alone.

    What cannot be read is for the attack to say. StudioError if none is left.
    """
    kept: list[Photo] = []
    left_out = dict(listed.left_out)
    for photo in listed.photos:
        try:
            with Image.open(photo.path, formats=accepted_formats()) as opened:
                width, height = opened.size
            check_photo(width, height)
        except StudioError as error:
            left_out[photo.name] = str(error)
        except (OSError, SyntaxError, ValueError):
            kept.append(photo)
        else:
            kept.append(photo)
    if not kept:
        raise StudioError(f"None of the photos can be attacked. {next(iter(left_out.values()))}")
    return PhotoList(tuple(kept), left_out)


def file_name(name: str) -> str:
    """Return a name as a name of a file or folder, of at most `MOST_BYTES` bytes, so that an ending has room.

    What other names could be mistaken for it, and what is cut, has a digest added.
    """
    plain = _NOT_IN_NAMES.sub("_", name).lstrip(".")[:_LONGEST]
    if plain == name and len(plain.encode()) <= MOST_BYTES:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    kept = plain.encode()[: MOST_BYTES - len(digest) - 1].decode(errors="ignore")
    return f"{kept}-{digest}"


def _names(paths: Sequence[Path]) -> dict[str, Path]:
    """Names for photos, as texts: without the ending, unless that leaves two the same."""
    stems = Counter(path.stem.casefold() for path in paths)
    names: dict[str, Path] = {}
    taken: dict[str, Path] = {}
    for path in paths:
        name = printable(path.stem if stems[path.stem.casefold()] == 1 else path.name)
        other = taken.setdefault(name.casefold(), path)
        if other is not path:
            raise StudioError(
                f"The photos '{shown(other)}' and '{shown(path)}' have the same name: put one of them into a batch of "
                "its own, or rename it."
            )
        names[name] = path
    return names
