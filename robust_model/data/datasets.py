"""Labelled images: class folders, torchvision's CIFAR, and a synthetic set that needs nothing.

A data set is held as 8-bit pixels in memory (CIFAR-10: 150 MB) and becomes float images batch by batch.
"""

import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from foundation import torchvision_cure  # noqa: F401  (before torchvision is imported)
from foundation.errors import StudioError
from foundation.files.folders import is_number
from foundation.images.files import ImageError, LoadLimits, load_image
from generator.classes.labels import CIFAR10_CLASSES
from robust_model.data import class_folders
from robust_model.data.class_folders import Split

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
MOST_SYNTHETIC = 100_000
"""Images of the synthetic set at most: 300 MB of them."""


@dataclass(frozen=True)
class LabelledImages:
    """`images` uint8 [N, 3, H, W], `labels` int64 [N], the classes' names, and where they come from.

    `note` is what whoever uses them should know, in sentences: what was left out, and what the program chose.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    source: str
    note: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, indices: Tensor) -> Tensor:
        """The images at `indices` (int64), uint8 [n, 3, H, W]."""
        return self.images[indices]

    def subset(self, indices: Tensor) -> "LabelledImages":
        """The images at `indices` (int64), in that order."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

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

    `size`: the side of what they are made to (see `centre_square`), None for images that stay as they are. `labels`
    int64 [N] and `note` as in `LabelledImages`.
    """

    files: tuple[Path, ...]
    labels: Tensor
    class_names: tuple[str, ...]
    source: str
    size: int | None
    note: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, indices: Tensor) -> Tensor:
        """The images at `indices` (int64), uint8 [n, 3, H, W].

        StudioError for a file that cannot be read, and for images of several sizes where none was asked for.
        """
        return _read_pixels([self.files[i] for i in indices.tolist()], self.size)

    def subset(self, indices: Tensor) -> "LabelledFiles":
        """The images at `indices` (int64), in that order."""
        return replace(self, files=tuple(self.files[i] for i in indices.tolist()), labels=self.labels[indices])

    def loaded(self) -> LabelledImages:
        """The images, read into memory. StudioError for a file that cannot be read."""
        pixels = self.pixels(torch.arange(len(self)))
        return LabelledImages(pixels, self.labels, self.class_names, self.source, self.note)

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


def _read_pixels(files: Sequence[Path], size: int | None) -> Tensor:
    """Pictures as uint8 [N, 3, S, S] (see `centre_square`), or for no `size` as they are, [N, 3, H, W], all alike.

    Raises StudioError for a file that cannot be read, and for pictures of several sizes.
    """
    if not files:
        return torch.empty(0, 3, size or 1, size or 1, dtype=torch.uint8)
    first = _read_image(files[0])
    width, height = (size, size) if size is not None else first.size
    pixels = np.empty((len(files), 3, height, width), dtype=np.uint8)

    def read(place: int) -> None:
        rgb = _read_image(files[place]) if place else first
        if size is not None:
            rgb = centre_square(rgb, size)
        elif rgb.size != first.size:
            (w, h), (other_w, other_h) = first.size, rgb.size
            raise StudioError(
                f"The images have several sizes ('{files[0].name}' {w} x {h} pixels, '{files[place].name}' {other_w} x "
                f"{other_h}), and the model takes them as they are: say with --size N to which side they are scaled."
            )
        pixels[place] = np.asarray(rgb).transpose(2, 0, 1)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(read, range(len(files))):
            pass
    return torch.from_numpy(pixels)


def class_folder(root: Path, split: Split, size: int | None = 32) -> LabelledImages:
    """Read `root/<split>/<class>/` at any depth: files by name, classes by name or, where names are numbers, by these.

    Where there is no `test`, `val` is the test split: as in ImageNet, or, with its list of labels, in Tiny-ImageNet.
    Hidden files and folders are passed over. Images of another size become `size` x `size` by `centre_square`; for no
    `size` they stay as they are, and must be alike.
    """
    source = f"folder:{class_folders.source_name(root, split)}"
    return replace(class_files(root, split, size), source=source).loaded()


def class_files(root: Path, split: Split, size: int | None) -> LabelledFiles:
    """The same folder as `class_folder` reads, with the same pixels, left on the disk."""
    found = class_folders.class_files(root, split)
    source = f"files:{class_folders.source_name(root, split)}"
    return LabelledFiles(found.files, torch.tensor(found.labels), found.class_names, source, size, found.note)


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


def load_data(spec: str, split: Split, *, root: Path = Path("data"), size: int | None = 32) -> LabelledImages:
    """Load what `spec` names: "cifar10", "cifar100", "folder:PATH" or "synthetic[:COUNT]".

    A folder's images come at `size` (see `centre_square`); the other sets are 32 pixels a side.
    """
    kind, _, rest = spec.partition(":")
    if kind == "folder" and rest:
        return class_folder(Path(rest), split, size)
    if spec in ("cifar10", "cifar100"):
        return torchvision_cifar(spec, split, root)
    if kind == "synthetic" and not rest:
        return synthetic(split)
    if kind == "synthetic" and is_number(rest):
        if not 1 <= int(rest) <= MOST_SYNTHETIC:
            raise StudioError(f"synthetic:COUNT draws from 1 to {MOST_SYNTHETIC:,} images, not {rest}.")
        return synthetic(split, int(rest))
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
        return class_folders.class_names(Path(rest), "train")
    known = {"cifar10": CIFAR10_CLASSES, "cifar100": CIFAR100_CLASSES}
    return known[spec] if spec in known else load_data(spec, "train").class_names
