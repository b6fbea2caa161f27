"""Named lists of attacks. Adding one is a function and a line in `SUITES`."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TypedDict

from foundation.errors import StudioError
from robust_model.attacks import (
    AnyAttack,
    ApgdConfig,
    AutoAttackConfig,
    Defence,
    PgdConfig,
    SquareConfig,
)

CHECK_QUERIES = 400
"""The length of the black-box attack that checks the attacks by gradients."""
CHECK_SHARE = 0.1
"""What that may cost of the passes of the attacks by gradients, on images that never break."""


@dataclass(frozen=True)
class Budget:
    """What an attack may spend: the L-inf distance `eps`, and how long it searches."""

    eps: float
    steps: int
    restarts: int
    eot: int


class _Common(TypedDict):
    eps: float
    eot: int


def _common(budget: Budget) -> _Common:
    return {"eps": budget.eps, "eot": budget.eot}


@dataclass(frozen=True)
class Suite:
    """A list of attacks, made for a budget and a defence."""

    title: str
    description: str
    make: Callable[[Budget, Defence], tuple[AnyAttack, ...]]


def _sources(defence: Defence) -> tuple[str, ...]:
    """Every source there is: the mean and the defence, and each predictor, deepest first.

    Of a classifier with one output all three are the same.
    """
    predictors = len(defence.readout_names)
    if predictors == 1:
        return ("defence",)
    return ("mean", "defence", *(f"predictor {i}" for i in range(-1, -predictors - 1, -1)))


def _quick(budget: Budget, _defence: Defence) -> tuple[AnyAttack, ...]:
    return (PgdConfig(source="mean", loss="margin", steps=20, restarts=1, **_common(budget)),)


def _gradients(budget: Budget) -> tuple[AnyAttack, ...]:
    """The mean of the logits by two losses, then on from there against the defence itself, and more."""
    spent = asdict(budget)
    return (
        PgdConfig(source="mean", loss="ce", **spent),
        PgdConfig(source="mean", loss="margin", **spent),
        PgdConfig(source="defence", loss="margin", continues=True, **spent),
        PgdConfig(source="defence", loss="ce", **spent),
        PgdConfig(source="predictor -1", loss="margin", **spent),
        PgdConfig(source="mean", loss="targeted", **{**spent, "restarts": max(budget.restarts, 4)}),
    )


def _adaptive(budget: Budget, defence: Defence) -> tuple[AnyAttack, ...]:
    """Attacks by gradients, then a short one that needs none on a sample of what they left standing.

    The sample is as large as `CHECK_SHARE` of their passes allows.
    """
    gradients = _gradients(budget)
    short = SquareConfig(
        eps=budget.eps, queries=CHECK_QUERIES, repeats=budget.eot if defence.random else 1, only_standing=True
    )
    theirs, per_image = (sum(sum(attack.cost()) for attack in attacks) for attacks in (gradients, (short,)))
    sample = min(1.0, max(0.01, round(CHECK_SHARE * theirs / per_image, 2)))
    return (*gradients, short.model_copy(update={"sample": sample}))


def _apgd(budget: Budget, defence: Defence) -> tuple[AnyAttack, ...]:
    return tuple(
        ApgdConfig(source=source, loss=loss, steps=budget.steps, restarts=budget.restarts, **_common(budget))
        for source in _sources(defence)
        for loss in (("ce", "margin") if source in ("mean", "defence") else ("margin",))
    )


def _square(budget: Budget, defence: Defence) -> tuple[AnyAttack, ...]:
    # A query of a randomised model says little by itself: as many are averaged as for a gradient.
    return (SquareConfig(eps=budget.eps, repeats=budget.eot if defence.random else 1),)


def _autoattack_standard(budget: Budget, _defence: Defence) -> tuple[AnyAttack, ...]:
    return (AutoAttackConfig(eps=budget.eps, version="standard"),)


def _autoattack_rand(budget: Budget, _defence: Defence) -> tuple[AnyAttack, ...]:
    return (AutoAttackConfig(eps=budget.eps, version="rand"),)


def _thorough(budget: Budget, defence: Defence) -> tuple[AnyAttack, ...]:
    more = Budget(budget.eps, 4 * budget.steps, 2 * budget.restarts, 2 * budget.eot if defence.random else budget.eot)
    attacks: list[AnyAttack] = [*_gradients(more)]
    named = {attack.name for attack in attacks}
    if defence.random:
        attacks += [
            PgdConfig(
                source="mean",
                loss="margin",
                steps=more.steps,
                restarts=more.restarts,
                noise_over_steps=noise,
                **_common(more),
            )
            for noise in ("shared", "frozen")
        ]
    attacks += [a for a in _apgd(more, defence) if a.name not in named]
    return (*attacks, *_square(more, defence))


SUITES: dict[str, Suite] = {
    "quick": Suite("Quick", "One PGD of 20 steps on the mean of the predictors: a first look, no result.", _quick),
    "adaptive": Suite(
        "Adaptive",
        "PGD with expectation over the noise on the mean of the logits, on from there against the defence, on the "
        "deepest predictor, and targeted; then a short Square, which needs no gradients, on a sample of what still "
        "stands (on all of it where that pays).",
        _adaptive,
    ),
    "apgd": Suite("APGD", "Auto-PGD on the mean, on the defence, and on each predictor.", _apgd),
    "square": Suite("Square", "The black-box attack Square: random squares, no gradients.", _square),
    "autoattack-standard": Suite(
        "AutoAttack standard", "AutoAttack as its authors publish it, for deterministic models.", _autoattack_standard
    ),
    "autoattack-rand": Suite(
        "AutoAttack rand",
        "AutoAttack's version for randomised models (EOT 20), as its authors publish it; dear.",
        _autoattack_rand,
    ),
    "thorough": Suite(
        "Thorough",
        "The adaptive suite with four times the steps and twice the restarts and EOT, noise that is shared or frozen, "
        "APGD on every predictor, and Square.",
        _thorough,
    ),
}


def suite_attacks(names: tuple[str, ...], budget: Budget, defence: Defence) -> tuple[AnyAttack, ...]:
    """The attacks of all these suites, in order. Raises StudioError for one that does not exist."""
    for name in names:
        if name not in SUITES:
            raise StudioError(f"There is no suite '{name}': use {', '.join(SUITES)}.")
    if not names:
        raise StudioError(f"An evaluation needs at least one suite ({', '.join(SUITES)}), or a list of attacks.")
    return tuple(attack for name in names for attack in SUITES[name].make(budget, defence))
