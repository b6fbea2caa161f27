"""The two forms of the prior against each other, against a plain loop of `interpolate`, and by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from foundation.errors import StudioError
from generator.optimisers.registry import make_optimiser
from generator.priors.bounds import Free, FromImage
from generator.priors.making import choose_form, make_prior, random_start
from generator.priors.operators import layer_shape
from generator.priors.prior import ImageSpacePrior, LayeredPrior, Prior
from tests.generator.priors.small_priors import (
    BATCH,
    BOUNDS,
    FORMS,
    RESOLUTIONS,
    SIZE,
    WEIGHTS,
    assert_close,
    awkward_loss,
    descend,
    pictures,
    prior,
)


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
