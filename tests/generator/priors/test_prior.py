"""The two forms of the prior against each other, against a plain loop of `interpolate`, and by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from foundation.errors import StudioError
from generator.optimisers.registry import make_optimiser
from generator.priors.bounds import Bound, Free, FromImage, L2Ball, LinfBall, Masked, unbounded
from generator.priors.operators import layer_shape
from generator.priors.prior import ImageSpacePrior, LayeredPrior, Prior, choose_form, make_prior, random_start
from tests.examples import examples

SIZE = (18, 25)
RESOLUTIONS = (1, 2, 3, 5, 9, 16, 25)
WEIGHTS = (0.5, 1.0, 2.0, 1.0, 0.7, 1.0, 1.5)
BATCH = 2
FORMS = ("layered", "image_space")


def pictures(seed: int = 0, batch: int = BATCH, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(seed))


def soft_mask(size: tuple[int, int] = SIZE) -> Tensor:
    """Half open on the left, wholly open on the right."""
    return torch.linspace(0.5, 1.2, size[1]).clamp_max(1).expand(1, 1, *size)


BOUNDS = {
    "free": lambda: Free(),
    "image": lambda: FromImage(pictures(1)),
    "linf": lambda: LinfBall(pictures(2), 16 / 255),
    "l2": lambda: L2Ball(pictures(3, batch=1), 1.5),
    "masked": lambda: Masked(FromImage(pictures(1)), pictures(1), soft_mask()),
}


def prior(form: str, bound: Bound | None = None, **options: object) -> Prior:
    given_options = {"weights": WEIGHTS, "batch": BATCH} | options
    return make_prior(form, bound or Free(), RESOLUTIONS, SIZE, **given_options)


def awkward_loss(images: Tensor) -> Tensor:
    """A loss [B] that is far from quadratic, weighs every pixel differently, and is not met within the test."""
    texture = torch.linspace(-9, 9, images[0].numel()).view(images.shape[1:]).to(images).sin()
    target = 0.3 * pictures(7, len(images)).to(images)
    return (3 * (images * texture).mean((1, 2, 3))).exp() + (images - target).square().mean((1, 2, 3)).sqrt()


def descend(subject: Prior, steps: int, lr: float, *, name: str = "sgd", **options: object) -> None:
    optimiser = make_optimiser(name, subject, lr, **options)
    for _ in range(steps):
        optimiser.zero_grad()
        awkward_loss(subject.render()).sum().backward()
        optimiser.step()


def assert_close(a: Tensor, b: Tensor, relative: float = 1e-4) -> None:
    a, b = a.detach(), b.detach()
    assert float((a - b).norm()) <= relative * float(b.norm())


def distances(a: Tensor, b: Tensor) -> tuple[float, float]:
    """The largest L-inf and L2 distances in a batch, in float64."""
    gap = (a.double() - b.double()).flatten(1)
    return float(gap.abs().max()), float(gap.norm(dim=1).max())


# --- the forms agree ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize(
    ("momentum", "normalise", "start_std"),
    [(0.0, False, 0.0), (0.9, False, 0.2), (0.0, True, 0.2), (0.5, True, 0.0)],
)
def test_forms_agree_after_many_steps(bound, momentum, normalise, start_std):
    rate = 0.01 if normalise else {"free": 0.5, "image": 0.5, "linf": 4.0, "l2": 0.3, "masked": 0.5}[bound]
    both = []
    for form in FORMS:
        rng = torch.Generator().manual_seed(5)
        subject = prior(form, BOUNDS[bound](), start_std=start_std, start_resolution=3, rng=rng)
        before = subject.render().detach().clone()
        descend(subject, 24, rate, momentum=momentum, normalise=normalise)
        assert float((subject.render().detach() - before).abs().max()) > 0.01  # they did go somewhere
        both.append(subject)
    layered, image_space = both
    assert_close(image_space.render(), layered.render())
    assert_close(image_space._sum(), layered._sum())
    for r in RESOLUTIONS:
        assert_close(image_space.layers()[r], layered.layers()[r])
        assert_close(image_space.layer_images()[r], layered.layer_images()[r])
        for subject in both:
            torch.testing.assert_close(subject.layer_image(r), subject.layer_images()[r])
    for keep in [(), (1, 5), RESOLUTIONS]:
        assert_close(image_space.render_layers(keep), layered.render_layers(keep))


def test_forms_agree_on_a_canvas_that_tiles():
    both = []
    for form in FORMS:
        subject = prior(form, wrap=True, dtype=torch.float64)
        descend(subject, 12, 0.5, momentum=0.5)
        both.append(subject)
    layered, image_space = both
    assert_close(image_space.render(), layered.render(), 1e-10)
    for r in RESOLUTIONS:
        assert_close(image_space.layers()[r], layered.layers()[r], 1e-10)
    plain = prior("image_space", dtype=torch.float64)
    descend(plain, 12, 0.5, momentum=0.5)
    assert float((plain.render() - layered.render()).detach().abs().max()) > 1e-3


def test_normalised_descent_applies_the_kernel_once_a_step(monkeypatch):
    for momentum in 0.0, 0.9:
        subject = prior("image_space")
        kernel, calls = subject.operator.kernel, []
        with monkeypatch.context() as patch:
            patch.setitem(subject.operator.__dict__, "kernel", lambda x: calls.append(1) or kernel(x))  # noqa: B023
            descend(subject, 5, 0.01, momentum=momentum, normalise=True)
        assert len(calls) == 5


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_against_a_plain_loop_of_interpolations(form, momentum):
    base = pictures(1).double()
    subject = prior(form, FromImage(base, margin=0.05), dtype=torch.float64)
    descend(subject, 20, 0.5, momentum=momentum)

    parameters = [
        torch.zeros(BATCH, 3, *layer_shape(r, SIZE), dtype=torch.float64, requires_grad=True) for r in RESOLUTIONS
    ]

    def plain_render() -> Tensor:
        x = (2 * base.clamp(0.05, 0.95) - 1).atanh()
        for w, p in zip(WEIGHTS, parameters, strict=True):
            x = x + w * F.interpolate(p, size=SIZE, mode="bicubic", align_corners=False)
        return (1 + x.tanh()) / 2

    optimiser = torch.optim.SGD(parameters, lr=0.5, momentum=momentum)
    for _ in range(20):
        optimiser.zero_grad()
        awkward_loss(plain_render()).sum().backward()
        optimiser.step()
    assert_close(subject.render(), plain_render(), 1e-9)
    for r, p in zip(RESOLUTIONS, parameters, strict=True):
        assert_close(subject.layers()[r], p, 1e-8)


def test_a_truncated_kernel_stays_near_the_exact_one():
    resolutions, target = tuple(range(1, 33)), pictures(4, 2, (32, 32))
    results = []
    for tolerance in 0.0, 1e-2:
        subject = make_prior("image_space", Free(), resolutions, (32, 32), batch=2, tolerance=tolerance)
        optimiser = make_optimiser("sgd", subject, 0.05, normalise=True)
        for _ in range(10):
            optimiser.zero_grad()
            (subject.render() - target).square().sum().backward()
            optimiser.step()
        results.append(subject.render().detach())
        assert_close(sum(subject.layer_images().values()), subject._sum(), 2 * tolerance + 1e-5)
    assert_close(results[1], results[0], 1e-2)


@pytest.mark.parametrize("form", FORMS)
def test_one_step_by_hand(form):
    """One layer of one cell, of weight 2: X = 2 p everywhere, and the gradient of p sums up all pixels' twice."""
    subject = make_prior(form, Free(), (1,), (2, 3), weights=[2.0], batch=2)
    assert torch.equal(subject.render(), torch.full((2, 3, 2, 3), 0.5))
    slopes = torch.arange(36.0).view(2, 3, 2, 3)
    optimiser = make_optimiser("sgd", subject, 0.01)
    (subject.render() * slopes).sum().backward()
    optimiser.step()
    gradient = 0.5 * slopes.sum((2, 3), keepdim=True)  # the slope of (1 + tanh) / 2 at 0 is 1/2
    torch.testing.assert_close(subject.layers()[1], -0.01 * 2.0 * gradient)
    expected = (1 + (-0.01 * 4.0 * gradient).tanh()) / 2
    torch.testing.assert_close(subject.render(), expected.expand(2, 3, 2, 3))


