"""Attacks on classifiers. `AnyAttack` is the configuration of one; `run_attack` runs it."""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from robust_model.attacks.apgd import ApgdConfig, apgd
from robust_model.attacks.autoattack import AutoAttackConfig, autoattack
from robust_model.attacks.base import (
    AttackBase,
    AttackFunction,
    AttackOutcome,
    Defence,
    Judge,
    PassCount,
    project,
    source_of,
)
from robust_model.attacks.gradients import GradientConfig
from robust_model.attacks.losses import attack_loss
from robust_model.attacks.pgd import AttackConfig, PgdConfig, pgd
from robust_model.attacks.precision import AttackPrecision, as_attacked
from robust_model.attacks.square import SquareConfig, square
from robust_model.noise import Noise

AnyAttack = Annotated[PgdConfig | ApgdConfig | SquareConfig | AutoAttackConfig, Field(discriminator="kind")]

ATTACKS: dict[str, AttackFunction] = {"pgd": pgd, "apgd": apgd, "square": square, "autoattack": autoattack}
GRADIENT_KINDS = ("pgd", "apgd")
"""The kinds of attacks by gradients that are our own."""


def run_attack(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    config: AnyAttack,
    *,
    rng: torch.Generator,
    noise: Noise,
    judge: Judge,
    before: AttackOutcome | None = None,
) -> Iterator[AttackOutcome]:
    """Attack clean images [B, 3, H, W] with labels [B] as `config` says (see `AttackFunction`)."""
    attack = ATTACKS[config.kind]
    return attack(defence, images, labels, config, rng=rng, noise=noise, judge=judge, before=before)


__all__ = [
    "ATTACKS",
    "GRADIENT_KINDS",
    "AnyAttack",
    "ApgdConfig",
    "AttackBase",
    "AttackConfig",
    "AttackFunction",
    "AttackOutcome",
    "AttackPrecision",
    "AutoAttackConfig",
    "Defence",
    "GradientConfig",
    "Judge",
    "PassCount",
    "PgdConfig",
    "SquareConfig",
    "as_attacked",
    "attack_loss",
    "project",
    "run_attack",
    "source_of",
]
