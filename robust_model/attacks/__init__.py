"""Attacks on classifiers. `registry.AnyAttack` is the configuration of one; `registry.run_attack` runs it.

`base` has what all share: `Defence` (what is attacked), `AttackBase` (the configuration), `AttackFunction`,
`AttackOutcome`, and `AttackKind`, what the rest of the program has to know of an attack. An attack is a generator that
yields after every step, so that it can be stopped; the caller's judge decides what is broken. `pgd` and `apgd` go by
gradients (`gradients`, `losses`, `noise`), `square` needs none, `autoattack` is its authors' package, run step by step
in `relay`; `precision` lets attacks compute in bfloat16.

To add one: a module with a configuration, a function, and an `AttackKind` of both; a line in `registry.ATTACKS`; and a
suite that has it (`robust_model.evaluation.suites`).
"""

from robust_model.attacks.apgd import ApgdConfig
from robust_model.attacks.autoattack import AutoAttackConfig
from robust_model.attacks.base import (
    AttackBase,
    AttackFunction,
    AttackKind,
    AttackOutcome,
    Defence,
    Judge,
    PassCount,
    project,
    source_of,
)
from robust_model.attacks.gradients import GradientConfig
from robust_model.attacks.losses import attack_loss
from robust_model.attacks.pgd import AttackConfig, PgdConfig
from robust_model.attacks.precision import AttackPrecision, as_attacked
from robust_model.attacks.registry import ATTACKS, AnyAttack, attack_words, run_attack
from robust_model.attacks.square import SquareConfig

__all__ = [
    "ATTACKS",
    "AnyAttack",
    "ApgdConfig",
    "AttackBase",
    "AttackConfig",
    "AttackFunction",
    "AttackKind",
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
    "attack_words",
    "project",
    "run_attack",
    "source_of",
]
