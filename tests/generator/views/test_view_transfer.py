"""The views of published transfer attacks, by hand."""

import pytest
import torch

from foundation.errors import StudioError
from generator.objectives.base import Objective, Term
from generator.optimisers.loop import score
from generator.views.registry import OneOf, parse_views
from generator.views.transfer import DiverseInput, ScaleCopies, ShuffledBlocks, TranslationInvariance
from tests.generator.standins import rng


class Weighted(Objective):
    """The square of a weighted sum of the values, whatever the size."""

    def evaluate(self, images):
        ramp = torch.linspace(0, 1, images[0].numel()).view(images.shape[1:])
        return (Term("sum", 1.0, (images * ramp).sum((1, 2, 3)).square()),)


def pictures(batch=2, height=9, width=12):
    return torch.rand(batch, 3, height, width, generator=rng(3))


def test_scale_copies_are_halves_of_halves():
    images = pictures()
    copies = ScaleCopies(3)(images, rng())
    assert torch.equal(copies, torch.cat([images, images / 2, images / 4]))


@pytest.mark.parametrize("views", [1, 3])
def test_the_mean_over_copies_counts(views):
    images = pictures()
    losses, gradient = score(images, Weighted(), parse_views("si:3"), views, rng())
    one, slope = score(images, Weighted(), parse_views("identity"), 1, rng())
    share = (1 + 1 / 4 + 1 / 16) / 3  # of a square: the loss at 1/2 is a quarter, and so is its slope
    torch.testing.assert_close(losses["total"], share * one["total"])
    torch.testing.assert_close(gradient, share * slope)


def test_blocks_are_all_there_in_another_order():
    images = pictures(batch=3)
    images.requires_grad_()
    moved = ShuffledBlocks(2)(images, rng(4))
    assert moved.shape == images.shape and not torch.equal(moved, images)
    for before, after in zip(images.detach(), moved.detach(), strict=True):
        colours = [set(map(tuple, one.flatten(1).T.tolist())) for one in (before, after)]
        assert colours[0] == colours[1]  # every pixel once
        # two strips of two blocks: of neighbours along an axis, few are parted
        kept = [len(pairs(after, dim) & pairs(before, dim)) / len(pairs(before, dim)) for dim in (1, 2)]
        assert min(kept) > 0.6
    moved.sum().backward()
    assert torch.equal(images.grad, torch.ones_like(images))
    assert torch.equal(ShuffledBlocks(1)(images, rng()), images)
    assert len({tuple(ShuffledBlocks(2)(images[:1], rng(seed)).flatten().tolist()) for seed in range(6)}) > 1


def pairs(image, dim):
    """The neighbours along an axis of an image [3, H, W]."""
    length = image.shape[dim] - 1
    first, second = (
        image.narrow(dim, 0, length).flatten(1).T.tolist(),
        image.narrow(dim, 1, length).flatten(1).T.tolist(),
    )
    return {(*a, *b) for a, b in zip(first, second, strict=True)}


def test_a_gradient_is_blurred_and_the_image_is_not():
    images = torch.zeros(2, 3, 9, 12, requires_grad=True)
    seen = TranslationInvariance(2)(images, rng())
    assert torch.equal(seen, images)
    seen[0, 1, 4, 5].backward()
    weights = torch.exp(-(torch.arange(-2.0, 3.0) ** 2) / (2 * (4 / 3)))  # sigma = k / sqrt 3
    kernel = torch.outer(weights, weights) / weights.sum() ** 2
    torch.testing.assert_close(images.grad[0, 1, 2:7, 3:8], kernel)
    images.grad[0, 1, 2:7, 3:8] = 0
    assert not images.grad.any()


def test_a_diverse_input_is_the_image_somewhere_on_black():
    images = torch.ones(2, 3, 20, 30)
    changed = DiverseInput(1.0, 1.5)(images, rng(1))
    assert changed.shape == (2, 3, 30, 45)
    for image in changed:
        rows, columns = (image[0] > 0.5).nonzero().amin(0), (image[0] > 0.5).nonzero().amax(0)
        height, width = (columns - rows + 1).tolist()
        assert 20 <= height <= 30 and 30 <= width <= 45
        assert image[0].sum() == pytest.approx(height * width, rel=1e-4)
    assert not torch.equal(changed[0], changed[1])  # each has a place of its own
    assert DiverseInput(1.0, 0.5)(images, rng(1)).shape == images.shape
    assert torch.equal(DiverseInput(0.0)(images, rng()), images)


def test_a_diverse_input_comes_as_often_as_it_should():
    generator = rng(5)
    count = sum(DiverseInput(0.3, 1.5)(pictures(1, 4, 4), generator).shape[2] > 4 for _ in range(300))
    assert 65 <= count <= 118  # 90 expected; five deviations of 7.9 fit twice


def test_one_of_several_is_drawn_each_time():
    view = parse_views("blur:2 or resize:0.5 or identity")
    assert isinstance(view.views[0], OneOf)
    generator = rng(2)
    images = pictures(1, 8, 8)
    seen = [view(images, generator) for _ in range(60)]
    halves = sum(image.shape[2] == 4 for image in seen)
    same = sum(image.shape == images.shape and torch.equal(image, images) for image in seen)
    assert 8 <= halves <= 34 and 8 <= same <= 34 and halves + same < 60


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("di:2", "probability of a change must lie between 0 and 1"),
        ("di:0.5:1.1:3", "3 settings after its name"),
        ("di:0.5:9", "rate of a change"),
        ("ti:1.5", "not a whole number"),
        ("blocks:9", "between 1 and 8"),
        ("si:0", "number of copies must lie between 1 and 16"),
        ("jpeg:50 or soup", "no view 'soup'"),
        ("blur:3-1", "the smaller one first"),
    ],
)
def test_settings_that_make_no_sense(text, words):
    with pytest.raises(StudioError, match=words):
        parse_views(text)


def test_a_range_of_blurs_draws_and_a_single_one_does_not():
    single, several = rng(1), rng(1)
    parse_views("blur:1")(pictures(), single)
    assert torch.equal(single.get_state(), rng(1).get_state())
    parse_views("blur:0.5-2")(pictures(), several)
    assert not torch.equal(several.get_state(), rng(1).get_state())
