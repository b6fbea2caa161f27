import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.classes.labels import captions
from generator.victims.saliency import saliencies, saliency
from generator.victims.victims import classifier_victim, zero_shot_victim
from tests.generator.standins import Colours, LayeredColours, Words, rng

SIZE = (12, 20)


class Curved(Colours):
    """Its gradient differs from place to place."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images**3)


def photo() -> Tensor:
    return torch.rand(1, 3, *SIZE, generator=rng(2))


def test_the_gradient_of_a_linear_model_is_its_matrix() -> None:
    found = saliency(classifier_victim("c", Colours()), photo(), "Green")
    expected = Colours().matrix[1].detach() / (SIZE[0] * SIZE[1])
    torch.testing.assert_close(found.gradient, expected.view(1, 3, 1, 1).expand(1, 3, *SIZE))
    assert found.label == "green"
    torch.testing.assert_close(found.strength, expected.abs().max().expand(SIZE))


def test_a_curved_model_by_hand() -> None:
    image = photo()
    found = saliency(classifier_victim("c", Curved()), image)
    best = int(Curved()(image)[0].argmax())
    expected = Curved().matrix[best].detach().view(1, 3, 1, 1) * 3 * image**2 / (SIZE[0] * SIZE[1])
    torch.testing.assert_close(found.gradient, expected)
    shown = found.shown()
    assert shown.shape == (1, 3, *SIZE) and shown.max() == 1 and shown.min() >= 0
    order = found.strength.flatten().argsort()[:200]
    assert (shown[0, 0].flatten()[order].diff() >= 0).all()


def test_layered_models_are_followed_through_their_mean() -> None:
    found = saliency(classifier_victim("l", LayeredColours()), photo(), "red")
    matrix = LayeredColours().matrix.detach()
    expected = (matrix[0] + 0.1 * matrix[3]) / 2 / (SIZE[0] * SIZE[1])
    torch.testing.assert_close(found.gradient[0, :, 4, 7], expected)
    assert found.victim == "l"


def test_smoothing_averages_and_needs_a_generator() -> None:
    victim, image = classifier_victim("c", Curved()), photo()
    with pytest.raises(ValueError, match="generator"):
        saliency(victim, image, "red", samples=2)
    smooth = saliency(victim, image, "red", samples=3, noise=0.2, rng=rng(4))
    draws = rng(4)
    grads = [
        saliency(victim, image + 0.2 * torch.randn(image.shape, generator=draws), "red").gradient for _ in range(3)
    ]
    torch.testing.assert_close(smooth.gradient, torch.stack(grads).mean(dim=0))
    again = saliency(victim, image, "red", samples=3, noise=0.2, rng=rng(4))
    assert torch.equal(smooth.gradient, again.gradient)


def test_several_models_side_by_side() -> None:
    victims = [
        classifier_victim("a", Colours()),
        zero_shot_victim("w", Words(), captions(["red", "a blue sea"])),
    ]
    found = saliencies(victims, photo(), "red")
    assert [(s.victim, s.label) for s in found] == [("a", "red"), ("w=captions", "red")]
    assert found[1].strength.max() > 0
    with torch.no_grad():
        assert torch.equal(saliency(victims[0], photo(), "red").gradient, found[0].gradient)


def test_refusals_and_no_gradient_is_black() -> None:
    class Frozen(Colours):
        def forward(self, images: Tensor) -> Tensor:
            with torch.no_grad():
                return super().forward(images)

    class Flat(Colours):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images * 0)

    with pytest.raises(StudioError, match="knows no class 'unicorn'"):
        saliency(classifier_victim("c", Colours()), photo(), "unicorn")
    with pytest.raises(StudioError, match="gives no gradients"):
        saliency(classifier_victim("f", Frozen().requires_grad_(False)), photo(), "red")
    assert saliency(classifier_victim("f", Flat()), photo(), "red").shown().max() == 0
