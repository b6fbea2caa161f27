"""The recipe: defaults, sentences for whatever does not fit, older versions, and changes."""

import json
import math
from typing import Any

import pytest
from pydantic import ValidationError

from foundation.errors import StudioError
from generator.recipes.presets import from_preset
from generator.recipes.recipe import RECIPE_VERSION, Recipe, RecipeError
from tests.generator.recipes.drawn import EXAMPLE

FIELDS_OF_VERSION_1 = {
    *("version", "task", "models", "revisions", "classes", "weights", "objective", "readout", "size", "resolutions"),
    *("colour", "form", "tolerance", "optimiser", "momentum", "learning_rate", "normalise", "steps", "views"),
    *("views_per_step", "start_std", "images", "seed", "norm", "eps", "source"),
}


def test_the_defaults_are_a_valid_class_picture() -> None:
    recipe = Recipe()
    assert (recipe.task, recipe.models, recipe.classes) == ("class", ("crossmax-cifar10",), ("frog",))
    assert (recipe.size, recipe.resolutions, recipe.views) == ((160, 160), "1..40", "crop:0.8-1.0 | noise:0.05")
    assert (recipe.norm, recipe.eps, recipe.version) == ("none", 0.0, RECIPE_VERSION)


def test_a_recipe_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        Recipe().steps = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"steps": 0}, "steps must be at least 1 and at most 100000, not 0."),
        ({"steps": 100_001}, "steps must be at least 1 and at most 100000, not 100001."),
        ({"steps": "many"}, "steps must be a whole number, not 'many'."),
        ({"steps": 2.5}, "steps must be a whole number, not 2.5."),
        ({"steps": None}, "steps must be a whole number, not None."),
        ({"images": 0}, "images must be at least 1 and at most 64, not 0."),
        ({"images": 65}, "images must be at least 1 and at most 64, not 65."),
        ({"views_per_step": 0}, "views_per_step must be at least 1 and at most 1024, not 0."),
        ({"seed": -1}, f"seed must be at least 0 and at most {2**53 - 1}, not -1."),
        ({"learning_rate": 0}, "learning_rate must be above 0, not 0."),
        ({"learning_rate": math.inf}, "learning_rate must be a finite number, not inf."),
        ({"learning_rate": math.nan}, "learning_rate must be a finite number, not nan."),
        ({"learning_rate": "fast"}, "learning_rate must be a number, not 'fast'."),
        ({"momentum": 1}, "momentum must be at least 0 and below 1 with sgd, not 1."),
        ({"momentum": 2}, "momentum must be at least 0 and at most 1, not 2."),
        ({"tolerance": -0.1}, "tolerance must be at least 0 and below 1, not -0.1."),
        ({"start_std": 11}, "start_std must be at least 0 and at most 10, not 11."),
        ({"normalise": "perhaps"}, "normalise must be true or false, not 'perhaps'."),
        ({"size": (7, 160)}, "size (entry 1) must be at least 8, not 7."),
        ({"size": (160, 4097)}, "size (entry 2) must be at most 4096, not 4097."),
        ({"size": (8, 9, 10)}, "size must have at most 2 entries, not (8, 9, 10)."),
        ({"size": ()}, "size lacks its entry 1. size lacks its entry 2."),
        ({"size": "big"}, "size must be a list, not 'big'."),
        ({"views": "  "}, "views must have some text, not '  '."),
        ({"resolutions": ""}, "resolutions must have some text, not ''."),
        ({"resolutions": 40}, "resolutions must be text, not 40."),
        ({"optimiser": "lion"}, "optimiser must be 'sgd', 'adam', 'pgd', 'mi-fgsm' or 'apgd', not 'lion'."),
        ({"classes": "frog"}, "classes must be a list, not 'frog'."),
        ({"classes": ()}, "classes is empty: name at least one class."),
        ({"classes": ("frog", " ")}, "classes (entry 2) must have some text, not ' '."),
        ({"classes": ("frog", "cat", "frog")}, "classes names 'frog' twice: name it once."),
        ({"classes": ("\ud800",)}, "classes (entry 1) must be text, not '\\ud800'."),
        ({"models": ()}, "models must have at least 1 entry, not ()."),
        ({"models": ("a", "a")}, "models names 'a' twice: name it once."),
        ({"weights": (1, 2)}, "weights needs one number per class or none, not 2 for 1 classes."),
        ({"weights": (0,)}, "weights must add up to more than 0, not 0."),
        ({"classes": ("a", "b"), "weights": (1, -2)}, "weights must add up to more than 0, not -1."),
        ({"classes": ("a", "b"), "weights": (1e308, 1e308)}, "weights must add up to more than 0, not inf."),
        (
            {"classes": ("a", "b"), "weights": (2, -1), "objective": "margin"},
            "weights below 0 are possible only with objective 'logit': make them 0 or larger.",
        ),
        ({"revisions": ("ab", "cd")}, "revisions needs one entry per model or none, not 2 for 1 models."),
        ({"revisions": ("XY",)}, "revisions (entry 1) must be made of hexadecimal digits, not 'XY'."),
        ({"objective": "leave"}, "objective 'leave' needs a photo to start from: choose another, or make an attack."),
        ({"optimiser": "adam", "momentum": 0.9}, "momentum belongs to sgd and mi-fgsm: set momentum to 0 with adam."),
        ({"eps": 0.1}, "eps must be 0 without a norm, not 0.1: choose norm 'linf' or 'l2'."),
        ({"norm": "l2", "eps": 1}, "norm 'l2' limits the distance from a photo: use 'none', or make an attack."),
        ({"task": "attack", "norm": "linf"}, "eps must be above 0 and at most 1 with norm 'linf', not 0."),
        ({"task": "attack", "norm": "linf", "eps": 8}, "eps must be above 0 and at most 1 with norm 'linf', not 8."),
        ({"task": "attack", "norm": "l2"}, "eps must be above 0 with norm 'l2', not 0."),
        ({"step": 5}, "'step' is not a field of a recipe: did you mean 'steps'?"),
        ({"sampler": "x"}, "'sampler' is not a field of a recipe: it may come from another program."),
        ({"version": 0}, f"version of the recipe must be from 1 to {RECIPE_VERSION}, not '0'."),
        ({"steps": 0, "images": 0}, "steps must be at least 1 and at most 100000, not 0. images must be at"),
    ],
)
def test_what_does_not_fit_has_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    for make in (Recipe, Recipe.model_validate, Recipe().with_changes):
        with pytest.raises(RecipeError) as caught:
            make(fields) if make == Recipe.model_validate else make(**fields)
        assert str(caught.value).startswith(sentence)
        assert isinstance(caught.value, StudioError)


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": 1, "images": 64, "size": (8, 4096), "seed": 2**53 - 64},
        {"steps": 100_000, "learning_rate": 5e-324},
        {"task": "attack", "norm": "linf", "eps": 1},
        {"task": "attack", "norm": "l2", "eps": 300},
        {"task": "attack"},
        {"task": "attack", "objective": "leave", "classes": ()},
        {"task": "attack", "objective": "leave", "classes": ("cat",)},
        {"classes": ("a", "b"), "weights": (2, -1)},
        {"classes": ("a", "b"), "weights": (0, 1), "objective": "cross_entropy"},
        {"optimiser": "adam", "momentum": 0},
    ],
)
def test_the_ends_of_the_ranges_fit(fields: dict[str, Any]) -> None:
    recipe = Recipe(**fields)
    assert Recipe.parse_json(recipe.to_json()) == recipe


