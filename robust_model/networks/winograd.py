"""3 x 3 convolutions of small maps with a quarter of the multiplications, for float32 on a CPU.

Source: Lavin & Gray 2015 (arXiv 1509.09308), F(4 x 4, 3 x 3): a tile of 4 x 4 outputs is a product of transformed 6 x 6
inputs with transformed weights, B'd B * GwG', transformed back by A'. The transforms belong to polynomials through the
points 0, +-1/sqrt 2, +-sqrt 2 and infinity, which round less than the usual 0, +-1, +-2 (on why points matter:
Barabasz et al. 2018, arXiv 1803.10986).

What it is for: deep maps of 4 x 4 and 8 x 8 pixels, where attacks on small networks spend most of their time. There the
tiles' borders need no copies: padding and cutting into tiles are part of one matrix for each axis.
"""

import math
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TILE, _TAPS = 4, 3
_REACH = _TILE + _TAPS - 1
_POINTS = (0.0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2.0), -math.sqrt(2.0))
LARGEST = 8
"""The largest side of a map that gains: above, the transforms move more memory than multiplications are saved."""
_CHUNK_BYTES = 8 * 2**20
"""How large a chunk of transformed images may be, so that it stays in the processor's cache between the products."""
_WEIGHTS_AT_ONCE = 16384
"""How many of a layer's weights are transformed at a time, for the same reason."""


def _polynomial(roots: list[float]) -> list[float]:
    """The coefficients, lowest first, of the product of (x - root)."""
    found = [1.0]
    for root in roots:
        found = [a - root * b for a, b in zip([0.0, *found], [*found, 0.0], strict=True)]
    return found


@lru_cache(maxsize=1)
def transforms() -> tuple[Tensor, Tensor, Tensor]:
    """A' [4, 6], G [6, 3] and B' [6, 6] in float64: the correlation of d [6] with w [3] is A'(Gw * B'd)."""
    finite = len(_POINTS)
    back = torch.zeros(_TILE, _REACH, dtype=torch.float64)
    weights = torch.zeros(_REACH, _TAPS, dtype=torch.float64)
    data = torch.zeros(_REACH, _REACH, dtype=torch.float64)
    for j, point in enumerate(_POINTS):
        others = [other for other in _POINTS if other != point]
        scale = math.prod(point - other for other in others)
        back[:, j] = torch.tensor([point**i for i in range(_TILE)], dtype=torch.float64)
        weights[j] = torch.tensor([point**k / scale for k in range(_TAPS)], dtype=torch.float64)
        data[j, :finite] = torch.tensor(_polynomial(others), dtype=torch.float64)
    back[_TILE - 1, finite] = weights[finite, _TAPS - 1] = 1
    data[finite] = torch.tensor(_polynomial(list(_POINTS)), dtype=torch.float64)
    return back, weights, data


@lru_cache(maxsize=8)
def _axis(side: int) -> tuple[Tensor, Tensor]:
    """What cuts an axis of `side` pixels, padded by one, into transformed tiles [T, side], and what goes back."""
    back, _, data = transforms()
    tiles = side // _TILE
    into = torch.zeros(tiles, _REACH, side + 2, dtype=torch.float64)
    out = torch.zeros(side, tiles, _REACH, dtype=torch.float64)
    for tile in range(tiles):
        into[tile, :, tile * _TILE : tile * _TILE + _REACH] = data
        out[tile * _TILE : (tile + 1) * _TILE, tile] = back
    return into[..., 1:-1].flatten(0, 1).float().contiguous(), out.flatten(1).float().contiguous()


def fits(height: int, width: int) -> bool:
    """Whether maps of this size are made of whole tiles, and gain."""
    return all(0 < side <= LARGEST and side % _TILE == 0 for side in (height, width))


