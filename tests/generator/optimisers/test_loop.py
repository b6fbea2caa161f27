from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.objectives.base import Ensemble, Objective, Term, mixture
from generator.objectives.classes import ClassLogit, CrossEntropy
from generator.optimisers.loop import AbandonedError, DivergedError, optimise, score
from generator.optimisers.registry import make_optimiser
from generator.priors.bounds import Free
from generator.priors.making import PRIORS, make_prior
from generator.priors.prior import Prior
from generator.views.registry import Compose, GaussianNoise, RandomCrop, Shift, View, parse_views
from tests.generator.standins import BreaksAfter, Colours, rng

RED = mixture([0], [], 4)
SIZE = (10, 14)


def a_prior(form: str = "layered", batch: int = 2) -> Prior:
    return make_prior(form, Free(), (1, 2, 4), SIZE, batch=batch, start_std=0.1, rng=rng(3))  # type: ignore[arg-type]


def run(
    prior: Prior,
    objective: Objective | None = None,
    view: View | None = None,
    steps: int = 3,
    views: int = 2,
    lr: float = 0.5,
    normalise: bool = False,
    give_up: Callable[[], bool] = lambda: False,
):
    return optimise(
        prior,
        objective or CrossEntropy(Colours(), RED),
        view or Compose((GaussianNoise(0.05),)),
        make_optimiser("sgd", prior, lr, normalise=normalise),
        steps=steps,
        views_per_step=views,
        rng=rng(1),
        give_up=give_up,
    )


@pytest.mark.parametrize("form", PRIORS)
def test_steps_are_numbered_and_the_loss_of_every_image_falls(form: str) -> None:
    steps = [(step.index, step.steps, step.losses) for step in run(a_prior(form), steps=8)]
    assert [(index, total) for index, total, _ in steps] == [(i, 8) for i in range(1, 9)]
    losses = [step_losses for _, _, step_losses in steps]
    assert list(losses[0]) == ["cross-entropy", "total"]
    assert all(len(values) == 2 for values in losses[0].values())
    assert all(last < first for last, first in zip(losses[-1]["total"], losses[0]["total"], strict=True))


@pytest.mark.parametrize("form", PRIORS)
def test_one_step_is_one_step_of_gradient_descent(form: str) -> None:
    objective = ClassLogit(Colours(), RED, normaliser=0)
    prior = a_prior("layered")
    (first,) = torch.autograd.grad(objective(prior.render()).sum(), prior.leaves()[:1])
    expected = prior.leaves()[0].detach() - 0.5 * first
    prior = a_prior(form)
    step = next(run(prior, objective, Compose(), views=1))
    assert torch.allclose(step.layers()[1], expected, atol=1e-6)


def test_losses_are_means_over_views_and_belong_to_the_image_before_the_update() -> None:
    class FirstPixel(Objective):
        """Returns the first red pixel of what it sees as its only term, with a weight of 3."""

        def evaluate(self, images: Tensor) -> tuple[Term, ...]:
            return (Term("pixel", 3.0, images[:, 0, 0, 0]),)

    class Plus:
        """Adds 1, then 2, then 3..., so that the mean over two views adds 1.5."""

        calls = 0

        def __call__(self, images: Tensor, _rng: torch.Generator) -> Tensor:
            self.calls += 1
            return images + self.calls

    prior = a_prior()
    before = prior.render()[:, 0, 0, 0].tolist()
    step = next(run(prior, FirstPixel(), Plus(), views=2))
    assert step.losses["pixel"] == pytest.approx([value + 1.5 for value in before])
    assert step.losses["total"] == pytest.approx([3 * (value + 1.5) for value in before])


def test_views_of_one_size_are_scored_as_one_batch() -> None:
    model = Colours()
    next(run(a_prior(), CrossEntropy(model, RED), Compose((Shift(2),)), views=5))
    assert model.batches == [(10, 3, *SIZE)]


def test_views_of_different_sizes_give_the_same_gradient_as_one_by_one() -> None:
    images, objective = torch.rand(2, 3, *SIZE, generator=rng()), ClassLogit(Colours(), RED)
    crop = RandomCrop(0.3, 1)
    losses, gradient = score(images, objective, crop, 6, rng(4))
    leaf, again = images.clone().requires_grad_(), rng(4)
    total = torch.stack([objective(crop(leaf, again)) for _ in range(6)]).mean(dim=0)
    total.sum().backward()
    assert leaf.grad is not None
    assert torch.allclose(gradient, leaf.grad, atol=1e-6)
    assert torch.allclose(losses["total"], total, atol=1e-5)


