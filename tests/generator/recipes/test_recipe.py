"""The recipe: defaults, sentences for whatever does not fit, canonical JSON, PNG, flags."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from foundation.errors import StudioError
from foundation.images.files import METADATA_KEY, ImageError, save_png
from generator.recipes.fields import add_arguments, cli_fields, from_arguments
from generator.recipes.prompts import Prompt, write_prompts
from generator.recipes.recipe import RECIPE_VERSION, Recipe, RecipeError
from tests import corpus
from tests.examples import examples

names = st.text(min_size=1, max_size=8).map(str.strip).filter(bool)


weights = st.floats(0.001, 10)
lines = st.lists(
    st.builds(Prompt, st.text('ab |:\\"', max_size=5).map("x".__add__).map(str.strip), weights), min_size=1
)


DIGESTS = st.sampled_from(["", "0" * 64, "1f" * 32])


@st.composite
def text_fields(draw: st.DrawFn, models: int, classes: list[str], norm: str, images: int) -> dict[str, Any]:
    """The fields of a picture of a text."""
    score = draw(st.sampled_from(["cosine", "spherical", "contrastive"]))
    digest = st.text("0123456789abcdef", min_size=64, max_size=64)
    target, style = draw(st.just("") | digest), draw(st.just("") | digest)
    worded = score == "contrastive" or not (target or style) or draw(st.booleans())
    prompt = write_prompts(draw(lines)) if worded else ""
    weight = st.floats(0.1, 10) | st.floats(-10, -0.1)
    return {
        "prompt": prompt,
        "negative": draw(st.just("") | lines.map(write_prompts)),
        "prompt_to": write_prompts(draw(lines)) if prompt and images > 1 and draw(st.booleans()) else "",
        "score": score,
        "against": write_prompts(draw(lines)) if score == "contrastive" else "",
        "model_weights": tuple(draw(st.lists(weights, min_size=models, max_size=models))),
        "class_weight": draw(st.floats(0.1, 100)) if classes else 0.0,
        "target": target,
        "target_weight": draw(weight),
        "style": style,
        "style_weight": draw(weight),
        "mask": draw(st.just("") | digest),
        "margin": draw(st.floats(0, 0.4)) if norm == "none" else 0.0,
        "tile": draw(st.booleans()),
    }


@st.composite
def attack_fields(draw: st.DrawFn, models: int, optimiser: str) -> dict[str, Any]:
    """The fields of an attack that pictures of a class do not have, as they can be beside any classes."""
    target = draw(st.just("") | st.text("0123456789abcdef", min_size=64, max_size=64))
    prompt, captions = (
        draw(st.just("") | lines.map(write_prompts)),
        draw(st.sampled_from(["", "a frog", "a frog | a ship"])),
    )
    keep = draw(st.sampled_from(["last", "best"]))
    return {
        "prompt": prompt,
        "captions": captions,
        "keep": keep,
        "enough": draw(st.floats(0, 1, exclude_max=True)) if keep == "best" else 0.0,
        "caption_weight": draw(st.floats(0.1, 10)),
        "target": target,
        "target_views": draw(st.sampled_from(["", "crop:0.5-0.9"])) if target else "",
        "model_weights": tuple(draw(st.lists(weights, min_size=models, max_size=models))),
        "perturbation": "pixel" if optimiser == "apgd" else draw(st.sampled_from(["layers", "pixel"])),
        "step_schedule": draw(st.sampled_from(["constant", "cosine"]))
        if optimiser in ("pgd", "mi-fgsm")
        else "constant",
        "planned_steps": draw(st.sampled_from([0, 100_000])),
    }


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Any valid recipe."""
    task = draw(st.sampled_from(["class", "attack", "text"]))
    objective = draw(st.sampled_from(["logit", "cross_entropy", "margin", *(["leave"] if task == "attack" else [])]))
    few = int(objective != "leave" and task != "text")
    classes = draw(st.lists(names, min_size=few, max_size=4, unique=True))
    models = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    share = st.floats(0, 1e6, exclude_min=True)
    weighted = bool(classes) and draw(st.booleans())
    revision = st.text("0123456789abcdef", max_size=64)
    norm = draw(st.sampled_from(["none", "linf", "l2"])) if task != "class" else "none"
    largest = {"none": 0.0, "linf": 1.0, "l2": 1e6}[norm]
    projected = ["pgd", "mi-fgsm", *(["apgd"] if norm != "none" else [])]
    optimiser = draw(st.sampled_from(["sgd", "adam", *(projected if task == "attack" else [])]))
    images = draw(st.integers(1, 64))
    text = draw(text_fields(len(models), classes, norm, images)) if task == "text" else {}
    if task == "attack":
        text = draw(attack_fields(len(models), optimiser))
    return Recipe(
        task=task,
        objective=objective,
        classes=tuple(classes),
        weights=tuple(draw(st.lists(share, min_size=len(classes), max_size=len(classes)))) if weighted else (),
        models=tuple(models),
        revisions=tuple(draw(st.lists(revision, min_size=len(models), max_size=len(models)))),
        size=draw(st.tuples(st.integers(8, 4096), st.integers(8, 4096))),
        resolutions=draw(names),
        form=draw(st.sampled_from(["auto", "layered", *(["image_space"] if optimiser in ("sgd", "adam") else [])])),
        tolerance=draw(st.floats(0, 1, exclude_max=True)),
        balance=draw(st.floats(0, 2)),
        optimiser=optimiser,
        momentum=draw(st.floats(0, 1, exclude_max=True)) if optimiser in ("sgd", "mi-fgsm") else 0.0,
        learning_rate=draw(st.floats(0, exclude_min=True, allow_infinity=False)),
        normalise=draw(st.booleans()),
        steps=draw(st.integers(1, 100_000)),
        views=draw(names),
        views_per_step=draw(st.integers(1, 1024)),
        start_std=draw(st.floats(0, 10)),
        images=images,
        seed=draw(st.integers(0, 2**53 - images)),
        norm=norm,
        eps=draw(st.floats(0, largest, exclude_min=True)) if largest else 0.0,
        source=draw(DIGESTS),
        **text,
    )


