"""What an attack can be after: classes, texts, captions, another picture, and mixtures of them."""

from typing import Any

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from foundation.images.files import quantise
from generator.objectives.similarity import OwnCaption, ViewedPicture
from generator.optimisers.loop import score
from generator.recipes.completion import fill_in
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe, RecipeError
from generator.synthesis.guidance import cosines, guide
from generator.synthesis.plan import plan_of
from generator.synthesis.synthesis import synthesise
from generator.views.registry import Compose, parse_views
from tests.generator.standins import Colours, Words, rng

SIZE = (18, 26)
MODELS: dict[str, Any] = {"words": Words(), "more": Words(7), "colours": Colours()}
CAPTIONS = "a frog | a ship | a red leaf"


def photo(seed: int = 0, size: tuple[int, int] = SIZE, batch: int = 1) -> Tensor:
    return quantise(0.2 + 0.6 * torch.rand(batch, 3, *size, generator=rng(seed)))


def attack(**fields: Any) -> Recipe:
    defaults: dict[str, Any] = {
        "task": "attack",
        "models": ("words",),
        "norm": "linf",
        "eps": 0.1,
        "resolutions": "1..6,9",
        "steps": 12,
        "views": "crop:0.8-1",
        "learning_rate": 0.3,
        "start_std": 0.0,
    }
    return Recipe(**(defaults | fields))


def finish(made: Recipe, models: Any = MODELS, **options: Any) -> Tensor:
    *_, last = synthesise(made, models, **({"pictures": Pictures(photo())} | options)).steps
    return last.image()


@torch.no_grad()
def cosine(images: Tensor, text: str, encoder: Words = MODELS["words"]) -> Tensor:
    return encoder.encode_images(images) @ encoder.encode_text([text])[0]


@pytest.mark.parametrize("perturbation", ["layers", "pixel"])
@pytest.mark.parametrize("optimiser", ["sgd", "adam", "pgd", "mi-fgsm"])
def test_a_photo_is_led_to_a_text_and_away_from_another(perturbation: str, optimiser: str) -> None:
    made = attack(prompt="a ship", negative="text:0.5", perturbation=perturbation, optimiser=optimiser)
    image = finish(made)
    assert cosine(image, "a ship") > cosine(photo(), "a ship") + 0.1
    assert cosine(image, "text") < cosine(photo(), "text")


def test_apgd_leads_there_too_and_leaves_the_best_point() -> None:
    made = attack(prompt="a ship", perturbation="pixel", optimiser="apgd", views="identity")
    synthesis = synthesise(made, MODELS, pictures=Pictures(photo()))
    steps = list(synthesis.steps)
    best = min(step.losses["total"][0] for step in steps)
    assert 1 - cosine(steps[-1].image(), "a ship").item() == pytest.approx(best, abs=1e-5)


def test_a_photo_leaves_the_caption_that_each_model_gives_it() -> None:
    image = finish(attack(captions=CAPTIONS, steps=30))
    before, after = (
        torch.stack([cosine(images, text) for text in CAPTIONS.split(" | ")]) for images in (photo(), image)
    )
    own = before.argmax()
    assert after[own] < after.max()


def test_a_single_caption_is_the_photos_own() -> None:
    image = finish(attack(captions="a red leaf"))
    assert cosine(image, "a red leaf") < cosine(photo(), "a red leaf") - 0.1


def test_own_captions_by_hand() -> None:
    captions = torch.eye(3, 4)
    images = torch.tensor([[0.6, 0.8, 0.0, 0.0], [0.0, 0.8, 0.6, 0.0]])
    aim = OwnCaption(2.0, captions, torch.tensor([0, 1]))
    assert aim.distance(images).tolist() == pytest.approx([-0.2, 0.2])
    assert aim.distance(images.repeat(2, 1)).tolist() == pytest.approx([-0.2, 0.2, -0.2, 0.2])
    assert OwnCaption(2.0, captions[1:2], torch.tensor([0])).distance(images).tolist() == pytest.approx([0.8, 0.8])


def test_each_photo_of_a_batch_has_a_caption_of_its_own() -> None:
    encoder, sources = Words(3), torch.cat([torch.zeros(1, 3, 12, 14), torch.ones(1, 3, 12, 14), photo(4, (12, 14))])
    texts = CAPTIONS.split(" | ")
    with torch.no_grad():
        similar = encoder.encode_images(sources) @ encoder.encode_text(texts).T
    plan = plan_of(attack(captions=CAPTIONS, images=3), {"words": encoder}, Pictures(source=sources))
    value = guide(plan, encoder).terms(sources)["own caption"]
    ordered = similar.sort(dim=1, descending=True).values
    torch.testing.assert_close(value, ordered[:, 0] - ordered[:, 1])