def test_many_views_go_through_in_several_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    images, noise = torch.rand(2, 3, *SIZE, generator=rng()), GaussianNoise(0.1)
    model = Colours()
    objective = ClassLogit(model, torch.stack([RED, RED.flip(0)]))
    whole = score(images, objective, noise, 5, rng(4))
    monkeypatch.setattr("generator.optimisers.loop.MAX_BATCH", 4)
    parts = score(images, objective, noise, 5, rng(4))
    assert [shape[0] for shape in model.batches] == [10, 4, 4, 2]
    assert torch.allclose(whole[1], parts[1], atol=1e-6)
    assert torch.allclose(whole[0]["total"], parts[0]["total"], atol=1e-5)


def test_each_member_sees_views_of_its_own_and_all_add_up() -> None:
    images, noise = torch.rand(2, 3, *SIZE, generator=rng()), GaussianNoise(0.3)
    one, two = CrossEntropy(Colours(), RED), ClassLogit(Colours(3.0), RED.flip(0))
    losses, gradient = score(images, Ensemble({"one": 0.25 * one, "two": 2 * two}), noise, 3, rng(4))
    assert list(losses) == ["one: cross-entropy", "two: negative logit", "two: log-sum-exp", "total"]
    again = rng(4)
    first = score(images, one, noise, 3, again)
    second = score(images, two, noise, 3, again)  # the next views of the same generator
    assert torch.allclose(gradient, 0.25 * first[1] + 2 * second[1], atol=1e-6)
    assert torch.allclose(losses["total"], 0.25 * first[0]["total"] + 2 * second[0]["total"], atol=1e-5)
    assert torch.allclose(losses["one: cross-entropy"], first[0]["total"], atol=1e-6)
    assert torch.allclose(losses["two: negative logit"], second[0]["negative logit"], atol=1e-6)


def test_views_of_a_large_canvas_come_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    images, crop = torch.rand(2, 3, *SIZE, generator=rng()), RandomCrop(0.3, 1)
    model = Colours()
    objective = ClassLogit(model, torch.stack([RED, RED.flip(0)]))
    alive: list[int] = []

    def watched(image: Tensor, draws: torch.Generator) -> Tensor:
        alive.append(len(model.batches))
        return crop(image, draws)

    whole = score(images, objective, watched, 5, rng(4))
    assert alive == [0] * 5
    alive.clear()
    model.batches.clear()
    monkeypatch.setattr("generator.optimisers.loop.MAX_PIXELS", 2 * 2 * SIZE[0] * SIZE[1] + 1)
    parts = score(images, objective, watched, 5, rng(4))
    assert alive[0] == alive[1] == 0 < alive[2] == alive[3] < alive[4]  # two views of both images at a time
    assert torch.allclose(whole[1], parts[1], atol=1e-6)
    assert torch.allclose(whole[0]["total"], parts[0]["total"], atol=1e-5)
    monkeypatch.setattr("generator.optimisers.loop.MAX_PIXELS", 1)
    assert torch.allclose(whole[1], score(images, objective, crop, 5, rng(4))[1], atol=1e-6)


def test_images_of_a_batch_do_not_influence_each_other() -> None:
    alone, pair = a_prior(batch=1), a_prior(batch=2)
    for _ in zip(run(alone, view=Compose()), run(pair, view=Compose()), strict=True):
        pass
    assert torch.allclose(alone.render(), pair.render()[:1], atol=1e-6)


def test_weights_gradients_and_the_global_generator_are_left_alone() -> None:
    model, state = Colours(), torch.get_rng_state()
    weights = model.matrix.detach().clone()
    model.matrix.grad = torch.full_like(model.matrix, 7.0)
    list(run(a_prior(), CrossEntropy(model, RED), parse_views("crop:0.5-1 | noise:0.1 | flip | jpeg"), steps=3))
    assert torch.equal(model.matrix, weights)
    assert (model.matrix.grad == 7).all()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("form", PRIORS)
def test_same_seeds_give_the_same_bits(form: str) -> None:
    pictures = []
    for _ in range(2):
        prior = a_prior(form)
        list(run(prior, view=parse_views("crop:0.5-1 | noise:0.1"), steps=4))
        pictures.append(prior.render())
    assert torch.equal(*pictures)