@pytest.mark.parametrize("form", FORMS)
def test_pictures_of_a_batch_do_not_see_each_other(form):
    images = pictures(1)
    together = prior(form, FromImage(images))
    target = pictures(9)

    def run(subject: Prior, goal: Tensor) -> Tensor:
        optimiser = make_optimiser("sgd", subject, 0.1, momentum=0.5, normalise=True)
        for _ in range(5):
            optimiser.zero_grad()
            (subject.render() - goal).square().sum().backward()
            optimiser.step()
        return subject.render().detach()

    both = run(together, target)
    for i in range(BATCH):
        alone = run(prior(form, FromImage(images[i : i + 1]), batch=1), target[i : i + 1])
        torch.testing.assert_close(both[i : i + 1], alone, rtol=1e-4, atol=1e-5)


# --- the bounds ---------------------------------------------------------------------------------------------


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


# --- the pieces ---------------------------------------------------------------------------------------------


def test_random_start_repeats_and_stays_low():
    def draw(batch: int) -> dict[int, Tensor]:
        rng = torch.Generator().manual_seed(3)
        return random_start(RESOLUTIONS, SIZE, batch=batch, std=0.5, up_to=5, rng=rng)

    first, again, fewer = draw(3), draw(3), draw(2)
    assert list(first) == [1, 2, 3, 5]
    assert first[5].shape == (3, 3, *layer_shape(5, SIZE))
    for r in first:
        assert torch.equal(first[r], again[r])
        assert torch.equal(first[r][:2], fewer[r])
    spread = torch.cat([layer.flatten() for layer in draw(300).values()]).std()
    assert float(spread) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("form", FORMS)