TEXT_FIELDS = {
    *("prompt", "negative", "prompt_to", "score", "against", "class_weight"),
    *("target_weight", "style_weight", "margin", "tile"),
}
ATTACK_FIELDS = {
    *("prompt", "negative", "score", "against", "class_weight", "target_weight", "captions"),
    *("caption_weight", "target_views", "perturbation", "step_schedule", "weighting", "keep", "enough", "detail"),
}
FIELDS_OF_VERSION_1 = {
    *("version", "task", "models", "revisions", "classes", "weights", "objective", "readout", "size", "resolutions"),
    *("colour", "form", "tolerance", "optimiser", "momentum", "learning_rate", "normalise", "steps", "views"),
    *("views_per_step", "start_std", "images", "seed", "norm", "eps", "source"),
}
EXAMPLE = Recipe(
    task="attack", classes=("frog", "ship"), weights=(0.7, 0.3), norm="linf", eps=8 / 255, size=(24, 40), seed=7
)


# Defaults and limits


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
        ({"version": 0}, "version of the recipe must be from 1 to 5, not '0'."),
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


# Changing


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


# JSON


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipes(), recipes())
def test_json_round_trips_and_is_canonical(recipe: Recipe, other: Recipe) -> None:
    text = recipe.to_json()
    again = Recipe.parse_json(text)
    assert again == recipe
    assert again.to_json() == text
    assert again.digest() == recipe.digest()
    assert hash(again) == hash(recipe)
    shuffled = dict(reversed(list(json.loads(text).items())))
    assert Recipe.parse_json(json.dumps(shuffled, indent=1)).to_json() == text
    assert (other == recipe) == (other.to_json() == text)


