"""Shares of models that follow their progress, by hand."""

import math

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.objectives.base import Objective, Term, mixture
from generator.objectives.classes import ClassLogit, CrossEntropy, LeaveClass, Margin
from generator.objectives.similarity import EmbeddingObjective, aim_at, cosine
from generator.objectives.weighting import DynamicEnsemble
from generator.optimisers.loop import score
from generator.views.registry import Compose
from tests.generator.standins import Colours, Words, rng

IMAGES = torch.rand(2, 3, 5, 7, generator=rng())


class Given(Objective):
    """Losses as they are given, the first of them unweighted."""

    least = -1.0  # type: ignore[assignment]

    def __init__(self, values: list[float]) -> None:
        self.values = torch.tensor(values)

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        return (Term("given", 1.0, self.values.repeat(len(images) // 2) + 0 * images.sum((1, 2, 3))),)


def totals(ensemble: DynamicEnsemble) -> Tensor:
    losses, _ = score(IMAGES, ensemble, Compose(), 2, rng())
    ensemble.hear(losses)
    return losses["total"]


def test_those_that_lag_behind_gain_weight() -> None:
    first, second = Given([3.0, 1.0]), Given([1.0, 1.0])
    ensemble = DynamicEnsemble({"a": 0.75 * first, "b": 0.25 * second}, [["a", "b"]])
    torch.testing.assert_close(totals(ensemble), torch.tensor([2.5, 1.0]))
    first.values = torch.tensor([1.0, 1.0])  # image 0: (1 + 1) / (3 + 1) of the way are left, and all for b
    torch.testing.assert_close(totals(ensemble), torch.tensor([1.0, 1.0]))  # the shares of before
    r = 0.5**1.5
    mean = 0.75 * r + 0.25
    torch.testing.assert_close(totals(ensemble), torch.tensor([0.75 * r / mean + 0.25 / mean, 1.0]))


def test_groups_do_not_take_from_each_other() -> None:
    given = [Given([1.0, 3.0]) for _ in range(3)]
    names = dict(zip("abc", given, strict=True))
    ensemble = DynamicEnsemble({name: 1.0 * objective for name, objective in names.items()}, [["a", "b"], ["c"]])
    totals(ensemble)
    names["c"].values = torch.tensor([-1.0, -0.5])
    totals(ensemble)
    torch.testing.assert_close(totals(ensemble), torch.tensor([1.0, 5.5]))


def test_all_at_their_goal_is_no_division_by_zero() -> None:
    given = Given([-1.0, -1.0])
    ensemble = DynamicEnsemble({"a": 1.0 * given}, [["a"]])
    for _ in range(3):
        assert totals(ensemble).tolist() == [-1.0, -1.0]


def test_objectives_know_the_least_they_can_be() -> None:
    model, targets = Colours(), mixture([1], (), 4)
    assert ClassLogit(model, targets).least == -math.inf
    assert CrossEntropy(model, targets).least == 0
    assert Margin(model, targets, kappa=3).least == (2 * Margin(model, targets, kappa=1.5)).least == -3
    assert LeaveClass(model, torch.tensor([0]), kappa=2).least == -2
    assert (-1 * CrossEntropy(model, targets)).least == -math.inf
    encoder = Words()
    with torch.no_grad():
        v = encoder.encode_text(["a", "b"])
    aims = [aim_at("prompt", v[:1], [1.5], cosine), aim_at("negative", v[1:], [-0.5], cosine)]
    assert EmbeddingObjective(encoder, aims).least == pytest.approx(-1.0)


def test_a_loss_without_an_end_is_refused() -> None:
    with pytest.raises(StudioError, match="What is asked of 'a' has no end"):
        DynamicEnsemble({"a": ClassLogit(Colours(), mixture([1], (), 4))}, [["a"]])
