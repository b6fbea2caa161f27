"""BatchNorm folded into the convolutions before it, in networks of timm's: the same answers up to rounding."""

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded_network(network: nn.Module) -> nn.Module | None:
    """A copy of a whole network of timm's in eval mode with its norms folded, channels last; None for any other.

    Convolutions take in the norms that follow them among their neighbours. Whether those follow them in the network's
    own pass too is for whoever asks to try.
    """
    if network.training or not has_timm_norms(network):
        return None
    folded = folded_pairs(network).eval().requires_grad_(False)
    return _ChannelsLast(folded.to(memory_format=torch.channels_last))  # type: ignore[call-overload]


class _ChannelsLast(nn.Module):
    """A network that is given its images in the order of memory that its convolutions are fastest in."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return found


def has_timm_norms(stage: nn.Module) -> bool:
    return any(_is_timm_norm(module) for module in stage.modules())


def _is_timm_norm(module: nn.Module) -> bool:
    """Whether it is a `timm.layers.BatchNormAct2d`, told by what it has: timm takes a second to import."""
    return isinstance(module, nn.BatchNorm2d) and hasattr(module, "act")


def _fits(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> bool:
    """Whether a norm is one of timm's, and as wide as what the convolution gives."""
    return _is_timm_norm(norm) and norm.num_features == convolution.out_channels


def folded_pairs(stage: nn.Module) -> nn.Module:
    """A copy of a stage of timm's, whose norms bring their activation and whose convolutions pad by the size they meet.

    Neither can be traced, so each convolution takes in the norm that stands right after it among its neighbours.
    """
    folded = copy.deepcopy(stage)
    for parent in list(folded.modules()):
        named = list(parent.named_children())
        for (name, module), (following, norm) in pairwise(named):
            if isinstance(module, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and _fits(module, norm):
                setattr(parent, name, fuse_conv_bn_eval(module, norm))
                setattr(parent, following, norm.get_submodule("act"))
    return folded
