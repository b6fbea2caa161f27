import math

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.objectives.base import Ensemble, Objective, Sum, mean, mixture
from generator.objectives.classes import OBJECTIVES, ClassLogit, CrossEntropy, LeaveClass, Margin


class MeanColour:
    """Logits for 4 classes that can be worked out by hand: a matrix times the mean red, green and blue."""

    class_names = ("a", "b", "c", "d")
    weights = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 4.0], [1.0, 1.0, 1.0]])

    def __init__(self, scale: float = 1.0) -> None:
        self.matrix = (scale * self.weights).requires_grad_()
        self.calls = 0

    def __call__(self, images: Tensor) -> Tensor:
        self.calls += 1
        return images.mean(dim=(2, 3)) @ self.matrix.T


def colours(*rgb: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rgb)[:, :, None, None].expand(-1, -1, 2, 5).contiguous()


# their logits are 1, 0, 0, 1 and a half, a half, 1, 1
IMAGES = colours((1.0, 0.0, 0.0), (0.5, 0.25, 0.25))
LSE = (math.log(2 * math.e + 2), math.log(2 * math.exp(0.5) + 2 * math.e))
TARGETS = mixture([1], [], 4)
SOURCES = torch.tensor([0, 2])


def build(name: str, classifier: MeanColour | None = None) -> Objective:
    return OBJECTIVES[name](classifier or MeanColour(), TARGETS, SOURCES)


@pytest.mark.parametrize("name", OBJECTIVES)
class TestEveryObjective:
    def test_terms_are_named_losses_per_image_that_add_up(self, name: str) -> None:
        objective = build(name)
        evaluated = objective.evaluate(IMAGES)
        assert [term.value.shape for term in evaluated] == [(2,)] * len(evaluated)
        assert objective.terms(IMAGES).keys() == {term.name: None for term in evaluated}.keys()
        expected = sum(term.weight * term.value for term in evaluated)
        assert torch.allclose(objective(IMAGES), expected)

    def test_asks_the_classifier_once(self, name: str) -> None:
        classifier = MeanColour()
        build(name, classifier).evaluate(IMAGES)
        assert classifier.calls == 1

    def test_gradient_reaches_the_images_and_stays_within_each(self, name: str) -> None:
        images = IMAGES.clone().requires_grad_()
        build(name)(images)[0].backward()
        assert images.grad is not None and images.grad.isfinite().all()
        assert images.grad[0].abs().sum() > 0 and images.grad[1].abs().sum() == 0

    def test_views_are_scored_in_turn(self, name: str) -> None:
        objective = build(name)
        stacked = objective(torch.cat([IMAGES, IMAGES.flip(1)]))
        assert torch.allclose(stacked, torch.cat([objective(IMAGES), objective(IMAGES.flip(1))]))

    def test_descent_lowers_it(self, name: str) -> None:
        objective, images = build(name), IMAGES.clone().requires_grad_()
        (slope,) = torch.autograd.grad(objective(images).sum(), images)
        assert (objective(images - 0.1 * slope) < objective(images)).all()


def test_class_logit_by_hand() -> None:
    objective = ClassLogit(MeanColour(), TARGETS, normaliser=0.5)
    terms = objective.terms(IMAGES)
    assert list(terms) == ["negative logit", "log-sum-exp"]
    assert terms["negative logit"].tolist() == pytest.approx([0.0, -0.5])
    assert terms["log-sum-exp"].tolist() == pytest.approx(LSE)
    assert objective(IMAGES).tolist() == pytest.approx([0.5 * LSE[0], -0.5 + 0.5 * LSE[1]])


def test_class_logit_takes_a_row_for_each_image_and_negative_weights() -> None:
    targets = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0.75, -0.25]])
    assert ClassLogit(MeanColour(), targets, normaliser=0)(IMAGES).tolist() == pytest.approx([-1.0, -0.5])


def test_cross_entropy_by_hand() -> None:
    soft = CrossEntropy(MeanColour(), mixture([0, 2], [3, 1], 4))  # scaled to 0.75 and 0.25
    assert soft(IMAGES).tolist() == pytest.approx([LSE[0] - 0.75, LSE[1] - (0.375 + 0.25)])
    hard = CrossEntropy(MeanColour(), TARGETS)
    assert hard(IMAGES).tolist() == pytest.approx([LSE[0], LSE[1] - 0.5])
    as_logit = ClassLogit(MeanColour(), TARGETS, normaliser=1)
    assert torch.allclose(hard(IMAGES), as_logit(IMAGES))


