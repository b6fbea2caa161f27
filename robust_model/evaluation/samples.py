"""A few adversarial examples per attack as pictures, and what every read-out says before and after."""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from foundation.images.files import save_png
from foundation.images.pixels import quantise_within
from robust_model.evaluation.record.schema import Sample

FOLDER = "samples"


def save_samples(
    folder: Path,
    attack: int,
    name: str,
    places: Sequence[int],
    clean: Tensor,
    adversarial: Tensor,
    labels: Sequence[str],
    eps: float,
    answers: Callable[[Tensor], list[dict[str, str]]],
) -> list[Sample]:
    """Save pairs of pictures, clean and adversarial [m, 3, H, W], and return the report's entries on them.

    The adversarial ones are rounded to 8 bits within `eps` of the clean ones, and `answers` (images to the class names
    by read-out, each) are those to the pictures as saved. `attack` is the attack's number and `name` its name, `places`
    are the images' places in the split and `labels` the names of their classes.
    """
    if not len(clean):
        return []
    saved = quantise_within(adversarial, clean, eps)
    before, after = answers(clean), answers(saved)
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    entries = []
    for i, place in enumerate(places):
        files = f"{FOLDER}/{place:06d}-clean.png", f"{FOLDER}/{place:06d}-attack-{attack:02d}.png"
        for file, image in zip(files, (clean[i], saved[i]), strict=True):
            save_png(image, folder / file)
        entries.append(
            Sample(
                attack=name,
                index=place,
                label=labels[i],
                clean=files[0],
                adversarial=files[1],
                distance=float((saved[i] - clean[i]).abs().max()),
                before=before[i],
                after=after[i],
            )
        )
    return entries
