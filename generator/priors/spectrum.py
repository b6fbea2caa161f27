"""How the detail of a picture is spread over scales: the variance of its layers, and its Fourier spectrum.

Pictures by Direct Ascent Synthesis have layers whose variance falls with resolution as a power law, near that of
natural pictures (arXiv 2502.07753, section on image statistics). Natural pictures have a power spectrum that
falls as 1 / f^a with a near 2 (Field, "Relations between the statistics of natural images and the response
properties of cortical cells", 1987).

A photo has no layers of its own. Those it is given here are the ones of least norm that add up to it: what the
same descent would have arrived at for that picture (`generator.priors.decomposition`). Bands that share out a photo's
frequencies, such as the differences of a pyramid, would not compare: a layer of r cells holds all frequencies up
to r / 2, not only the ones that coarser layers lack, and its slope depends on which resolutions there are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from foundation.errors import StudioError
from generator.priors.bounds import Free, unbounded
from generator.priors.decomposition import decompose
from generator.priors.operators import ResolutionOperator, Size, layer_shape
from generator.priors.prior import LayeredPrior, Prior

_SMALLEST = 8  # pixels a side
_TOO_SMALL = "A spectrum needs a picture of at least 8 x 8 pixels, not {height} x {width}."
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_FIT_FROM = 2.5  # cycles: the mean frequency of the third ring is near 3
_DECOMPOSITION_TOLERANCE = 1e-2  # of the picture: variances are good to a few percent, invisible on a log scale


@dataclass(frozen=True)
class PowerLaw:
    """y = 10^intercept x^slope, the least-squares line through the points (log10 x, log10 y).

    r_squared is the share of the variance of log10 y that the line explains, 1 where there is none; first and
    last are the ends of the x that took part.
    """

    slope: float
    intercept: float
    r_squared: float
    first: float
    last: float


@dataclass(frozen=True)
class LayerSpectrum:
    """The variance over the pixels of each layer w_r up_r(P_r), the mean of the three channels, in units of X^2.

    Layers of a single cell have none and are left out. The power law is fitted up to half the finest resolution:
    beyond, ever fewer layers are left to hold the finest detail, and their variance says how many there are. Far
    below it, evenly spaced layers of 1 / f^a noise have variances that fall as r^-a; the fit is less steep by
    about a half. It is None with fewer than two positive variances.
    """

    resolutions: tuple[int, ...]
    variances: tuple[float, ...]
    fit: PowerLaw | None


@dataclass(frozen=True)
class FourierSpectrum:
    """The power of a picture's luma around rings of frequency, in variance per unit of frequency squared.

    Frequencies are in cycles per longer side, so that pictures of several sizes share one axis, and end at half a
    cycle per pixel. The power law is fitted from three cycles up: the window mixes slower waves with the mean. For
    1 / f^a noise its slope is -a; it is None where there is no detail.
    """

    frequencies: tuple[float, ...]
    power: tuple[float, ...]
    fit: PowerLaw | None


def fit_power_law(
    x: Sequence[float], y: Sequence[float], first: float = 0.0, last: float = math.inf
) -> PowerLaw | None:
    """Fit a power law to the points with first <= x <= last, x > 0, y > 0; None if these have fewer than two x."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if first <= a <= last and a > 0 and b > 0]
    if len({a for a, _ in points}) < 2:
        return None
    log_x, log_y = torch.tensor(points, dtype=torch.float64).log10().unbind(1)
    from_x, from_y = log_x - log_x.mean(), log_y - log_y.mean()
    slope = float((from_x * from_y).sum() / from_x.square().sum())
    unexplained, spread = float((from_y - slope * from_x).square().sum()), float(from_y.square().sum())
    intercept = float(log_y.mean() - slope * log_x.mean())
    r_squared = 1 - unexplained / spread if spread > 0 else 1.0
    return PowerLaw(slope, intercept, r_squared, min(points)[0], max(points)[0])


@torch.no_grad()
def layer_spectrum(prior: Prior) -> tuple[LayerSpectrum, ...]:
    """The spectrum of the layers of each picture of a prior."""
    shapes = zip(prior.resolutions, prior.operator.shapes, strict=True)
    resolutions = tuple(r for r, (rows, columns) in shapes if rows * columns > 1)
    variances = [_variances(prior.layer_image(r)) for r in resolutions]  # one layer in memory at a time
    of_pictures = [tuple(column) for column in zip(*variances, strict=True)] or [()] * prior.batch
    half = prior.resolutions[-1] / 2
    return tuple(
        LayerSpectrum(resolutions, values, fit_power_law(resolutions, values, last=half)) for values in of_pictures
    )


