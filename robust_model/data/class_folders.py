"""Class folders: which files a folder of labelled images holds, without reading one.

`ROOT/<split>/<class>/*` at any depth, or as Tiny-ImageNet has its `val`: all images in one place, their classes in a
list. Folders are walked as everywhere (`foundation.files.folders`).
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foundation.errors import StudioError
from foundation.files.folders import ENDINGS, by_number, folders_in, left_out, walk
from foundation.files.text_files import read_text

Split = Literal["train", "test"]
ANNOTATIONS = "val_annotations.txt"


@dataclass(frozen=True)
class ClassFiles:
    """Files with their labels, places in `class_names`; `note` says in a sentence what was left out, if anything."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    note: str


def split_folder(root: Path, split: Split) -> Path:
    """Where the images of a split lie.

    The test images of a set whose own lie in `val`, or have labels only there (ImageNet, Tiny-ImageNet), are those.
    """
    val = root / "val"
    elsewhere = _annotated(val) or (val.is_dir() and not (root / "test").is_dir())
    return val if split == "test" and elsewhere else root / split


def _annotated(folder: Path) -> bool:
    """Whether a folder is laid out as Tiny-ImageNet's `val`: all `images` in one place, their classes in a list."""
    return (folder / ANNOTATIONS).is_file() and (folder / "images").is_dir()


def annotated_files(folder: Path) -> list[tuple[Path, str]]:
    """The files of `folder/images` with the classes that `folder/val_annotations.txt` gives them, in its order."""
    lines = read_text(folder / ANNOTATIONS, "list of images").splitlines()
    pairs = [line.split("\t")[:2] for line in lines if line.strip()]
    if not pairs or any(len(pair) < 2 for pair in pairs):
        raise StudioError(f"'{folder / ANNOTATIONS}' is no list of files and classes: fetch the data set again.")
    return [(folder / "images" / name, label) for name, label in pairs]


def class_folders(root: Path, split: Split) -> list[Path]:
    """The folders of the classes, in the order of their labels: numbers by what they are worth, names by text.

    Raises StudioError for fewer than two.
    """
    folder = split_folder(root, split)
    if not folder.is_dir():
        raise StudioError(
            f"No images at '{folder}': a class folder holds {split}/<class>/<image files>. For CIFAR-10 you can also "
            "use --data cifar10, which downloads it."
        )
    found = folders_in(folder)
    if len(found) < 2:
        raise StudioError(f"'{folder}' needs at least two class folders; it has {len(found)}.")
    return found


def class_names(root: Path, split: Split) -> tuple[str, ...]:
    """The classes in the order of their labels. Raises StudioError."""
    folder = split_folder(root, split)
    if _annotated(folder):
        return tuple(by_number({label for _, label in annotated_files(folder)}))
    return tuple(place.name for place in class_folders(root, split))


def class_files(root: Path, split: Split) -> ClassFiles:
    """The pictures of `root/<split>/<class>/` at any depth, class by class. Raises StudioError for a class of none."""
    folder = split_folder(root, split)
    classes = class_names(root, split)
    if _annotated(folder):
        places = {name: label for label, name in enumerate(classes)}
        pairs = sorted((places[name], file) for file, name in annotated_files(folder))
        return ClassFiles(tuple(file for _, file in pairs), tuple(label for label, _ in pairs), classes, "")
    files: list[Path] = []
    labels: list[int] = []
    others: Counter[str] = Counter()
    for label, name in enumerate(classes):
        found = walk(folder / name, deep=True)
        others += found.others
        if not found.pictures:
            raise StudioError(
                f"The class folder '{folder / name}' holds no images ({', '.join(sorted(ENDINGS))}): put some there, "
                "or remove it."
            )
        files += found.pictures
        labels += [label] * len(found.pictures)
    return ClassFiles(tuple(files), tuple(labels), classes, left_out(others, source_name(root, split)))


def source_name(root: Path, split: Split) -> str:
    """What a report calls the images: the folder's own name, however the way to it was written, and the split's."""
    here = Path(os.path.abspath(root))  # noqa: PTH100 -- a link keeps its own name
    return f"{here.name}/{split_folder(root, split).name}"
