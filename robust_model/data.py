"""Labelled images: class folders, torchvision's CIFAR, and a synthetic set that needs nothing.

A data set is held as 8-bit pixels in memory (CIFAR-10: 150 MB) and becomes float images batch by batch.
"""

import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generator import torchvision_cure  # noqa: F401  (before torchvision is imported)
from generator.errors import StudioError
from generator.image import ImageError, LoadLimits, load_image

Split = Literal["train", "test"]
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
CIFAR100_CLASSES = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
    "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
    "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
    "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip
_ANY_SIDE = LoadLimits(min_side=1)
ANNOTATIONS = "val_annotations.txt"
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


@dataclass(frozen=True)
class LabelledImages:
    """`images` uint8 [N, 3, H, W], `labels` int64 [N], the classes' names, and where they come from."""

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, indices: Tensor) -> Tensor:
        """The images at `indices` (int64), uint8 [n, 3, H, W]."""
        return self.images[indices]

    def subset(self, indices: Tensor) -> "LabelledImages":
        """The images at `indices` (int64), in that order."""
        return LabelledImages(self.images[indices], self.labels[indices], self.class_names, self.source)

    def loaded(self) -> "LabelledImages":
        """These images, which are in memory already."""
        return self

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Float images [<= size, 3, H, W] in [0, 1] and labels, in order."""
        for start in range(0, len(self), size):
            yield to_float(self.images[start : start + size]), self.labels[start : start + size]


def to_float(images: Tensor) -> Tensor:
    """uint8 pixels to float32 in [0, 1]."""
    return images.float().div_(255)


@dataclass(frozen=True)
class LabelledFiles:
    """Labelled images that stay on the disk and are read when they are asked for: for sets too large for memory.

    `size`: the side of what they are made to (see `centre_square`). `labels` int64 [N], as in `LabelledImages`.
    """

    files: tuple[Path, ...]
    labels: Tensor
    class_names: tuple[str, ...]
    source: str
    size: int

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, indices: Tensor) -> Tensor:
        """The images at `indices` (int64), uint8 [n, 3, S, S]. StudioError for a file that cannot be read."""
        found = np.empty((len(indices), 3, self.size, self.size), dtype=np.uint8)

        def read(place: int) -> None:
            rgb = centre_square(_read_image(self.files[int(indices[place])]), self.size)
            found[place] = np.asarray(rgb).transpose(2, 0, 1)

        with ThreadPoolExecutor() as pool:
            for _ in pool.map(read, range(len(indices))):
                pass
        return torch.from_numpy(found)

    def subset(self, indices: Tensor) -> "LabelledFiles":
        """The images at `indices` (int64), in that order."""
        files = tuple(self.files[i] for i in indices.tolist())
        return LabelledFiles(files, self.labels[indices], self.class_names, self.source, self.size)

    def loaded(self) -> LabelledImages:
        """The images, read into memory. StudioError for a file that cannot be read."""
        return LabelledImages(self.pixels(torch.arange(len(self))), self.labels, self.class_names, self.source)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Float images [<= size, 3, S, S] in [0, 1] and labels, in order."""
        for indices in torch.arange(len(self)).split(size):
            yield to_float(self.pixels(indices)), self.labels[indices]


LabelledSet = LabelledImages | LabelledFiles