def text(**fields: Any) -> dict[str, Any]:
    return {"task": "text", "prompt": "a frog"} | fields


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (text(prompt=""), "prompt is empty: say what the picture should show"),
        (text(prompt="  "), "prompt is empty: say what the picture should show"),
        (text(prompt="x" * 10_000), "prompt must have at most 2000 characters, not 'xxx"),
        (text(prompt="?! ..."), "prompt: this prompt has no letter and no digit, so there is nothing to draw"),
        (text(negative="..."), "negative: this prompt has no letter"),
        (text(prompt="a frog:1.x"), "prompt: '1.x' is no weight, at character 8:\n    a frog:1.x\n           ^\nWrite"),
        (text(prompt="a | | b"), "prompt: a prompt is missing, at character 5:"),
        (text(prompt_to="a ::0", images=2), "prompt_to: the weight 0 is out of range, at character 5:"),
        (text(prompt_to="b"), "prompt_to needs pictures on the way to it: ask for at least 2 images."),
        (text(prompt="", target="ab" * 32, prompt_to="b", images=2), "prompt_to is where the pictures lead to"),
        (text(negative="b:-1"), "negative has a weight below 0 ('b'): weights are above 0 here."),
        (text(against="b"), "against is for the score 'contrastive': choose that, or leave it out."),
        (text(score="contrastive"), "score 'contrastive' needs other prompts to compare with"),
        (text(score="contrastive", prompt="a:-1", against="b"), "score 'contrastive' needs a prompt with a weight"),
        (text(score="contrastive", against="b:-1"), "against has a weight below 0"),
        (text(score="manhattan"), "score must be 'cosine', 'spherical' or 'contrastive', not 'manhattan'."),
        (text(classes=("frog",)), "class_weight is 0, so the classes count nothing"),
        (text(class_weight=1), "class_weight needs classes: name at least one, or set class_weight to 0."),
        (text(model_weights=(1, 2)), "model_weights needs one number per model or none, not 2 for 1 models."),
        (text(models=("a", "b"), model_weights=(1, 0)), "model_weights must all be above 0"),
        (text(models=("a", "b"), model_weights=(1, -1)), "model_weights must all be above 0"),
        (text(models=("a", "b"), model_weights=(1e308, 1e308)), "model_weights must all be above 0 and not too large"),
        (text(prompt="", target="ab" * 32, target_weight=0), "target_weight is 0, so that picture counts nothing"),
        (text(style="ab" * 32, style_weight=0), "style_weight is 0, so that picture counts nothing"),
        (text(style_weight=11), "style_weight must be at least -10 and at most 10, not 11."),
        (text(margin=0.5), "margin must be at least 0 and below 0.5, not 0.5."),
        (text(margin=0.1, norm="linf", eps=0.1), "margin squeezes the photo, which norm 'linf' forbids"),
        (text(objective="leave"), "objective 'leave' needs a photo"),
        (text(version=1), "version 1 of the recipe knows no task 'text': make it version 2."),
        ({"prompt": "a frog"}, "prompt is for texts and attacks: leave it out, or make the task 'text'."),
        ({"tile": True}, "tile is for pictures of a text"),
        ({"task": "attack", "mask": "ab" * 32}, "mask is for pictures of a text"),
        ({"task": "attack", "style_weight": 0.5}, "style_weight is for pictures of a text"),
    ],
)
def test_what_does_not_fit_a_text_has_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe(**fields)
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("prompt", ["лягушка", "青蛙", "ضفدع", "🐸", "👩‍🎨 | ❤️", "x" * 2000, "7", "Star Wars: a hero"])
def test_any_alphabet_and_emoji_fit(prompt: str) -> None:
    recipe = Recipe(**text(prompt=prompt))
    assert Recipe.parse_json(recipe.to_json()) == recipe
    assert recipe.prompt == prompt


