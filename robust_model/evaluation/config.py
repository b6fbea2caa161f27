"""What is evaluated, and how: everything that decides an evaluation's numbers."""

from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field

from generator.errors import StudioError
from robust_model.attacks import AnyAttack, AttackPrecision
from robust_model.data import LabelledImages, LabelledSet, class_files, class_folder, load_data


class EvalConfig(BaseModel):
    """An evaluation, whole. Frozen, validated, JSON.

    `noise`: "model" (as the model is configured), "off" or "fresh". `count` images are drawn from the test split
    by `seed` (0: all of them, in order); a class folder is read at `size` pixels a side (0: the model's own). `match`
    says which of the data's classes is which of the model's: the one of the same name, or ("order") the one at the same
    place. `draws` passes vote on each verdict where noise is on.

    The attacks are those of the `suites` (see `suites.SUITES`), made with eps, steps, restarts and eot; or `attacks`,
    if there are any. They meet every image that at least one of the clean draws gets right; without `attack_all`, only
    those that the majority of the draws gets right: the headline is the same, and the mean over the draws is not. With
    `cascade` each attack meets only what those before it left standing: cheaper, and the worst case is as honest, but
    an attack's own accuracy then tells what is left after it and all before it. With `precision` "bfloat16" attacks
    compute in that, but for AutoAttack, and every break is judged in float32 (see `attacks.precision`). Up to `samples`
    adversarial images per attack are kept as pictures. On `sweep` images accuracy is also measured against eps, steps
    and EOT.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    data: str
    count: int = Field(1000, ge=0)
    size: int = Field(0, ge=0)
    match: Literal["name", "order"] = "name"
    eps: float = Field(8 / 255, ge=0, le=1)
    steps: int = Field(50, ge=1)
    restarts: int = Field(2, ge=1)
    eot: int = Field(4, ge=1)
    draws: int = Field(9, ge=1)
    noise: Literal["model", "off", "fresh"] = "model"
    aggregator: str = ""
    suites: tuple[str, ...] = ("adaptive",)
    attacks: tuple[AnyAttack, ...] = ()
    attack_all: bool = True
    cascade: bool = False
    precision: AttackPrecision = "float32"
    sweep: int = Field(0, ge=0)
    samples: int = Field(4, ge=0)
    batch: int = Field(250, ge=1)
    seed: int = 0


class EvalProgress(NamedTuple):
    """`done` of at most `total` passes (images that break early end sooner) and what is known."""

    done: int
    total: int
    message: str


def evaluation_data(config: EvalConfig, image_size: int) -> LabelledSet:
    """The test split that `config` names; a class folder at its `size`, or at the model's `image_size`.

    Of "files:PATH", a class folder that stays on the disk, only the images that are chosen are read.
    """
    kind, _, place = config.data.partition(":")
    if kind == "folder" and place:
        return class_folder(Path(place), "test", config.size or image_size)
    if kind == "files" and place:
        return class_files(Path(place), "test", config.size or image_size)
    return load_data(config.data, "test")


def choose(data: LabelledSet, count: int, seed: int) -> tuple[LabelledImages, list[int]]:
    """`count` images drawn by `seed` (all for 0), with their indices in the split, ascending."""
    if count == 0 or count >= len(data):
        return data.loaded(), list(range(len(data)))
    rng = torch.Generator().manual_seed(seed)
    indices = torch.randperm(len(data), generator=rng)[:count].sort().values
    return data.subset(indices).loaded(), [int(i) for i in indices]


def check_classes(data: LabelledSet, class_names: tuple[str, ...], match: str) -> None:
    """Refuse data whose classes are not the model's. Raises StudioError."""
    if match == "order":
        if len(data.class_names) != len(class_names):
            raise StudioError(
                f"The model knows {len(class_names)} classes and the data has {len(data.class_names)}; to match them "
                "by their order they must be equally many."
            )
    elif data.class_names != class_names:
        raise StudioError(
            f"The model knows {', '.join(class_names[:4])}...; the data has "
            f"{', '.join(data.class_names[:4])}...; evaluate on data with the model's own classes. "
            "Where only the names differ and the order is the same, say so: --match order."
        )