def test_works_where_gradients_are_switched_off_and_leaves_them_so() -> None:
    with torch.no_grad():
        for step in run(a_prior(), steps=2):
            assert not torch.is_grad_enabled()
            assert not step.image().requires_grad


class TestTheImageOfAStep:
    def test_is_the_one_after_the_update_and_detached(self) -> None:
        prior = a_prior()
        step = next(run(prior))
        assert torch.equal(step.image(), prior.render())
        assert not step.image().requires_grad
        assert step.image() is step.image()
        assert step.layers().keys() == {1, 2, 4}

    def test_is_rendered_only_on_demand(self, monkeypatch: pytest.MonkeyPatch) -> None:
        prior, rendered = a_prior(), []
        original = prior.render
        monkeypatch.setattr(prior, "render", lambda: rendered.append(1) or original())
        for step in run(prior, steps=3):
            if step.index == 2:
                step.image()
        assert len(rendered) == 4

    def test_is_gone_once_the_loop_has_moved_on(self) -> None:
        first, second, last = run(a_prior(), steps=3)
        with pytest.raises(RuntimeError, match="step 1 is over"):
            first.image()
        with pytest.raises(RuntimeError, match="step 2 is over"):
            second.layers()
        assert last.image().shape == (2, 3, *SIZE)

    def test_stays_if_it_was_asked_for(self) -> None:
        steps = run(a_prior())
        first = next(steps)
        kept = first.image().clone()
        next(steps)
        assert torch.equal(first.image(), kept)


def test_closing_stops_it() -> None:
    model = Colours()
    steps = run(a_prior(), CrossEntropy(model, RED), steps=100)
    step = next(steps)
    steps.close()
    assert len(model.batches) == 1
    assert list(steps) == []
    assert step.image().shape == (2, 3, *SIZE)  # what there is stays


class TestDivergence:
    def test_keeps_the_last_good_images(self) -> None:
        prior, pictures = a_prior(), []
        steps = run(prior, CrossEntropy(BreaksAfter(3), RED), steps=9)
        with pytest.raises(DivergedError, match=r"step 4.*learning rate is too high") as caught:
            for step in steps:
                pictures.append(step.image())
        assert isinstance(caught.value, StudioError)
        assert len(pictures) == 3
        assert caught.value.updates == 2
        assert caught.value.images is not None
        # the images after update 3 are those that gave no number: the ones after update 2 are the last good
        assert torch.equal(caught.value.images, pictures[1])

    def test_at_the_first_step_blames_the_model(self) -> None:
        with pytest.raises(DivergedError, match="very first loss") as caught:
            list(run(a_prior(), CrossEntropy(BreaksAfter(0), RED)))
        assert caught.value.images is None

    def test_a_gradient_that_is_no_number_is_not_applied(self) -> None:
        class BadSlope(Objective):
            def evaluate(self, images: Tensor) -> tuple[Term, ...]:
                x = images.mean(dim=(1, 2, 3))
                return (Term("root", 1.0, (x - x.detach()).sqrt()),)  # 0, with an infinite slope

        prior = a_prior()
        before = prior.render().detach()
        with pytest.raises(DivergedError) as caught:
            list(run(prior, BadSlope(), Compose(), views=1))
        assert torch.equal(prior.render(), before)
        assert caught.value.images is not None and torch.equal(caught.value.images, before)
        assert caught.value.updates == 0


@pytest.mark.parametrize("form", PRIORS)
@pytest.mark.parametrize("asked", range(1, 8))
def test_a_step_that_is_abandoned_anywhere_leaves_all_as_it_was_before_it(form: str, asked: int) -> None:
    """Asked for the n-th time: nothing is abandoned in the first step, and whatever comes after is as if not begun."""
    shorter, prior, calls = a_prior(form), a_prior(form), 0
    (*_, last) = run(shorter, steps=1)

    def give_up() -> bool:
        nonlocal calls
        calls += 1
        return calls == asked

    steps = run(prior, steps=2, give_up=give_up)
    first = next(steps)
    assert calls == 0
    first.image()
    if asked > 6:  # two views, their pass together and its gradient, the end of the score, and that of the step
        next(steps)
        assert calls == 6
        return
    with pytest.raises(AbandonedError) as ended:
        next(steps)
    assert ended.value.updates == 1 and torch.equal(ended.value.images, last.image())
    assert all(torch.equal(a, b) for a, b in zip(prior.leaves(), shorter.leaves(), strict=True))
