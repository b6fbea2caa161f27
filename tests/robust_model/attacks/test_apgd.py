"""Auto-PGD: its parts on numbers by hand, and its result against the authors' own code."""

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.optimisers.search import Search, checkpoints
from robust_model.attacks import ApgdConfig, AutoAttackConfig
from robust_model.attacks.apgd import next_point
from tests.robust_model.defences import Linear, attacked, picture, standing, trained

EPS = 0.1


def test_checkpoints_by_hand() -> None:
    """The p_j are 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93 and 0.99."""
    assert checkpoints(100) == (22, 41, 57, 70, 80, 87, 93, 99)
    assert checkpoints(50) == (11, 21, 29, 35, 40, 44, 47, 50)
    assert checkpoints(10) == (3, 5, 6, 7, 8, 9, 10)
    assert checkpoints(1) == (1,)


@pytest.mark.parametrize("loss", ["ce", "margin"])
def test_one_step_reaches_the_optimum_of_a_linear_model(loss: str) -> None:
    """The first step, 2 eps long, ends in a corner of the ball from wherever it starts."""
    images = torch.stack([standing(0.49), standing(0.51), standing(0.1)])
    config = ApgdConfig(eps=EPS, steps=1, loss=loss)
    outcome = attacked(Linear(), images, torch.ones(3, dtype=torch.long), config)
    assert outcome.broken.tolist() == [True, False, True]
    corner = images[1] - EPS * Linear().weight.sign().view(3, 1, 2)
    moved = Linear().weight.view(3, 1, 2) != 0
    torch.testing.assert_close(outcome.last[0][1][moved], corner[moved])


def search_of(**fields: Tensor) -> Search:
    """Three images of 3 x 1 x 2 pixels."""
    image = torch.zeros(3, 3, 1, 2)
    numbers = torch.zeros(3)
    default = dict.fromkeys(("x", "before", "gradient"), image)
    default |= dict.fromkeys(("loss", "successes", "best_then"), numbers)
    default |= {"best_x": image + 5, "best_gradient": image + 6, "best_loss": numbers - 7}
    default |= {"step": numbers + 0.4, "halved": numbers > 0}
    return Search(**{**default, **fields})


def test_a_checkpoint_by_hand() -> None:
    """Of 8 steps, rho = 0.75 asks for 6 successes. Images: 5; 6; 8, but without a new best since the last one."""
    search = search_of(successes=torch.tensor([5.0, 6.0, 8.0]), best_then=torch.tensor([-1.0, -1.0, -7.0]))
    search.reconsider(8, 0.75)
    assert search.halved.tolist() == [True, False, True]
    assert search.step.tolist() == pytest.approx([0.2, 0.4, 0.2])
    assert search.x[:, 0, 0, 0].tolist() == [5, 0, 5], "who halves goes back to the best point"
    assert search.gradient[:, 0, 0, 0].tolist() == [6, 0, 6]
    assert search.loss.tolist() == [-7, 0, -7]
    assert search.successes.tolist() == [0, 0, 0]
    assert search.best_then.tolist() == [-7, -7, -7]


def test_who_has_just_halved_may_stay_without_a_new_best() -> None:
    search = search_of(
        successes=torch.full((3,), 8.0), best_then=torch.full((3,), -7.0), halved=torch.tensor([True, False, True])
    )
    search.reconsider(8, 0.75)
    assert search.halved.tolist() == [False, True, False]


def test_a_step_with_momentum_by_hand() -> None:
    """x 0.5, before 0.3, eta 0.4: z = 0.5 + 0.4 = 0.9, then 0.5 + 0.75 * 0.4 + 0.25 * 0.2 = 0.85."""
    image = torch.ones(3, 3, 1, 2)
    search = search_of(x=0.5 * image, before=0.3 * image, gradient=0.01 * image)
    clean = 0.5 * image
    torch.testing.assert_close(next_point(search, clean, 0.45, first=False), 0.85 * image)
    torch.testing.assert_close(next_point(search, clean, 0.45, first=True), 0.9 * image)
    # A ball of 0.2 first cuts z to 0.7: 0.5 + 0.75 * 0.2 + 0.25 * 0.2 = 0.7.
    torch.testing.assert_close(next_point(search, clean, 0.2, first=False), 0.7 * image)


def test_the_best_point_is_kept() -> None:
    search = search_of(loss=torch.tensor([-1.0, -9.0, -8.0]))
    point = torch.full((3, 3, 1, 2), 2.0)
    search.advance(point, torch.tensor([-6.0, -8.0, -9.0]), point + 1)
    assert search.best_x[:, 0, 0, 0].tolist() == [5, 2, 2]
    assert search.best_loss.tolist() == [-7, -8, -9]
    assert search.best_gradient[:, 0, 0, 0].tolist() == [6, 3, 3]
    assert search.successes.tolist() == [1, 0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("conv", [False, True])
@pytest.mark.parametrize(("ours", "theirs"), [("ce", "apgd-ce"), ("dlr", "apgd-dlr"), ("targeted-dlr", "apgd-t")])
def test_agrees_with_the_authors_code_and_needs_fewer_passes(conv: bool, ours: str, theirs: str) -> None:
    model = trained(conv)
    images, labels = picture(40, 5)
    eps = 0.06 if conv else 0.13
    config = ApgdConfig(eps=eps, source="defence", loss=ours, steps=40, targets=4)
    upstream = AutoAttackConfig(eps=eps, version="custom", attacks=(theirs,), steps=40, restarts=1, targets=4)
    mine, other = attacked(model, images, labels, config), attacked(model, images, labels, upstream)
    assert 4 <= int(other.broken.sum()) <= 36, "the test needs both kinds"
    assert abs(int(mine.broken.sum()) - int(other.broken.sum())) <= 2
    assert mine.passes.forward < other.passes.forward
    assert mine.passes.backward < other.passes.backward


def test_each_target_is_tried_and_no_more_than_there_are() -> None:
    images, labels = picture(4, 5)
    model = trained(conv=False)
    config = ApgdConfig(eps=0.0, loss="targeted-dlr", steps=2, targets=9, restarts=2)
    outcome = attacked(model, images, labels, config)
    assert len(outcome.last) == 4 * 2
    assert outcome.passes.forward == 4 * (1 + 4 * 2 * 3)


def test_dlr_needs_enough_classes() -> None:
    images = torch.stack([standing(0.1)])
    with pytest.raises(StudioError, match="needs at least 3 classes, and the model has 2"):
        attacked(Linear(), images, torch.ones(1, dtype=torch.long), ApgdConfig(loss="dlr"))