def test_a_text_has_defaults_of_its_own() -> None:
    recipe = Recipe(**text())
    assert (recipe.models, recipe.classes, recipe.class_weight, recipe.score) == (("tiny-clip",), (), 0.0, "cosine")
    mixed = Recipe(**text(models=("a", "b"), classes=("frog",), class_weight=0.5, model_weights=(2, 1)))
    assert (mixed.models, mixed.classes) == (("a", "b"), ("frog",))
    assert Recipe(**text(prompt="", style="ab" * 32)).prompt == ""


def test_recipes_of_version_1_are_read_and_stay_what_they_are() -> None:
    written = {name: value for name, value in json.loads(EXAMPLE.to_json()).items() if name in FIELDS_OF_VERSION_1}
    old = Recipe.parse_json(json.dumps(written | {"version": 1}))
    assert old.version == 1
    assert old.with_changes(version=RECIPE_VERSION) == EXAMPLE
    assert old.with_changes(seed=3).version == 1
    assert Recipe.parse_json(old.to_json()) == old


def test_convenient_forms_are_understood() -> None:
    assert Recipe(size=48).size == Recipe(size=(48,)).size == Recipe(size=["48", 48.0]).size == (48, 48)  # type: ignore[arg-type]
    assert Recipe(steps="12", learning_rate="1e-3", classes=[" cat "]) == Recipe(  # type: ignore[arg-type]
        steps=12, learning_rate=0.001, classes=("cat",)
    )


def test_with_changes_validates_and_leaves_the_original() -> None:
    before = EXAMPLE.to_json()
    changed = EXAMPLE.with_changes(steps=5, seed=8)
    assert (changed.steps, changed.seed, changed.eps) == (5, 8, EXAMPLE.eps)
    assert changed != EXAMPLE
    assert before == EXAMPLE.to_json()
    assert EXAMPLE.with_changes() == EXAMPLE
    with pytest.raises(RecipeError, match="eps"):
        EXAMPLE.with_changes(norm="none")


def test_new_models_drop_old_revisions() -> None:
    recipe = Recipe(revisions=("ab12",))
    assert recipe.with_changes(steps=5).revisions == ("ab12",)
    assert recipe.with_changes(models=["crossmax-cifar10"]).revisions == ("ab12",)
    assert recipe.with_changes(models=("x", "y")).revisions == ()
    assert recipe.with_changes(models=("x",), revisions=("cd",)).revisions == ("cd",)


def test_who_leads_away_without_a_class_means_the_first_answer_of_the_model_and_no_frog() -> None:
    assert Recipe(task="attack", objective="leave").classes == ()
    assert from_preset("attack", "standard", objective="leave").classes == ()
    assert Recipe(task="attack", objective="leave", classes=("cat",)).classes == ("cat",)
    assert Recipe(task="attack", objective="margin").classes == ("frog",)
