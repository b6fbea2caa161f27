"""The multi-resolution stack: one image becomes R images, seen at R resolutions, as 3R channels.

Source: arXiv 2408.05446, section 3.1, and the authors' replication notebook. For each resolution r: reduce the
contrast, shift circularly, mix with the channel mean, scale down to r, add noise, scale up to S, add noise,
clip to [0, 1].

Shifting and scaling are linear and separable, so both are matrix products:
``U_r (D_r T_dy x T_dx' D_r' + n) U_r'`` with the shift T, the downscaling D_r, the upscaling U_r and the noise n. The
matrices ``D_r T_d`` are computed once for every shift d; a batch picks its own and multiplies. The colour mix takes
each pixel and one grey level of the image with weights that sum to one, so it commutes with shifting and scaling and
is done where it is cheapest, at resolution r. No loop runs over images, and the result is differentiable in the images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

# ITU-R 601 luma as in torchvision's rgb_to_grayscale, which adjust_contrast uses for the mean it blends with.
_LUMA = (0.2989, 0.587, 0.114)


class StackConfig(BaseModel):
    """What the stack does. Frozen, validated, JSON.

    `size` is S; `resolutions` are the r in the order of the output channels; shifts are integers in
    [-max_shift, max_shift] per axis, image and resolution; `noise_low` is added at r, `noise_high` at S
    (amplitude of uniform [0, 1) noise, or standard deviation of Gaussian noise, in [0, 1] pixel units);
    `contrast` and `grey` are ranges of the blend factors (1 = unchanged), drawn from `levels` evenly spaced
    values, both ends included, or continuously for 0; `shared_factor` draws one number for both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(32, ge=1)
    resolutions: tuple[int, ...] = (32, 16, 8, 4)
    max_shift: int = Field(0, ge=0)
    noise: Literal["gaussian", "uniform"] = "gaussian"
    noise_low: float = Field(0.0, ge=0)
    noise_high: float = Field(0.0, ge=0)
    contrast: tuple[float, float] = (1.0, 1.0)
    grey: tuple[float, float] = (1.0, 1.0)
    shared_factor: bool = False
    levels: int = Field(0, ge=0)
    down: Literal["area", "bicubic"] = "area"
    up: Literal["bilinear", "bicubic"] = "bilinear"

    @model_validator(mode="after")
    def _check(self) -> "StackConfig":
        if not self.resolutions or any(not 1 <= r <= self.size for r in self.resolutions):
            raise ValueError(f"resolutions must be between 1 and the size, {self.size}: {self.resolutions}")
        for low, high in (self.contrast, self.grey):
            if not 0 <= low <= high <= 1:
                raise ValueError(f"blend factors must be ranges inside [0, 1], not {low}..{high}")
        if self.levels == 1:
            raise ValueError("levels must be 0 (any value) or at least 2 (both ends of the range)")
        return self

    @property
    def channels(self) -> int:
        """Channels of the output, 3R."""
        return 3 * len(self.resolutions)

    @property
    def random(self) -> bool:
        """Whether two passes over one image can differ."""
        return (
            self.max_shift > 0
            or self.noise_low > 0
            or self.noise_high > 0
            or self.contrast[0] < self.contrast[1]
            or self.grey[0] < self.grey[1]
        )


# "paper" is what the authors' notebook runs, quirks included: uniform noise [0, 1) times 0.2 at both
# resolutions (so the images get brighter by 0.1 each time), contrast and grey mix from one draw among 100
# values in [0.5, 1], bicubic scaling without antialiasing. "clean" has the same structure without quirks:
# area downscaling (no aliasing), zero-mean noise, no colour change.
STACKS: dict[str, StackConfig] = {
    "paper": StackConfig(
        max_shift=3,
        noise="uniform",
        noise_low=0.2,
        noise_high=0.2,
        contrast=(0.5, 1.0),
        grey=(0.5, 1.0),
        shared_factor=True,
        levels=100,
        down="bicubic",
        up="bicubic",
    ),
    "clean": StackConfig(max_shift=1, noise_low=0.02, noise_high=0.02),
    "single": StackConfig(resolutions=(32,)),
}


