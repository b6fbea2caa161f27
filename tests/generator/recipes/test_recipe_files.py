"""Recipes as JSON and in PNG files: one canonical text, and sentences for what is none."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.images.files import METADATA_KEY, ImageError, save_png
from generator.recipes.recipe import RECIPE_VERSION, Recipe, RecipeError
from tests import corpus
from tests.examples import examples
from tests.generator.recipes.drawn import recipes

# JSON


@pytest.mark.slow
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
        (
            f'{{"version": {RECIPE_VERSION + 1}, "task": "video", "fps": 3}}',
            f"version {RECIPE_VERSION + 1} of the recipe is newer than this program",
        ),
        ('{"version": 0, "steps": 3}', f"version of the recipe must be from 1 to {RECIPE_VERSION}"),
        ('{"version": "new"}', f"version of the recipe must be from 1 to {RECIPE_VERSION}"),
        ('{"version": true}', f"version of the recipe must be from 1 to {RECIPE_VERSION}"),
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


@pytest.mark.slow
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
