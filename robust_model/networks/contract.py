"""What a network from outside must do to be used here, and what is said where it does not.

It takes images [B, 3, H, W] (float32 in [0, 1]) and answers with logits [B, C], a tensor of finite floating-point
numbers, in the order in which the images come. All of that is probed when it is loaded, with one image and with two;
type and shape at every pass.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from foundation.errors import StudioError
from foundation.memory import is_out_of_memory

FAULTS = (
    *(ArithmeticError, AssertionError, AttributeError, BufferError, ImportError, LookupError, NameError, OSError),
    *(RuntimeError, TypeError, ValueError),
)
"""What code of others fails with; not among them what ends a program."""
CLOSE = 0.02
"""Two answers of one network to one image differ by less, in shares of its largest logit, where it draws nothing."""


def ask(network: Callable[[Tensor], object], images: Tensor, name: str) -> object:
    """What a network answers. StudioError where it fails, with its own words; memory that is used up stays that."""
    try:
        return network(images)
    except StudioError:
        raise
    except FAULTS as error:
        if isinstance(error, RuntimeError) and is_out_of_memory(error):
            raise
        raise StudioError(
            f"The model '{name}' cannot take images of {images.shape[3]} x {images.shape[2]} pixels, {len(images)} at "
            f"a time: {in_words(error)}. It is given images [B, 3, H, W] as float32; a network that takes only some "
            "sizes has to scale them itself, or needs --size."
        ) from error


def logits_of(answer: object, images: Tensor, classes: int | None, name: str) -> Tensor:
    """The answer to images [B, 3, H, W] as logits [B, C], float32, on their device. `classes`: C, None for any.

    Raises StudioError for what is none.
    """
    if not isinstance(answer, Tensor):
        kind = "a tuple" if isinstance(answer, tuple) else f"a {type(answer).__name__}"
        raise StudioError(
            f"The model '{name}' answers with {kind}, not with logits: let the module return the tensor [B, C] alone, "
            "the logits of every image."
        )
    count, shape = len(images), tuple(answer.shape)
    if len(shape) != 2 or shape[0] != count or (classes is not None and shape[1] != classes):
        asked = {1: "one image", 2: "two images"}.get(count, f"{count} images")
        needed = (
            f"{classes} classes need ({count}, {classes})" if classes else f"({count}, number of classes) is needed"
        )
        raise StudioError(f"The model '{name}' answers {asked} with {shape} numbers, where {needed}.")
    if not answer.is_floating_point():
        raise StudioError(
            f"The model '{name}' answers with numbers of the type {answer.dtype}, not with logits: let it return what "
            "its last layer says, as floating-point numbers, not the class."
        )
    return answer.to(images.device, torch.float32)


def demand_numbers(logits: Tensor, name: str) -> None:
    """A StudioError where logits [B, C] are not all finite."""
    wrong = int((~logits.isfinite()).sum())
    if wrong:
        raise StudioError(
            f"The model '{name}' answers with NaN or infinity ({wrong} of {logits.numel()} numbers, on images of "
            "random pixels): its weights are damaged, or a layer leaves the range of its numbers. Mend it first."
        )


def demand_order(together: Tensor, alone: Tensor, name: str) -> None:
    """A StudioError where the answers to two images at once [2, C] are those to each alone [2, C], exchanged."""
    scale = CLOSE * alone.abs().max()

    def close(a: Tensor, b: Tensor) -> bool:
        return bool((a - b).abs().max() <= scale)

    if close(together.flip(0), alone) and not close(together, alone):
        raise StudioError(
            f"The model '{name}' answers two images in the wrong order: the first row of its logits has to belong to "
            "the first image."
        )


def notes_on(logits: Tensor, name: str) -> tuple[str, ...]:
    """What whoever evaluates a network should know of its logits [B, C], in sentences."""
    if bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < 1e-3).all()):
        return (
            f"The model '{name}' answers with probabilities (a softmax, it seems), not with logits: where it is sure "
            "its gradient vanishes, and attacks then seem to fail. Let it return its logits.",
        )
    return ()


def gives_gradient(logits: Callable[[Tensor], Tensor], images: Tensor, name: str) -> bool:
    """Whether a gradient of the logits [B, C] reaches the images. StudioError where one cannot be computed."""
    leaf = images.detach().clone().requires_grad_()
    with torch.enable_grad():
        found = logits(leaf)
        if not found.requires_grad:
            return False
        try:
            (gradient,) = torch.autograd.grad(found.sum(), leaf, allow_unused=True)
        except FAULTS as error:
            if isinstance(error, RuntimeError) and is_out_of_memory(error):
                raise
            raise StudioError(
                f"The model '{name}' answers, but the gradient of its answer cannot be computed: {in_words(error)}. "
                "Mend that, or compute without a gradient (torch.no_grad)."
            ) from error
    return gradient is not None


def in_words(error: BaseException) -> str:
    """An error of others in a line: its type, and the first line of what it says."""
    said = next(iter(str(error).strip().splitlines()), "").rstrip(".")
    return f"{type(error).__name__}: {said[:300]}" if said else type(error).__name__
