"""Soft labels: what trained networks say of the clean training images, for a student to be trained towards.

Robust soft labels in place of one-hot ones are an old and cheap way to a better trade of clean for robust accuracy
(Goldblum et al. 2020, arXiv 1905.09747; Zi et al. 2021, arXiv 2108.07969). Here they are computed once, before the
first step, so that a step of training costs what it always did.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from foundation.errors import StudioError
from robust_model.data.class_match import places_of
from robust_model.data.datasets import LabelledSet
from robust_model.networks.ensemble import SelfEnsemble, SilentNoise
from robust_model.networks.packaged import PACKAGED
from robust_model.training.start_from import donor_config, take_weights
from robust_model.weights.checkpoint import load_tensors, save_tensors

BATCH = 500


def kept_soft_labels(
    file: Path,
    teachers: Sequence[str],
    images: LabelledSet,
    device: torch.device,
    *,
    bf16: bool,
    side: int = 0,
    temperature: float = 1.0,
) -> Tensor:
    """`soft_labels`, from `file` if it is there, else kept there: a run that goes on needs no teachers any more."""
    if file.exists():
        return load_tensors(file)[0]["soft_labels"]
    found = soft_labels(teachers, images, device, bf16=bf16, side=side, temperature=temperature)
    save_tensors(file, {"soft_labels": found}, {"teachers": list(teachers)})
    return found


@torch.no_grad()
def soft_labels(
    teachers: Sequence[str],
    images: LabelledSet,
    device: torch.device,
    *,
    bf16: bool,
    side: int = 0,
    temperature: float = 1.0,
) -> Tensor:
    """The teachers' common answer to the images: probabilities [n, C], float32, on the CPU.

    The softmax of the mean, over teachers, of each one's logits divided by `temperature`. A teacher is the folder of a
    run or of an exported model, whose classes are the data's by their names, and which answers by the mean over the
    predictors that take part in its answer, the image and its mirror image; or the name of a classifier that a package
    brings (`lite0`), which knows the data's classes among others, and is asked about the image alone, enlarged
    (bicubic) to `side` pixels (0: to its own). StudioError for one that knows other classes.
    """
    total = torch.zeros(len(images), len(images.class_names))
    # Whether all can teach is known before the first answers.
    orders = [_places(teacher, images.class_names) for teacher in teachers]
    for teacher, order in zip(teachers, orders, strict=True):
        ask = _packaged(teacher, side, device) if teacher in PACKAGED else _ours(teacher, device)
        for number, (x, _labels) in enumerate(images.batches(BATCH)):
            start = number * BATCH
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                logits = ask(x.to(device))
            total[start : start + BATCH] += logits.float().cpu()[:, order] / len(teachers)
    return (total / temperature).softmax(1)


def _places(teacher: str, class_names: tuple[str, ...]) -> list[int]:
    """At which places a teacher's logits tell of the data's classes."""
    listed = teacher in PACKAGED
    known = PACKAGED[teacher].config.class_names if listed else donor_config(Path(teacher)).class_names
    try:
        if not listed and len(known) != len(class_names):
            raise StudioError(f"It knows {len(known)} classes, and the data has {len(class_names)}.")
        return places_of(class_names, known)
    except StudioError as error:
        raise StudioError(f"The teacher '{teacher}' has other classes than the data: leave it out. {error}") from error


def _packaged(name: str, side: int, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The logits of a package's classifier for images [B, 3, S, S]."""
    teacher = PACKAGED[name].load(str(device))
    side = side or PACKAGED[name].side
    teacher.config = teacher.config.model_copy(update={"image_size": side})
    teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def ask(x: Tensor) -> Tensor:
        x = F.interpolate(x, (side, side), mode="bicubic", align_corners=False).clamp(0, 1)
        x = x.contiguous(memory_format=torch.channels_last)
        # A few at a time: at hundreds of pixels a side the activations of all of them would take gigabytes.
        return torch.cat([teacher(part) for part in x.split(50)])

    return ask


def _ours(place: str, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The mean logits of the predictors that take part in the answer of the model in the folder `place`."""
    folder = Path(place)
    model = SelfEnsemble(donor_config(folder).model_copy(update={"mirror": True}))
    take_weights(model, folder)
    model.eval().requires_grad_(False).place(device)

    def ask(x: Tensor) -> Tensor:
        return model.voting(model.readouts(x, SilentNoise())).float().mean(1)

    return ask
