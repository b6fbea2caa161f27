"""Pictures of a text, from the recipe to the last step."""

from typing import Any

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from foundation.images.distance import l2, linf
from foundation.images.files import pixel_digest, quantise
from generator.recipes.completion import fill_in
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.plan import views_of
from generator.synthesis.synthesis import synthesise
from tests.generator.standins import Colours, Words, rng

MODELS = {"tiny-clip": Words()}
SIZE = (18, 26)


def recipe(**fields: Any) -> Recipe:
    defaults: dict[str, Any] = {
        "task": "text",
        "prompt": "a frog",
        "size": SIZE,
        "resolutions": "1..6,9",
        "steps": 6,
        "views": "crop:0.7-1 | noise:0.05",
        "learning_rate": 0.2,
    }
    return Recipe(**(defaults | fields))


def photo(seed: int = 0, size: tuple[int, int] = SIZE, batch: int = 1) -> Tensor:
    return quantise(0.2 + 0.6 * torch.rand(batch, 3, *size, generator=rng(seed)))


def finish(made: Recipe, models: Any = MODELS, **options: Any) -> Tensor:
    *_, last = synthesise(made, models, **options).steps
    return last.image()


@torch.no_grad()
def similarity(encoder: Words, images: Tensor, text: str) -> Tensor:
    return encoder.encode_images(images) @ encoder.encode_text([text])[0]


def test_a_picture_comes_nearer_to_its_prompt_and_away_from_the_negative() -> None:
    made = recipe(images=2, steps=25, negative="text:0.5")
    synthesis = synthesise(made, MODELS)
    *_, last = synthesis.steps
    encoder = MODELS["tiny-clip"]
    before, after = (similarity(encoder, images, "a frog") for images in (synthesis.start, last.image()))
    assert (after > before + 0.2).all()
    assert list(last.losses) == ["prompt", "negative", "total"]
    assert (similarity(encoder, last.image(), "text") < similarity(encoder, finish(recipe(steps=25)), "text")).all()


@pytest.mark.parametrize("score", ["cosine", "spherical", "contrastive"])
@pytest.mark.parametrize(("optimiser", "form"), [("sgd", "auto"), ("adam", "auto")])
def test_scores_and_optimisers_work_together(score: str, optimiser: str, form: str) -> None:
    against = {"against": "a toad | a leaf"} if score == "contrastive" else {}
    made = recipe(score=score, optimiser=optimiser, form=form, steps=20, learning_rate=0.1, **against)
    encoder = MODELS["tiny-clip"]
    assert similarity(encoder, finish(made), "a frog") > similarity(encoder, synthesise(made, MODELS).start, "a frog")


def test_equal_recipes_give_equal_bits() -> None:
    made = recipe(seed=5, images=2, models=("one", "two"), model_weights=(2, 1), negative="text")
    first, again = (finish(made, {"one": Words(1), "two": Words(2)}) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, finish(made.with_changes(seed=6), {"one": Words(1), "two": Words(2)}), atol=1e-3)


def test_images_lead_from_one_prompt_to_the_other() -> None:
    made = recipe(prompt_to="a red leaf", images=4, steps=30, start_std=0.0, views="identity")
    images = finish(made)
    frog, leaf = (similarity(MODELS["tiny-clip"], images, text).tolist() for text in ("a frog", "a red leaf"))
    assert frog == sorted(frog, reverse=True) and leaf == sorted(leaf)
    assert frog[0] - frog[-1] > 0.1 and leaf[-1] - leaf[0] > 0.1


def test_a_target_picture_is_matched() -> None:
    pictures = Pictures(target=photo(3, (12, 16)))
    made = recipe(prompt="", steps=30, views="identity", **pictures.digests())
    with torch.no_grad():
        wanted = MODELS["tiny-clip"].encode_images(pictures.target)[0]
        synthesis = synthesise(made, MODELS, pictures=pictures)
        before = MODELS["tiny-clip"].encode_images(synthesis.start) @ wanted
        after = MODELS["tiny-clip"].encode_images(finish(made, pictures=pictures)) @ wanted
    assert after > before + 0.1


