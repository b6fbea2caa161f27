from typing import Any

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from foundation.images.distance import l2, linf
from foundation.images.files import pixel_digest, quantise
from foundation.seeds import stream
from generator.classes.class_names import class_place
from generator.priors.operators import parse_resolutions
from generator.recipes.completion import fill_in
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.synthesis import synthesise
from tests.generator.standins import NAMES, Colours, LayeredColours, NoisyColours, rng

MODEL = {"colours": Colours()}


def recipe(**fields: Any) -> Recipe:
    defaults: dict[str, Any] = {
        "models": ("colours",),
        "classes": ("red",),
        "size": (16, 24),
        "resolutions": "1..4,8",
        "steps": 4,
        "views": "noise:0.05",
        "learning_rate": 0.2,
    }
    return Recipe(**(defaults | fields))


def photo(seed: int = 0, batch: int = 1) -> Tensor:
    return quantise(torch.rand(batch, 3, 18, 30, generator=rng(seed)))


def attack(**fields: Any) -> Recipe:
    return recipe(**({"task": "attack", "norm": "linf", "eps": 8 / 255, "classes": ("green",)} | fields))


def finish(*arguments: Any, **keywords: Any) -> Tensor:
    synthesis = synthesise(*arguments, **keywords)
    *_, last = synthesis.steps
    return last.image()


def test_a_class_picture_becomes_that_class() -> None:
    images = finish(recipe(images=2, steps=15), MODEL)
    assert images.shape == (2, 3, 16, 24)
    assert Colours()(images).argmax(dim=1).tolist() == [0, 0]


def test_equal_recipes_give_equal_bits_and_another_seed_another_picture() -> None:
    first, again, other = (finish(recipe(seed=seed), {"colours": NoisyColours()}) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


def test_noise_of_a_shared_classifier_starts_afresh_for_every_run() -> None:
    shared = {"colours": NoisyColours()}
    assert torch.equal(finish(recipe(), shared), finish(recipe(), shared))


def test_image_i_of_a_batch_starts_like_a_single_image_of_seed_plus_i() -> None:
    batch = synthesise(recipe(images=3, seed=10), MODEL)
    for i in range(3):
        single = synthesise(recipe(seed=10 + i), MODEL)
        for resolution, layer in single.prior.layers().items():
            assert torch.equal(batch.prior.layers()[resolution][i : i + 1], layer)
        assert torch.allclose(batch.start[i : i + 1], single.start, atol=1e-6)
    assert not torch.allclose(batch.start[0], batch.start[1], atol=1e-3)


def test_nothing_is_optimised_before_the_first_step() -> None:
    model = Colours()
    synthesis = synthesise(recipe(), {"colours": model})
    assert model.batches == []
    assert torch.equal(synthesis.prior.render(), synthesis.start)


@pytest.mark.parametrize("objective", ["logit", "cross_entropy", "margin"])
@pytest.mark.parametrize(("optimiser", "form"), [("sgd", "auto"), ("sgd", "layered"), ("adam", "auto")])
def test_objectives_and_optimisers_work_together(objective: str, optimiser: str, form: str) -> None:
    made = recipe(objective=objective, optimiser=optimiser, form=form, steps=12, normalise=optimiser == "sgd")
    assert Colours()(finish(made, MODEL)).argmax(dim=1).tolist() == [0]


def test_several_models_are_averaged_with_each_its_own_class_numbers() -> None:
    class Turned(Colours):
        class_names = ("blue", "grey", "red", "green")

        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images)[:, [2, 3, 0, 1]]

    models = {"colours": Colours(), "turned": Turned()}
    images = finish(recipe(models=("colours", "turned"), steps=15), models)
    assert models["turned"](images).argmax().item() == 2
    assert models["colours"](images).argmax().item() == 0


def test_a_layered_classifier_is_scored_by_the_mean_of_its_readouts() -> None:
    class Masked(LayeredColours):
        """Answers with the smaller logit of its read-outs, cut off from any gradient."""

        def forward(self, images: Tensor) -> Tensor:
            return self.readouts(images).amin(dim=1).detach()

        def readouts(self, images: Tensor) -> Tensor:
            logits = Colours.forward(self, images)
            return torch.stack([logits, 3 * logits], dim=1)

    model = Masked()
    synthesis = synthesise(recipe(views="identity", steps=12), {"colours": model})
    *_, last = steps = list(synthesis.steps)
    with torch.no_grad():
        expected = -model.readouts(synthesis.start).mean(dim=1)[:, 0]
    assert steps[0].losses["negative logit"] == pytest.approx(expected.tolist())
    assert Colours()(last.image()).argmax().item() == 0


def test_a_mixture_shows_both_classes() -> None:
    images = finish(recipe(classes=("red", "2"), weights=(0.5, 0.5), steps=20), MODEL)
    red, green, blue = images.mean(dim=(0, 2, 3)).tolist()
    assert min(red, blue) > green + 0.2


