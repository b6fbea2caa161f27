"""What open_clip does to a picture before a model sees it, on tensors and differentiable.

open_clip resizes with Pillow in 8 bit; this follows its arithmetic in float32: the same output sizes, the same
antialiased kernels, columns before rows with the overshoot cut off after each, the same rounding of crops. What
is left is Pillow's rounding to 8 bit, once per direction: at most 1.5/255 per pixel.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from foundation.errors import StudioError

Size = tuple[int, int]
"""Height and width in pixels."""


def shortest(height: int, width: int, target: Size) -> Size:
    """The smallest size of the same shape that covers the target."""
    if target[0] == target[1]:  # torchvision's Resize, which rounds down
        side = target[0]
        return (side, side * width // height) if height <= width else (side * height // width, side)
    ratio = min(height / target[0], width / target[1])
    return round(height / ratio), round(width / ratio)


def longest(height: int, width: int, target: Size) -> Size:
    """The largest size of the same shape that fits into the target."""
    ratio = max(height / target[0], width / target[1])
    return round(height / ratio), round(width / ratio)


def squash(_height: int, _width: int, target: Size) -> Size:
    """The target, whatever becomes of the shape."""
    return target


RESIZE_MODES: dict[str, Callable[[int, int, Size], Size]] = {
    "shortest": shortest,
    "longest": longest,
    "squash": squash,
}
INTERPOLATIONS = ("bicubic", "bilinear")


class Preprocess(nn.Module):
    """Images [B, 3, H, W] in [0, 1] to the normalised input [B, 3, h, w] of a model.

    Attributes:
        size: (h, w), what the model sees.
    """

    def __init__(
        self,
        size: int | Size,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        *,
        interpolation: str = "bicubic",
        resize_mode: str = "shortest",
        fill: float = 0.0,
    ) -> None:
        """`fill` is the value, in [0, 1], of what surrounds a picture that "longest" does not fill.

        StudioError for modes that open_clip does not have either.
        """
        super().__init__()
        if resize_mode not in RESIZE_MODES:
            raise StudioError(f"This model resizes by '{resize_mode}'; known are: {', '.join(RESIZE_MODES)}.")
        if interpolation not in INTERPOLATIONS:
            raise StudioError(f"This model resizes with '{interpolation}'; known are: {', '.join(INTERPOLATIONS)}.")
        self.size: Size = (size, size) if isinstance(size, int) else (size[0], size[1])
        self.resize_mode, self.fill = resize_mode, fill
        # open_clip covers a rectangle bicubically, whatever the configuration says.
        covers_rectangle = resize_mode == "shortest" and self.size[0] != self.size[1]
        self.interpolation = "bicubic" if covers_rectangle else interpolation
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Preprocess":
        """From the fields of open_clip's `PreprocessCfg`. StudioError for values that cannot be."""
        try:
            size = config["size"]
            return cls(
                size if isinstance(size, int) else (int(size[0]), int(size[-1])),
                _per_channel(config["mean"]),
                _per_channel(config["std"]),
                # What open_clip calls "random" concerns training only.
                interpolation="bicubic" if config["interpolation"] == "random" else config["interpolation"],
                resize_mode=config["resize_mode"],
                fill=config["fill_color"] / 255,
            )
        except StudioError:
            raise
        except (TypeError, ValueError, LookupError) as error:
            raise StudioError(f"The model's preprocessing is not valid ({error!r}): {dict(config)}.") from error

    def forward(self, images: Tensor) -> Tensor:
        return (self.fit(images) - self.get_buffer("mean")) / self.get_buffer("std")

    def fit(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] brought to the size of the input; those of that size come back as they are."""
        height, width = images.shape[-2:]
        return self._crop_or_pad(self._resize(images, RESIZE_MODES[self.resize_mode](height, width, self.size)))

    def _resize(self, images: Tensor, size: Size) -> Tensor:
        for step in ((images.shape[-2], size[1]), size):
            if tuple(images.shape[-2:]) != step:
                # With antialiasing PyTorch's bicubic kernel is Pillow's (a = -0.5), also for enlarging.
                images = functional.interpolate(images, step, mode=self.interpolation, antialias=True).clamp(0, 1)
        return images

    def _crop_or_pad(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        missing = [max(0, self.size[0] - height), max(0, self.size[1] - width)]
        if any(missing):
            (above, left) = (extent // 2 for extent in missing)
            around = (left, missing[1] - left, above, missing[0] - above)
            images = functional.pad(images, around, value=self.fill)
        # Python's rounding of halves to even, as torchvision's.
        top = round((images.shape[-2] - self.size[0]) / 2)
        start = round((images.shape[-1] - self.size[1]) / 2)
        return images[..., top : top + self.size[0], start : start + self.size[1]]


def _per_channel(values: Any) -> tuple[float, ...]:
    channels = tuple(float(value) for value in values) if isinstance(values, (list, tuple)) else (float(values),) * 3
    if len(channels) != 3:
        raise LookupError(f"{len(channels)} channels instead of 3")
    return channels
