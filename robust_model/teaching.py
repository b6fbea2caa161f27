"""Soft labels: what trained networks say of the clean training images, for a student to be trained towards.

Robust soft labels in place of one-hot ones are an old and cheap way to a better trade of clean for robust accuracy
(Goldblum et al. 2020, arXiv 1905.09747; Zi et al. 2021, arXiv 2108.07969). Here they are computed once, before the
first step, so that a step of training costs what it always did.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from generator.errors import StudioError
from robust_model.checkpoint import load_tensors, save_tensors
from robust_model.class_match import places_of
from robust_model.data import LabelledSet
from robust_model.ensemble import SelfEnsemble, SilentNoise
from robust_model.transfer import donor_config, take_weights

BATCH = 500


def kept_soft_labels(
    file: Path, teachers: Sequence[str], images: LabelledSet, device: torch.device, *, bf16: bool
) -> Tensor:
    """`soft_labels`, from `file` if it is there, else kept there: a run that goes on needs no teachers any more."""
    if file.exists():
        return load_tensors(file)[0]["soft_labels"]
    found = soft_labels(teachers, images, device, bf16=bf16)
    save_tensors(file, {"soft_labels": found}, {"teachers": list(teachers)})
    return found


@torch.no_grad()
def soft_labels(teachers: Sequence[str], images: LabelledSet, device: torch.device, *, bf16: bool) -> Tensor:
    """The teachers' common answer to the images: probabilities [n, C], float32, on the CPU.

    The softmax of the mean, over teachers, of each one's mean logits of the predictors that take part in its
    answer, for the image and its mirror image. A teacher is the folder of a run or of an exported model, whose classes
    are the data's by their names. StudioError for one that knows others.
    """
    total = torch.zeros(len(images), len(images.class_names))
    # Whether all can teach is known before the first answers.
    orders = [_places(Path(teacher), images.class_names) for teacher in teachers]
    for teacher, order in zip(teachers, orders, strict=True):
        model = _load(Path(teacher)).place(device)
        for number, (x, _labels) in enumerate(images.batches(BATCH)):
            start = number * BATCH
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                logits = model.voting(model.readouts(x.to(device), SilentNoise()))
            total[start : start + BATCH] += logits.float().mean(1).cpu()[:, order] / len(teachers)
    return total.softmax(1)


def _places(teacher: Path, class_names: tuple[str, ...]) -> list[int]:
    """At which places a teacher's logits tell of the data's classes."""
    known = donor_config(teacher).class_names
    try:
        if len(known) != len(class_names):
            raise StudioError(f"It knows {len(known)} classes, and the data has {len(class_names)}.")
        return places_of(class_names, known)
    except StudioError as error:
        raise StudioError(f"The teacher '{teacher}' has other classes than the data: leave it out. {error}") from error


def _load(place: Path) -> SelfEnsemble:
    model = SelfEnsemble(donor_config(place).model_copy(update={"mirror": True}))
    take_weights(model, place)
    return model.eval().requires_grad_(False)
