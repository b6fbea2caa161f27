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
_ANY_SIDE = LoadLimits(min_side=1)
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

    def subset(self, indices: Tensor) -> "LabelledImages":
        """The images at `indices` (int64), in that order."""
        return LabelledImages(self.images[indices], self.labels[indices], self.class_names, self.source)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Float images [<= size, 3, H, W] in [0, 1] and labels, in order."""
        for start in range(0, len(self), size):
            yield to_float(self.images[start : start + size]), self.labels[start : start + size]


def to_float(images: Tensor) -> Tensor:
    """uint8 pixels to float32 in [0, 1]."""
    return images.float().div_(255)


def class_folder(root: Path, split: Split, size: int = 32) -> LabelledImages:
    """Read `root/<split>/<class>/*` (also `<class>/images/*`), classes and files in alphabetical order.

    Hidden files and folders are passed over. Images of another size are scaled to `size` x `size`.
    """
    folder = root / split
    if not folder.is_dir():
        raise StudioError(
            f"No images at '{folder}': a class folder holds {split}/<class>/<image files>. For CIFAR-10 you can also "
            "use --data cifar10, which downloads it."
        )
    classes = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."))
    if len(classes) < 2:
        raise StudioError(f"'{folder}' needs at least two class folders; it has {len(classes)}.")
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

    pixels = np.empty((len(files), 3, size, size), dtype=np.uint8)

    def read(index: int) -> None:
        try:
            rgb = load_image(files[index], limits=_ANY_SIDE)
        except ImageError as error:
            raise StudioError(f"Cannot use '{files[index]}': {error} Repair or remove that file.") from error
        if rgb.size != (size, size):
            rgb = rgb.resize((size, size), Image.Resampling.BICUBIC)
        pixels[index] = np.asarray(rgb).transpose(2, 0, 1)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(read, range(len(files))):
            pass
    return LabelledImages(torch.from_numpy(pixels), torch.tensor(labels), classes, f"folder:{root.name}/{split}")


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


def load_data(spec: str, split: Split, *, root: Path = Path("data")) -> LabelledImages:
    """Load what `spec` names: "cifar10", "cifar100", "folder:PATH" or "synthetic[:COUNT]"."""
    kind, _, rest = spec.partition(":")
    if kind == "folder" and rest:
        return class_folder(Path(rest), split)
    if spec in ("cifar10", "cifar100"):
        return torchvision_cifar(spec, split, root)
    if kind == "synthetic" and (not rest or rest.isdecimal()):
        return synthetic(split, int(rest) if rest else 512)
    raise StudioError(f"Unknown data '{spec}': use cifar10, cifar100, folder:PATH or synthetic:COUNT.")