def centre_square(picture: Image.Image, size: int) -> Image.Image:
    """A picture as evaluations usually see it: its shorter side scaled to `size`, and the middle square of that.

    To the bit what torchvision's `Resize(size, BICUBIC)` and `CenterCrop(size)` make of a picture (antialiased). One
    that is `size` x `size` already comes back as it is, and a square one is only scaled.
    """
    shorter = min(picture.size)
    width, height = (size * side // shorter for side in picture.size)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - size) / 2), round((height - size) / 2)  # as there, halves go to the even number
    return picture if width == height else picture.crop((left, top, left + size, top + size))


def _read_image(path: Path) -> Image.Image:
    try:
        return load_image(path, limits=_ANY_SIDE)
    except ImageError as error:
        raise StudioError(f"Cannot use '{path}': {error} Repair or remove that file.") from error


def _split_folder(root: Path, split: Split) -> Path:
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
    lines = (folder / ANNOTATIONS).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t")[:2] for line in lines if line.strip()]
    if not pairs or any(len(pair) < 2 for pair in pairs):
        raise StudioError(f"'{folder / ANNOTATIONS}' is no list of files and classes: fetch the data set again.")
    return [(folder / "images" / name, label) for name, label in pairs]


def _class_names(root: Path, split: Split) -> tuple[str, ...]:
    folder = _split_folder(root, split)
    if not folder.is_dir():
        raise StudioError(
            f"No images at '{folder}': a class folder holds {split}/<class>/<image files>. For CIFAR-10 you can also "
            "use --data cifar10, which downloads it."
        )
    classes = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."))
    if len(classes) < 2:
        raise StudioError(f"'{folder}' needs at least two class folders; it has {len(classes)}.")
    return classes


def _class_files(root: Path, split: Split) -> tuple[list[Path], list[int], tuple[str, ...]]:
    """The files of `root/<split>/<class>/` at any depth, their labels, and the classes."""
    folder = _split_folder(root, split)
    if _annotated(folder):
        pairs = sorted(annotated_files(folder), key=lambda pair: (pair[1], pair[0]))
        classes = tuple(sorted({label for _, label in pairs}))
        places = {name: label for label, name in enumerate(classes)}
        return [file for file, _ in pairs], [places[label] for _, label in pairs], classes
    classes = _class_names(root, split)
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        within = folder / name
        found = sorted(f for f in within.rglob("*") if f.suffix.lower() in _SUFFIXES and f.name[0] != ".")
        if not found:
            raise StudioError(
                f"The class folder '{within}' holds no images ({', '.join(sorted(_SUFFIXES))}): put some there, or "
                "remove it."
            )
        files += found
        labels += [label] * len(found)
    return files, labels, classes


def class_folder(root: Path, split: Split, size: int = 32) -> LabelledImages:
    """Read `root/<split>/<class>/*` (also `<class>/images/*`), classes and files in alphabetical order.

    Where there is no `test`, `val` is the test split: as in ImageNet, or, with its list of labels, in Tiny-ImageNet.
    Hidden files and folders are passed over. Images of another size become `size` x `size` by `centre_square`.
    """
    files, labels, classes = _class_files(root, split)
    pixels = np.empty((len(files), 3, size, size), dtype=np.uint8)

    def read(index: int) -> None:
        rgb = centre_square(_read_image(files[index]), size)
        pixels[index] = np.asarray(rgb).transpose(2, 0, 1)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(read, range(len(files))):
            pass
    return LabelledImages(torch.from_numpy(pixels), torch.tensor(labels), classes, _source("folder", root, split))


def class_files(root: Path, split: Split, size: int) -> LabelledFiles:
    """The same folder as `class_folder` reads, with the same pixels, left on the disk."""
    files, labels, classes = _class_files(root, split)
    return LabelledFiles(tuple(files), torch.tensor(labels), classes, _source("files", root, split), size)


def _source(kind: str, root: Path, split: Split) -> str:
    return f"{kind}:{root.name}/{_split_folder(root, split).name}"


def torchvision_cifar(name: str, split: Split, root: Path) -> LabelledImages:
    """torchvision's CIFAR-10 or CIFAR-100, downloaded to `root` on first use."""
    from torchvision import datasets

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    try:
        found = kind(str(root), train=split == "train", download=True)
    except (OSError, RuntimeError, EOFError, HTTPException, tarfile.TarError) as error:
        raise StudioError(
            f"{name} is not at '{root}' and could not be downloaded ({error}). With a network, run this again; "
            f"without one, put the unpacked python version there, or use --data folder:PATH with images in "
            f"PATH/train/<class>/ and PATH/test/<class>/."
        ) from error
    images = torch.from_numpy(np.ascontiguousarray(found.data.transpose(0, 3, 1, 2)))
    return LabelledImages(images, torch.tensor(found.targets), tuple(found.classes), f"torchvision:{name}/{split}")


def synthetic(split: Split, count: int = 512, classes: int = 4, size: int = 32, seed: int = 0) -> LabelledImages:
    """A seeded toy set: class c is an oriented grating of its own colour, in noise. For tests and first tries."""
    rng = torch.Generator().manual_seed(2 * seed + (split == "test"))
    labels = torch.arange(count) % classes
    angle = labels * (torch.pi / classes)
    phase = torch.rand(count, generator=rng) * 2 * torch.pi
    axis = torch.linspace(0, 1, size)
    wave = angle.cos()[:, None, None] * axis[:, None] + angle.sin()[:, None, None] * axis[None, :]
    wave = torch.sin(2 * torch.pi * 3 * wave + phase[:, None, None])
    hue = 2 * torch.pi * labels[:, None] / classes + torch.tensor([0.0, 2.1, 4.2])
    colour = 0.5 + 0.3 * hue.cos()
    images = colour[:, :, None, None] + 0.2 * wave[:, None] + 0.1 * torch.randn(count, 3, size, size, generator=rng)
    pixels = images.clamp(0, 1).mul(255).round().to(torch.uint8)
    return LabelledImages(pixels, labels, tuple(f"grating {c}" for c in range(classes)), f"synthetic:{seed}/{split}")


def load_data(spec: str, split: Split, *, root: Path = Path("data"), size: int = 32) -> LabelledImages:
    """Load what `spec` names: "cifar10", "cifar100", "folder:PATH" or "synthetic[:COUNT]".

    A folder's images come at `size` (see `centre_square`); the other sets are 32 pixels a side.
    """
    kind, _, rest = spec.partition(":")
    if kind == "folder" and rest:
        return class_folder(Path(rest), split, size)
    if spec in ("cifar10", "cifar100"):
        return torchvision_cifar(spec, split, root)
    if kind == "synthetic" and (not rest or rest.isdecimal()):
        return synthetic(split, int(rest) if rest else 512)
    raise StudioError(f"Unknown data '{spec}': use cifar10, cifar100, folder:PATH, files:PATH or synthetic:COUNT.")


def training_data(spec: str, size: int) -> LabelledSet:
    """The training split of what `spec` names, at `size`: also "files:PATH", a class folder that stays on the disk."""
    kind, _, rest = spec.partition(":")
    if kind == "files" and rest:
        return class_files(Path(rest), "train", size)
    return load_data(spec, "train", size=size)


def class_names_of(spec: str) -> tuple[str, ...]:
    """The classes of what `spec` names, without reading its images. Raises StudioError."""
    kind, _, rest = spec.partition(":")
    if kind in ("folder", "files") and rest:
        return _class_names(Path(rest), "train")
    known = {"cifar10": CIFAR10_CLASSES, "cifar100": CIFAR100_CLASSES}
    return known[spec] if spec in known else load_data(spec, "train").class_names