def _transformed(weight: Tensor) -> Tensor:
    """Weights [K, C, 3, 3] in the tiles' own form, [6 * 6, C, K]."""
    _, g, _ = transforms()
    outputs, channels = weight.shape[:2]
    both, taps = torch.kron(g, g), weight.permute(2, 3, 1, 0).reshape(_TAPS**2, -1)
    # In chunks that stay in the processor's cache, several times as fast as all at once.
    chunks = [(both @ chunk.double()).float() for chunk in taps.split(_WEIGHTS_AT_ONCE, dim=1)]
    return torch.cat(chunks, dim=1).view(_REACH**2, channels, outputs)


def _convolved(x: Tensor, weights: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [N, C, H, W] by transformed weights [6 * 6, C, K], and a bias [K]: [N, K, H, W]."""
    (batch, channels, height, width), outputs = x.shape, weights.shape[2]
    (rows, rows_back), (columns, columns_back) = _axis(height), _axis(width)
    high, wide = len(rows), len(columns)
    tiles_high, tiles_wide = high // _REACH, wide // _REACH
    if tiles_high > 1 or tiles_wide > 1:  # each position of each tile: its weights
        each = weights.view(1, _REACH, 1, _REACH, channels, outputs)
        weights = each.expand(tiles_high, -1, tiles_wide, -1, -1, -1).reshape(high * wide, channels, outputs)
    pixels = x.permute(2, 3, 0, 1)  # [H, W, N, C]: every transform is one product from the left
    # In the same order of memory, but no view of anything: what autograd lets others change in place.
    strides = (outputs, 1, width * batch * outputs, batch * outputs)
    found = torch.empty_strided((batch, outputs, height, width), strides)
    chunks = max(1, math.ceil(batch * high * wide * channels * x.element_size() / _CHUNK_BYTES))
    for chunk, place in zip(pixels.chunk(chunks, dim=2), found.permute(2, 3, 0, 1).chunk(chunks, dim=2), strict=True):
        tiles = (rows @ chunk.reshape(height, -1)).view(high, width, -1)
        products = torch.bmm(torch.matmul(columns, tiles).view(high * wide, -1, channels), weights)
        narrow = torch.matmul(columns_back, products.view(high, wide, -1)).view(high, -1)
        whole = (rows_back @ narrow).view(height, width, -1, outputs)
        if bias is None:
            place.copy_(whole)
        else:
            torch.add(whole, bias, out=place)
    return found


class _Convolution(torch.autograd.Function):
    """The gradient of the input is a convolution of the same kind; weights have none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, weights_back: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weights_back)
        return _convolved(x, weights, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (weights_back,) = ctx.saved_tensors
        return _convolved(gradient, weights_back), None, None, None


def can_replace(conv: nn.Module) -> bool:
    """Whether `conv` is what `WinogradConv2d` computes: 3 x 3, stride 1, padded by one with zeros; on a CPU.

    A GPU's library has such products of its own.
    """
    return (
        isinstance(conv, nn.Conv2d)
        and conv.weight.device.type == "cpu"
        and conv.kernel_size == (3, 3)
        and conv.stride == conv.dilation == (1, 1)
        and conv.padding == (1, 1)
        and conv.padding_mode == "zeros"
        and conv.groups == 1
    )


class WinogradConv2d(nn.Module):
    """A convolution (see `can_replace`) whose weights no longer change; gradients reach its input alone.

    Maps that do not gain (see `fits`), and all that is not float32 on a CPU, are convolved as ever. Against float64 the
    error is about 1e-6 of the output's size, a few times that of the direct sum.
    """

    weight: Tensor
    bias: Tensor | None
    there: Tensor
    back: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight.detach()
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach().clone())
        self.register_buffer("there", _transformed(weight), persistent=False)
        self.register_buffer("back", _transformed(weight.flip(2, 3).transpose(0, 1)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, K, H, W]."""
        direct = x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu")
        if direct or not len(x) or not fits(x.shape[2], x.shape[3]):
            return F.conv2d(x, self.weight, self.bias, padding=1)
        found: Tensor = _Convolution.apply(x, self.there, self.back, self.bias)  # type: ignore[no-untyped-call]
        return found
