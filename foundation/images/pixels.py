"""Between tensors in [0, 1] and 8-bit pixels: rounding, its inverse, and rounding that keeps a budget.

All of it happens on the CPU in float64, so that a picture has the same pixels whatever device it was made on.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from foundation.errors import StudioError


class ImageError(StudioError):
    """A picture that cannot be used; the message says why and what to do."""


def to_tensor(picture: Image.Image | NDArray[np.uint8]) -> Tensor:
    """Turn an RGB picture, or a uint8 array [H, W, 3], into images [1, 3, H, W], float32 in [0, 1]."""
    if isinstance(picture, Image.Image) and picture.mode != "RGB":
        raise ImageError(f"A picture in RGB is needed, not in mode {picture.mode}: read it with load_image.")
    pixels = np.array(picture)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(f"8-bit pixels [H, W, 3] are needed, not {pixels.dtype} {list(pixels.shape)}.")
    return _from_levels(pixels[None])


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """Round images [B, 3, H, W] (half up, clamped to [0, 1]) to 8-bit pixels [B, H, W, 3].

    Raises ImageError for another shape, integer tensors, NaN and infinity.
    """
    checked = _checked(images)
    return _by_strips(checked, lambda part: _nearest(checked[part]))


def to_pil(images: Tensor) -> list[Image.Image]:
    """Images [B, 3, H, W] as a list of B RGB pictures, rounded as by to_uint8."""
    return [Image.fromarray(pixels) for pixels in to_uint8(images)]


def quantise(images: Tensor) -> Tensor:
    """Images [B, 3, H, W] as they come back from an 8-bit file: float32, detached, on the same device."""
    return _from_levels(to_uint8(images)).to(images.device)


def quantise_within(images: Tensor, original: Tensor, eps: float, *, norm: Literal["linf", "l2"] = "linf") -> Tensor:
    """Round to 8 bit such that the saved images, too, keep a budget round the original.

    Images are [B, 3, H, W], the original the same or [1, 3, H, W] and made of 8-bit levels, eps in the units
    of pixels in [0, 1]. Values outside the budget are projected into it, and where plain rounding would leave
    it, pixels are rounded towards the original: under linf all that need it, under l2 those that lose least
    for what they save. The budget then holds up to float32 rounding (1e-6). An original between the 8-bit
    levels may have no level within eps; linf then takes the level nearest to it.
    Returns float32 as quantise does. Raises ImageError for shapes that do not fit and a negative eps.
    """
    if not 0 <= eps < float("inf"):
        raise ImageError(f"The budget eps must be a number >= 0, not {eps}.")
    if original.shape[1:] != images.shape[1:] or original.shape[0] not in (1, images.shape[0]):
        raise ImageError(
            f"Images {list(images.shape)} cannot keep a budget round an original {list(original.shape)}: "
            "both need the same size."
        )
    wanted, start = _checked(images), _checked(original).expand_as(images)
    if norm == "l2":  # one length for all pixels
        levels = _to_array(_round_within_l2(_levels(wanted), _on_grid(start), 255 * eps))
    else:
        levels = _by_strips(wanted, lambda part: _nearest_within_linf(wanted[part], start[part], 255 * eps))
    return _from_levels(levels).to(images.device)


def quantise_rows(rows: Sequence[Callable[[slice], Tensor]], photos: Tensor, eps: float | None) -> Tensor:
    """Round pictures that are made a few rows at a time, so that they are never there as a whole before.

    `rows` makes rows [1, 3, rows, W] of each of the B pictures. With `eps` they keep an L-inf budget round the photos
    [1 or B, 3, H, W], as by `quantise_within`. Returns images [B, 3, H, W] as `quantise` does. Raises ImageError.
    """
    shape = photos[:1].expand(len(rows), -1, -1, -1)

    def levels_of(part: _Part) -> Tensor:
        index = part[0].start
        values = _checked(rows[index](part[2]))
        if eps is None:
            return _nearest(values)
        photo = photos[index if len(photos) > 1 else 0][None]
        return _nearest_within_linf(values, _checked(photo[:, :, part[2]]), 255 * eps)

    return _from_levels(_by_strips(shape, levels_of)).to(photos.device)


_TIE = 1e-3
"""Levels computed in float32 differ by less than this from the exact ones, of values in [0, 1]."""


def _nearest(values: Tensor) -> Tensor:
    """The levels that values round to, half up, clamped to 0..255: uint8.

    In float32 where no value is so near to the middle of two levels that it could round otherwise.
    """
    _demand_finite(values)
    levels = values.float().clamp(0, 1).contiguous().mul_(255)
    nearest = torch.round(levels)
    if bool(levels.sub_(nearest).abs_().max() < 0.5 - _TIE):
        return nearest.to(torch.uint8)
    # Exact: float64 holds 255 x + 1/2 of any float32.
    return torch.floor(values.double().clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def _grid_levels(start: Tensor) -> Tensor | None:
    """The levels, uint8, of values that are all made of 8-bit levels; None if one is not."""
    _demand_finite(start)
    levels = start.float().clamp(0, 1).contiguous().mul_(255)
    nearest = torch.round(levels)
    return nearest.to(torch.uint8) if bool(levels.sub_(nearest).abs_().max() < _TIE / 2) else None


def _nearest_within_linf(wanted: Tensor, start: Tensor, radius: float) -> Tensor:
    """`_round_within_linf` as uint8: by a table of all levels where the original is made of them."""
    levels = _grid_levels(start)
    if levels is None:
        return _round_within_linf(_levels(wanted), _on_grid(start), radius).to(torch.uint8)
    every = torch.arange(256, dtype=torch.float64)
    low, high = (_round_within_linf(torch.full_like(every, end), every, radius).to(torch.uint8) for end in (0.0, 255.0))
    place = levels.int()
    return torch.minimum(torch.maximum(_nearest(wanted), low[place]), high[place])


def _levels(images: Tensor) -> Tensor:
    return _values(images).clamp(0, 1) * 255


def _on_grid(images: Tensor) -> Tensor:
    """The levels of images, undoing the rounding of level / 255 to float32."""
    levels = _levels(images)
    return torch.where((levels - levels.round()).abs() < 1e-3, levels.round(), levels)


def _round_within_linf(wanted: Tensor, start: Tensor, radius: float) -> Tensor:
    slack = 1e-4  # of a level: 4 / 255 given as 0.01568627 must count as 4
    low, high = torch.ceil(start - radius - slack), torch.floor(start + radius + slack)
    nearest = torch.floor(wanted + 0.5)
    inside = torch.minimum(torch.maximum(nearest, low), high)
    return torch.where(low <= high, inside, torch.floor(start + 0.5)).clamp(0, 255)


def _round_within_l2(wanted: Tensor, start: Tensor, radius: float) -> Tensor:
    delta = wanted - start
    norm = torch.linalg.vector_norm(delta.flatten(1), dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
    wanted = start + delta * (radius / norm).clamp_max(1)
    nearest = torch.floor(wanted + 0.5)
    inward = torch.where(wanted > start, torch.floor(wanted), torch.ceil(wanted))
    saved = ((nearest - start).square() - (inward - start).square()).flatten(1)
    lost = ((inward - wanted).square() - (nearest - wanted).square()).flatten(1)
    order = torch.where(saved > 0, lost / saved, torch.inf).argsort(dim=1, stable=True)
    excess = (nearest - start).square().flatten(1).sum(dim=1, keepdim=True) - radius**2
    saved_before = saved.gather(1, order).cumsum(dim=1) - saved.gather(1, order)
    turn = torch.zeros_like(saved, dtype=torch.bool).scatter_(1, order, saved_before < excess)
    return torch.where(turn.view_as(nearest), inward, nearest).clamp(0, 255)


def pixels_of_one(image: Tensor | Image.Image) -> NDArray[np.uint8]:
    """The 8-bit pixels [H, W, 3] of one image: a tensor [3, H, W] or [1, 3, H, W], or an RGB picture."""
    if isinstance(image, Tensor):
        batch = image[None] if image.ndim == 3 else image
        if batch.shape[0] != 1:
            raise ImageError(f"One image is needed, not a batch {list(image.shape)}.")
        pixels: NDArray[np.uint8] = to_uint8(batch)[0]
        return pixels
    if image.mode != "RGB":
        raise ImageError(f"A picture in RGB is needed, not in mode {image.mode}: read it with load_image.")
    return np.array(image)


_Part = tuple[slice, slice, slice]
"""Which images, channels and rows."""
_STRIP = 1 << 17
"""Pixels that are rounded at a time: a large picture in float64 would not stay near the processor."""


def _by_strips(images: Tensor, levels_of: Callable[[_Part], Tensor]) -> NDArray[np.uint8]:
    """The pixels [B, H, W, 3] of images [B, 3, H, W], from what `levels_of` makes of a strip of rows of one image."""
    batch, _, height, width = images.shape
    pixels = np.empty((batch, height, width, 3), np.uint8)
    rows = max(1, _STRIP // max(1, width))
    for index in range(batch):
        for top in range(0, height, rows):
            one, strip = slice(index, index + 1), slice(top, min(top + rows, height))
            pixels[one, strip] = _to_array(levels_of((one, slice(None), strip)))
    return pixels


def _checked(images: Tensor) -> Tensor:
    """Images on the CPU, where rounding is the same for every device."""
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise ImageError(f"Images [B, 3, H, W] in [0, 1] are needed, not {images.dtype} {list(images.shape)}.")
    return images.detach().cpu()


def _values(images: Tensor) -> Tensor:
    """Checked images as float64."""
    _demand_finite(images)
    return images.double()


def _demand_finite(values: Tensor) -> None:
    """An ImageError for NaN and infinity."""
    if values.numel() and not all(bool(end.isfinite()) for end in values.aminmax()):
        raise ImageError("The image holds values that are no numbers (NaN or infinity). Lower the learning rate.")


def _to_array(levels: Tensor) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return pixels


def _from_levels(pixels: NDArray[np.uint8]) -> Tensor:
    """8-bit pixels [B, H, W, 3] as images [B, 3, H, W]: the one place where a level becomes a float."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().float().div_(255)
