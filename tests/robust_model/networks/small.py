"""A small self-ensemble with weights by chance, and pictures for it."""

import torch
from torch import Tensor

from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.networks.stack import STACKS

NAMES = ("one", "two", "three")


SMALL = ModelConfig(
    class_names=NAMES,
    stack=STACKS["clean"],
    widths=(8, 16),
    blocks=(1, 1),
    readout_depths=(0, 1, 2),
    aggregator="crossmax-top3",
)


def small(seed: int = 0, **changes: object) -> SelfEnsemble:
    return SelfEnsemble(ModelConfig.model_validate({**SMALL.model_dump(), **changes}), seed=seed).eval()


def pictures(batch: int = 2, height: int = 32, width: int = 32) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1))
