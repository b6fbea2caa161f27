"""Backbones as chains: one list of stages, so that every depth can be read out from one forward pass.

Depths count as in the notebook of arXiv 2408.05446: 0 is the network's input, 1 the stem, then one per residual
block, and the last is the global pool (52 for a ResNet152).
"""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from http.client import HTTPException
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from foundation import torchvision_cure  # noqa: F401  (before torchvision and timm are imported)
from foundation.errors import StudioError
from robust_model.networks.packaged import PACKAGED
from robust_model.networks.train_parts import unmoved_statistics
from robust_model.weights.weight_files import read_weights


class Chain(nn.Module):
    """A network as a sequence of stages; `forward` returns the activations at the depths asked for.

    With `checkpointing`, a pass that gradients are taken through keeps only what lies between the stages and computes
    each stage anew on the way back (Chen et al. 2016, arXiv 1604.06174): much less memory, a third more time, the
    same numbers; BatchNorm's running statistics move in the first of the two passes only.
    """

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.checkpointing = False

    @property
    def depth(self) -> int:
        """The depth of the last stage (the global pool)."""
        return len(self.stages)

    def forward(self, x: Tensor, depths: Sequence[int]) -> list[Tensor]:
        """The activations at `depths` (0 = the input), in that order; stages past the deepest are not run."""
        if not all(0 <= depth <= self.depth for depth in depths):
            raise ValueError(f"depths go from 0 to {self.depth}, not {tuple(depths)}")
        found = {0: x}
        for depth, stage in enumerate(islice(self.stages, max(depths, default=0)), start=1):
            x = self._recomputed(stage, x) if self.checkpointing and torch.is_grad_enabled() else stage(x)
            if depth in depths:
                found[depth] = x
        return [found[depth] for depth in depths]

    @staticmethod
    def _recomputed(stage: nn.Module, x: Tensor) -> Tensor:
        found: Tensor = checkpoint(
            stage,
            x,
            use_reentrant=False,
            preserve_rng_state=False,  # no stage draws random numbers
            context_fn=lambda: (nullcontext(), unmoved_statistics(stage)),
        )
        return found


