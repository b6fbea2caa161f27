"""Networks whose weights no longer change, made faster for passes without end: the same answers up to rounding."""

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

from robust_model.networks.folding import folded_pairs, has_timm_norms
from robust_model.networks.networks import Chain
from robust_model.networks.winograd import WinogradConv2d, can_replace


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
    folded: nn.Module = folded_pairs(stage) if has_timm_norms(stage) else fuse(stage)
    for name, module in list(folded.named_modules()):
        if isinstance(module, nn.Conv2d) and can_replace(module):
            folded.set_submodule(name, WinogradConv2d(module))
    return folded