def test_a_photo_is_led_to_another_picture() -> None:
    pictures = Pictures(source=photo(), target=photo(5, (14, 30)))
    made = attack(**pictures.digests())
    image = finish(made, pictures=pictures)
    with torch.no_grad():
        wanted = MODELS["words"].encode_images(pictures.target)[0]
        before, after = (MODELS["words"].encode_images(images) @ wanted for images in (photo(), image))
    assert 1 - after < 0.5 * (1 - before)
    with pytest.raises(StudioError, match="made with a target picture"):
        synthesise(made, MODELS, pictures=Pictures(photo()))


class TestTargetViews:
    def views(self, **fields: Any) -> tuple[Recipe, Pictures]:
        pictures = Pictures(source=photo(), target=photo(5, (30, 40)))
        return attack(target_views="crop:0.5-0.9", **pictures.digests(), **fields), pictures

    def test_each_image_meets_a_view_of_its_own(self) -> None:
        encoder, seen = Words(), []

        def view(images: Tensor, generator: torch.Generator) -> Tensor:
            seen.append(parse_views("crop:0.5")(images, generator))
            return seen[-1]

        aim = ViewedPicture("target", 1.0, encoder, photo(5, (30, 40)), view, rng(3))
        with torch.no_grad():
            embeddings = encoder.encode_images(photo(1, batch=3))
            distance = aim.distance(embeddings)
            expected = 1 - (embeddings * encoder.encode_images(seen[0])).sum(dim=1)
        torch.testing.assert_close(distance, expected)
        assert seen[0].shape == (3, 3, 15, 20) and not torch.equal(seen[0][0], seen[0][1])
        assert not torch.equal(aim.distance(embeddings), distance)

    def test_the_same_recipe_gives_the_same_bits(self) -> None:
        made, pictures = self.views(models=("words", "more"), perturbation="pixel", optimiser="mi-fgsm", momentum=1.0)
        first, again = (finish(made, pictures=pictures) for _ in range(2))
        assert torch.equal(first, again)
        other = finish(made.with_changes(target_views="crop:0.2"), pictures=pictures)
        assert not torch.equal(first, other)

    def test_settings_that_make_no_sense(self) -> None:
        made, pictures = self.views()
        for views, words in (("soup", "no view 'soup'"), ("si:2", "leave 'si' out")):
            with pytest.raises(StudioError, match=words):
                finish(made.with_changes(target_views=views), pictures=pictures)
        with pytest.raises(RecipeError, match="target_views are of the target picture"):
            attack(prompt="a frog", target_views="crop:0.5")