class ResidualBlock(nn.Module):
    """A basic residual block (He et al. 2015) with a smooth activation.

    SiLU instead of ReLU: smooth activations make adversarial training converge better (Xie et al. 2020,
    arXiv 2006.14536) and give gradients without kinks to whoever draws images with them.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""
        y = F.silu(self.norm1(self.conv1(x)))
        return F.silu(self.norm2(self.conv2(y)) + self.shortcut(x))


def cifar_resnet(channels: int, widths: Sequence[int], blocks: Sequence[int]) -> Chain:
    """A small residual network for 32 x 32 inputs of `channels` channels: stride-2 stem, then stages of blocks.

    After the residual networks of He et al. (arXiv 1512.03385).

    `widths` and `blocks` give each stage's channels and number of residual blocks; every stage but the first
    halves the resolution. The last stage of the chain is the global average pool, [B, widths[-1]].
    """
    if len(widths) != len(blocks) or not widths:
        raise ValueError(f"widths and blocks must be equally long: {widths}, {blocks}")
    stem = nn.Sequential(nn.Conv2d(channels, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.SiLU())
    stages: list[nn.Module] = [stem]
    current = widths[0]
    for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        for number in range(count):
            stages.append(ResidualBlock(current, width, 2 if number == 0 and level > 0 else 1))
            current = width
    return Chain([*stages, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())])


def _resnet_stages(network: nn.Module, stem: Sequence[str], pool: str, channels: int) -> Chain:
    """The chain of a torchvision- or timm-style ResNet: its own modules, the stem convolution fresh if it must be.

    A stem that already takes `channels` channels is kept, with its weights.
    """
    old = network.get_submodule("conv1")
    if not isinstance(old, nn.Conv2d):
        raise StudioError("Only ResNets with a single stem convolution can take the stack; choose a plain one.")
    if old.in_channels != channels:
        network.conv1 = nn.Conv2d(
            channels,
            old.out_channels,
            (old.kernel_size[0], old.kernel_size[1]),
            (old.stride[0], old.stride[1]),
            (int(old.padding[0]), int(old.padding[1])),
            bias=old.bias is not None,
        )
    blocks = [block for layer in range(1, 5) for block in network.get_submodule(f"layer{layer}").children()]
    end = nn.Sequential(network.get_submodule(pool), nn.Flatten())
    return Chain([nn.Sequential(*(network.get_submodule(name) for name in stem)), *blocks, end])


def _no_weights(library: str, name: str, error: Exception) -> str:
    return (
        f"The pretrained weights of '{name}' are neither in {library}'s cache nor could be fetched ({error}). Connect "
        "to the network and run this again, name a file that holds them (--set pretrained_file=PATH), or start without "
        "pretrained weights."
    )


def _take_file(network: nn.Module, file: str, name: str) -> None:
    """Copy the weights in `file`, named as in `network`, into it; whatever is said of the classifier `fc` is not used.

    So the file may come from a network with other classes. Raises StudioError.
    """

    def without_classifier(names: dict[str, Tensor]) -> dict[str, Tensor]:
        return {key: tensor for key, tensor in names.items() if not key.startswith("fc.")}

    own, found = without_classifier(network.state_dict()), without_classifier(read_weights(Path(file)))
    wrong = sorted(
        key
        for key in own.keys() | found.keys()
        if key not in own or key not in found or own[key].shape != found[key].shape
    )
    if wrong:
        raise StudioError(
            f"'{file}' does not hold the weights of '{name}': {len(wrong)} of {len(own)} do not fit (first: "
            f"'{wrong[0]}'). Name the file of that very network."
        )
    with torch.no_grad():
        for key, tensor in own.items():
            tensor.copy_(found[key])


def torchvision_resnet(name: str, channels: int, pretrained: bool, file: str = "") -> Chain:
    """torchvision's ResNet `name`, with torchvision's best weights if `pretrained` (downloaded once by it).

    These are `IMAGENET1K_V2`, the paper's, wherever they exist (resnet50 and larger), else `IMAGENET1K_V1`. With `file`
    they are read from there, not fetched: what torchvision downloads, or a state dictionary with the same names.
    """
    from torchvision import models

    if name not in models.list_models() or not name.startswith(("resnet", "wide_resnet", "resnext")):
        raise StudioError(f"torchvision has no ResNet called '{name}'; try resnet18, resnet50 or resnet152.")
    try:
        network = models.get_model(name, weights="DEFAULT" if pretrained and not file else None)
    except (OSError, RuntimeError, HTTPException) as error:
        raise StudioError(_no_weights("torchvision", name, error)) from error
    if pretrained and file:
        _take_file(network, file, name)
    return _resnet_stages(network, ("conv1", "bn1", "relu", "maxpool"), "avgpool", channels)


def timm_resnet(name: str, channels: int, pretrained: bool, file: str = "") -> Chain:
    """timm's ResNet `name` with timm's default pretrained weights if `pretrained` (downloaded once by timm).

    With `file` they are read from there, not fetched.
    """
    import timm
    from timm.models.resnet import ResNet

    if name not in timm.list_models():
        raise StudioError(f"timm has no model called '{name}'; try resnet18, resnet50 or resnet152.")
    try:
        network = timm.create_model(name, pretrained=pretrained and not file)
    except (OSError, RuntimeError, HTTPException) as error:
        raise StudioError(_no_weights("timm", name, error)) from error
    if not isinstance(network, ResNet):
        raise StudioError(f"'{name}' is no ResNet; the self-ensemble reads out residual blocks.")
    if pretrained and file:
        _take_file(network, file, name)
    return _resnet_stages(network, ("conv1", "bn1", "act1", "maxpool"), "global_pool", channels)


def packaged_efficientnet(name: str, channels: int, pretrained: bool, file: str = "") -> Chain:
    """The backbone of a classifier that a package brings (`lite0`...), with that package's weights if `pretrained`.

    A stage for the stem, one for each block, and one for the last convolution and the pool: depths 0 to 18 for
    EfficientNet-Lite0. The stem's convolution is fresh where it must take other than three channels. With `file` the
    weights are read from there: a state dictionary with the entries of the package's.
    """
    if name not in PACKAGED:
        raise StudioError(f"No package brings a classifier called '{name}'; there are: {', '.join(PACKAGED)}.")
    network = PACKAGED[name].network(pretrained=pretrained, file=Path(file) if file else None)
    first, norm, last, norm_last, pool = (
        network.get_submodule(part) for part in ("conv_stem", "bn1", "conv_head", "bn2", "global_pool")
    )
    if not isinstance(first, nn.Conv2d):
        raise TypeError(f"'{name}' begins with no convolution")
    if first.in_channels != channels:
        first = type(first)(channels, first.out_channels, 3, stride=2, bias=False)
    blocks = [block for level in network.get_submodule("blocks").children() for block in level.children()]
    return Chain([nn.Sequential(first, norm), *blocks, nn.Sequential(last, norm_last, pool)])


class FlattenReadout(nn.Module):
    """The paper's read-out: BatchNorm1d and a linear layer on the flattened activations."""

    def __init__(self, shape: Sequence[int], classes: int) -> None:
        super().__init__()
        features = math.prod(shape)
        self.norm = nn.BatchNorm1d(features)
        self.linear = nn.Linear(features, classes)

    def forward(self, activation: Tensor) -> Tensor:
        """[B, ...] -> [B, classes]."""
        logits: Tensor = self.linear(self.norm(activation.flatten(1)))
        return logits


class PooledReadout(nn.Module):
    """BatchNorm1d and a linear layer on the activations' spatial mean."""

    def __init__(self, shape: Sequence[int], classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(shape[0])
        self.linear = nn.Linear(shape[0], classes)

    def forward(self, activation: Tensor) -> Tensor:
        """[B, D, ...] -> [B, classes]."""
        pooled = activation.flatten(2).mean(2) if activation.ndim > 2 else activation
        logits: Tensor = self.linear(self.norm(pooled))
        return logits


class LinearHead(nn.Module):
    """The backbone's own classifier: a linear layer on the pooled activations."""

    def __init__(self, shape: Sequence[int], classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(math.prod(shape), classes)

    def forward(self, activation: Tensor) -> Tensor:
        """[B, D] -> [B, classes]."""
        logits: Tensor = self.linear(activation.flatten(1))
        return logits


# Each is made from the shape of one image's activation (without the batch) and the number of classes.
READOUTS: dict[str, Callable[[Sequence[int], int], nn.Module]] = {
    "flattened": FlattenReadout,
    "pooled": PooledReadout,
}


def activation_shapes(chain: Chain, channels: int, size: int, depths: Sequence[int]) -> list[torch.Size]:
    """The shape (without the batch) of the activation at each of `depths`, for inputs [B, channels, size, size].

    Found by running the chain once, in eval mode: a pass in train mode would move the BatchNorm statistics.
    """
    training = chain.training
    chain.eval()
    with torch.no_grad():
        activations: list[Tensor] = chain(torch.zeros(1, channels, size, size), depths)
    chain.train(training)
    return [activation.shape[1:] for activation in activations]
