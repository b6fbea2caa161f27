"""The layers of a network that units are taken from: found by watching two passes of a few images.

A layer is a module whose output has an axis for the images and one for channels. What the other axes are is read from
its shape: for square images a map of features is square.
"""

import difflib
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from foundation.command_line.program import called
from foundation.errors import StudioError
from foundation.protocols import Observable

Kind = Literal["map", "tokens", "vector"]
DEFAULT_SIDE = 64
"""Of the square images that a network is watched with which takes them as they are."""
_COUNTS = (2, 3)
"""Images in the two passes: what grows from one to the other is the axis of the images."""
_MOST_NEAR = 3


@dataclass(frozen=True)
class Layer:
    """A layer of a network.

    Attributes:
        name: of the module in the network, as PyTorch has it.
        kind: a "map" of features, a sequence of "tokens", or a "vector".
        channels: how many there are.
        size: positions along each axis: (rows, columns) of a map, (tokens,), or () of a vector.
        axes: those of the images and of the channels in the module's output.
    """

    name: str
    kind: Kind
    channels: int
    size: tuple[int, ...]
    axes: tuple[int, int]

    def by_channel(self, output: Tensor) -> Tensor:
        """The module's output as float32 [B, C, rows, columns], [B, C, tokens] or [B, C]."""
        return output.movedim(self.axes, (0, 1)).float()


class WholeModule:
    """A module that is a model itself, as `Observable`: for networks that say nothing of their layers."""

    def __init__(self, module: nn.Module) -> None:
        self.observed, self.observed_side = module, None

    def look(self, images: Tensor, /) -> None:
        """Run it on images [B, 3, H, W]."""
        self.observed(images)


def observable(model: object, name: str) -> Observable:
    """The model called `name` as one whose layers can be watched. StudioError where it shows none."""
    if isinstance(model, Observable):
        return model
    if isinstance(model, nn.Module):
        return WholeModule(model)
    raise StudioError(f"The model '{name}' shows nothing of its layers: choose another one for a unit.")


@contextmanager
def watching(network: nn.Module, names: Collection[str]) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of modules by name while the block runs; of a module that runs again, the last output.

    Outputs are copied as they come, since the next module may change them in place. The hooks go with the block, and
    do not see what other threads let the same network do.
    """
    thread, found = threading.get_ident(), dict[str, Tensor]()

    def keep(name: str, _module: nn.Module, _inputs: object, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) and output else output
        if threading.get_ident() == thread and isinstance(first, Tensor) and first.is_floating_point():
            found[name] = first.clone()

    handles = []
    try:
        for name in names:
            handles.append(network.get_submodule(name).register_forward_hook(partial(keep, name)))
        yield found
    finally:
        for handle in handles:
            handle.remove()


def layers_of(model: Observable, names: Collection[str] | None = None) -> dict[str, Layer]:
    """The layers of a model by name, in the order in which they run: all of them, or those of the given names.

    Modules that do not run, or whose output has another form, are left out, and so are, of all, those that change
    nothing.
    """
    wanted = _named(model.observed) if names is None else list(names)
    side = model.observed_side or DEFAULT_SIDE
    shapes: list[Mapping[str, torch.Size]] = []
    for count in _COUNTS:
        images = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))
        with torch.no_grad(), watching(model.observed, wanted) as outputs:
            model.look(images.to(_device_of(model.observed)))
        shapes.append({name: output.shape for name, output in outputs.items()})
    first, second = shapes
    read = (_layer(name, first[name], second[name]) for name in first if name in second)
    return {layer.name: layer for layer in read if layer is not None}


def find_layer(model: Observable, name: str, model_name: str) -> Layer:
    """The layer called `name`. StudioError with the nearest names where the model has none of that name."""
    known = {known for known, _ in model.observed.named_modules() if known}
    found = layers_of(model, [name]) if name in known else {}
    if name in found:
        return found[name]
    names = list(layers_of(model))
    what = "has no channels that units could be taken from" if name in known else "is not one of its layers"
    raise StudioError(
        f"The model '{model_name}': '{name[:80]}' {what}. {_nearest(name, names)} "
        f"All are listed by: {called('generator')} units {model_name}"
    )


def _named(network: nn.Module) -> list[str]:
    """The names of the modules that do something to what they are given."""
    idle = (nn.Identity, nn.Dropout)
    return [name for name, module in network.named_modules() if name and not isinstance(module, idle)]


def _nearest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=_MOST_NEAR, cutoff=0.4)
    shown = ", ".join(f"'{one}'" for one in near or names[:_MOST_NEAR])
    if not shown:
        return "It has none."
    return f"The nearest are {shown}." if near else f"It has {len(names)}, beginning with {shown}."


def _layer(name: str, few: torch.Size, more: torch.Size) -> Layer | None:
    """A layer from the shapes of its output for two numbers of images; None if it has no form that is known."""
    grown = [axis for axis, pair in enumerate(zip(few, more, strict=False)) if pair == _COUNTS]
    if len(few) != len(more) or len(grown) != 1 or 0 in few:
        return None
    (images,) = grown
    match len(few), images:
        case 2, 0:
            return Layer(name, "vector", few[1], (), (0, 1))
        case 3, 0:
            return Layer(name, "tokens", few[2], (few[1],), (0, 2))
        case 3, 1:  # transformers as PyTorch's own have tokens first
            return Layer(name, "tokens", few[2], (few[0],), (1, 2))
        case 4, 0 if few[2] == few[3]:
            return Layer(name, "map", few[1], (few[2], few[3]), (0, 1))
        case 4, 0 if few[1] == few[2]:  # channels last, as in Swin transformers
            return Layer(name, "map", few[3], (few[1], few[2]), (0, 3))
    return None


def _device_of(network: nn.Module) -> torch.device:
    parameter = next(iter([*network.parameters(), *network.buffers()]), None)
    return torch.device("cpu") if parameter is None else parameter.device
