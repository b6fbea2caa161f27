"""Networks whose weights no longer change, made faster for passes without end: the same answers up to rounding."""

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse
from torch.nn.utils.fusion import fuse_conv_bn_eval

from robust_model.networks import Chain
from robust_model.winograd import WinogradConv2d, can_replace


def frozen_chain(chain: Chain) -> Chain:
    """A copy of a chain in eval mode: BatchNorm folded into the convolutions before it, small maps convolved faster.

    Folding is PyTorch's own (`torch.fx`), stage by stage, so that every depth can be read out as before. Gradients
    reach the images alone. What becomes of the weights of `chain` later is not seen.
    """
    if chain.training:
        raise ValueError("a chain is frozen in eval mode: in train mode BatchNorm answers by the batch")
    found = Chain([_frozen_stage(stage) for stage in chain.stages])
    found.checkpointing = chain.checkpointing
    return found.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _frozen_stage(stage: nn.Module) -> nn.Module:
    folded: nn.Module = _folded_pairs(stage) if _has_timm_norms(stage) else fuse(stage)
    for name, module in list(folded.named_modules()):
        if isinstance(module, nn.Conv2d) and can_replace(module):
            folded.set_submodule(name, WinogradConv2d(module))
    return folded


def _has_timm_norms(stage: nn.Module) -> bool:
    return any(_is_timm_norm(module) for module in stage.modules())


def _is_timm_norm(module: nn.Module) -> bool:
    """Whether it is a `timm.layers.BatchNormAct2d`, told by what it has: timm takes a second to import."""
    return isinstance(module, nn.BatchNorm2d) and hasattr(module, "act")


def _folded_pairs(stage: nn.Module) -> nn.Module:
    """A copy of a stage of timm's, whose norms bring their activation and whose convolutions pad by the size they meet.

    Neither can be traced, so each convolution takes in the norm that stands right after it among its neighbours.
    """
    folded = copy.deepcopy(stage)
    for parent in list(folded.modules()):
        named = list(parent.named_children())
        for (name, module), (following, norm) in pairwise(named):
            if isinstance(module, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and _is_timm_norm(norm):
                setattr(parent, name, fuse_conv_bn_eval(module, norm))
                setattr(parent, following, norm.get_submodule("act"))
    return folded
