"""CrossMax and the other aggregators, by hand."""

import math

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from robust_model.networks.crossmax import AGGREGATORS, TIE, crossmax, find_aggregator, median, settled, top2, top3

# Two images, three predictors, three classes.
LOGITS = torch.tensor(
    [
        [[3.0, 1.0, 0.0], [0.0, 5.0, 4.0], [2.0, 2.0, 6.0]],
        [[0.0, 0.0, 9.0], [1.0, 2.0, 3.0], [4.0, 8.0, 4.0]],
    ]
)
# Minus each predictor's maximum over classes:
#   image 1: [0, -2, -3], [-5, 0, -1], [-4, -4, 0]; image 2: [-9, -9, 0], [-2, -1, 0], [-4, 0, -4].
# The maximum over predictors is 0 for every class but the first of image 2, where it is -2:
#   image 2: [-7, -9, 0], [0, -1, 0], [-2, 0, -4].
TOP = {
    1: [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    2: [[-4.0, -2.0, -1.0], [-2.0, -1.0, 0.0]],
    3: [[-5.0, -4.0, -3.0], [-7.0, -9.0, -4.0]],
}


@pytest.mark.parametrize("k", TOP)
def test_top_k_by_hand(k: int) -> None:
    assert torch.equal(crossmax(LOGITS, k), torch.tensor(TOP[k]))


def test_median_of_an_odd_number_by_hand() -> None:
    assert torch.equal(crossmax(LOGITS, None), torch.tensor(TOP[2]))


def test_median_of_an_even_number_is_the_lower_of_two() -> None:
    fourth = torch.tensor([[[0.0, -1.0, -1.0]], [[-3.0, 0.0, -1.0]]])
    logits = torch.cat([LOGITS, fourth], dim=1)
    # Already at most 0 per predictor; image 2's first class has the maximum -2 (predictor 2), as before.
    # image 1: {0, -5, -4, 0} -> -4; {-2, 0, -4, -1} -> -2; {-3, -1, 0, -1} -> -1
    # image 2: {-7, 0, -2, -1} -> -2; {-9, -1, 0, 0} -> -1; {0, 0, -4, -1} -> -1
    assert torch.equal(crossmax(logits, None), torch.tensor([[-4.0, -2.0, -1.0], [-2.0, -1.0, -1.0]]))
    assert torch.equal(crossmax(logits, None), crossmax(logits, 3))


def test_one_confident_predictor_decides_nothing() -> None:
    shy = torch.tensor([[0.3, 0.2, 0.0], [0.25, 0.2, 0.0], [0.4, 0.1, 0.0]])
    loud = torch.cat([shy, torch.tensor([[0.0, 0.0, 1000.0]])])[None].expand(2, -1, -1)
    assert AGGREGATORS["mean"](loud).argmax(1).tolist() == [2, 2]
    assert crossmax(loud, 3).argmax(1).tolist() == [0, 0]


# All three name class 1, the first two by as much before class 0, whose column, less its maximum, is 0, 0, -2: two
# classes with the median 0, and the first of them is not what anybody named.
LED = torch.tensor([[[-1.0, 0.0, -9.0], [-1.0, 0.0, -9.0], [-3.0, 0.0, -9.0]]])
# Three name class 0 and three class 1, who are surer.
SPLIT = torch.tensor([[[2.0, 0.0, -9.0]] * 3 + [[0.0, 5.0, -9.0]] * 3])


def test_ties_go_to_the_first_class_as_published_and_with_votes_to_whom_most_name() -> None:
    for logits, plain in ((LED, median), (SPLIT, top3)):
        assert plain(logits)[0, :2].tolist() == [0.0, 0.0] and plain(logits).argmax(1).item() == 0
        assert settled(plain)(logits).argmax(1).item() == 1
    probability = (3 * math.exp(-2) / (1 + math.exp(-2)) + 3 / (1 + math.exp(-5))) / 6  # class 2: about none
    added = (settled(top3)(SPLIT) - top3(SPLIT))[0]
    assert added[:2].tolist() == pytest.approx([TIE * (3 + 1 - probability), TIE * (3 + probability)], rel=1e-3)
    # What is nearly equal to a class that more name stays behind it, however near.
    near = LED.clone()
    near[0, 1, 0] = torch.nextafter(torch.tensor(-1.0), torch.tensor(0.0))
    assert settled(median)(near).argmax(1).item() == 1


def test_without_a_tie_the_votes_change_nothing() -> None:
    logits = torch.randn(500, 5, 4, generator=torch.Generator().manual_seed(0))
    for plain in (median, top2, top3):
        answers = plain(logits)
        best = answers.topk(2, dim=1).values
        clear = best[:, 0] - best[:, 1] > 1e-6
        assert torch.equal(settled(plain)(logits).argmax(1)[clear], answers.argmax(1)[clear]) and clear.sum() > 250
        assert (settled(plain)(logits) - answers).abs().max() <= 6 * TIE


def test_the_others_by_hand() -> None:
    assert torch.allclose(AGGREGATORS["mean"](LOGITS)[0], torch.tensor([5 / 3, 8 / 3, 10 / 3]))
    assert torch.equal(AGGREGATORS["last"](LOGITS), LOGITS[:, 2])
    assert torch.equal(AGGREGATORS["crossmax-top3"](LOGITS), torch.tensor(TOP[3]))
    assert torch.equal(AGGREGATORS["crossmax-top2"](LOGITS), torch.tensor(TOP[2]))
    assert torch.equal(AGGREGATORS["crossmax-median"](LOGITS), torch.tensor(TOP[2]))
    # Two predictors, (3/4, 1/4) and (1/2, 1/2): the mean is (5/8, 3/8).
    logits = torch.tensor([[3.0, 1.0], [1.0, 1.0]]).log()[None].expand(2, -1, -1)
    assert torch.allclose(AGGREGATORS["mean-probability"](logits)[1], torch.tensor([math.log(5 / 8), math.log(3 / 8)]))


def _logits(seed: int = 0) -> Tensor:
    return torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", AGGREGATORS)
def test_contract(name: str) -> None:
    logits = _logits().requires_grad_()
    answer = AGGREGATORS[name](logits)
    assert answer.shape == (2, 5)
    assert torch.equal(AGGREGATORS[name](logits[1:]), answer[1:])
    (gradient,) = torch.autograd.grad(answer[0, 2], logits)
    assert gradient[0].abs().sum() > 0
    assert gradient[1].abs().sum() == 0


@pytest.mark.parametrize("name", [name for name in AGGREGATORS if name != "last"])
def test_order_of_predictors_does_not_matter(name: str) -> None:
    logits = _logits()
    assert torch.allclose(AGGREGATORS[name](logits[:, [2, 0, 3, 1]]), AGGREGATORS[name](logits), atol=1e-6)


@pytest.mark.parametrize("name", [name for name in AGGREGATORS if name.startswith("crossmax") or "prob" in name])
def test_a_constant_per_predictor_does_not_matter(name: str) -> None:
    logits = _logits()
    moved = logits + torch.tensor([5.0, -3.0, 100.0, 0.0])[:, None]
    assert torch.allclose(AGGREGATORS[name](moved), AGGREGATORS[name](logits), atol=1e-4)


@pytest.mark.parametrize("k", [0, -1, 4])
def test_k_that_does_not_exist(k: int) -> None:
    with pytest.raises(StudioError, match=f"top-{k} needs at least"):
        crossmax(LOGITS, k)


def test_find_aggregator() -> None:
    assert find_aggregator("crossmax-top3", 3) is AGGREGATORS["crossmax-top3"]
    with pytest.raises(StudioError, match="top-3 needs at least 3 predictors, and there are 2"):
        find_aggregator("crossmax-top3", 2)
    with pytest.raises(StudioError, match="no aggregator 'top-3'"):
        find_aggregator("top-3", 3)