class TestMixtures:
    def test_weights_by_hand(self) -> None:
        made = attack(
            models=("words", "colours", "more"),
            model_weights=(1, 1, 3),
            prompt="a ship:2",
            captions="a frog",
            caption_weight=0.5,
            classes=("green",),
            class_weight=0.2,
            objective="cross_entropy",
            views="identity",
        )
        losses = next(synthesise(made, MODELS, pictures=Pictures(photo())).steps).losses
        with torch.no_grad():
            entropy = -Colours()(photo()).log_softmax(dim=1)[0, 1].item()
        asked = {name: 2 * (1 - cosine(photo(), "a ship", MODELS[name])) for name in ("words", "more")}
        left = {name: 0.5 * cosine(photo(), "a frog", MODELS[name]) for name in ("words", "more")}
        shares = {"words": 0.25, "more": 0.75}
        expected = 0.2 * entropy + sum(share * (asked[name] + left[name]).item() for name, share in shares.items())
        assert losses["total"][0] == pytest.approx(expected, abs=1e-4)
        assert losses["words: own caption"][0] == pytest.approx(cosine(photo(), "a frog").item(), abs=1e-4)

    def test_a_class_and_a_text_are_reached_together(self) -> None:
        fields: dict[str, Any] = {"models": ("words", "colours"), "objective": "margin", "steps": 30, "eps": 0.4}
        image = finish(attack(prompt="a ship", classes=("green",), class_weight=0.2, **fields))
        assert cosine(image, "a ship") > cosine(photo(), "a ship") + 0.05
        assert Colours()(image).argmax().item() == 1

    def test_what_came_out_is_measured_for_all_that_was_asked(self) -> None:
        made = attack(prompt="a ship", negative="text", captions="a frog | a leaf")
        entries = cosines(plan_of(made, MODELS, Pictures(source=photo())), MODELS["words"], photo())
        assert [(entry["role"], entry["text"]) for entry in entries] == [
            ("prompt", "a ship"),
            ("negative", "text"),
            ("caption", "a frog"),
            ("caption", "a leaf"),
        ]
        assert entries[2]["cosines"] == pytest.approx(cosine(photo(), "a frog").tolist())


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"prompt": "a", "optimiser": "apgd"}, "optimiser 'apgd' starts with 2 eps: it needs perturbation 'pixel'"),
        (
            {"prompt": "a", "optimiser": "apgd", "perturbation": "pixel", "norm": "none", "eps": 0},
            "optimiser 'apgd' starts with 2 eps",
        ),
        ({"prompt": "a", "optimiser": "pgd", "momentum": 0.5}, "momentum belongs to sgd and mi-fgsm"),
        ({"prompt": "a", "optimiser": "pgd", "form": "image_space"}, "form 'image_space' is for optimiser 'sgd'"),
        (
            {"prompt": "a", "optimiser": "adam", "step_schedule": "cosine"},
            "step_schedule 'cosine' is for sgd, pgd and mi-",
        ),
        ({"prompt": "a", "planned_steps": 5}, "planned_steps is 5, fewer than the 12 steps"),
        ({"captions": "a:2 | b"}, "captions have no weights of their own ('a'): use caption_weight."),
        ({"captions": "..."}, "captions: this prompt has no letter"),
        ({"prompt": "a", "class_weight": 2}, "class_weight needs classes"),
        ({"classes": ("x",), "weighting": "dynamic"}, "weighting 'dynamic' needs objectives that can be reached"),
        ({"classes": ()}, "classes is empty"),
        ({"prompt": "a", "version": 1}, "version 1 of the recipe knows no prompt: make it version 3."),
        ({"prompt": "a", "tile": True}, "tile is for pictures of a text"),
        ({"prompt": "a", "score": "contrastive"}, "score 'contrastive' needs other prompts"),
    ],
)
def test_what_does_not_fit_an_attack_has_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        attack(**fields)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    "fields", [{"perturbation": "pixel"}, {"captions": "a"}, {"weighting": "dynamic"}, {"optimiser": "pgd"}]
)
def test_what_is_for_attacks_is_for_no_other_task(fields: dict[str, Any]) -> None:
    for task in ({"task": "class"}, {"task": "text", "prompt": "a frog"}):
        with pytest.raises(RecipeError, match="for attacks"):
            Recipe(**task, **fields)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"models": ("colours",), "prompt": "a ship"}, "none of its models reads texts"),
        ({"models": ("words", "colours"), "prompt": "a ship"}, "'colours' knows classes, and no texts: name a class"),
        ({"prompt": "a ship", "classes": ("green",)}, "none of its models knows any: add a classifier"),
        ({"classes": ("green",)}, "'words' compares pictures with texts and knows no classes: give the attack"),
    ],
)
def test_models_that_cannot_answer_are_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StudioError, match=sentence):
        synthesise(attack(**fields), MODELS, pictures=Pictures(photo()))


class TestPlans:
    def test_a_stopped_attack_is_repeated_by_its_recipe(self) -> None:
        for fields in ({"optimiser": "apgd"}, {"optimiser": "pgd", "step_schedule": "cosine"}):
            synthesis = synthesise(
                attack(prompt="a ship", perturbation="pixel", **fields), MODELS, pictures=Pictures(photo())
            )
            for step in synthesis.steps:
                if step.index == 5:
                    stopped = step.image()
                    break
            made = synthesis.recipe.with_changes(steps=5)
            assert (made.steps, made.planned_steps) == (5, 12)
            assert torch.equal(finish(made), stopped)

    def test_more_steps_than_planned_are_planned_anew(self) -> None:
        filled = fill_in(attack(prompt="a ship", optimiser="pgd"), Pictures(photo()))
        assert filled.planned_steps == 12
        assert filled.with_changes(steps=20).planned_steps == 0
        assert fill_in(attack(prompt="a ship"), Pictures(photo())).planned_steps == 0


def test_a_random_start_lies_in_the_budget_and_differs_between_images() -> None:
    made = attack(prompt="a ship", perturbation="pixel", start_std=1.0, images=2, norm="l2", eps=0.5)
    start = synthesise(made, MODELS, pictures=Pictures(photo())).start
    lengths = (start - photo()).flatten(1).norm(dim=1)
    assert (lengths <= 0.5 + 1e-5).all() and (lengths > 0.3).all()
    assert not torch.equal(start[0], start[1])


def test_images_of_a_batch_do_not_influence_each_other() -> None:
    fields: dict[str, Any] = {"captions": CAPTIONS, "models": ("words", "more"), "weighting": "dynamic"}
    fields |= {"views": "si:2", "perturbation": "pixel", "optimiser": "apgd"}
    sources = photo(batch=2)
    both = finish(attack(images=2, **fields), pictures=Pictures(sources))
    for index in range(2):
        one = finish(attack(**fields), pictures=Pictures(sources[index : index + 1]))
        torch.testing.assert_close(both[index : index + 1], one, rtol=0, atol=1e-5)


def test_views_of_the_loop_see_copies() -> None:
    objective = guide(plan_of(attack(prompt="a ship"), MODELS, Pictures(source=photo())), MODELS["words"])
    losses, _ = score(photo(batch=2), objective, Compose(parse_views("si:3").views), 2, rng())
    assert losses["total"].shape == (2,)
