"""Models on the device of whoever uses them."""

from typing import Protocol, TypeVar, runtime_checkable

from torch import nn

from foundation.errors import StudioError

T = TypeVar("T")


@runtime_checkable
class Movable(Protocol):
    """A model that is no module of PyTorch's, and can be used on another device."""

    def on(self, device: str) -> object:
        """This model on that device, to which it is moved."""
        ...


def placed(model: T, device: str) -> T:
    """The model on this device, to which it is moved. StudioError for one that cannot be."""
    if isinstance(model, nn.Module):
        model.to(device)
        return model
    if isinstance(model, Movable):
        return model.on(device)  # type: ignore[return-value]
    if device == "cpu":
        return model
    raise StudioError(f"A model of the kind {type(model).__name__} cannot be moved to '{device}': use --device cpu.")
