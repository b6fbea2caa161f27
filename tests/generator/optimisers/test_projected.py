"""The update rules of attacks, step by step, and the pixels that they move."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import StudioError
from generator.optimisers.projected import cosine
from generator.optimisers.registry import make_optimiser
from generator.optimisers.search import checkpoints
from generator.priors.bounds import Free
from generator.priors.making import make_prior
from generator.priors.pixel import PixelBall, PixelPrior, pixel_noise
from tests.examples import examples
from tests.generator.standins import rng

PHOTO = 0.3 + 0.4 * torch.rand(2, 3, 4, 5, generator=rng(1))
SLOPES = torch.randn(2, 3, 4, 5, generator=rng(2))


def pixels(norm="linf", eps=0.1, photo=PHOTO):
    return PixelPrior(PixelBall(photo, norm, eps), batch=2)


def take(prior, optimiser, slopes=SLOPES, losses=None):
    """One step down a linear loss of these slopes."""
    optimiser.zero_grad()
    (prior.render() * slopes).sum().backward()
    if losses is not None:
        optimiser.observe(torch.tensor(losses))
    optimiser.step()
    return prior.leaves()[0].detach().clone()


class TestPixels:
    @settings(max_examples=examples(40), deadline=None)
    @given(st.integers(0, 2**32), st.sampled_from(["linf", "l2", "none"]), st.floats(1e-3, 1), st.floats(0.01, 30))
    def test_a_projection_lands_in_the_budget_and_leaves_what_is_inside(self, seed, norm, eps, size):
        photo = torch.rand(2, 3, 4, 5, generator=rng(seed))
        ball = PixelBall(photo, norm, 0.0 if norm == "none" else eps)
        change = ball.project(size * torch.randn(2, 3, 4, 5, generator=rng(seed + 1)))
        image = photo + change
        assert image.min() >= -1e-7 and image.max() <= 1 + 1e-7
        if norm == "linf":
            assert change.abs().max() <= eps
        if norm == "l2":
            assert (change.flatten(1).norm(dim=1) <= eps * (1 + 1e-5)).all()
        torch.testing.assert_close(ball.project(change), change)
        torch.testing.assert_close(ball.project(0.5 * change), 0.5 * change)

    def test_a_projection_by_hand(self):
        photo = torch.tensor([0.5, 0.95, 0.5]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
        moved = torch.tensor([0.3, 0.3, -0.05]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
        expected = torch.tensor([0.1, 0.05, -0.05]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
        torch.testing.assert_close(PixelBall(photo, "linf", 0.1).project(moved), expected)
        scaled = moved / moved.norm() * 0.2
        torch.testing.assert_close(PixelBall(photo, "l2", 0.2).project(moved), scaled)

    def test_a_picture_at_the_end_of_the_range_keeps_its_gradient(self):
        prior = pixels("none", 0.0, torch.ones(2, 3, 4, 5))
        (prior.render() * SLOPES).sum().backward()
        assert torch.equal(prior.leaves()[0].grad, SLOPES)

    def test_noise_has_the_size_that_was_asked_for(self):
        photo = torch.full((1, 3, 40, 50), 0.5)
        for norm, eps, size in (("linf", 0.1, 0.05), ("none", 0.0, 0.5), ("l2", 2.0, 1.0 / math.sqrt(6000))):
            noise = pixel_noise(PixelBall(photo, norm, eps), 0.5, rng=rng())
            assert noise.square().mean().sqrt().item() == pytest.approx(size, rel=0.05)

    @pytest.mark.parametrize(("norm", "eps"), [("linf", 0.0), ("none", 0.1), ("l2", -1.0), ("l2", math.inf)])
    def test_a_budget_that_is_none(self, norm, eps):
        with pytest.raises(StudioError, match="budget"):
            PixelBall(PHOTO, norm, eps)

    def test_the_only_layer_is_the_change(self):
        prior = pixels()
        change = take(prior, make_optimiser("pgd", prior, 0.5))
        assert prior.resolutions == (5,)
        torch.testing.assert_close(prior.layers()[5], change)
        torch.testing.assert_close(prior.render_layers([5]), PHOTO + change)
        torch.testing.assert_close(prior.render_layers([]), PHOTO)


class TestSteps:
    def test_pgd_follows_the_sign_and_comes_back(self):
        prior = pixels()
        optimiser = make_optimiser("pgd", prior, 0.4)
        for count in 1, 2:
            torch.testing.assert_close(take(prior, optimiser), -0.04 * count * SLOPES.sign())
        torch.testing.assert_close(take(prior, optimiser), -0.1 * SLOPES.sign())

    def test_pgd_under_l2_takes_steps_of_one_length(self):
        prior = pixels("l2", 0.5)
        change = take(prior, make_optimiser("pgd", prior, 0.2))
        unit = SLOPES / SLOPES.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        torch.testing.assert_close(change, -0.1 * unit)

    def test_a_value_without_a_slope_stays(self):
        prior, slopes = pixels(), SLOPES.clone()
        slopes[0, 0, 0, 0] = 0
        slopes[1] = 0
        change = take(prior, make_optimiser("pgd", prior, 0.4), slopes)
        assert change[0, 0, 0, 0] == 0 and not change[1].any()
        assert change[0].abs().max() == pytest.approx(0.04)

    def test_mi_fgsm_adds_up_normalised_gradients(self):
        prior = pixels("linf", 1.0, torch.full((2, 3, 4, 5), 0.5))
        optimiser = make_optimiser("mi-fgsm", prior, 0.1, momentum=0.5)
        second = -3 * SLOPES.roll(1, 3)
        change = take(prior, optimiser)
        torch.testing.assert_close(change, -0.1 * SLOPES.sign())
        sums = [slopes.abs().sum((1, 2, 3), keepdim=True) for slopes in (SLOPES, second)]
        velocity = 0.5 * SLOPES / sums[0] + second / sums[1]
        torch.testing.assert_close(take(prior, optimiser, second), change - 0.1 * velocity.sign())
        assert (velocity.sign() != second.sign()).any()

    def test_a_cosine_shrinks_the_steps(self):
        sizes = [cosine(0.2, 4)(step) for step in (1, 2, 3, 4)]
        assert sizes == pytest.approx([0.2, 0.1 * (1 + math.sqrt(0.5)), 0.1, 0.1 * (1 - math.sqrt(0.5))])
        prior = pixels("linf", 1.0, torch.full((2, 3, 4, 5), 0.5))
        optimiser = make_optimiser("pgd", prior, 0.2, steps=4, schedule="cosine")
        for _ in range(2):
            change = take(prior, optimiser)
        torch.testing.assert_close(change, -(sizes[0] + sizes[1]) * SLOPES.sign())

    @pytest.mark.parametrize("name", ["pgd", "mi-fgsm"])
    def test_a_step_of_layers_moves_the_picture_by_the_learning_rate(self, name):
        prior = make_prior("layered", Free(), (1, 2, 4), (12, 17), batch=2)
        (prior.render() * torch.randn(2, 3, 12, 17, generator=rng())).sum().backward()
        make_optimiser(name, prior, 0.03).step()
        moved = sum(prior.layer_images().values())
        torch.testing.assert_close(moved.square().mean((1, 2, 3)).sqrt(), torch.full((2,), 0.03), rtol=1e-4, atol=0)

    @pytest.mark.parametrize("name", ["sgd", "adam"])
    @pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l2", 0.3)])
    def test_plain_descent_stays_in_the_budget_and_gets_to_its_edge(self, name, norm, eps):
        prior = pixels(norm, eps)
        optimiser = make_optimiser(name, prior, 0.5, normalise=name == "sgd")
        first = take(prior, optimiser)
        if name == "sgd":
            length = first.flatten(1).norm(dim=1) / (1 if norm == "l2" else math.sqrt(60))
            assert (length <= 0.5 * eps * 1.001).all() and (length > 0.3 * eps).all()
        for _ in range(6):
            change = take(prior, optimiser)
        size = change.abs().amax((1, 2, 3)) if norm == "linf" else change.flatten(1).norm(dim=1)
        torch.testing.assert_close(size, torch.full((2,), eps), rtol=1e-3, atol=0)


class TestAutoPGD:
    def test_checkpoints_are_those_of_the_paper(self):
        # p: 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99
        assert sorted(checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99]
        assert sorted(checkpoints(10)) == [3, 5, 6, 7, 8, 9, 10]

    def test_the_first_steps_by_hand(self):
        prior = pixels("linf", 0.1, torch.full((2, 3, 4, 5), 0.5))
        optimiser = make_optimiser("apgd", prior, 1.0, steps=100)
        first = take(prior, optimiser, losses=[1.0, 1.0])
        torch.testing.assert_close(first, -0.1 * SLOPES.sign())  # 2 eps, brought back
        turned = take(prior, optimiser, -SLOPES, losses=[0.9, 0.9])
        # z is the other corner: x + 3/4 (z - x) + 1/4 (x - 0)
        torch.testing.assert_close(turned, (-0.1 + 0.75 * 0.2 - 0.25 * 0.1) * SLOPES.sign())

    def test_steps_are_halved_and_the_best_point_is_taken_up_again(self):
        steps = 100
        prior = pixels("linf", 0.1, torch.full((2, 3, 4, 5), 0.5))
        optimiser = make_optimiser("apgd", prior, 1.0, steps=steps)
        points = [torch.zeros(2, 3, 4, 5)]
        for index in range(23):  # image 0 gets better all the time, image 1 only once
            loss = [-float(index), -1.0 if index == 1 else 0.0]
            points.append(take(prior, optimiser, SLOPES * (-1) ** index, losses=loss))
        assert optimiser._search.step.flatten().tolist() == [2.0, 1.0]
        best = points[1][1]
        slope = -SLOPES[1]
        expected = best + 0.75 * ((best - 0.1 * slope.sign()).clamp(-0.1, 0.1) - best) + 0.25 * (best - points[21][1])
        torch.testing.assert_close(points[23][1], expected.clamp(-0.1, 0.1))

    def test_a_step_that_was_not_halved_is_halved_if_nothing_got_better(self):
        prior = pixels()
        optimiser = make_optimiser("apgd", prior, 1.0, steps=100)
        found = []
        for index in range(42):  # falls within each stretch, but from a higher start in the second
            loss = -float(index) if index <= 22 else 10.0 - 0.1 * index
            take(prior, optimiser, losses=[loss, loss])
            found.append(optimiser._search.step[0].item())
        assert found[22] == 2.0 and found[40] == 2.0 and found[41] == 1.0

    def test_the_last_step_puts_the_best_point_in_place(self):
        prior = pixels()
        optimiser = make_optimiser("apgd", prior, 1.0, steps=4)
        seen = [torch.zeros(2, 3, 4, 5)]
        for loss in ([3.0, 3.0], [1.0, 2.0], [2.0, 1.5], [2.5, 1.0]):
            seen.append(take(prior, optimiser, SLOPES.roll(len(seen), 3), losses=loss))
        torch.testing.assert_close(seen[4][0], seen[1][0])
        torch.testing.assert_close(seen[4][1], seen[3][1])

    def test_it_wants_to_hear_of_losses(self):
        prior = pixels()
        with pytest.raises(RuntimeError, match="observe"):
            take(prior, make_optimiser("apgd", prior, 1.0, steps=4))

    def test_it_needs_a_budget(self):
        with pytest.raises(StudioError, match="pixels and a budget"):
            make_optimiser("apgd", pixels("none", 0.0), 1.0, steps=4)
