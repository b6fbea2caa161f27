"""In which numbers a model computes."""

from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import Tensor

from foundation.errors import StudioError

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: dict[str, str] = {
    "auto": "fp32 on a CPU; on a GPU bf16 where it can, else fp16",
    "fp32": "full precision",
    "bf16": "half the bits, the range of fp32: twice as fast and more on a GPU, and on CPUs with AMX",
    "fp16": "half the bits, a smaller range: for GPUs without bf16",
}
PRECISION_VARIABLE = "CROSSMAX_STUDIO_PRECISION"
"""The variable of the environment that says it where nobody else does."""
DTYPES: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}
_FP16_GRADIENT_SCALE = 1024.0


def choose_precision(wanted: str, device: str) -> Precision:
    """What `wanted`, a key of PRECISIONS, means on the device. StudioError for what it cannot do."""
    check_precision(wanted)
    on_gpu = device.startswith("cuda")
    has_bf16 = not on_gpu or torch.cuda.is_bf16_supported(including_emulation=False)
    match wanted:
        case "auto":
            if not on_gpu:
                return "fp32"
            return "bf16" if has_bf16 else "fp16"
        case "fp32":
            return "fp32"
        case "bf16":
            if not has_bf16:
                raise StudioError("This GPU has no bf16 arithmetic: choose the precision fp16 or fp32.")
            return "bf16"
        case _:  # fp16
            if not on_gpu:
                raise StudioError("fp16 needs a GPU: choose the precision fp32 or bf16.")
            return "fp16"


def check_precision(wanted: str) -> None:
    """Raise StudioError for what is no key of PRECISIONS."""
    if wanted not in PRECISIONS:
        raise StudioError(f"There is no precision '{wanted[:40]}': choose {', '.join(PRECISIONS)}.")


def computing_in(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """Matrix products inside are taken in this precision; weights and sums stay in float32."""
    kind = torch.device(device).type
    if precision == "fp32":
        return torch.autocast(kind, enabled=False)
    # The cast weights are not kept: several threads may compute at once, each with its own casts.
    return torch.autocast(kind, dtype=DTYPES[precision], cache_enabled=False)


class _ScaledGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a factor."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def enlarge_gradient(values: Tensor, precision: Precision) -> Tensor:
    """Mark where the low precision ends (its output): in fp16, gradients are enlarged from here backwards.

    The gradient of a cosine by a pixel is near the smallest number that fp16 has.
    """
    return _scaled(values, _FP16_GRADIENT_SCALE) if precision == "fp16" else values


def restore_gradient(values: Tensor, precision: Precision) -> Tensor:
    """Mark where the low precision begins (its input): gradients get their size back."""
    return _scaled(values, 1 / _FP16_GRADIENT_SCALE) if precision == "fp16" else values


def _scaled(values: Tensor, factor: float) -> Tensor:
    scaled: Tensor = _ScaledGradient.apply(values, factor)  # type: ignore[no-untyped-call]
    return scaled