class TestFromAPhoto:
    def test_starts_from_it_in_its_size(self) -> None:
        source = photo()
        synthesis = synthesise(
            recipe(size=(99, 99), start_std=0.0, colour="decorrelated"), MODELS, pictures=Pictures(source)
        )
        assert torch.equal(quantise(synthesis.start), source)
        filled = synthesis.recipe
        assert (filled.size, filled.source, filled.colour) == (SIZE, pixel_digest(source), "rgb")
        assert fill_in(filled, Pictures(source)) == filled

    def test_a_margin_squeezes_it(self) -> None:
        dark = torch.zeros(1, 3, *SIZE)
        start = synthesise(recipe(start_std=0.0, margin=0.1), MODELS, pictures=Pictures(dark)).start
        assert torch.allclose(start, torch.full_like(start, 0.1), atol=1e-5)

    @pytest.mark.parametrize(("norm", "eps"), [("linf", 8 / 255), ("l2", 0.5)])
    def test_a_bounded_edit_keeps_its_budget(self, norm: str, eps: float) -> None:
        source = photo()
        image = finish(recipe(norm=norm, eps=eps, steps=15, learning_rate=2.0), pictures=Pictures(source))
        distance = (linf if norm == "linf" else l2)(image, source)
        assert eps / 4 < distance <= eps + 1e-6

    @pytest.mark.parametrize("budget", [{}, {"norm": "linf", "eps": 0.1}])
    def test_outside_the_mask_nothing_changes(self, budget: dict[str, Any]) -> None:
        mask = torch.zeros(1, 3, *SIZE)
        mask[..., 6:, :13] = 1
        pictures = Pictures(source=photo(), mask=mask)
        image = finish(recipe(**budget), pictures=pictures)
        changed = (image != photo()).any(dim=1, keepdim=True).expand_as(mask)
        assert not changed[mask == 0].any()
        assert changed[mask == 1].float().mean() > 0.9

    def test_each_image_may_have_its_own(self) -> None:
        start = synthesise(recipe(images=2, start_std=0.0), MODELS, pictures=Pictures(photo(batch=2))).start
        assert torch.equal(quantise(start), photo(batch=2))


class TestTiles:
    def test_the_edges_of_a_tile_fit_together(self) -> None:
        def seam(image: Tensor) -> float:
            return (image[..., :, 0] - image[..., :, -1]).abs().mean().item()

        made = recipe(steps=20, start_std=0.5, resolutions="1..6", seed=3)
        inside = (lambda image: (image[..., 1:] - image[..., :-1]).abs().mean().item())(finish(made))
        assert seam(finish(made.with_changes(tile=True))) < 2 * inside < seam(finish(made))

    def test_its_views_look_across_the_edges(self) -> None:
        image = torch.zeros(1, 3, 4, 6)
        image[..., 0, 0] = 1
        view = views_of(recipe(views="identity", tile=True))
        places = {tuple(view(image, draws)[0, 0].nonzero()[0].tolist()) for draws in [rng()] for _ in range(200)}
        assert len(places) == 24
        assert len(views_of(recipe(views="window:8:wrap | flip", tile=True)).views) == 2
        assert len(views_of(recipe(views="window:8", tile=True)).views) == 2
        assert len(views_of(recipe(views="window:8")).views) == 1


class TestSeveralModels:
    def test_terms_are_named_by_model_and_weighed(self) -> None:
        models = {"one": Words(1), "two": Words(2), "colours": Colours()}
        made = recipe(
            models=("one", "colours", "two"),
            model_weights=(3, 5, 1),
            classes=("red",),
            class_weight=0.5,
            objective="cross_entropy",
            views="identity",
        )
        synthesis = synthesise(made, models)
        losses = next(synthesis.steps).losses
        assert list(losses) == ["one: prompt", "colours: cross-entropy", "two: prompt", "total"]
        one, two, red = (losses[name][0] for name in ("one: prompt", "two: prompt", "colours: cross-entropy"))
        assert losses["total"][0] == pytest.approx(0.75 * one + 0.25 * two + 0.5 * red, abs=1e-5)
        expected = 1 - similarity(models["two"], synthesis.start, "a frog")
        assert two == pytest.approx(expected.item(), abs=1e-5)

    def test_a_class_joins_in(self) -> None:
        models = {"tiny-clip": Words(), "colours": Colours()}
        made = recipe(models=tuple(models), classes=("red",), class_weight=2.0, steps=25)
        image = finish(made, models)
        assert Colours()(image).argmax().item() == 0
        assert list(synthesise(made, models).classifiers) == ["colours"]

    def test_each_sees_views_of_its_own(self) -> None:
        class Watching(Words):
            """Remembers what it is shown."""

            def encode_images(self, images: Tensor, /) -> Tensor:
                self.seen = images.detach().clone()
                return super().encode_images(images)

        models = {"one": Watching(1), "two": Watching(1)}
        next(synthesise(recipe(models=tuple(models), views="noise:0.1"), models).steps)
        assert models["one"].seen.shape == models["two"].seen.shape
        assert not torch.allclose(models["one"].seen, models["two"].seen, atol=1e-2)

    def test_in_version_1_they_see_the_same(self) -> None:
        class Watching(Colours):
            """Remembers what it is shown."""

            def forward(self, images: Tensor) -> Tensor:
                self.seen = images.detach().clone()
                return super().forward(images)

        def shown(version: int) -> tuple[Tensor, Tensor, list[str]]:
            models = {"one": Watching(), "two": Watching()}
            made = Recipe(version=version, models=tuple(models), classes=("red",), size=SIZE, resolutions="1..4")
            losses = next(synthesise(made, models).steps).losses
            return models["one"].seen, models["two"].seen, list(losses)

        one, two, names = shown(1)
        assert torch.equal(one, two) and names == ["negative logit", "log-sum-exp", "total"]
        one, two, names = shown(2)
        assert one.shape != two.shape or not torch.allclose(one, two, atol=1e-2)
        assert names[:2] == ["one: negative logit", "one: log-sum-exp"] and names[-1] == "total"


