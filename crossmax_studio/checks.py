"""What is asked of images and labels before any work is done with them."""

import torch
from torch import Tensor

from foundation.errors import StudioError


def checked_images(images: object) -> Tensor:
    """The images [B, 3, H, W] as float32, detached. StudioError for another shape, type or range, and for NaN."""
    if not isinstance(images, Tensor):
        raise StudioError(f"Images are a tensor [B, 3, H, W] in [0, 1], not a {type(images).__name__}.")
    if images.ndim != 4 or images.shape[1] != 3 or not images.numel():
        hint = " Add the batch with images[None]." if images.ndim == 3 else ""
        raise StudioError(f"Images are [B, 3, H, W], with at least one, not {list(images.shape)}.{hint}")
    if not images.is_floating_point():
        raise StudioError(f"Images are floating-point numbers in [0, 1], not {images.dtype}: divide 8-bit ones by 255.")
    found = images.detach().float()
    if not bool(found.isfinite().all()):
        raise StudioError("The images hold NaN or infinity: look where they come from.")
    low, high = found.aminmax()
    if low < 0 or high > 1:
        raise StudioError(
            f"Images lie in [0, 1], and these in [{low.item():.3g}, {high.item():.3g}]: divide 8-bit ones by 255; let "
            "the model itself normalise."
        )
    return found


def checked_labels(labels: object, count: int, classes: int) -> Tensor:
    """The labels of `count` images as int64 [B] on the CPU. StudioError unless each is a class's place, from 0."""
    if not isinstance(labels, Tensor):
        raise StudioError(f"Labels are a tensor of whole numbers [B], not a {type(labels).__name__}.")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise StudioError(f"Labels are whole numbers, the places of the classes, not {labels.dtype}.")
    if labels.shape != (count,):
        raise StudioError(f"Labels are one for each image, [{count}], not {list(labels.shape)}.")
    found = labels.detach().to("cpu", torch.int64)
    wrong = found[(found < 0) | (found >= classes)]
    if len(wrong):
        raise StudioError(f"The model has {classes} classes, 0 to {classes - 1}, and a label is {int(wrong[0])}.")
    return found
