"""JPEG compression as a differentiable function: the codec's arithmetic with rounding passed through.

The steps are those of ITU-T T.81 (baseline) and JFIF: RGB to YCbCr, optional 4:2:0 subsampling of the chroma,
blockwise 8 x 8 discrete cosine transform, division by the quantisation table of a quality setting, rounding,
and all of it backwards. Entropy coding is lossless and left out. Rounding and the final clipping have the
gradient of the identity (straight-through), so an optimiser can work through a compression.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

_BLOCK = 8

# ITU-T T.81, Annex K, tables K.1 (luminance) and K.2 (chrominance), row by row.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)
# JFIF's conversion for values in 0..255; the chroma offset of 128 cancels against the level shift of the DCT.
_TO_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """Return the values of `exact` with the gradient of `smooth` (same shape)."""
    return smooth + (exact - smooth).detach()


def _rounded(values: Tensor) -> Tensor:
    return straight_through(values.round(), values)


def quantisation_tables(qualities: Tensor) -> Tensor:
    """Scale the standard tables as the Independent JPEG Group's encoder does.

    `qualities` holds integers 1..100 in a tensor [B]; the result is [B, 3, 8, 8], for Y, Cb and Cr.
    """
    scale = torch.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    base = torch.tensor((_LUMINANCE, _CHROMINANCE, _CHROMINANCE), device=qualities.device)
    return ((base * scale.view(-1, 1, 1, 1) + 50) // 100).clamp(1, 255)


def _dct_matrix(like: Tensor) -> Tensor:
    """The orthonormal 8 x 8 matrix D of the DCT-II: coefficients = D block D^T."""
    index = torch.arange(_BLOCK, dtype=torch.float64)
    matrix = torch.cos(math.pi / _BLOCK * (index + 0.5) * index[:, None]) * math.sqrt(2 / _BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix.to(like)


def _pad_to_multiple(planes: Tensor, multiple: int) -> Tensor:
    height, width = planes.shape[-2:]
    return functional.pad(planes, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def _quantise(planes: Tensor, tables: Tensor) -> Tensor:
    """Round the DCT of planes [B, N, H, W] (sides multiples of 8) by tables [B, N, 8, 8]."""
    batch, count, height, width = planes.shape
    dct = _dct_matrix(planes)
    blocks = planes.view(batch, count, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).transpose(3, 4)
    steps = tables.to(planes)[:, :, None, None]
    coefficients = dct @ blocks @ dct.T / steps
    decoded = dct.T @ (_rounded(coefficients) * steps) @ dct
    return decoded.transpose(3, 4).reshape(batch, count, height, width)


def jpeg(images: Tensor, qualities: Tensor, *, subsample: bool = False) -> Tensor:
    """Compress and decompress images [B, 3, H, W] in [0, 1], each at its own quality (integers 1..100, [B]).

    `subsample` halves the chroma planes (4:2:0: means of 2 x 2, and back bilinearly). Any height and
    width are kept: what does not fill a block is padded with its edge, as encoders do, and cut off again. The
    result lies in [0, 1]; its gradient is that of the linear part, as if nothing were rounded or clipped.
    """
    height, width = images.shape[-2:]
    tables = quantisation_tables(qualities.to(images.device))
    to_ycbcr, to_rgb = images.new_tensor(_TO_YCBCR), images.new_tensor(_TO_RGB)
    padded = _pad_to_multiple(images, 2 * _BLOCK if subsample else _BLOCK)
    ycbcr = _rounded(torch.einsum("dc,bchw->bdhw", to_ycbcr, padded * 255))
    luma, chroma = ycbcr[:, :1] - 128, ycbcr[:, 1:]
    if subsample:
        chroma = _rounded(functional.avg_pool2d(chroma, 2))
    luma = _rounded(_quantise(luma.contiguous(), tables[:, :1]))
    chroma = _rounded(_quantise(chroma.contiguous(), tables[:, 1:]))
    if subsample:
        chroma = functional.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    rgb = torch.einsum("cd,bdhw->bchw", to_rgb, torch.cat([luma + 128, chroma], dim=1)) / 255
    rgb = rgb[..., :height, :width]
    return straight_through(rgb.clamp(0, 1), rgb)
