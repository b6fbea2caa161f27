"""What the generator asks of a model, and of whoever runs its work. It never imports one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from pydantic import JsonValue
from torch import Tensor, nn

from foundation.progress import Progress


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


@runtime_checkable
class ReadOutClassifier(LayeredClassifier, Protocol):
    """A layered classifier whose answer is made of its read-outs, so that one pass gives both."""

    def answer_from(self, readouts: Tensor, /) -> Tensor:
        """Map the logits [B, N, C] of all read-outs to the answer's [B, C]: what a call gives for the same pass."""
        ...


@runtime_checkable
class AcceleratedClassifier(Classifier, Protocol):
    """A classifier that has a faster form for many passes, with the same answers up to rounding."""

    def accelerated(self) -> Classifier:
        """Return that form; gradients reach the images alone, and later changes of the weights are not seen."""
        ...


@runtime_checkable
class ProbedForGradient(Protocol):
    """A model of which it was found out whether a gradient of its answer reaches the images."""

    differentiable: bool


@runtime_checkable
class Encoder(Protocol):
    """Images and texts to one space in which a picture lies near the words that describe it (CLIP)."""

    @property
    def image_size(self) -> int:
        """Side in pixels of the square the model sees; the shorter side where it sees a rectangle."""
        ...

    @property
    def logit_scale(self) -> float:
        """The learned inverse temperature: what cosines are multiplied by to be logits."""
        ...

    def encode_images(self, images: Tensor, /) -> Tensor:
        """Map images [B, 3, H, W] in [0, 1], of any height and width, to unit vectors [B, D], float32.

        Differentiable in the images; resizing, cropping and normalising are done here.
        """
        ...

    def encode_text(self, texts: Sequence[str], /) -> Tensor:
        """Map N texts to unit vectors [N, D], float32, without a gradient."""
        ...

    def unknown_words(self, text: str, /) -> tuple[str, ...]:
        """The words of the text that the model never saw in training; () for models of a general vocabulary."""
        ...


@runtime_checkable
class Observable(Protocol):
    """A model whose layers can be watched, by hooks, while it looks at images."""

    @property
    def observed(self) -> nn.Module:
        """The network whose submodules are the layers, by their names in it."""
        ...

    @property
    def observed_side(self) -> int | None:
        """The side of the square that it scales images to; None where it takes them as they are."""
        ...

    def look(self, images: Tensor, /) -> None:
        """Run the network on images [B, 3, H, W] in [0, 1]: on each once, as it is, and with nothing remembered.

        What its layers say is differentiable in the images.
        """
        ...


class JobContext(Protocol):
    """How work that takes a while reports, and hears that it should end.

    Asking and reporting may raise an exception of the context's own if the work has been thrown away: let it
    pass, and save nothing.
    """

    @property
    def device(self) -> str:
        """Where to compute."""
        ...

    @property
    def stop_requested(self) -> bool:
        """Whether to end at the next step and return what there is."""
        ...

    def progress(self, now: Progress, /) -> None:
        """Report where the work stands; to be called after every step."""
        ...


class Foreground(Protocol):
    """Runs the work of a command line: one line of progress; Ctrl-C stops and keeps, a second one throws away."""

    def run(
        self, kind: str, device: str, work: Callable[[JobContext], Mapping[str, JsonValue]], *, quiet: bool = False
    ) -> dict[str, JsonValue] | None:
        """Return what the work returns, which is JSON, or None if it was thrown away. `quiet` shows nothing."""
        ...

    def say(self, text: str) -> None:
        """Print a line that stays, on standard output, above the line of progress."""
        ...