def _variances(images: Tensor) -> list[float]:
    """For each of the images [B, C, H, W], the mean over channels of the variance over pixels."""
    values: list[float] = images.double().var((2, 3), correction=0).mean(1).tolist()
    return values


def photo_layer_spectrum(photos: Tensor, operator: ResolutionOperator) -> tuple[LayerSpectrum, ...]:
    """The spectrum of each photo [B, 3, h, w] in [0, 1], in layers of the resolutions and weights of an operator.

    A photo is brought to the canvas's aspect and to the pixels of the finest layer first (`on_canvas`), because
    finer detail is in no layer. Raises StudioError for a photo with fewer.
    """
    canvas = layer_shape(operator.resolutions[-1], operator.size)
    fitting = ResolutionOperator(
        operator.resolutions, canvas, operator.weights, 0.0, operator.dtype, operator.device, operator.wrap
    )
    layers = decompose(unbounded(on_canvas(photos, canvas)), fitting, tolerance=_DECOMPOSITION_TOLERANCE)
    return layer_spectrum(LayeredPrior(fitting, Free(), batch=len(photos), start=layers))


def check_spectrum(size: Size, resolutions: Sequence[int], photo: Tensor | None = None) -> None:
    """See, before a picture of `size` with such layers is made, that its spectrum can be told, and that of a photo.

    `photo` is [1, 3, h, w], to be compared with the picture. Raises StudioError.
    """
    shapes = [size] if photo is None else [size, (photo.shape[2], photo.shape[3])]
    for height, width in shapes:
        if min(height, width) < _SMALLEST:
            raise StudioError(_TOO_SMALL.format(height=height, width=width))
    if photo is not None:
        on_canvas(photo, layer_shape(max(resolutions), size))


def on_canvas(photos: Tensor, size: Size) -> Tensor:
    """Photos [B, 3, h, w] cut in the middle to the aspect of `size` (H, W) and scaled down to it, antialiased.

    Raises StudioError for a photo that would have to be scaled up: it has no detail at the finer scales.
    """
    height, width = photos.shape[2:]
    scale = min(height / size[0], width / size[1])
    if scale < 1:
        raise StudioError(
            f"The photo has {height} x {width} pixels, too few to compare with a picture whose finest layer has "
            f"{size[0]} x {size[1]} cells: choose a larger photo."
        )
    rows, columns = (min(side, round(scale * wanted)) for side, wanted in zip((height, width), size, strict=True))
    top, left = (height - rows) // 2, (width - columns) // 2
    middle = photos[:, :, top : top + rows, left : left + columns]
    return F.interpolate(middle, size=size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)


@torch.no_grad()
def fourier_spectrum(images: Tensor) -> tuple[FourierSpectrum, ...]:
    """The radially averaged power spectrum of each of the images [B, 3, H, W], sides of at least 8 pixels.

    The luma, less its mean, is tapered by a Hann window, because the jump between opposite edges would fill the
    spectrum with a cross of its own. Rings are one cycle wide. Raises StudioError for smaller images.
    """
    height, width = images.shape[2:]
    if min(height, width) < _SMALLEST:
        raise StudioError(_TOO_SMALL.format(height=height, width=width))
    longest = max(height, width)
    luma = torch.einsum("c,bchw->bhw", images.new_tensor(_LUMA), images).double()
    window = _hann(height).to(luma)[:, None] * _hann(width).to(luma)
    mean = (luma * window).sum((1, 2), keepdim=True) / window.sum()
    spectrum = torch.fft.fft2((luma - mean) * window)
    power = spectrum.real.square().add_(spectrum.imag.square()) / (window.square().sum() * longest**2)
    power[power < (torch.finfo(torch.float32).eps / longest) ** 2] = 0  # what the rounding of pixels brings about

    down, across = (torch.fft.fftfreq(side, 1 / longest, dtype=luma.dtype) for side in (height, width))
    frequency = torch.hypot(down[:, None], across).flatten().to(luma)
    ring = frequency.round().long()
    last = longest // 2
    count = torch.bincount(ring, minlength=last + 1)[1 : last + 1]
    frequencies = tuple((torch.bincount(ring, frequency)[1 : last + 1] / count).tolist())
    found = []
    for one in power:
        ring_power = tuple((torch.bincount(ring, one.flatten())[1 : last + 1] / count).tolist())
        fit = fit_power_law(frequencies, ring_power, first=_FIT_FROM)
        found.append(FourierSpectrum(frequencies, ring_power, fit))
    return tuple(found)


def _hann(side: int) -> Tensor:
    """A periodic Hann window shifted by half a sample, so that it is symmetric: sin^2(pi (i + 1/2) / side)."""
    return torch.sin(torch.pi * (torch.arange(side, dtype=torch.float64) + 0.5) / side).square()
