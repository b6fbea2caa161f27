"""What the generator asks of a model. It never imports one."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Classifier(Protocol):
    """Images to class scores, differentiable in the images."""

    class_names: tuple[str, ...]

    def __call__(self, images: Tensor, /) -> Tensor:
        """Map images [B, 3, H, W] in [0, 1], of any height and width, to logits [B, C]."""
        ...


@runtime_checkable
class LayeredClassifier(Classifier, Protocol):
    """A classifier that can also be read out at several of its layers."""

    readout_names: tuple[str, ...]

    def readouts(self, images: Tensor, /) -> Tensor:
        """Map images [B, 3, H, W] in [0, 1] to the logits [B, N, C] of all N read-outs, in one forward pass."""
        ...