def test_margin_by_hand_and_its_floor() -> None:
    assert Margin(MeanColour(), TARGETS)(IMAGES).tolist() == pytest.approx([1.0, 0.5])
    of_a = Margin(MeanColour(10), torch.tensor([1.0, 0, 0, 0]), kappa=3)
    assert of_a(colours((0.4, 0.0, 0.0), (1.0, 0.0, -1.0))).tolist() == pytest.approx([0.0, -3.0])
    two = Margin(MeanColour(), mixture([0, 3], [], 4))
    assert two(IMAGES).tolist() == pytest.approx([-1.0, 0.25])


def test_leave_by_hand_and_its_floor() -> None:
    assert LeaveClass(MeanColour(), SOURCES)(IMAGES).tolist() == pytest.approx([0.0, 0.0])
    gone = LeaveClass(MeanColour(10), torch.tensor([1, 1]), kappa=4)
    assert gone(IMAGES).tolist() == pytest.approx([-4.0, -4.0])
    assert LeaveClass(MeanColour(10), torch.tensor([1, 0]), kappa=6)(IMAGES).tolist() == pytest.approx([-6, -5])


def test_objectives_add_scale_and_keep_their_names_apart() -> None:
    margin, logit = Margin(MeanColour(), TARGETS), ClassLogit(MeanColour(), TARGETS)
    both = 2 * margin + logit * 0.5 + margin
    assert list(both.terms(IMAGES)) == ["margin", "negative logit", "log-sum-exp", "margin 2"]
    assert torch.allclose(both(IMAGES), 3 * margin(IMAGES) + 0.5 * logit(IMAGES))
    assert torch.allclose(both.terms(IMAGES)["margin"], margin(IMAGES))  # unweighted
    assert isinstance(both, Sum) and len(both.objectives) == 3


def test_an_ensemble_adds_up_and_names_whose_terms_they_are() -> None:
    one, three = (ClassLogit(MeanColour(scale), TARGETS) for scale in (1.0, 3.0))
    ensemble = Ensemble({"x": 0.5 * one, "y": three})
    names = ["x: negative logit", "x: log-sum-exp", "y: negative logit", "y: log-sum-exp"]
    assert list(ensemble.terms(IMAGES)) == names
    assert torch.allclose(ensemble(IMAGES), 0.5 * one(IMAGES) + three(IMAGES))
    assert torch.allclose(sum(member(IMAGES) for member in ensemble.members()), ensemble(IMAGES))
    assert len(ensemble.members()) == 2 and one.members() == (one,)
    with pytest.raises(StudioError, match="at least one model"):
        Ensemble({})


def test_mean_over_classifiers() -> None:
    one, three = (ClassLogit(MeanColour(scale), TARGETS) for scale in (1.0, 3.0))
    average = mean([one, three])
    assert list(average.terms(IMAGES)) == ["negative logit", "log-sum-exp"]
    assert torch.allclose(average(IMAGES), (one(IMAGES) + three(IMAGES)) / 2)
    assert torch.allclose(average.terms(IMAGES)["negative logit"], torch.tensor([0.0, -1.0]))
    assert mean([one]) is one
    with pytest.raises(StudioError):
        mean([])


def test_mixture() -> None:
    assert mixture([2, 0], [], 4).tolist() == [0.5, 0, 0.5, 0]
    assert mixture([2, 0], [0.3, -0.1], 4).tolist() == pytest.approx([-0.1, 0, 0.3, 0])
    with pytest.raises(ValueError):
        mixture([2, 0], [1.0], 4)


def test_refusals() -> None:
    model = MeanColour()
    with pytest.raises(StudioError, match="negative"):
        CrossEntropy(model, torch.tensor([1.0, -0.5, 0, 0]))
    with pytest.raises(StudioError, match="left to be beaten"):
        Margin(model, torch.ones(4))
    with pytest.raises(StudioError, match="other than 0"):
        ClassLogit(model, torch.zeros(4))
    with pytest.raises(StudioError, match="needs a photo"):
        OBJECTIVES["leave"](model, TARGETS, None)
    with pytest.raises(ValueError, match="4 classes"):
        ClassLogit(model, torch.ones(3))
    with pytest.raises(ValueError, match="from 0 to 3"):
        LeaveClass(model, torch.tensor([0, 4]))
    with pytest.raises(ValueError, match="whole number of views"):
        LeaveClass(model, SOURCES)(torch.cat([IMAGES, IMAGES[:1]]))
