"""Which logits a picture is made for."""

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.objectives.readout import read_out
from generator.priors.bounds import NATURAL_COLOURS, Free
from generator.recipes.recipe import Recipe, RecipeError
from generator.synthesis.synthesis import synthesise


class Plain:
    class_names = ("a", "b", "c")

    def __call__(self, images: Tensor, /) -> Tensor:
        return images.mean(dim=(2, 3))


class Layered(Plain):
    readout_names = ("early", "late")

    def readouts(self, images: Tensor, /) -> Tensor:
        logits = super().__call__(images)
        return torch.stack([logits, -3 * logits], dim=1)

    def __call__(self, images: Tensor, /) -> Tensor:
        return self.readouts(images).amax(dim=1)


IMAGES = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def test_each_readout_by_hand() -> None:
    logits = IMAGES.mean(dim=(2, 3))
    expected = {"answer": torch.maximum(logits, -3 * logits), "mean": -logits, "early": logits, "late": -3 * logits}
    for name, value in expected.items():
        seen = read_out(Layered(), name)
        assert seen.class_names == Plain.class_names
        torch.testing.assert_close(seen(IMAGES), value)


def test_a_plain_classifier_has_one_answer() -> None:
    plain = Plain()
    assert read_out(plain, "answer") is plain
    assert read_out(plain, "mean") is plain
    with pytest.raises(StudioError, match="no read-out 'late'"):
        read_out(plain, "late")


def test_an_unknown_readout_names_the_known_ones() -> None:
    with pytest.raises(StudioError, match="'mean', 'answer', 'early', 'late'"):
        read_out(Layered(), "middle")


def test_the_recipe_decides_what_is_climbed() -> None:
    def brightness(readout: str) -> float:
        recipe = Recipe(
            models=("m",), classes=("b",), readout=readout, size=(8, 12), resolutions="1..4", steps=5, views="identity"
        )
        synthesis = synthesise(recipe, {"m": Layered()})
        *_, _last = synthesis.steps
        return float(synthesis.prior.render().detach()[:, 1].mean())

    # Class b's logit is the green channel in one read-out and minus three times it in the other.
    assert brightness("early") > 0.5 > brightness("late")


def test_natural_colours_vary_most_in_brightness() -> None:
    bound = Free(NATURAL_COLOURS)
    first, second = (torch.eye(3)[i].view(1, 3, 1, 1) for i in (0, 1))
    grey = bound.apply(first).flatten() - 0.5
    colourful = bound.apply(second).flatten() - 0.5
    assert (grey > 0).all() and grey.max() < 1.1 * grey.min()
    assert colourful[0] > 0 > colourful[2]
    assert grey.norm() > 2 * colourful.norm()
    assert bound.apply(torch.zeros(2, 3, 4, 5)).unique().tolist() == [0.5]
    # tanh of the matrix product, by hand for red.
    x = torch.tensor([0.2, -0.4, 0.5]).view(1, 3, 1, 1)
    red = sum(m * v for m, v in zip(NATURAL_COLOURS[0], (0.2, -0.4, 0.5), strict=True))
    assert bound.apply(x)[0, 0].item() == pytest.approx((1 + torch.tensor(red).tanh().item()) / 2)


def test_an_attack_stays_in_rgb() -> None:
    with pytest.raises(RecipeError, match="use 'rgb' in an attack"):
        Recipe(task="attack", colour="decorrelated")