class TestAttack:
    @pytest.mark.parametrize(("norm", "eps"), [("linf", 8 / 255), ("linf", 0.1), ("l2", 0.5)])
    @pytest.mark.parametrize("size_of", [1, 2])
    def test_keeps_the_budget_and_the_size_of_the_photo(self, norm: str, eps: float, size_of: int) -> None:
        source = photo(batch=size_of)
        images = finish(attack(norm=norm, eps=eps, images=2, learning_rate=3.0), MODEL, pictures=Pictures(source))
        assert images.shape == (2, 3, 18, 30)
        measure = linf if norm == "linf" else l2
        distance = measure(images, source)
        assert (distance <= eps + 1e-6).all() and (distance > eps / 4).all()
        assert images.min() >= 0 and images.max() <= 1

    def test_raises_the_class(self) -> None:
        source = photo()
        images = finish(attack(eps=0.1, learning_rate=1.0), MODEL, pictures=Pictures(source))
        model = Colours()
        assert model(images)[0, 1] > model(source)[0, 1] + 0.5

    def test_without_a_norm_starts_from_the_photo(self) -> None:
        made = attack(norm="none", eps=0.0, start_std=0.0)
        synthesis = synthesise(made, MODEL, pictures=Pictures(photo()))
        assert torch.equal(quantise(synthesis.start), photo())

    def test_leave_takes_the_prediction_of_each_source(self) -> None:
        sources = torch.stack([photo()[0] * torch.tensor([1.0, 0.2, 0.2]).view(3, 1, 1)] * 2)
        sources[1] = sources[1].flip(0)  # the first is red, the second blue
        made = attack(objective="leave", classes=(), norm="none", eps=0.0, images=2, steps=25)
        model = Colours()
        assert model(sources).argmax(dim=1).tolist() == [0, 2]
        after = model(finish(made, MODEL, pictures=Pictures(sources))).argmax(dim=1).tolist()
        assert after[0] != 0 and after[1] != 2

    def test_leave_takes_a_named_class(self) -> None:
        synthesis = synthesise(attack(objective="leave", classes=("blue",)), MODEL, pictures=Pictures(photo()))
        first = next(synthesis.steps).losses["margin"][0]
        logits = Colours()(photo())[0]
        assert first == pytest.approx((logits[2] - logits[[0, 1, 3]].max()).item(), abs=0.5)

    def test_the_recipe_is_filled_in(self) -> None:
        filled = synthesise(attack(resolutions="auto", size=(99, 99)), MODEL, pictures=Pictures(photo())).recipe
        assert filled.size == (18, 30)
        assert filled.source == pixel_digest(photo())
        assert filled.resolutions == "1..30"
        assert fill_in(filled, Pictures(photo())) == filled

    def test_another_photo_than_the_recipes_is_refused(self) -> None:
        filled = fill_in(attack(), Pictures(photo()))
        with pytest.raises(StudioError, match="not the photo"):
            fill_in(filled, Pictures(photo(seed=1)))


def test_auto_resolutions_are_written_out() -> None:
    assert fill_in(recipe(resolutions="auto")).resolutions == "1..24"
    wide = fill_in(attack(resolutions="auto"), Pictures(torch.full((1, 3, 20, 90), 0.5)))
    assert wide.resolutions == "1..32,64,90"
    assert parse_resolutions(wide.resolutions, (20, 90)) == (*range(1, 33), 64, 90)
    octaves = fill_in(attack(resolutions="auto", balance=1.0), Pictures(torch.full((1, 3, 20, 90), 0.5)))
    assert octaves.resolutions == "1,2,4,8,16,32,64,90"


@pytest.mark.parametrize(
    ("changes", "source", "says"),
    [
        ({"classes": ("unicorn",)}, None, "knows no class 'unicorn'. It knows red, green"),
        ({"classes": ("4",)}, None, "numbers from 0 to 3"),
        ({"models": ("missing",)}, None, "'missing' is not loaded"),
        ({"resolutions": "1..400"}, None, "400"),
        ({"views": "wobble"}, None, "no view 'wobble'"),
        ({"form": "image_space", "optimiser": "adam"}, None, "layered"),
        ({}, photo(), "starts from nothing"),
        ({"task": "attack"}, None, "starts from a photo"),
        ({"task": "attack", "images": 3}, photo(batch=2), "one for each of 3"),
        ({"task": "attack", "objective": "leave", "classes": ("red", "blue")}, photo(), "name one"),
        ({"task": "attack"}, torch.zeros(1, 3, 8, 4097), "at most 4096"),
    ],
)
def test_refusals_are_sentences(changes: dict[str, Any], source: Tensor | None, says: str) -> None:
    with pytest.raises(StudioError, match=says):
        synthesise(recipe(**changes), MODEL, pictures=Pictures(source))


def test_a_class_is_found_by_its_exact_name_first() -> None:
    """F27: where names differ in capitals alone, those of the name decide, and recipes of before stay as they were."""
    names = ("Cardigan", "tench", "cardigan")
    assert [class_place(names, name) for name in ("Cardigan", " cardigan ", "TENCH", "2")] == [0, 2, 1, 2]
    assert class_place(names, "cardigan", version=3) == class_place(names, "CARDIGAN", version=3) == 0
    with pytest.raises(StudioError, match=r"give 'Cardigan' \(0\) or 'cardigan' \(2\)"):
        class_place(names, "CARDIGAN")


def test_a_class_is_named_once() -> None:
    """F30: a class by name and by number is no mixture."""
    twice = recipe(classes=("green", "1"))
    with pytest.raises(StudioError, match="'1' is named already"):
        synthesise(twice, MODEL)
    synthesise(twice.with_changes(version=3), MODEL)


def test_a_class_by_name_or_number() -> None:
    assert [class_place(NAMES, name) for name in (*NAMES, "RED", " blue ", "3")] == [0, 1, 2, 3, 0, 2, 3]


def test_streams_differ_by_seed_and_purpose_beyond_32_bits() -> None:
    draws = {
        torch.rand((), generator=stream(seed, purpose)).item()
        for seed in (0, 1, 2**32, 2**53 - 1)
        for purpose in ("start", "views")
    }
    assert len(draws) == 8