def test_unknown_words_are_reported() -> None:
    models = {"tiny-clip": Words(vocabulary="a frog")}
    assert synthesise(recipe(prompt="a xyzzy frog"), models).plan.unknown == {"tiny-clip": ("xyzzy",)}
    assert synthesise(recipe(), models).plan.unknown == {}


def test_auto_resolutions() -> None:
    assert fill_in(recipe(resolutions="auto", size=(96, 80))).resolutions == "1..64,72,80,88,96"
    large = fill_in(recipe(resolutions="auto"), Pictures(torch.full((1, 3, 90, 300), 0.5)))
    assert large.resolutions == "1..32,64,128"


@pytest.mark.parametrize(
    ("changes", "pictures", "says"),
    [
        ({"models": ("colours",)}, Pictures(), "A text needs a model that reads it"),
        ({"classes": ("red",), "class_weight": 1}, Pictures(), "none of its models knows any"),
        ({"models": ("missing",)}, Pictures(), "'missing' is not loaded"),
        ({"norm": "linf", "eps": 0.1}, Pictures(), "has norm 'linf', which is about a photo to start from"),
        ({"margin": 0.1}, Pictures(), "has a margin, which is about a photo"),
        ({}, Pictures(mask=photo()), "has a mask, which is about a photo"),
        (
            {},
            Pictures(source=photo(), mask=photo(size=(18, 20))),
            "The mask has 20 x 18 pixels, the photo 26 x 18",
        ),
        ({}, Pictures(source=photo(), mask=torch.zeros(1, 3, *SIZE)), "leaves nothing to change"),
        ({}, Pictures(target=photo(batch=2)), r"The target picture must be \[1, 3, H, W\]"),
        ({"images": 3}, Pictures(source=photo(batch=2)), "one for each of 3"),
        ({"source": "ab" * 32}, Pictures(), "made with a photo to start from: give it, too"),
        ({"style": "ab" * 32}, Pictures(), "made with a style picture: give it, too"),
        ({"style": "ab" * 32}, Pictures(style=photo()), "not the style picture that the recipe was made for"),
        ({"source": "ab" * 32}, Pictures(source=photo()), "not the photo that the recipe was made for"),
        ({"prompt": "xyzzy"}, Pictures(), "never saw any of the words"),
        ({"prompt": "a:1 | a:-1", "prompt_to": "b", "images": 2}, Pictures(), "cancel each other out"),
        ({"resolutions": "1..400"}, Pictures(), "400"),
    ],
)
def test_refusals_are_sentences(changes: dict[str, Any], pictures: Pictures, says: str) -> None:
    models = {"tiny-clip": Words(vocabulary="a frog b"), "colours": Colours()}
    with pytest.raises(StudioError, match=says):
        synthesise(recipe(**changes), models, pictures=pictures)


def test_other_tasks_refuse_encoders_and_pictures() -> None:
    of_class = Recipe(models=("colours",), classes=("red",), size=SIZE, resolutions="1..4")
    with pytest.raises(StudioError, match="compares pictures with texts and knows no classes"):
        synthesise(of_class.with_changes(models=("tiny-clip",)), MODELS)
    for name in ("target", "style", "mask"):
        with pytest.raises(StudioError, match=f"A {name} picture is for|A mask is for"):
            synthesise(of_class, {"colours": Colours()}, pictures=Pictures(**{name: photo()}))