def test_equal_recipes_have_equal_text() -> None:
    assert Recipe(start_std=-0.0) == Recipe(start_std=0.0)
    assert Recipe(start_std=-0.0).to_json() == Recipe(start_std=0.0).to_json()
    assert Recipe(classes=("a", "b"), weights=(1, -0.0)).to_json() == (
        Recipe(classes=("a", "b"), weights=(1.0, 0)).to_json()
    )
    assert Recipe().to_json() == Recipe(steps=Recipe().steps).to_json()
    assert list(json.loads(Recipe().to_json())) == list(Recipe.model_fields)


def test_digest_is_short_and_tells_recipes_apart() -> None:
    digests = {Recipe(seed=seed).digest() for seed in range(50)}
    assert len(digests) == 50
    assert all(len(digest) == 12 and int(digest, 16) >= 0 for digest in digests)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("masterpiece, best quality\nSteps: 20, Sampler: Euler", "not JSON"),
        ('{"task": "class", "steps":', "not JSON"),
        ("[" * 50_000, "not JSON"),
        ('{"seed": ' + "9" * 5000 + "}", "not JSON"),
        ("[1, 2]", "another kind"),
        ("null", "another kind"),
        ('"class"', "another kind"),
        ("{}", "another kind"),
        ('{"3": {"class_type": "KSampler"}}', "another kind"),
        ('{"sampler": "DDIM", "seed": 1}', "'sampler' is not a field"),
        ('{"self": 1, "steps": 1}', "'self' is not a field"),
        ('{"version": 6, "task": "video", "fps": 3}', "version 6 of the recipe is newer than this program"),
        ('{"version": 0, "steps": 3}', "version of the recipe must be from 1 to 5"),
        ('{"version": "new"}', "version of the recipe must be from 1 to 5"),
        ('{"version": true}', "version of the recipe must be from 1 to 5"),
        ('{"version": 1, "steps": 0}', "steps must be"),
        ('{"version": 1, "learning_rate": NaN}', "learning_rate must be a finite number"),
        ('{"version": 1, "learning_rate": 1e999}', "learning_rate must be a finite number"),
        ('{"views": "' + "x" * 100_000 + '"}', "far too long"),
    ],
)
def test_foreign_old_new_and_corrupt_json_is_refused_in_words(text: str, words: str) -> None:
    for parse in (Recipe.parse_json, Recipe.model_validate_json):
        with pytest.raises(RecipeError, match=words):
            parse(text)


@settings(max_examples=examples(150), deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(list(Recipe.model_fields)),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
            max_leaves=4,
        ),
        max_size=5,
    )
)
def test_arbitrary_fields_raise_nothing_but_recipe_errors(fields: dict[str, Any]) -> None:
    for make in (lambda: Recipe(**fields), lambda: Recipe.parse_json(json.dumps(fields))):
        try:
            make()
        except RecipeError as error:
            assert str(error).endswith((".", "?"))