@dataclass(frozen=True)
class StackDraws:
    """One set of random numbers for a batch: everything random that the stack does.

    `shifts` int64 [B, R, 2] (rows, columns; the picture moves down and right by them), `contrast` and `grey`
    [B, R], `low` one [B, 3, r, r] per resolution and `high` [B, R, 3, S, S] (already scaled; None: no noise).
    """

    shifts: Tensor
    contrast: Tensor
    grey: Tensor
    low: tuple[Tensor, ...] | None
    high: Tensor | None

    def part(self, which: slice) -> "StackDraws":
        """The draws of some of the images."""
        return StackDraws(
            self.shifts[which],
            self.contrast[which],
            self.grey[which],
            None if self.low is None else tuple(noise[which] for noise in self.low),
            None if self.high is None else self.high[which],
        )

    @staticmethod
    def concatenate(draws: Sequence["StackDraws"]) -> "StackDraws":
        """The draws of several batches (of one stack) as those of one batch, in order."""
        lows = [d.low for d in draws if d.low is not None]
        highs = [d.high for d in draws if d.high is not None]
        return StackDraws(
            torch.cat([d.shifts for d in draws]),
            torch.cat([d.contrast for d in draws]),
            torch.cat([d.grey for d in draws]),
            tuple(torch.cat(noise) for noise in zip(*lows, strict=True)) if lows else None,
            torch.cat(highs) if highs else None,
        )


def _scaling_matrix(source: int, target: int, mode: str) -> Tensor:
    """The matrix [target, source] of PyTorch's one-dimensional `interpolate`, in float64."""
    identity = torch.eye(source, dtype=torch.float64)[:, None, :, None]  # every unit vector as a column image
    options = {} if mode == "area" else {"align_corners": False}
    # A width of 2 keeps the second axis out of it: constant along it, before and after.
    scaled = F.interpolate(identity.expand(-1, -1, -1, 2), size=(target, 2), mode=mode, **options)
    return scaled[:, 0, :, 0].T.contiguous()


