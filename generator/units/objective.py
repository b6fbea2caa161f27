"""The objective of a unit: pictures that excite it.

Sources: Erhan et al. 2009 (activation maximisation), Olah et al. 2017, "Feature Visualization" (channels, neurons,
directions; doi 10.23915/distill.00007), Mordvintsev et al. 2015, "Inceptionism" (DeepDream: the squares of a layer).
"""

import math

import torch
from torch import Tensor

from foundation.errors import StudioError
from foundation.protocols import Observable
from generator.objectives.base import Objective, Term
from generator.units.layers import Layer, find_layer, observable, watching
from generator.units.unit import CENTRE, Unit


class Activation:
    """How much images excite a unit of a model: a function of images, differentiable in them."""

    def __init__(self, model: Observable, unit: Unit, layer: Layer) -> None:
        self.model, self.unit, self.layer = model, unit, layer

    @classmethod
    def of(cls, model: object, unit: Unit, name: str) -> "Activation":
        """A unit of the model called `name`. StudioError if it has no such unit."""
        seen = observable(model, name)
        layer = find_layer(seen, unit.layer, name)
        demand_unit(unit, layer, name)
        return cls(seen, unit, layer)

    def __call__(self, images: Tensor) -> Tensor:
        """The activation [B] for images [B, 3, H, W] in [0, 1], in one pass."""
        with watching(self.model.observed, [self.unit.layer]) as outputs:
            self.model.look(images)
        if self.unit.layer not in outputs:
            raise StudioError(
                f"The layer '{self.unit.layer}' did not run for these images: choose one that always runs."
            )
        return activation(self.unit, self.layer, outputs[self.unit.layer])


class UnitObjective(Objective):
    """Raises the activation of a unit, as in feature visualization (Olah et al. 2017, doi 10.23915/distill.00007)."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return "negative activation"."""
        return (Term("negative activation", 1.0, -self.activation(images)),)


def activation(unit: Unit, layer: Layer, output: Tensor) -> Tensor:
    """The activation [B] of a unit in a layer's output a.

    The mean of a^2 of a whole layer; else the sum over the unit's channels c of w_c a_c, at its position, or its mean
    over all positions. Where a map has another size than that of `layer`, as for networks that take images as they
    are, a position is the cell that lies in the same place.
    """
    found = layer.by_channel(output)
    if not unit.channels:
        return found.square().flatten(1).mean(dim=1)
    chosen, weights = zip(*unit.channels, strict=True)
    along = torch.tensor(weights, device=found.device)
    mixed = torch.einsum("bc...,c->b...", found[:, list(chosen)], along)
    if unit.position is None:
        return mixed.flatten(1).mean(dim=1) if mixed.ndim > 1 else mixed
    for place, planned, side in zip(place_of(unit, layer), layer.size, mixed.shape[1:], strict=True):
        mixed = mixed.select(1, min(side - 1, math.floor((place + 0.5) * side / planned)))
    return mixed


def place_of(unit: Unit, layer: Layer) -> tuple[int, ...]:
    """A unit's position along each axis of its layer; the centre is in the middle, or just after it."""
    assert unit.position is not None
    return tuple(side // 2 for side in layer.size) if unit.position == CENTRE else tuple(map(int, unit.position))


def demand_unit(unit: Unit, layer: Layer, name: str) -> None:
    """A StudioError unless the layer has the unit's channels and position."""
    for channel, _ in unit.channels:
        if channel >= layer.channels:
            raise StudioError(
                f"The layer '{layer.name}' of the model '{name}' has no channel {channel}: it has {layer.channels}, "
                f"numbered from 0 to {layer.channels - 1}."
            )
    if unit.position is None:
        return
    if not layer.size:
        raise StudioError(
            f"The layer '{layer.name}' of the model '{name}' is a vector, without positions: leave out what comes "
            "after the '@'."
        )
    if unit.position == CENTRE:
        return
    shape = " x ".join(map(str, layer.size))
    if len(unit.position) != len(layer.size):
        form = "@ROW,COLUMN" if layer.kind == "map" else "@NUMBER"
        raise StudioError(
            f"The layer '{layer.name}' of the model '{name}' has {shape} positions: give one as {form}, or @centre."
        )
    if any(place >= side for place, side in zip(unit.position, layer.size, strict=True)):
        raise StudioError(
            f"The layer '{layer.name}' of the model '{name}' has {shape} positions, counted from 0, and none at "
            f"{','.join(map(str, unit.position))}."
        )
