"""Gradient descent on a prior.

On layers, `torch.optim` does it. In image space the same plain or momentum descent acts on one tensor: with
the image gradient g_t, a layer's gradient is T_r g_t for the fixed linear map T_r g = w_r U_r^T g V_r, and

    v_r <- m v_r + T_r g_t,   P_r <- P_r - lr v_r      keeps      v_r = T_r v,   P_r = P0_r + T_r G

with v <- m v + g_t and G <- G - lr v: by induction, from v = G = 0. The picture moves by X <- X - lr K(v), and
K(v) <- m K(v) + K(g_t), so that a step applies K once, to g_t. Adam divides by a root of squares of each
layer's own gradient, which is not linear, and needs the layers.
"""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from generator.errors import StudioError
from generator.prior import ImageSpacePrior, LayeredPrior, Prior


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

    def __init__(self, prior: ImageSpacePrior, *, lr: float, momentum: float = 0.0) -> None:
        self._prior, self._lr, self._momentum = prior, lr, momentum
        self._velocity: tuple[Tensor, Tensor] | None = None  # v and K(v)

    def step(self) -> None:
        (gradient,) = _gathered(self._prior)
        move = self._prior.move(gradient)
        if self._momentum:
            if self._velocity is None:
                self._velocity = gradient.clone(), move.clone()
            else:
                self._velocity[0].mul_(self._momentum).add_(gradient)
                self._velocity[1].mul_(self._momentum).add_(move)
            gradient, move = self._velocity
        self._prior.descend(gradient, move, self._lr)

    def zero_grad(self) -> None:
        _forget(self._prior)


class LayerOptimiser:
    """An optimiser of `torch.optim` on the layers."""

    def __init__(self, prior: LayeredPrior, torch_optimiser: torch.optim.Optimizer) -> None:
        self._prior, self._torch_optimiser = prior, torch_optimiser

    def step(self) -> None:
        _gathered(self._prior)
        self._torch_optimiser.step()

    def zero_grad(self) -> None:
        _forget(self._prior)


def _gathered(prior: Prior) -> list[Tensor]:
    gradients = [leaf.grad for leaf in prior.leaves() if leaf.grad is not None]
    if len(gradients) != len(prior.leaves()):
        raise RuntimeError("No gradient has reached the prior: call backward on a loss of render() first.")
    return gradients


def _forget(prior: Prior) -> None:
    for leaf in prior.leaves():
        leaf.grad = None


def _sgd(prior: Prior, lr: float, momentum: float) -> Optimiser:
    if isinstance(prior, ImageSpacePrior):
        return ImageSpaceSGD(prior, lr=lr, momentum=momentum)
    return LayerOptimiser(_layered("sgd", prior), torch.optim.SGD(prior.leaves(), lr=lr, momentum=momentum))


def _adam(prior: Prior, lr: float, momentum: float) -> Optimiser:
    if momentum:
        raise StudioError("Adam has a momentum of its own: set the momentum to 0, or choose sgd.")
    return LayerOptimiser(_layered("adam", prior), torch.optim.Adam(prior.leaves(), lr=lr))


def _layered(name: str, prior: Prior) -> LayeredPrior:
    if not isinstance(prior, LayeredPrior):
        raise StudioError(f'The optimiser {name} needs the layers: choose the form "layered" or "auto", or take sgd.')
    return prior


OPTIMISERS: dict[str, Callable[[Prior, float, float], Optimiser]] = {"sgd": _sgd, "adam": _adam}


def make_optimiser(name: str, prior: Prior, lr: float, momentum: float = 0.0, normalise: bool = False) -> Optimiser:
    """An optimiser of a prior.

    Args:
        name: a key of OPTIMISERS. "adam" works on a `LayeredPrior` only.
        prior: what it moves; its `normalise_gradient` is set to `normalise`.
        lr: learning rate > 0. With `normalise` and no momentum: the root mean square change of X in one step
            of sgd.
        momentum: of sgd, 0 <= momentum < 1 (no dampening, not Nesterov's).
        normalise: see `Prior.normalise_gradient`.

    Raises StudioError where these do not fit together.
    """
    if name not in OPTIMISERS:
        raise StudioError(f"There is no optimiser {name!r}; choose one of {', '.join(OPTIMISERS)}.")
    if not (lr > 0 and math.isfinite(lr)):
        raise StudioError(f"The learning rate must be a finite number above 0, not {lr}.")
    if not 0 <= momentum < 1:
        raise StudioError(f"The momentum must be at least 0 and below 1, not {momentum}.")
    optimiser = OPTIMISERS[name](prior, lr, momentum)
    prior.normalise_gradient = normalise
    return optimiser