class MultiResolutionStack(nn.Module):
    """Images [B, 3, S, S] in [0, 1] to their stack [B, 3R, S, S] in [0, 1], resolution by resolution."""

    luma: Tensor
    eye: Tensor

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.config = config
        self.mixes = config.contrast != (1.0, 1.0) or config.grey != (1.0, 1.0)
        size, reach = config.size, config.max_shift
        shifts = [torch.eye(size, dtype=torch.float64).roll(d, dims=0) for d in range(-reach, reach + 1)]
        for index, r in enumerate(config.resolutions):
            if r == size:  # nothing is scaled: see _shift
                continue
            down = _scaling_matrix(size, r, config.down)
            up = _scaling_matrix(r, size, config.up)
            # One [r, S] matrix per shift: shifting and downscaling along one axis. The transposed ones, for the
            # columns, are stored as well: a matrix that lies in memory as it is used need not be copied per channel.
            rows = torch.stack([down @ shift for shift in shifts]).float()
            self.register_buffer(f"rows_{index}", rows, persistent=False)
            self.register_buffer(f"columns_{index}", rows.mT.contiguous(), persistent=False)
            self.register_buffer(f"up_{index}", up.float(), persistent=False)
        self.register_buffer("luma", torch.tensor(_LUMA), persistent=False)
        self.register_buffer("eye", torch.eye(3), persistent=False)

    def sample(self, batch: int, rng: torch.Generator, *, shared: bool = False) -> StackDraws:
        """Draw for `batch` images from `rng` (on its device, then moved to the module's).

        With `shared` one draw is made and used for every image of the batch.
        """
        config, device = self.config, rng.device
        count, views = (1 if shared else batch), len(config.resolutions)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=rng, device=device)

        def factor(low: float, high: float, unit: Tensor) -> Tensor:
            if config.levels:
                unit = (unit * config.levels).floor().clamp(max=config.levels - 1) / (config.levels - 1)
            return low + (high - low) * unit

        def noise(amplitude: float, *shape: int) -> Tensor:
            if config.noise == "uniform":
                return amplitude * uniform(*shape)
            return amplitude * torch.randn(shape, generator=rng, device=device)

        span = 2 * config.max_shift + 1  # the clamp is for a product that rounds up to it
        shifts = (uniform(count, views, 2) * span).floor().long().clamp(max=span - 1) - config.max_shift
        unit = uniform(count, views)
        contrast = factor(*config.contrast, unit)
        grey = factor(*config.grey, unit if config.shared_factor else uniform(count, views))
        low = high = None
        if config.noise_low > 0:
            low = tuple(noise(config.noise_low, count, 3, r, r) for r in config.resolutions)
        if config.noise_high > 0:
            high = noise(config.noise_high, count, views, 3, config.size, config.size)

        target = self.luma.device

        def place(x: Tensor) -> Tensor:
            return x.to(target).expand(batch, *x.shape[1:])

        return StackDraws(
            place(shifts),
            place(contrast),
            place(grey),
            None if low is None else tuple(place(n) for n in low),
            None if high is None else place(high),
        )

    def centre(self, batch: int) -> StackDraws:
        """The deterministic pass: no shift, and the mean of every other draw (zero for Gaussian noise)."""
        config, device = self.config, self.luma.device
        views = len(config.resolutions)
        low = high = None
        if config.noise == "uniform":  # [0, 1) noise has a mean, which the network was trained with
            low = tuple(torch.full((batch, 3, r, r), config.noise_low / 2, device=device) for r in config.resolutions)
            shape = (batch, views, 3, config.size, config.size)
            high = torch.full(shape, config.noise_high / 2, device=device)
        return StackDraws(
            torch.zeros(batch, views, 2, dtype=torch.long, device=device),
            torch.full((batch, views), sum(config.contrast) / 2, device=device),
            torch.full((batch, views), sum(config.grey) / 2, device=device),
            low,
            high,
        )

    def forward(self, images: Tensor, draws: StackDraws) -> Tensor:
        """Stack images [B, 3, S, S] with the given draws. Computed in float32 whatever autocast says."""
        size = self.config.size
        if images.shape[1:] != (3, size, size):
            raise ValueError(f"the stack takes [B, 3, {size}, {size}], not {tuple(images.shape)}")
        if len(draws.shifts) != len(images):
            raise ValueError(f"{len(images)} images need as many draws, not {len(draws.shifts)}")
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            # Each image's grey level [B], which contrast blends with.
            level = images.mean((2, 3)) @ self.luma if self.mixes else None
            shrunk = self._shift_and_shrink(images, draws.shifts)
            stacked = torch.cat([self._view(x, level, draws, index) for index, x in enumerate(shrunk)], dim=1)
            if draws.high is not None:
                stacked.add_(draws.high.flatten(1, 2))  # in place: memory, not arithmetic, is what costs here
            return stacked.clamp_(0, 1)

    def _shift_and_shrink(self, images: Tensor, shifts: Tensor) -> list[Tensor]:
        """Every image shifted by its own `shifts` [B, R, 2] and scaled down: one [B, 3, r, r] per resolution."""
        config, views = self.config, range(len(self.config.resolutions))
        scaled = [n for n in views if config.resolutions[n] != config.size]
        found = {n: self._shift(images, shifts[:, n]) for n in views if n not in scaled}
        if scaled:
            place = shifts + config.max_shift
            # The columns of all resolutions in one product: many narrow ones take longer.
            columns = torch.cat([self.get_buffer(f"columns_{n}")[place[:, n, 1]] for n in scaled], dim=2)
            narrow = torch.bmm(images.flatten(1, 2), columns).unflatten(1, (3, -1))
            for n, x in zip(scaled, narrow.split([config.resolutions[n] for n in scaled], dim=3), strict=True):
                found[n] = self.get_buffer(f"rows_{n}")[place[:, n, 0]][:, None] @ x
        return [found[n] for n in views]

    def _shift(self, images: Tensor, shifts: Tensor) -> Tensor:
        """Every image circularly shifted by its own rows and columns, `shifts` [B, 2]."""
        size = self.config.size
        if not self.config.max_shift:
            return images
        source = (torch.arange(size, device=images.device) - shifts[:, :, None]) % size  # [B, 2, S]
        place = source[:, 0, :, None] * size + source[:, 1, None, :]
        shifted = images.flatten(2).gather(2, place.flatten(1)[:, None].expand(-1, 3, -1))
        return shifted.view_as(images)

    def _view(self, x: Tensor, level: Tensor | None, draws: StackDraws, index: int) -> Tensor:
        """What becomes of x [B, 3, r, r] at resolution number `index`, before the last noise: [B, 3, S, S]."""
        r = self.config.resolutions[index]
        if level is not None:
            # Contrast f, then grey mix g, as one 3 x 3 matrix over the channels and a constant:
            # g f x + (1 - g) f mean(x) + (1 - f) level. Everything stays in [0, 1], so that torchvision's clamp
            # between the two would have nothing to do.
            f, g = draws.contrast[:, index, None, None], draws.grey[:, index, None, None]
            mix = (g * f) * self.eye + (1 - g) * f / 3
            x = torch.baddbmm((1 - f) * level[:, None, None], mix, x.flatten(2)).view_as(x)
        if draws.low is not None:
            x = x + draws.low[index]
        if r != self.config.size:
            up = self.get_buffer(f"up_{index}")
            x = up @ (x @ up.mT)
        return x