def test_start_layers_are_part_of_the_layers(form):
    subject = prior(form, start_std=0.3, start_resolution=2, rng=torch.Generator().manual_seed(0))
    expected = random_start(RESOLUTIONS, SIZE, batch=BATCH, std=0.3, up_to=2, rng=torch.Generator().manual_seed(0))
    layers = subject.layers()
    assert list(layers) == list(RESOLUTIONS)
    for r, layer in layers.items():
        assert layer.shape == (BATCH, 3, *layer_shape(r, SIZE))
        torch.testing.assert_close(layer, expected.get(r, torch.zeros_like(layer)))
    torch.testing.assert_close(subject.render_layers(RESOLUTIONS), subject.render())
    assert torch.equal(subject.render_layers([]), torch.full((BATCH, 3, *SIZE), 0.5))


@pytest.mark.parametrize("form", FORMS)
def test_looking_changes_nothing(form):
    subject = prior(form, start_std=0.3, rng=torch.Generator().manual_seed(0))
    descend(subject, 2, 0.1, normalise=True)
    before = subject.render().detach().clone()
    with torch.no_grad():
        assert not subject.render().requires_grad
    for layer in subject.layers().values():
        assert not layer.requires_grad
        layer.fill_(9)
    for image in subject.layer_images().values():
        image.fill_(9)
    assert torch.equal(subject.render(), before)


def test_leaves():
    assert [leaf.shape[-2:] for leaf in prior("layered").leaves()] == [layer_shape(r, SIZE) for r in RESOLUTIONS]
    (leaf,) = prior("image_space").leaves()
    assert leaf.shape == (BATCH, 3, *SIZE)
    for form in FORMS:
        assert all(leaf.is_leaf and leaf.requires_grad for leaf in prior(form).leaves())


def test_the_form_follows_the_optimiser():
    assert choose_form("auto", "sgd") == "image_space"
    assert choose_form("auto", "adam") == "layered"
    assert choose_form("layered", "sgd") == "layered"
    assert isinstance(prior("layered"), LayeredPrior)
    assert isinstance(prior("image_space"), ImageSpacePrior)


@pytest.mark.parametrize("form", FORMS)
def test_what_does_not_fit_is_refused(form):
    with pytest.raises(StudioError, match="this canvas needs"):
        prior(form, FromImage(pictures(size=(18, 24))))
    with pytest.raises(StudioError, match="this canvas needs"):
        prior(form, FromImage(pictures(batch=3)))
    with pytest.raises(StudioError, match="at least one picture"):
        prior(form, batch=0)
    with pytest.raises(StudioError, match="random generator"):
        prior(form, start_std=0.1)
    with pytest.raises(StudioError, match="spread"):
        prior(form, start_std=-0.1)
    with pytest.raises(StudioError, match="no layer of resolution 4"):
        prior(form).render_layers([1, 4])
    with pytest.raises(StudioError, match="no layer of resolution 4"):
        prior(form).layer_image(4)
    with pytest.raises(StudioError, match="no form 'spectral'"):
        prior("spectral")
    operator = prior(form).operator
    kind = type(prior(form))
    for start in {4: torch.zeros(BATCH, 3, 3, 4)}, {2: torch.zeros(BATCH, 3, 2, 2)}:
        with pytest.raises(StudioError, match="start layer"):
            kind(operator, Free(), batch=BATCH, start=start)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("form", FORMS)
def test_on_a_cuda_device(form):
    here = prior(form, FromImage(pictures(1)))
    there = prior(form, FromImage(pictures(1)), device="cuda")
    descend(here, 5, 0.05, normalise=True)
    descend(there, 5, 0.05, normalise=True)
    assert there.render().device.type == "cuda"
    assert_close(there.render().cpu(), here.render(), 1e-3)
