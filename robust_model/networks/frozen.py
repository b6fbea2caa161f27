"""Networks whose weights no longer change, made faster for passes without end: the same answers up to rounding."""

import copy
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.fx.experimental.optimization import fuse

from robust_model.networks.folding import folded_pairs, has_timm_norms
from robust_model.networks.networks import Chain
from robust_model.networks.winograd import WinogradConv2d, can_replace

_TRACING = threading.Lock()
"""Tracing exchanges the call of all modules of the process and puts back what it found: one at a time."""


class OneThreadTracer(fx.Tracer):
    """A tracer that leaves modules alone which other threads call meanwhile: a job's, or those of an estimate."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        """What a module answers: a node of the graph in the tracing thread, else what it computes."""
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)


def traced(module: nn.Module) -> fx.GraphModule:
    """A copy of a module as a graph of its operations."""
    with _TRACING:
        tracer = OneThreadTracer()
        graph = tracer.trace(copy.deepcopy(module))
        return fx.GraphModule(tracer.root, graph, type(module).__name__)


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
    folded: nn.Module = (
        folded_pairs(stage) if has_timm_norms(stage) else fuse(traced(stage), inplace=True, no_trace=True)
    )
    for name, module in list(folded.named_modules()):
        if isinstance(module, nn.Conv2d) and can_replace(module):
            folded.set_submodule(name, WinogradConv2d(module))
    return folded