# PNG


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipe=recipes())
def test_png_round_trip(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "a.png"
    save_png(torch.full((3, 8, 9), 0.5), path, recipe.png_metadata())
    assert Recipe.from_png(path) == Recipe.from_png(path.read_bytes()) == recipe


def test_pictures_without_a_recipe(tmp_path: Path) -> None:
    plain = corpus.valid()["plain.png"].data
    for data in (plain, corpus.valid()["photo.jpg"].data):
        with pytest.raises(RecipeError, match="carries no recipe"):
            Recipe.from_png(data)
    foreign = corpus.with_text(plain, corpus.chunk(b"tEXt", METADATA_KEY.encode() + b"\0hello"))
    with pytest.raises(RecipeError, match="no recipe of this program"):
        Recipe.from_png(foreign)
    with pytest.raises(ImageError, match="no file"):
        Recipe.from_png(tmp_path / "missing.png")


# Flags


def parse(*flags: str, base: Recipe | None = None, skip: tuple[str, ...] = ()) -> Recipe:
    parser = argparse.ArgumentParser()
    add_arguments(parser, skip)
    return from_arguments(parser.parse_args(flags), base or Recipe())


def test_only_given_flags_change_the_base() -> None:
    assert parse() == Recipe()
    assert parse(base=EXAMPLE) == EXAMPLE
    assert parse("--steps", "80", base=EXAMPLE.with_changes(steps=9)).steps == Recipe().steps
    assert parse("--learning-rate", "1e-3", base=EXAMPLE) == EXAMPLE.with_changes(learning_rate=0.001)


def test_flags_of_every_kind() -> None:
    recipe = parse(
        *("--classes", "cat", "dog", "--weights", "1", "-0.25", "--size", "24", "40", "--no-normalise"),
        *("--optimiser", "adam", "--resolutions", "pow2,3", "--views", "noise:0.1", "--models", "a", "b"),
    )
    assert recipe == Recipe(
        classes=("cat", "dog"),
        weights=(1, -0.25),
        size=(24, 40),
        normalise=False,
        optimiser="adam",
        resolutions="pow2,3",
        views="noise:0.1",
        models=("a", "b"),
    )
    assert parse("--size", "48").size == (48, 48)
    assert parse("--normalise", base=recipe).normalise
    leave = parse("--task", "attack", "--objective", "leave", "--classes", "--weights", base=recipe)
    assert (leave.classes, leave.weights) == ((), ())


def test_wrong_flags_have_the_sentence_of_the_recipe() -> None:
    with pytest.raises(RecipeError, match=r"^steps must be a whole number, not 'x'\.$"):
        parse("--steps", "x")
    with pytest.raises(RecipeError, match="eps must be above 0"):
        parse("--task", "attack", "--norm", "linf")
    for flags in (("--optimiser", "lion"), ("--revisions", "ab"), ("--source", "x"), ("--version", "1")):
        with pytest.raises(SystemExit):
            parse(*flags)
    with pytest.raises(SystemExit):
        parse("--task", "attack", skip=("task",))


def test_every_field_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    fields = {field.name: field for field in cli_fields("text")}
    attack = {field.name: field for field in cli_fields("attack")}
    filled_in = {"version", "revisions", "source", "target", "style", "mask", "planned_steps"}
    of_classes = {field.name for field in cli_fields()}
    assert set(Recipe.model_fields) - fields.keys() - attack.keys() - of_classes == filled_in
    assert fields.keys() - of_classes == TEXT_FIELDS
    assert attack.keys() - of_classes == ATTACK_FIELDS
    assert of_classes - fields.keys() == {"unit"} and of_classes - attack.keys() == {"unit", "redraw"}
    assert [one for one in cli_fields() if one.name != "unit"] == [
        field for field in fields.values() if field.name not in TEXT_FIELDS
    ]
    assert fields["optimiser"].choices == ("sgd", "adam")
    assert attack["optimiser"].choices == ("sgd", "adam", "pgd", "mi-fgsm", "apgd")
    for field in (*fields.values(), *attack.values(), *cli_fields()):
        assert len(field.help) > 30
        assert field.help.endswith(".")
        assert field.default == getattr(Recipe(), field.name)
        assert field.type in (str, int, float, bool)
    assert (fields["steps"].minimum, fields["steps"].maximum, fields["steps"].type) == (1, 100_000, int)
    assert (fields["size"].several, fields["size"].type) == (True, int)
    assert (fields["weights"].several, fields["weights"].type) == (True, float)
    assert (fields["classes"].several, fields["classes"].type) == (True, str)
    assert fields["norm"].choices == ("none", "linf", "l2")
    assert fields["learning_rate"].flag == "--learning-rate"
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    text = " ".join(parser.format_help().split())
    assert "--size H [W ...]" in text
    assert "(default: 160 160)" in text
    assert "--learning-rate X" in text
