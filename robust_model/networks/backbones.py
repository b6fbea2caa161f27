"""The backbones that a configuration can name: each makes a chain of stages (see `networks`)."""

from collections.abc import Callable
from dataclasses import dataclass

from robust_model.networks.model_config import ModelConfig
from robust_model.networks.networks import Chain, cifar_resnet, packaged_efficientnet, timm_resnet, torchvision_resnet


def _own_size(config: ModelConfig) -> str:
    return f" at {config.input_size} pixels"


@dataclass(frozen=True)
class Backbone:
    """A kind of backbone, called KIND or KIND:NAME.

    Attributes:
        make: from the configuration, the name after the colon, whether to start from published weights, and the file
            of these ("" for the library's own) to the chain. Raises StudioError.
        example: how a configuration writes it, for sentences.
        named: whether a name follows.
        shape: what its card says of its shape.
    """

    make: Callable[[ModelConfig, str, bool, str], Chain]
    example: str
    named: bool = True
    shape: Callable[[ModelConfig], str] = _own_size


BACKBONES: dict[str, Backbone] = {
    "cifar-resnet": Backbone(
        lambda config, _name, _pretrained, _file: cifar_resnet(config.stack.channels, config.widths, config.blocks),
        "cifar-resnet",
        named=False,
        shape=lambda config: f", widths {list(config.widths)}, blocks {list(config.blocks)}",
    ),
    "packaged": Backbone(
        lambda config, name, pretrained, file: packaged_efficientnet(name, config.stack.channels, pretrained, file),
        "packaged:lite0",
    ),
    "torchvision": Backbone(
        lambda config, name, pretrained, file: torchvision_resnet(name, config.stack.channels, pretrained, file),
        "torchvision:NAME",
    ),
    "timm": Backbone(
        lambda config, name, pretrained, file: timm_resnet(name, config.stack.channels, pretrained, file),
        "timm:NAME (a ResNet)",
    ),
}
"""Every kind of backbone by the word before the colon."""
