"""Attacks that compute in bfloat16: about half the time on processors that have it, and no less honest a verdict."""

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from robust_model.attacks.base import Defence
from robust_model.networks.noise import Noise

AttackPrecision: TypeAlias = Literal["float32", "bfloat16"]


class ReducedPrecision:
    """A defence as an attack sees it that computes in bfloat16 (autocast): the same network, rounded.

    It is for the attack's own passes alone. Who judges asks `defence` itself, so that rounding can neither break an
    image nor save one; it can only make an attack's gradients a little worse. It is not for AutoAttack, which stops at
    the first answer that it takes for a break: where margins are as small as the rounding, it would stop far too early.
    """

    def __init__(self, defence: Defence) -> None:
        self.defence = defence
        self.class_names = defence.class_names
        self.readout_names = defence.readout_names
        self.random = defence.random

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The logits [B, N, C] of all predictors, computed in bfloat16 and given as float32."""
        with torch.autocast(images.device.type, torch.bfloat16):
            return self.defence.readouts(images, noise).float()

    def voting(self, logits: Tensor) -> Tensor:
        """The defence's own: [B, V, C] of [B, N, C]."""
        return self.defence.voting(logits)

    def combine(self, logits: Tensor) -> Tensor:
        """The defence's own: [B, C] from [B, N, C]."""
        return self.defence.combine(logits)


def as_attacked(defence: Defence, precision: AttackPrecision) -> Defence:
    """What attacks on `defence` compute with in this precision."""
    return defence if precision == "float32" else ReducedPrecision(defence)
