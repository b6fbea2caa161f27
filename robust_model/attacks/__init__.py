"""Attacks on classifiers. `AnyAttack` is the configuration of one; `run_attack` runs it.

`base` has what all share: `Defence` (what is attacked), `AttackBase` (the configuration), `AttackFunction` and
`AttackOutcome`. An attack is a generator that yields after every step, so that it can be stopped; the caller's judge
decides what is broken. `pgd` and `apgd` go by gradients (`gradients`, `losses`, `noise`), `square` needs none,
`autoattack` is its authors' package, run step by step in `relay`; `precision` lets attacks compute in bfloat16.

To add one: a module with a configuration and a function, both named below in `AnyAttack` and `ATTACKS`; then
`GRADIENT_KINDS` here or `BLACK_BOX_KINDS` in `robust_model.evaluation.masking.facts`, by which signs of masking are
read; and a suite that has it (`robust_model.evaluation.suites`).
"""

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
from robust_model.networks.noise import Noise

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
