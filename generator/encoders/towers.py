"""Image towers as they compute fastest in low precision, with the answers that they had.

Autocast alone casts every weight at every pass, and PyTorch takes the products of `nn.MultiheadAttention`, whose input
is turned round, once for each token: with 8 views a ViT-B/32 in bf16 took three times as long as in fp32, on a CPU that
multiplies bf16 matrices four times as fast (PyTorch 2.13).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def hold_in(tower: nn.Module, dtype: torch.dtype) -> None:
    """Keep the weights of products in this type, and take attention and patches as plain products.

    The tower's modules stay what they are, with their names and hooks; it computes inside of autocast to that type.
    Whatever is not known to be the same is left as it is.
    """
    for module in tower.modules():
        if type(module) is nn.MultiheadAttention and _is_plain(module):
            module.__class__ = _Attention
        elif type(module) is nn.Conv2d and _is_patches(module):
            module.__class__ = _Patches
        if isinstance(module, nn.Linear | nn.Conv2d | nn.MultiheadAttention):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)


def _is_plain(attention: nn.MultiheadAttention) -> bool:
    """Whether queries, keys and values are of one size and batch first, without anything added to them."""
    added = attention.bias_k is not None or attention.bias_v is not None or attention.add_zero_attn
    return attention.batch_first and attention.in_proj_weight is not None and not added and attention.dropout == 0


class _Attention(nn.MultiheadAttention):
    """Self-attention of tokens [B, L, D] by matrices that lie as they are needed; attention itself in float32.

    On a CPU the backward pass of attention in bf16 takes four times as long as in float32.
    """

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *masks: Any, **options: Any) -> Any:
        if masks or not (query is key is value) or not set(options) <= {"need_weights", "attn_mask"}:
            return super().forward(query, key, value, *masks, **options)
        mask = options.get("attn_mask")
        if options.get("need_weights", True) or (mask is not None and mask.ndim != 2):
            return super().forward(query, key, value, **options)
        batch, length, _ = query.shape
        mixed = functional.linear(query, self.in_proj_weight, self.in_proj_bias)
        with torch.autocast(query.device.type, enabled=False):
            queries, keys, values = mixed.float().view(batch, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
            seen = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return self.out_proj(seen.transpose(1, 2).reshape(query.shape)), None


def _is_patches(convolution: nn.Conv2d) -> bool:
    """Whether windows lie side by side, without a border."""
    return (
        convolution.stride == convolution.kernel_size
        and convolution.padding in ((0, 0), "valid")
        and convolution.dilation == (1, 1)
        and convolution.groups == 1
    )


class _Patches(nn.Conv2d):
    """A convolution of windows that do not overlap, as one matrix product."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 -- its name in PyTorch
        height, width = self.kernel_size
        rows, columns = input.shape[2] // height, input.shape[3] // width
        whole = input[:, :, : rows * height, : columns * width]
        patches = whole.reshape(len(input), self.in_channels, rows, height, columns, width).permute(0, 2, 4, 1, 3, 5)
        mapped = functional.linear(patches.flatten(3), self.weight.flatten(1), self.bias)
        return mapped.permute(0, 3, 1, 2)
