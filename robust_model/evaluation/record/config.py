"""What is evaluated, and how: everything that decides an evaluation's numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from foundation.command_line.arguments import MOST_SEED
from foundation.command_line.flags import AsFlag
from robust_model.attacks import AnyAttack, AttackPrecision
from robust_model.data.class_folders import Split
from robust_model.data.class_match import Match
from robust_model.data.datasets import LabelledImages, LabelledSet, class_files, class_folder, load_data
from robust_model.networks.plain import DEFAULT_SIDE

FOLDERS: dict[str, Callable[[Path, Split, int | None], LabelledSet]] = {"folder": class_folder, "files": class_files}
"""How a class folder is read, by the word before its path."""


class EvalConfig(BaseModel):
    """An evaluation, whole. Frozen, validated, JSON.

    `noise`: "model" (as the model is configured), "off" or "fresh". `count` images are drawn from the test split
    by `seed` (0: all of them, in order); a class folder is read at `size` pixels a side (0: the model's own). `match`
    says which of the data's classes is which of the model's: the one of the same name, or ("order") the one at the same
    place (see `class_match`). `draws` passes vote on each verdict where noise is on.

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
    data: str = Field(
        description="cifar10, cifar100, folder:PATH, files:PATH or synthetic:COUNT; the test split is used, of a "
        "folder test/ or else val/",
    )
    count: Annotated[int, AsFlag(("-n", "--count"))] = Field(1000, ge=0, le=10**9, description="images, 0 = all")
    size: Annotated[int, AsFlag(shown="the model's")] = Field(
        0,
        ge=0,
        le=4096,
        description="side at which a class folder is read: an image's shorter side is scaled to it, and the middle "
        "square taken",
    )
    match: Match = Field("name", description="the data's classes are the model's by their names, or by their order")
    eps: Annotated[float, AsFlag(levels=True)] = Field(8 / 255, ge=0, le=1, description="L-inf budget")
    steps: int = Field(50, ge=1, le=100_000, description="steps of each attack by gradients")
    restarts: int = Field(2, ge=1, le=1000, description="random starts of each attack")
    eot: int = Field(4, ge=1, le=10_000, description="passes that are averaged for a gradient, where noise is on")
    draws: int = Field(9, ge=1, le=10_000, description="passes that vote on a verdict, where noise is on")
    noise: Literal["model", "off", "fresh"] = Field(
        "model",
        description="random draws at inference: as the model is configured, switched off, or drawn anew at every pass",
    )
    aggregator: str = Field("", description="combine the predictors in another way than the model's own")
    suites: tuple[str, ...] = ("adaptive",)
    attacks: tuple[AnyAttack, ...] = ()
    attack_all: bool = Field(True, description="attack also images that only a minority of the draws gets right")
    cascade: bool = Field(False, description="each attack meets only what those before it left: cheaper")
    precision: AttackPrecision = Field(
        "float32", description="what attacks but AutoAttack compute in; every break is judged in float32"
    )
    sweep: Annotated[int, AsFlag(metavar="N")] = Field(
        0, ge=0, le=10**9, description="accuracy against eps, steps and EOT on N images"
    )
    samples: int = Field(4, ge=0, le=10_000, description="pictures kept per attack")
    batch: int = Field(250, ge=1, le=100_000, description="images that are attacked at a time")
    seed: int = Field(
        0,
        ge=0,
        le=MOST_SEED,
        description="which images are drawn, in which order, and every random number of the attacks",
    )


def evaluation_data(config: EvalConfig, image_size: int | None) -> LabelledSet:
    """The test split that `config` names; a class folder at its `size`, or at the model's `image_size`.

    Where neither says one, its images stay as they are, and must be alike. Raises StudioError.
    """
    kind, _, place = config.data.partition(":")
    if kind in FOLDERS and place:
        return FOLDERS[kind](Path(place), "test", config.size or image_size)
    return load_data(config.data, "test")


def shape_of_images(config: EvalConfig) -> tuple[int, int]:
    """Height and width of the images that a model meets which takes them as they are, from one of them.

    Raises StudioError.
    """
    kind, _, place = config.data.partition(":")
    if config.size:
        return config.size, config.size
    if kind in FOLDERS and place:
        height, width = class_files(Path(place), "test", None).pixels(torch.tensor([0])).shape[2:]
        return height, width
    return DEFAULT_SIDE, DEFAULT_SIDE


def choose(data: LabelledSet, count: int, seed: int) -> tuple[LabelledImages, list[int]]:
    """`count` images drawn by `seed` (all for 0), with their indices in the split, ascending."""
    if count == 0 or count >= len(data):
        return data.loaded(), list(range(len(data)))
    rng = torch.Generator().manual_seed(seed)
    indices = torch.randperm(len(data), generator=rng)[:count].sort().values
    return data.subset(indices).loaded(), [int(i) for i in indices]
