"""Square Attack: its schedule and its squares by hand, and that it needs no gradients."""

import pytest
import torch
from pydantic import ValidationError

from robust_model.attacks import ApgdConfig, PgdConfig, SquareConfig
from robust_model.attacks.square import score_of, side_of_square, squares, stripes
from robust_model.networks.noise import SilentNoise
from tests.robust_model.defences import Linear, Network, attacked, picture, standing, trained


@pytest.mark.parametrize(
    ("query", "side"),
    [(1, 29), (10, 29), (11, 20), (50, 20), (51, 14), (201, 10), (501, 7), (1001, 5), (2001, 4), (4001, 3), (6001, 2)],
)
def test_sides_by_hand(query: int, side: int) -> None:
    """sqrt(0.8 * 32 * 32) = 28.6; the area is halved after 10, 50, 200... of 10000 queries."""
    assert side_of_square(query, SquareConfig(queries=10000), 32, 32) == side


def test_the_schedule_stretches_and_squares_fit_the_image() -> None:
    assert side_of_square(5, SquareConfig(queries=5000), 32, 32) == 29
    assert side_of_square(6, SquareConfig(queries=5000), 32, 32) == 20
    assert side_of_square(1, SquareConfig(queries=100), 6, 20) == 5  # after 100 of 10000: 0.2 * 120 pixels
    assert side_of_square(1, SquareConfig(queries=20000, p_init=1.0), 6, 20) == 6
    assert side_of_square(9999, SquareConfig(queries=10000), 8, 8) == 1


def test_stripes() -> None:
    change = stripes(torch.zeros(8, 3, 5, 7), 0.1, torch.Generator().manual_seed(0))
    assert change.shape == (8, 3, 5, 7)
    torch.testing.assert_close(change.abs(), torch.full_like(change, 0.1))
    assert torch.equal(change, change[:, :, :1].expand_as(change))
    assert len(change[:, :, 0].unique(dim=0)) == 8, "every image has its own"
    assert len(change[0, :, 0].unique(dim=1)) > 1


def test_squares() -> None:
    corners = set()
    rng = torch.Generator().manual_seed(0)
    for _ in range(30):
        change = squares(torch.zeros(4, 3, 4, 5), 3, 0.2, rng)
        for image in change:
            inside = image[0].nonzero()
            (top, left), (bottom, right) = inside.amin(0).tolist(), inside.amax(0).tolist()
            assert (bottom - top, right - left, len(inside)) == (2, 2, 9)
            for channel in image:
                values = channel[top : bottom + 1, left : right + 1].unique()
                assert len(values) == 1 and abs(float(values)) == pytest.approx(0.2)
            corners.add((top, left))
    assert corners == {(top, left) for top in range(2) for left in range(3)}, "every position occurs"


class Blind(Network):
    """No gradient reaches the image."""

    def readouts(self, images, noise=None):
        return super().readouts(images).detach()


def test_a_defence_without_gradients_falls_to_square_alone() -> None:
    sighted = trained(conv=True)
    model = Blind(sighted.body, 5).eval()
    images, labels = picture(10, 5)
    by_square = attacked(model, images, labels, SquareConfig(eps=0.1, queries=200))
    assert int(by_square.broken.sum()) >= 8
    assert by_square.passes.backward == 0
    for config in (PgdConfig(eps=0.1, steps=5, restarts=1), ApgdConfig(eps=0.1, steps=5)):
        blind = attacked(model, images, labels, config)
        assert blind.extra["zero_gradients"] == 10
        assert int(blind.broken.sum()) <= int(by_square.broken.sum()) - 4


def test_breaks_only_what_can_be_broken() -> None:
    images = torch.stack([standing(0.1), standing(0.52), standing(0.3)])
    outcome = attacked(Linear(), images, torch.ones(3, dtype=torch.long), SquareConfig(eps=0.1, queries=300))
    assert outcome.broken.tolist() == [True, False, True]


class Alternating(Linear):
    """Its first copies of a batch of two lose 1 of their score, the second copies gain it."""

    random = True

    def readouts(self, images, noise=None):
        logits = super().readouts(images)
        logits[:2, :, 1] -= 1
        logits[2:, :, 1] += 1
        return logits


def test_a_score_is_the_mean_over_the_repeats() -> None:
    images, labels = torch.stack([standing(0.1), standing(0.4)]), torch.ones(2, dtype=torch.long)
    once = score_of(Alternating(), images, labels, SilentNoise(), 1)
    assert once.tolist() == pytest.approx([0.9, 0.6])
    twice = score_of(Alternating(), images, labels, SilentNoise(), 2)
    assert twice.tolist() == pytest.approx([-0.1, -0.4])


def test_gradient_averaging_is_refused() -> None:
    with pytest.raises(ValidationError):
        SquareConfig(eot=4)
    assert SquareConfig().name != SquareConfig(repeats=9).name
