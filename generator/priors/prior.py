"""The multi-resolution prior: a picture as a sum of layers, in two forms that describe the same descent.

    image = bound(X),   X = sum_r w_r up_r(P_r)        (Direct Ascent Synthesis, arXiv 2502.07753)

`LayeredPrior` holds the layers P_r, for any optimiser. `ImageSpacePrior` holds one tensor G of the picture's
size in their place: gradient descent, with or without momentum, moves P_r by linear maps w_r U_r^T (.) V_r of
image gradients, so after any number of steps

    P_r = P0_r + w_r U_r^T G V_r   and   X = S0 + K(G),   S0 = sum_r w_r up_r(P0_r),

where G collects the same steps taken on image gradients. Nothing needs to flow through any layer, and the
layers are there, exactly, whenever somebody asks for them.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.priors.bounds import Bound
from generator.priors.operators import LARGE, ResolutionOperator, Size, layer_shape

_PRODUCTS_OF_TWO_SCALES = 450  # multiplications a pixel, of what a Kronecker product stands for in an estimate

Form: TypeAlias = str  # a key of `generator.priors.making.PRIORS`


class Prior(ABC):
    """A batch of pictures, each parametrised by layers of its own.

    Args:
        operator: the resolutions, their weights, and the canvas.
        bound: from the sum of layers to images.
        batch: the number of pictures B.
        start: P0_r [B, 3, rh, rw] for some of the resolutions; all others start at zero.

    Attributes:
        normalise_gradient: whether the gradient that reaches X is scaled, image by image, so that a step of
            plain descent with learning rate 1 moves X by 1 (root mean square over pixels and channels), in
            whichever form: a learning rate then means the same on any canvas and with any model.
        says: what it does, as the help of the field `form` goes on after its name.
        holds_layers: whether all layers are there at once, each with a gradient and what the optimiser keeps of it.
    """

    says: ClassVar[str] = ""
    holds_layers: ClassVar[bool] = False

    @classmethod
    def products(cls, layers: float, _size: Size, _tolerance: float, /) -> float:
        """How many multiplications a step takes, where a way to all layers and back has `layers`: a step's cost."""
        return 2 * layers

    def __init__(
        self,
        operator: ResolutionOperator,
        bound: Bound,
        *,
        batch: int = 1,
        start: Mapping[int, Tensor] | None = None,
    ) -> None:
        if batch < 1:
            raise StudioError(f"Ask for at least one picture, not {batch}.")
        if bound.shape is not None and (bound.shape[0] not in (1, batch) or bound.shape[2:] != operator.size):
            raise StudioError(
                f"The start image has shape {list(bound.shape)}; this canvas needs "
                f"[{batch} or 1, 3, {operator.size[0]}, {operator.size[1]}]."
            )
        self.operator = operator
        self.bound = bound.to(operator.device, operator.dtype)
        self.batch = batch
        self.normalise_gradient = False
        self._remembered: list[Tensor] | None = None
        self._start = {r: layer.to(operator.device, operator.dtype) for r, layer in (start or {}).items()}
        for r, layer in self._start.items():
            expected = (batch, 3, *layer_shape(r, operator.size))
            if r not in operator.resolutions or layer.shape != expected:
                raise StudioError(
                    f"A start layer of resolution {r} and shape {list(layer.shape)} has no place here: "
                    f"the resolution must be one of the prior's, the shape {list(expected)}."
                )

    @property
    def size(self) -> Size:
        """The canvas (H, W)."""
        return self.operator.size

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Ascending."""
        return self.operator.resolutions

    @property
    def unit(self) -> float:
        """How far, in X, a step of size 1 leads: X is measured in the bound's own units, unless a prior says else."""
        return 1.0

    def project(self) -> None:  # noqa: B027 -- most bounds hold by construction
        """Bring the leaves back to where they may be, if something else but the bound limits them."""

    @abstractmethod
    def _state(self) -> list[Tensor]:
        """All tensors [B, ...] that say where the pictures are."""

    @torch.no_grad()
    def remember(self, which: Tensor) -> None:
        """Remember where those pictures are for which `which` [B] is true; the first time, all of them."""
        now = [tensor.detach() for tensor in self._state()]
        if self._remembered is None:
            self._remembered = [tensor.clone() for tensor in now]
            return
        for old, tensor in zip(self._remembered, now, strict=True):
            old.copy_(torch.where(which.to(old.device).view(-1, *[1] * (old.ndim - 1)), tensor, old))

    @torch.no_grad()
    def recall(self) -> None:
        """Put all pictures back to where they were when they were last remembered. RuntimeError if they never were."""
        if self._remembered is None:
            raise RuntimeError("there is nothing to recall: remember the pictures first")
        for tensor, old in zip(self._state(), self._remembered, strict=True):
            tensor.detach().copy_(old)

    @abstractmethod
    def leaves(self) -> list[Tensor]:
        """The tensors that `render` is differentiable in, and whose `.grad` an optimiser reads."""

    @abstractmethod
    def _sum(self) -> Tensor:
        """X [B, 3, H, W], attached to the leaves."""

    @abstractmethod
    def _layer(self, index: int) -> Tensor:
        """P_r for r = resolutions[index], detached."""

    def _layers(self) -> list[Tensor]:
        """P_r in the order of the resolutions, detached."""
        return [self._layer(index) for index in range(len(self.resolutions))]

    def render(self) -> Tensor:
        """The images [B, 3, H, W] in [0, 1], attached to the leaves."""
        x = self._sum()
        if self.normalise_gradient and torch.is_grad_enabled():
            x = x.view_as(x)  # a node of this graph, which the hook does not outlive
            x.register_hook(self._unit_step)
        return self.bound.apply(x)

    def _unit_step(self, gradient: Tensor) -> Tensor:
        """The gradient [B, 3, H, W], each image scaled so that K(gradient) has root mean square 1."""
        return self._unit_move(gradient)[0]

    @torch.no_grad()
    def _unit_move(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient thus scaled, and K of it."""
        peak = gradient.abs().amax((1, 2, 3), keepdim=True)
        gradient = gradient / torch.where(peak > 0, peak, 1)  # squares must not underflow
        move = self.operator.kernel(gradient)
        length = move.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(torch.finfo(gradient.dtype).eps)
        return gradient / length, move.div_(length)

    @torch.no_grad()
    def layers(self) -> dict[int, Tensor]:
        """r -> P_r [B, 3, rh, rw]."""
        return dict(zip(self.resolutions, self._layers(), strict=True))

    @torch.no_grad()
    def layer_image(self, resolution: int) -> Tensor:
        """w_r up_r(P_r) [B, 3, H, W], before the bound, for one resolution; nothing else is computed."""
        self._check_known([resolution])
        index = self.resolutions.index(resolution)
        return self.operator.up_one(index, self._layer(index))

    @torch.no_grad()
    def layer_images(self) -> dict[int, Tensor]:
        """r -> w_r up_r(P_r) [B, 3, H, W], before the bound; all together they add up to X."""
        return {
            r: self.operator.up_one(index, layer)
            for index, (r, layer) in enumerate(zip(self.resolutions, self._layers(), strict=True))
        }

    @torch.no_grad()
    def render_layers(self, keep: Collection[int]) -> Tensor:
        """The images [B, 3, H, W] with only the layers `keep` switched on; with none, those of X = 0."""
        self._check_known(keep)
        kept = [
            layer if r in keep else torch.zeros_like(layer)
            for r, layer in zip(self.resolutions, self._layers(), strict=True)
        ]
        return self.bound.apply(self.operator.up(kept))

    def _check_known(self, resolutions: Collection[int]) -> None:
        unknown = sorted(set(resolutions) - set(self.resolutions))
        if unknown:
            raise StudioError(f"This picture has no layer of resolution {unknown[0]}.")


class DirectPrior(Prior):
    """A prior whose leaves are its state: any update rule may move them."""

    @abstractmethod
    def length(self, directions: Sequence[Tensor]) -> Tensor:
        """How far [B, 1, 1, 1] the picture goes if each leaf moves by its direction, in X."""

    def _state(self) -> list[Tensor]:
        return self.leaves()


class LinearPrior(Prior):
    """A prior with one leaf that is not its state: only descent that is linear in gradients may move it."""

    @abstractmethod
    def move(self, gradient: Tensor) -> Tensor:
        """How X [B, 3, H, W] moves by a step of rate -1 along a gradient at the leaf."""

    @abstractmethod
    def descend(self, direction: Tensor, move: Tensor, rate: float) -> None:
        """Go -rate times a direction that is linear in gradients, with its move."""


class LayeredPrior(DirectPrior):
    """The layers themselves are the leaves, as in Direct Ascent Synthesis (arXiv 2502.07753): for any optimiser."""

    says: ClassVar[str] = "keeps every resolution"
    holds_layers: ClassVar[bool] = True

    def __init__(
        self,
        operator: ResolutionOperator,
        bound: Bound,
        *,
        batch: int = 1,
        start: Mapping[int, Tensor] | None = None,
    ) -> None:
        super().__init__(operator, bound, batch=batch, start=start)
        self._parameters = [
            torch.zeros(batch, 3, *shape, dtype=operator.dtype, device=operator.device) for shape in operator.shapes
        ]
        for r, parameter in zip(operator.resolutions, self._parameters, strict=True):
            if r in self._start:
                parameter += self._start[r]
            parameter.requires_grad_()

    def leaves(self) -> list[Tensor]:
        return list(self._parameters)

    def _sum(self) -> Tensor:
        return self.operator.up(self._parameters)

    def _layer(self, index: int) -> Tensor:
        return self._parameters[index].detach().clone()

    def length(self, directions: Sequence[Tensor]) -> Tensor:
        """How far [B, 1, 1, 1] the picture goes if each layer moves by its direction: the root mean square in X."""
        return self.operator.up(directions).square().mean((1, 2, 3), keepdim=True).sqrt()


class ImageSpacePrior(LinearPrior):
    """X itself is the leaf; the state is G, which only `descend` moves, linearly in gradients.

    With an operator of tolerance 0, the pictures and layers of `LayeredPrior` up to rounding. Otherwise X
    moves by the cheaper kernel, and differs from the sum of the layers by its relative error.
    """

    says: ClassVar[str] = "keeps one tensor and is faster where it applies"

    @classmethod
    def products(cls, layers: float, size: Size, tolerance: float, /) -> float:
        """Those of some Kronecker products, the more the less the tolerance is; at most half of the layers'.

        On a large canvas a product takes so many a pixel, whatever its side; not on one that tiles, which costs more.
        """
        one = 1.5 * math.prod(size) * sum(size)  # by halves
        if math.prod(size) >= LARGE:
            one = min(one, _PRODUCTS_OF_TWO_SCALES * math.prod(size))
        terms = math.ceil(1 - math.log10(tolerance)) * 2 if tolerance else math.inf
        return min(layers, terms * one)

    def __init__(
        self,
        operator: ResolutionOperator,
        bound: Bound,
        *,
        batch: int = 1,
        start: Mapping[int, Tensor] | None = None,
    ) -> None:
        super().__init__(operator, bound, batch=batch, start=start)
        self._accumulated = torch.zeros(batch, 3, *operator.size, dtype=operator.dtype, device=operator.device)
        self._x = self._accumulated.clone()
        for r, layer in self._start.items():  # usually a few small ones
            self._x += operator.up_one(operator.resolutions.index(r), layer)
        self._x.requires_grad_()
        self._unit: tuple[Tensor, Tensor] | None = None  # the last gradient that was normalised, and K of it

    def leaves(self) -> list[Tensor]:
        return [self._x]

    def _state(self) -> list[Tensor]:
        return [self._accumulated, self._x]

    @torch.no_grad()
    def move(self, gradient: Tensor) -> Tensor:
        """K(gradient) [B, 3, H, W]: descent on the layers moves X by -rate times this."""
        if self._unit is not None and torch.equal(gradient, self._unit[0]):
            return self._unit[1]  # normalising has applied K already
        return self.operator.kernel(gradient)

    @torch.no_grad()
    def descend(self, direction: Tensor, move: Tensor, rate: float) -> None:
        """G -= rate * direction and X -= rate * move, both [B, 3, H, W], with move = K(direction).

        The direction must be linear in image gradients.
        """
        self._accumulated.sub_(direction, alpha=rate)
        self._x.detach().sub_(move, alpha=rate)

    def _unit_step(self, gradient: Tensor) -> Tensor:
        self._unit = self._unit_move(gradient)
        return self._unit[0]

    def _sum(self) -> Tensor:
        return self._x

    def _layer(self, index: int) -> Tensor:
        return self._started(index, self.operator.adjoint_one(index, self._accumulated))

    def _layers(self) -> list[Tensor]:  # all at once is cheaper than one by one
        return [self._started(index, move) for index, move in enumerate(self.operator.adjoint(self._accumulated))]

    def _started(self, index: int, move: Tensor) -> Tensor:
        start = self._start.get(self.resolutions[index])
        return move if start is None else move + start


def gathered(prior: Prior) -> list[Tensor]:
    """The gradients that the leaves have gathered. RuntimeError if none has reached one of them."""
    gradients = [leaf.grad for leaf in prior.leaves() if leaf.grad is not None]
    if len(gradients) != len(prior.leaves()):
        raise RuntimeError("No gradient has reached the prior: call backward on a loss of render() first.")
    return gradients


def forget(prior: Prior) -> None:
    """Drop the gradients that the leaves have gathered."""
    for leaf in prior.leaves():
        leaf.grad = None
