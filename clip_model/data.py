"""The small CLIP's data: Tiny-ImageNet and CIFAR-10 as one set of images, each with its concept and attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from clip_model.captions import attributes_of
from clip_model.concepts import CIFAR10, GENERAL, Concepts, wordnet_concepts
from foundation.errors import StudioError
from foundation.files.text_files import FileError, read_text
from foundation.images.files import LoadLimits, load_image
from robust_model.data.class_folders import ANNOTATIONS, annotated_files
from robust_model.data.datasets import LabelledImages, class_folder, load_data

SIDE = 32
_CHUNK = 4096


@dataclass(frozen=True)
class CaptionedImages:
    """`images` uint8 [N, 3, 32, 32]; `labels` int64 [N], indices into `concepts`; `attributes` int8 [N, 3].

    `shares` are the probabilities [N] with which training draws each image. `sources` say where they come from.
    """

    images: Tensor
    labels: Tensor
    attributes: Tensor
    shares: Tensor
    concepts: Concepts
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> "CaptionedImages":
        """The images at `indices`, in that order."""
        return CaptionedImages(
            self.images[indices],
            self.labels[indices],
            self.attributes[indices],
            self.shares[indices],
            self.concepts,
            self.sources,
        )


def read_words(folder: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """The classes (WordNet ids, in the order of `wnids.txt`) of Tiny-ImageNet in `folder`, and their names."""
    try:
        wnids = tuple(read_text(folder / "wnids.txt", "list of classes").split())
        lines = read_text(folder / "words.txt", "list of names").splitlines()
    except FileError as error:
        raise StudioError(
            f"'{folder}' is no Tiny-ImageNet folder ({str(error).rstrip('.')}). It holds "
            "wnids.txt, words.txt, train/<wnid>/images/* and val/images/* with val/val_annotations.txt."
        ) from error
    words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    missing = [wnid for wnid in wnids if wnid not in words]
    if missing:
        raise StudioError(f"'{folder / 'words.txt'}' has no name for {missing[0]}: fetch the file again.")
    return wnids, words


def all_concepts(tiny_imagenet: Path) -> Concepts:
    """Every concept of both data sets, Tiny-ImageNet's classes first."""
    wordnet = wordnet_concepts(*read_words(tiny_imagenet))
    sets = {"tiny_imagenet": tuple(c.key for c in wordnet), "cifar10": tuple(c.key for c in CIFAR10)}
    return Concepts((*wordnet, *CIFAR10, *GENERAL), sets)


def training_images(tiny_imagenet: Path, cifar10: str, cifar_share: float = 0.2) -> CaptionedImages:
    """The training images of both sets; a share of the draws falls on CIFAR-10 (`cifar10`: as in `--data`)."""
    concepts = all_concepts(tiny_imagenet)
    first = class_folder(tiny_imagenet, "train", SIDE)
    second = load_data(cifar10, "train")
    keys = [concept.key for concept in CIFAR10]
    if sorted(second.class_names) != sorted(keys):
        raise StudioError(f"'{cifar10}' is not CIFAR-10: its classes are {', '.join(second.class_names[:4])}, ...")
    parts = [first, second]
    images = torch.cat([part.images for part in parts])
    labels = torch.cat([torch.tensor([concepts.index[n] for n in part.class_names])[part.labels] for part in parts])
    shares = torch.cat(
        [
            torch.full((len(part),), share / len(part))
            for part, share in zip(parts, (1 - cifar_share, cifar_share), strict=True)
        ]
    )
    attributes = torch.cat([attributes_of(chunk) for chunk in images.split(_CHUNK)])
    return CaptionedImages(images, labels, attributes, shares, concepts, tuple(part.source for part in parts))


def validation_images(tiny_imagenet: Path, count: int = 0) -> LabelledImages:
    """Tiny-ImageNet's validation images (the first `count` of a fixed shuffle; 0: all) with their WordNet labels."""
    wnids, _ = read_words(tiny_imagenet)
    folder = tiny_imagenet / "val"
    try:
        pairs = annotated_files(folder)
    except OSError as error:
        raise StudioError(f"'{folder}' has no {ANNOTATIONS}: fetch the data set again.") from error
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0)).tolist()
    chosen = [pairs[i] for i in order[: count or None]]
    pixels = torch.from_numpy(np.stack([_read(path) for path, _ in chosen]))
    return LabelledImages(pixels, _labels([w for _, w in chosen], wnids), wnids, f"folder:{tiny_imagenet.name}/val")


def _labels(found: Sequence[str], wnids: Sequence[str]) -> Tensor:
    index = {wnid: i for i, wnid in enumerate(wnids)}
    return torch.tensor([index[wnid] for wnid in found])


def _read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rgb = load_image(path, limits=LoadLimits(min_side=1))
    if rgb.size != (SIDE, SIDE):
        rgb = rgb.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(rgb).transpose(2, 0, 1)
