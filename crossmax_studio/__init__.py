"""The front door for programs: attacks, evaluations and pictures, each in a few lines, for any network.

    from crossmax_studio import attack, evaluate
    result = attack(model, images, labels, eps=8 / 255)
    report = evaluate(model, images, labels, suite="quick")

A model is any torch.nn.Module from images [B, 3, H, W], float32 in [0, 1], to logits [B, C], or the name of a model as
the command line takes it ("crossmax-cifar10", "lite0", "torchvision:resnet50"). `checks` judges images and labels, and
`models` makes of a network what the packages below work with; `attacking` (in torchattacks' form: `callables`),
`evaluating`, `pictures` and `prior` do the same work as the command line, with the same results, and `interface` brings
together what stands in `__all__`. That is meant to stay from version to version; the packages below may change.

Nothing is loaded, PyTorch neither, before one of these names is used. What does not fit is refused by a StudioError (a
ValueError) whose text says what to do. Nothing of ours imports this package but `python -m app mcp` (`assistants`).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossmax_studio.interface import (
        STACKS,
        AttackResult,
        LayerAttack,
        MultiResolutionPrior,
        MultiResolutionStack,
        Picture,
        PixelAttack,
        Progress,
        Recipe,
        Report,
        StackConfig,
        StudioError,
        attack,
        class_image,
        crossmax,
        evaluate,
        text_image,
    )

__all__ = [
    "STACKS",
    "AttackResult",
    "LayerAttack",
    "MultiResolutionPrior",
    "MultiResolutionStack",
    "Picture",
    "PixelAttack",
    "Progress",
    "Recipe",
    "Report",
    "StackConfig",
    "StudioError",
    "attack",
    "class_image",
    "crossmax",
    "evaluate",
    "text_image",
]


def __getattr__(name: str) -> object:
    """Load what is behind a name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'crossmax_studio' has no attribute '{name}'")
    from crossmax_studio import interface

    return getattr(interface, name)


def __dir__() -> list[str]:
    return sorted(__all__)
