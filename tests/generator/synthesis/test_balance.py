"""Attacks by layers that all move alike, steps that shrink, and the step that is kept."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from foundation.images.files import load_image, to_tensor
from generator.objectives.base import Objective, Term
from generator.optimisers.best_step import BestStep, judged
from generator.optimisers.registry import make_optimiser
from generator.priors.bounds import Free
from generator.priors.operators import balanced_weights, resolution_operator
from generator.priors.prior import ImageSpacePrior, LayeredPrior
from generator.production.production import output_paths, produce
from generator.recipes.pictures import Pictures
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe
from generator.synthesis.synthesis import synthesise

OCTAVES, SIZE = (1, 2, 4, 8, 16), (16, 12)


class Red(Objective):
    """How red the images are: the mean of the first channel."""

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        return (Term("red", 1.0, images[:, 0].mean(dim=(1, 2))),)


def test_weights_are_the_share_of_the_longest_side_to_the_power_of_the_balance() -> None:
    assert balanced_weights((1, 4, 16), (16, 12), 0.0) == (1.0, 1.0, 1.0)
    assert balanced_weights((1, 4, 16), (16, 12), 1.0) == (1 / 16, 1 / 4, 1.0)
    assert balanced_weights((4,), (8, 16), 2.0) == (1 / 16,)


def test_balanced_layers_move_a_picture_alike() -> None:
    """U1, U2: without balance a flat change moves r = 1 by 192 times what it moves r = 16."""
    flat = torch.ones(1, 3, *SIZE)

    def moved(balance: float, resolution: int) -> float:
        weights = balanced_weights((resolution,), SIZE, balance)
        return float(resolution_operator((resolution,), SIZE, weights=weights).kernel(flat).mean())

    assert moved(0.0, 1) == pytest.approx(16 * 12, rel=1e-4)
    assert moved(0.0, 16) == pytest.approx(1.0, rel=1e-4)
    for resolution in OCTAVES:  # 1 where the cells are square: 12 pixels make not quite as many rows
        assert moved(1.0, resolution) == pytest.approx(1.0, abs=0.3)


def test_a_balanced_recipe_starts_with_the_pattern_of_one_that_is_not() -> None:
    fields = {"size": (24, 24), "resolutions": "1,2,4,24", "start_std": 0.3, "steps": 1, "seed": 3}
    model = _Judge()
    plain, balanced = (
        synthesise(Recipe(models=("m",), classes=("1",), balance=balance, **fields), {"m": model}).start
        for balance in (0.0, 1.0)
    )
    assert torch.allclose(plain, balanced, atol=1e-6)
    assert plain.std() > 0.01


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_along_a_cosine_are_the_same_in_both_forms(momentum: float) -> None:
    operator = resolution_operator(OCTAVES, SIZE, weights=balanced_weights(OCTAVES, SIZE, 1.0))
    found = []
    for prior in (ImageSpacePrior(operator, Free()), LayeredPrior(operator, Free())):
        optimiser = make_optimiser("sgd", prior, 0.3, momentum, True, steps=4, schedule="cosine")
        for _ in range(4):
            optimiser.zero_grad()
            (prior.render() - torch.linspace(0, 1, 12)).square().sum().backward()
            optimiser.step()
        found.append(prior.render().detach())
    assert torch.allclose(*found, atol=1e-5)


def test_one_step_of_a_cosine_of_two_is_half_as_long_the_second_time() -> None:
    operator = resolution_operator((1,), (4, 4))
    prior = ImageSpacePrior(operator, Free())
    optimiser = make_optimiser("sgd", prior, 1.0, 0.0, True, steps=2, schedule="cosine")
    places = [0.0]
    for _ in range(2):
        optimiser.zero_grad()
        prior.render().sum().backward()
        optimiser.step()
        places.append(float(prior.leaves()[0].detach().mean()))
    assert places == pytest.approx([0.0, -1.0, -1.5])  # (1 + cos 0) / 2 = 1, then (1 + cos(pi / 2)) / 2 = 1/2


@pytest.mark.parametrize("form", [ImageSpacePrior, LayeredPrior])
def test_each_picture_goes_back_to_where_it_was_best(form: type[ImageSpacePrior] | type[LayeredPrior]) -> None:
    prior = form(resolution_operator((1, 8), (8, 8)), Free(), batch=2)
    best, wanted = BestStep(prior, partial(judged, objective=Red())), None
    for place in (
        (0.0, 0.3),
        (-0.5, 0.4),
        (0.2, -0.4),
    ):  # the first picture is least red in the middle, the second last
        with torch.no_grad():
            for leaf in prior.leaves():
                leaf.copy_(torch.tensor(place).view(2, 1, 1, 1).expand_as(leaf))
        images = prior.render().detach()
        best.look(images)
        if wanted is None or place[0] == -0.5:
            wanted = images[0]
    last = images[1]
    best.settle()
    found = prior.render().detach()
    assert wanted is not None
    assert torch.equal(found[0], wanted)
    assert torch.equal(found[1], last)


def test_the_judge_sees_the_images_as_they_are() -> None:
    images = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(judged(images, Red() + Red()), 2 * images[:, 0].mean((1, 2)))


class _Judge:
    """A classifier of two classes: the second is what is red."""

    class_names = ("not red", "red")

    def __call__(self, images: Tensor) -> Tensor:
        red = images[:, 0].mean((1, 2)) - 0.5
        return torch.stack([-red, red], dim=1)


def test_an_attack_that_overshoots_keeps_its_best_step(tmp_path: Path) -> None:
    """U1: the best step is kept, never the last one by habit. Far too large a step leads away again."""

    class Far(_Judge):
        """Sure of the second class at a redness of 0.52, and less and less beyond."""

        def __call__(self, images: Tensor) -> Tensor:
            off = (images[:, 0].mean((1, 2)) - 0.52).abs()
            return torch.stack([torch.zeros_like(off), 0.01 - off], dim=1)

    photo = torch.full((1, 3, 8, 8), 0.5)
    fields = {
        "models": ("m",),
        "classes": ("red",),
        "steps": 9,
        "learning_rate": 0.9,
        "views": "noise:0",
        "enough": 0.0,
    }
    losses = {}
    for keep in ("last", "best"):
        recipe = from_preset("attack", "standard", keep=keep, **fields)
        made = produce(
            recipe, {"m": Far()}, outputs=output_paths(tmp_path / f"{keep}.png", 1), pictures=Pictures(photo)
        )
        losses[keep] = made.record.to_json()["losses"]["total"]
        again = produce(
            made.recipe, {"m": Far()}, outputs=output_paths(tmp_path / f"{keep}2.png", 1), pictures=Pictures(photo)
        )
        assert again.outputs.images[0].read_bytes() == made.outputs.images[0].read_bytes()
    assert losses["last"] == losses["best"]  # the way is the same, what is kept is not
    off = {k: float((to_tensor(load_image(tmp_path / f"{k}.png"))[:, 0].mean() - 0.52).abs()) for k in losses}
    assert off["best"] <= off["last"]
    assert off["best"] < 0.004


def test_recipes_of_old_pictures_keep_the_last_step_and_plain_layers() -> None:
    old = Recipe.parse_json('{"version": 3, "task": "attack", "norm": "linf", "eps": 0.03, "classes": ["1"]}')
    assert (old.keep, old.balance, old.step_schedule) == ("last", 0.0, "constant")
