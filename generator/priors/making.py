"""Making a prior: the forms that there are, which one an optimiser takes, and where a picture starts."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.priors.bounds import Bound
from generator.priors.operators import Size, layer_shape, resolution_operator
from generator.priors.prior import Form, ImageSpacePrior, LayeredPrior, Prior

PRIORS: dict[Form, type[Prior]] = {"layered": LayeredPrior, "image_space": ImageSpacePrior}


def choose_form(form: Form, optimiser: str) -> Form:
    """The form meant by "auto": image space for "sgd", linear in gradients; layers for the others."""
    if form != "auto":
        return form
    return "image_space" if optimiser == "sgd" else "layered"


def random_start(
    resolutions: Sequence[int], size: Size, *, batch: int, std: float, up_to: int, rng: torch.Generator
) -> dict[int, Tensor]:
    """Normal P0_r [B, 3, rh, rw] of the given standard deviation for every resolution <= up_to; CPU, float32.

    Drawn picture by picture, so that the first pictures of a larger batch are those of a smaller one.
    """
    low = [r for r in resolutions if r <= up_to]
    draws = [
        [std * torch.randn(3, *layer_shape(r, size), generator=rng, device=rng.device) for r in low]
        for _ in range(batch)
    ]
    return {r: torch.stack([picture[index] for picture in draws]) for index, r in enumerate(low)}


def make_prior(
    form: Form,
    bound: Bound,
    resolutions: Sequence[int],
    size: Size,
    *,
    weights: Sequence[float] | None = None,
    batch: int = 1,
    tolerance: float = 0.0,
    start_std: float = 0.0,
    start_resolution: int = 5,
    rng: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    wrap: bool = False,
    mirrored: bool = True,
    two_scales: bool = True,
) -> Prior:
    """A prior on a canvas of `size` (H, W).

    Args:
        form: a key of PRIORS; `choose_form` picks one for an optimiser.
        bound: Free(), FromImage(image), LinfBall(image, eps) or L2Ball(image, eps), or one of them Masked.
        resolutions: ascending, as `parse_resolutions` gives them.
        weights: w_r, one per resolution; 1 unless given.
        batch: the number of pictures.
        tolerance: the relative error allowed to the image-space kernel (1e-2 is fast, 0 exact).
        start_std: standard deviation of a random start, in units of X; 0 for none.
        start_resolution: the finest resolution that takes part in it.
        rng: the generator of the random start, needed if there is one.
        wrap: whether the canvas tiles (see `generator.priors.operators`).
        mirrored: whether the image-space kernel is computed by even and odd halves, in half the time.
        two_scales: whether that of a large canvas is computed for fine and coarse layers apart, in a fraction of it.

    Raises StudioError where these do not fit together.
    """
    if form not in PRIORS:
        raise StudioError(f"There is no form {form!r} of the prior; choose one of {', '.join(PRIORS)}.")
    if not (start_std >= 0 and math.isfinite(start_std)):
        raise StudioError(f"The spread of the random start must be a finite number from 0 up, not {start_std}.")
    start: dict[int, Tensor] = {}
    if start_std > 0:
        if rng is None:
            raise StudioError("A random start needs a random generator: pass a seeded torch.Generator as rng.")
        start = random_start(resolutions, size, batch=batch, std=start_std, up_to=start_resolution, rng=rng)
    operator = resolution_operator(
        resolutions,
        size,
        weights=weights,
        tolerance=tolerance,
        dtype=dtype,
        device=device,
        wrap=wrap,
        mirrored=mirrored,
        two_scales=two_scales,
    )
    return PRIORS[form](operator, bound, batch=batch, start=start)
