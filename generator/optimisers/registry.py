"""Gradient descent on a prior.

On layers, `torch.optim` does it. In image space the same plain or momentum descent acts on one tensor: with
the image gradient g_t, a layer's gradient is T_r g_t for the fixed linear map T_r g = w_r U_r^T g V_r, and

    v_r <- m v_r + T_r g_t,   P_r <- P_r - lr v_r      keeps      v_r = T_r v,   P_r = P0_r + T_r G

with v <- m v + g_t and G <- G - lr v: by induction, from v = G = 0. The picture moves by X <- X - lr K(v), and
K(v) <- m K(v) + K(g_t), so that a step applies K once, to g_t. Adam divides by a root of squares of each
layer's own gradient, which is not linear, and needs the layers. Rules of attacks are in
`generator.optimisers.projected`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypedDict

import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.optimisers.projected import SCHEDULES, AutoPGD, ProjectedDescent, StepSize
from generator.priors.pixel import PixelPrior
from generator.priors.prior import DirectPrior, LinearPrior, Prior, forget, gathered


class Optimiser(Protocol):
    """Moves a prior by the gradients that its leaves have gathered since the last `zero_grad`."""

    def step(self) -> None:
        """Take one step. Raises RuntimeError if no gradient has reached the leaves."""
        ...

    def zero_grad(self) -> None:
        """Forget the gathered gradients."""
        ...


class ImageSpaceSGD:
    """Plain (momentum 0) or heavy-ball descent on all layers at once, as `torch.optim.SGD` on each."""

    def __init__(self, prior: LinearPrior, *, step_size: StepSize, momentum: float = 0.0) -> None:
        self._prior, self._step_size, self._momentum = prior, step_size, momentum
        self._taken = 0
        self._velocity: tuple[Tensor, Tensor] | None = None  # v and K(v)

    def step(self) -> None:
        (gradient,) = gathered(self._prior)
        move = self._prior.move(gradient)
        if self._momentum:
            if self._velocity is None:
                self._velocity = gradient.clone(), move.clone()
            else:
                self._velocity[0].mul_(self._momentum).add_(gradient)
                self._velocity[1].mul_(self._momentum).add_(move)
            gradient, move = self._velocity
        self._taken += 1
        self._prior.descend(gradient, move, self._step_size(self._taken))

    def zero_grad(self) -> None:
        forget(self._prior)


class LayerOptimiser:
    """An optimiser of `torch.optim` on the layers, which are brought back into their budget if they have one."""

    def __init__(
        self, prior: DirectPrior, torch_optimiser: torch.optim.Optimizer, step_size: StepSize | None = None
    ) -> None:
        self._prior, self._torch_optimiser, self._step_size = prior, torch_optimiser, step_size
        self._taken = 0

    def step(self) -> None:
        gathered(self._prior)
        self._taken += 1
        if self._step_size is not None:
            for group in self._torch_optimiser.param_groups:
                group["lr"] = self._step_size(self._taken) * self._prior.unit
        self._torch_optimiser.step()
        self._prior.project()

    def zero_grad(self) -> None:
        forget(self._prior)


@dataclass(frozen=True)
class Settings:
    """What an update rule is told: see `make_optimiser`."""

    lr: float
    momentum: float = 0.0
    steps: int = 1
    schedule: str = "constant"


def _sgd(prior: Prior, settings: Settings) -> Optimiser:
    """Gradient descent, if asked for with momentum."""
    if settings.momentum == 1:
        raise StudioError("The momentum of sgd must be below 1: lower it, or choose mi-fgsm.")
    step_size = SCHEDULES[settings.schedule](settings.lr, settings.steps)
    if isinstance(prior, LinearPrior):
        return ImageSpaceSGD(prior, step_size=step_size, momentum=settings.momentum)
    layered, lr = _layered("sgd", prior), settings.lr * prior.unit
    return LayerOptimiser(layered, torch.optim.SGD(layered.leaves(), lr=lr, momentum=settings.momentum), step_size)


def _adam(prior: Prior, settings: Settings) -> Optimiser:
    """Adam (Kingma and Ba, arXiv 1412.6980), on layers."""
    _no_momentum("Adam", settings)
    layered = _layered("adam", prior)
    return LayerOptimiser(layered, torch.optim.Adam(layered.leaves(), lr=settings.lr * prior.unit))


def _pgd(prior: Prior, settings: Settings) -> Optimiser:
    """Projected gradient descent along the sign (Madry et al., arXiv 1706.06083)."""
    _no_momentum("pgd", settings)
    return ProjectedDescent(_layered("pgd", prior), SCHEDULES[settings.schedule](settings.lr, settings.steps))


def _mi_fgsm(prior: Prior, settings: Settings) -> Optimiser:
    """MI-FGSM: the same along a decaying sum of normalised gradients (Dong et al., arXiv 1710.06081)."""
    step_size = SCHEDULES[settings.schedule](settings.lr, settings.steps)
    return ProjectedDescent(_layered("mi-fgsm", prior), step_size, settings.momentum)


def _apgd(prior: Prior, settings: Settings) -> Optimiser:
    """Auto-PGD, whose steps halve themselves (Croce and Hein, arXiv 2003.01690), on single pixels."""
    _no_momentum("apgd", settings)
    if not isinstance(prior, PixelPrior) or prior.bound.norm == "none":
        raise StudioError("The update rule apgd needs single pixels and a budget, as it starts with twice that.")
    return AutoPGD(prior, settings.steps)


def _no_momentum(name: str, settings: Settings) -> None:
    if settings.momentum:
        raise StudioError(f"{name} has a momentum of its own or none: set the momentum to 0, or choose sgd or mi-fgsm.")


def _layered(name: str, prior: Prior) -> DirectPrior:
    if not isinstance(prior, DirectPrior):
        raise StudioError(f'The optimiser {name} needs the layers: choose the form "layered" or "auto", or take sgd.')
    return prior


@dataclass(frozen=True)
class Rule:
    """An update rule as recipes name it.

    Attributes:
        make: makes it for a prior. Raises StudioError where the two do not fit.
        title: in menus.
        says: what it does, as the help of the field goes on after its name.
        tasks: those that have it; () for all.
        projected: whether it brings what it changes back into the budget after every step, as rules of attacks do.
        takes_momentum: whether a momentum can be set; `usual_momentum` is that of its authors, and `full_momentum` says
            whether it may be 1.
        takes_schedule: whether the sizes of its steps can change on the way.
        pixels_alone: whether it moves single pixels within a budget, and nothing else.
        reach: to how many times eps its steps on pixels add up, as its authors take them; 0 where nobody says.
        of_presets: whether the step sizes of presets are meant for it; others begin with those of their authors.
    """

    make: Callable[[Prior, Settings], Optimiser]
    title: str
    says: str = ""
    tasks: tuple[str, ...] = ()
    projected: bool = False
    takes_momentum: bool = False
    usual_momentum: float = 0.0
    full_momentum: bool = False
    takes_schedule: bool = False
    pixels_alone: bool = False
    reach: float = 0.0
    of_presets: bool = False

    def __call__(self, prior: Prior, settings: Settings) -> Optimiser:
        """Make it."""
        return self.make(prior, settings)


class _Common(TypedDict):
    """What several rules have in common."""

    tasks: tuple[str, ...]
    projected: bool


_OF_ATTACKS: _Common = {"tasks": ("attack",), "projected": True}

OPTIMISERS: dict[str, Rule] = {
    "sgd": Rule(
        _sgd, "gradient descent", "(gradient descent)", takes_momentum=True, takes_schedule=True, of_presets=True
    ),
    "adam": Rule(_adam, "Adam", "(Adam, on layers)"),
    "pgd": Rule(
        _pgd,
        "PGD, signed steps",
        "(of attacks: steps along the sign of the gradient, projected into the budget)",
        takes_schedule=True,
        reach=2.5,  # Madry et al., arXiv 1706.06083
        **_OF_ATTACKS,
    ),
    "mi-fgsm": Rule(
        _mi_fgsm,
        "MI-FGSM, with momentum",
        "(of attacks: the same with momentum of normalised gradients)",
        takes_momentum=True,
        usual_momentum=1.0,
        full_momentum=True,
        takes_schedule=True,
        reach=1.0,  # Dong et al., arXiv 1710.06081
        **_OF_ATTACKS,
    ),
    "apgd": Rule(
        _apgd,
        "APGD, steps that halve themselves",
        "(of attacks on pixels: steps that halve themselves)",
        pixels_alone=True,
        **_OF_ATTACKS,
    ),
}
"""Every update rule by its name in a recipe."""


def rules_that(can: Callable[[Rule], bool]) -> str:
    """The names of the rules that can do something, as a sentence lists them."""
    names = [name for name, rule in OPTIMISERS.items() if can(rule)]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def make_optimiser(
    name: str,
    prior: Prior,
    lr: float,
    momentum: float = 0.0,
    normalise: bool = False,
    *,
    steps: int = 1,
    schedule: str = "constant",
) -> Optimiser:
    """An optimiser of a prior.

    Args:
        name: a key of OPTIMISERS. All but "sgd" work on a `DirectPrior` only, and "apgd" on a `PixelPrior`.
        prior: what it moves; its `normalise_gradient` is set to `normalise`.
        lr: learning rate > 0. With `normalise` and no momentum: the root mean square change of X in one step
            of sgd, in the prior's unit. "apgd" takes steps of its own.
        momentum: of sgd, 0 <= momentum < 1 (no dampening, not Nesterov's); of mi-fgsm, 0 <= momentum <= 1.
        normalise: see `Prior.normalise_gradient`.
        steps: that are going to be taken, or planned: schedules and "apgd" go by it.
        schedule: a key of SCHEDULES, for sgd, pgd and mi-fgsm.

    Raises StudioError where these do not fit together.
    """
    if name not in OPTIMISERS:
        raise StudioError(f"There is no optimiser {name!r}; choose one of {', '.join(OPTIMISERS)}.")
    if not (lr > 0 and math.isfinite(lr)):
        raise StudioError(f"The learning rate must be a finite number above 0, not {lr}.")
    if not 0 <= momentum <= 1:
        raise StudioError(f"The momentum must be at least 0 and at most 1, not {momentum}.")
    if steps < 1 or schedule not in SCHEDULES:
        raise StudioError(f"A plan needs at least one step and a schedule from {', '.join(SCHEDULES)}.")
    optimiser = OPTIMISERS[name](prior, Settings(lr, momentum, steps, schedule))
    prior.normalise_gradient = normalise
    return optimiser
