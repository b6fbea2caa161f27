"""The bounds of a prior: budgets that nothing leaves, masks, and their maps by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from foundation.errors import StudioError
from generator.optimisers.registry import make_optimiser
from generator.priors.bounds import Free, FromImage, L2Ball, LinfBall, Masked, unbounded
from tests.examples import examples
from tests.generator.priors.small_priors import (
    BATCH,
    BOUNDS,
    FORMS,
    SIZE,
    distances,
    pictures,
    prior,
    soft_mask,
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bound", BOUNDS)
def test_every_parametrisation_can_fit_a_picture(bound, form):
    subject = prior(form, BOUNDS[bound]())
    start = subject.render().detach().clone()
    # A target within reach: a smooth, bounded change of where it starts.
    ramp = torch.linspace(-1, 1, SIZE[1]).mul(3).sin() * 0.05
    target = (start + ramp).clamp(0.02, 0.98)
    errors = []
    for step in range(60):
        optimiser = make_optimiser("sgd", subject, 0.05 * 0.93**step, normalise=True)
        optimiser.zero_grad()
        error = (subject.render() - target).square().mean()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert errors[-1] < 0.6 * errors[0]


@pytest.mark.parametrize("form", FORMS)
def test_zero_layers_give_the_picture_back_to_the_grey_level(form):
    levels = torch.arange(BATCH * 3 * SIZE[0] * SIZE[1]).remainder(256).view(BATCH, 3, *SIZE)
    image = levels / 255
    rendered = prior(form, FromImage(image)).render().detach()
    assert float((rendered - image).abs().max()) < 0.5 / 255
    assert torch.equal((rendered * 255 + 0.5).floor().long(), levels)
    for bound in LinfBall(image, 0.1), L2Ball(image, 0.1):
        assert torch.equal(prior(form, bound).render(), image)


@settings(max_examples=examples(25), deadline=None)
@given(
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([0.0, 1e-20, 1e-4, 0.1, 10.0, 1e10]),
    eps=st.sampled_from([1e-8, 1 / 255, 8 / 255, 0.3, 1.0]),
    l2=st.sampled_from([1e-6, 0.05, 0.5, 3.0, 100.0]),
)
def test_no_picture_leaves_its_budget(seed, scale, eps, l2):
    rng = torch.Generator().manual_seed(seed)
    image = pictures(seed).mul(1.4).sub(0.2).clamp(0, 1)  # much of it at the ends
    x = scale * torch.randn(BATCH, 3, *SIZE, generator=rng)
    results = [bound.apply(x) for bound in (Free(), FromImage(image), LinfBall(image, eps), L2Ball(image, l2))]
    mask = torch.rand(1, 1, *SIZE, generator=rng).mul(1.5).sub(0.2).clamp(0, 1)  # closed, soft and open
    results += [Masked(bound, image, mask).apply(x) for bound in (LinfBall(image, eps), L2Ball(image, l2))]
    for result in results:
        assert result.isfinite().all()
        assert 0 <= float(result.min()) <= float(result.max()) <= 1
    assert distances(results[2], image)[0] <= eps
    assert distances(results[3], image)[1] <= l2
    assert distances(results[4], image)[0] <= eps
    assert distances(results[5], image)[1] <= l2


def levels(batch: int = BATCH) -> Tensor:
    """All 256 levels of an 8-bit photo."""
    return torch.arange(batch * 3 * SIZE[0] * SIZE[1]).remainder(256).view(batch, 3, *SIZE) / 255


@pytest.mark.parametrize("inner", [Free(), FromImage(levels()), LinfBall(levels(), 0.1), L2Ball(levels(), 2.0)])
def test_a_mask_keeps_the_photo_outside_and_the_inner_bound_inside(inner):
    photo, mask = levels(), torch.zeros(1, 1, *SIZE)
    mask[..., 4:9, 6:20] = 1
    x = 100 * torch.randn(BATCH, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    result, inside = Masked(inner, photo, mask).apply(x), (mask == 1).expand(photo.shape)
    assert torch.equal(result[~inside], photo[~inside])  # bit for bit, so the 8-bit pixels, too
    assert torch.equal(result[inside], inner.apply(x)[inside])
    assert not torch.equal(result[inside], photo[inside])


def test_a_soft_mask_blends_by_hand():
    photo = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1).expand(2, 3, 1, 3).contiguous()
    x = torch.zeros(2, 3, 1, 3).requires_grad_()
    result = Masked(Free(), photo, torch.tensor([0.0, 0.25, 1.0]).view(1, 1, 1, 3)).apply(x)
    torch.testing.assert_close(result[1, 0, 0], torch.tensor([0.2, 0.2 + 0.25 * 0.3, 0.5]))
    result.sum().backward()
    torch.testing.assert_close(x.grad[0, 2, 0], torch.tensor([0.0, 0.125, 0.5]))


def test_a_mask_moves_with_what_it_combines():
    bound = Masked(LinfBall(pictures(1), 0.1), pictures(1), soft_mask())
    moved = bound.to(torch.device("cpu"), torch.float64)
    assert moved.image.dtype == moved.mask.dtype == moved.inner.image.dtype == torch.float64
    assert moved.inner.eps == 0.1
    assert bound.shape == (BATCH, 3, *SIZE)
    assert Masked(Free(), pictures(1, batch=1), soft_mask().expand(5, -1, -1, -1)).shape == (5, 3, *SIZE)
    assert Masked(Free(), pictures(1, batch=1), soft_mask()).shape == (1, 3, *SIZE)


def test_masks_that_make_no_sense_are_refused():
    photo, mask = pictures(1), soft_mask()
    for wrong, reason in (
        (mask[0], "mask must be floating point"),
        (mask.expand(1, 3, -1, -1), r"mask must be .* shape \[batch, 1,"),
        (mask + 0.1, "mask must hold values from 0 to 1"),
        (mask * torch.nan, "mask must hold values from 0 to 1"),
        (mask[..., 1:], "size of the start image, 18 x 25"),
        (torch.zeros_like(mask), "nothing to change"),
        (mask.expand(3, -1, -1, -1), "fit together"),
    ):
        with pytest.raises(StudioError, match=reason):
            Masked(Free(), photo, wrong)
    with pytest.raises(StudioError, match="fit together"):
        Masked(FromImage(pictures(batch=3)), photo, mask)
    with pytest.raises(StudioError, match="this canvas needs"):
        prior("layered", Masked(Free(), pictures(batch=3), mask))


def test_the_map_on_grey_shows_no_photo():
    zero = torch.zeros(BATCH, 3, *SIZE)
    colours = Free(((0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5)))
    for bound in (*(make() for make in BOUNDS.values()), colours, Masked(colours, pictures(), soft_mask())):
        assert torch.equal(bound.on_grey.apply(zero), torch.full_like(zero, 0.5))
    assert colours.on_grey is colours
    assert Masked(colours, pictures(), soft_mask()).on_grey is colours


def test_unbounded_is_the_inverse_of_the_squashing():
    image = pictures(batch=2)
    torch.testing.assert_close(Free().apply(unbounded(image)), image.clamp(0.45 / 255, 1 - 0.45 / 255))
    clamped = unbounded(torch.full((1, 3, 2, 3), 0.9), 0.25)
    torch.testing.assert_close(clamped, torch.full((1, 3, 2, 3), 0.5 * math.log(3)))  # atanh(1/2)


def test_l2_map_by_hand_and_its_slope_at_zero():
    image = torch.full((2, 3, 4, 5), 0.5)
    x = torch.zeros(2, 3, 4, 5)
    x[0, 0, 0, 0], x[0, 1, 2, 3] = 0.3, 0.4  # norm 1/2; the second stays at its centre
    x.requires_grad_()
    out = L2Ball(image, 0.2).apply(x)
    moved = (out - image).detach()
    reached = 0.2 * torch.tensor(0.5).tanh()
    torch.testing.assert_close(moved.flatten(1).norm(dim=1), torch.stack([reached, reached * 0]), atol=1e-5, rtol=0)
    assert float(moved[0, 1, 2, 3] / moved[0, 0, 0, 0]) == pytest.approx(4 / 3, rel=1e-3)
    out.sum().backward()
    torch.testing.assert_close(x.grad[1], torch.full((3, 4, 5), 0.2), rtol=1e-3, atol=0)
    fine = torch.randn(2, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    centre = torch.full((1, 3, 2, 2), 0.5, dtype=torch.float64)
    for scale in 1.0, 1e-3:
        point = (scale * fine).requires_grad_()
        assert torch.autograd.gradcheck(L2Ball(centre, 0.3).apply, point, eps=1e-7)


@pytest.mark.parametrize("eps", [0.0, -0.1, 1.1, float("nan"), float("inf")])
def test_senseless_budgets_are_refused(eps):
    with pytest.raises(StudioError, match="L-inf budget"):
        LinfBall(pictures(), eps)
    if eps != 1.1:
        with pytest.raises(StudioError, match="L2 budget"):
            L2Ball(pictures(), eps)


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(3, 4, 5),
        torch.zeros(1, 1, 4, 5),
        torch.zeros(1, 3, 4, 5, dtype=torch.uint8),
        torch.full((1, 3, 4, 5), 1.01),
        torch.full((1, 3, 4, 5), float("nan")),
    ],
)
def test_senseless_start_images_are_refused(image):
    for make in FromImage, (lambda i: LinfBall(i, 0.1)), (lambda i: L2Ball(i, 0.1)):
        with pytest.raises(StudioError, match="start image"):
            make(image)
    with pytest.raises(StudioError, match="margin"):
        FromImage(pictures(), margin=0.5)
