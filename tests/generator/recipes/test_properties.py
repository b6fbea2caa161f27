"""Whatever people write or bring, there is a value or a sentence: recipes, views, resolutions and choices."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.errors import StudioError
from generator.classes.labels import captions, read_captions
from generator.classes.names import Names, parse_also
from generator.priors.operators import parse_resolutions
from generator.recipes.guides import Guides, read_guides
from generator.recipes.recipe import Recipe
from generator.units.unit import parse_unit
from generator.views.registry import VIEWS, parse_views
from generator.views.text import number_text
from tests.generator.views.written import written

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FIELDS = st.sampled_from(sorted(Recipe.model_fields))
TEXTS = st.sampled_from(["", "a frog", "16:9", "a:2 | b", "text", "attack", "class", "1..4", "linf", "\ud800", "\x00"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.slow
@QUICK
@given(st.dictionaries(FIELDS | st.text(max_size=6), VALUES, max_size=4))
def test_any_fields_make_a_recipe_that_survives_its_text_or_a_sentence(fields: dict[str, Any]) -> None:
    try:
        recipe = Recipe(**fields)
    except StudioError as error:
        assert str(error)
        return
    again = Recipe.parse_json(recipe.to_json())
    assert again == recipe and again.to_json() == recipe.to_json() and again.digest() == recipe.digest()
    assert again.guides == recipe.guides == (read_guides(recipe) if recipe.task != "class" else Guides())
    assert again.named_unit == recipe.named_unit == (parse_unit(recipe.unit) if recipe.unit else None)


@pytest.mark.slow
@QUICK
@given(st.dictionaries(FIELDS, VALUES, max_size=3).map(json.dumps) | st.text(max_size=30))
def test_any_text_is_a_recipe_or_a_sentence(text: str) -> None:
    try:
        assert Recipe.parse_json(Recipe.parse_json(text).to_json())
    except StudioError as error:
        assert str(error)


NUMBERS = st.floats(0, 1).map(lambda value: number_text(round(value, 3))) | st.integers(-2, 300).map(str)
PARTS = st.tuples(st.sampled_from(sorted(VIEWS)), st.sampled_from(["", ":", ":420", "-", " or "]), NUMBERS, NUMBERS)


@QUICK
@given(
    st.lists(PARTS.map(lambda part: f"{part[0]}:{part[2]}-{part[3]}{part[1]}"), max_size=3).map(" | ".join)
    | st.lists(st.sampled_from(sorted(VIEWS)), max_size=4).map(" or ".join)
    | st.text("crop:0.5-1 |or", max_size=16)
    | st.text(max_size=12)
)
def test_any_views_are_read_and_written_or_refused_in_words(text: str) -> None:
    try:
        views = parse_views(text)
    except StudioError as error:
        assert str(error)
    else:
        assert parse_views(written(views)) == views


@QUICK
@given(st.text("0123456789.,:palow2 -", max_size=12) | st.text(max_size=12))
def test_any_resolutions_are_ascending_or_refused_in_words(text: str) -> None:
    try:
        found = parse_resolutions(text, (24, 40))
    except StudioError as error:
        assert str(error)
    else:
        assert list(found) == sorted(set(found)) and 1 <= found[0] <= found[-1] <= 40


@QUICK
@given(st.lists(st.text(max_size=8) | st.sampled_from(["a frog", "a Frog", "\udce9"]), max_size=4))
def test_any_choices_are_a_list_or_refused_in_words(tmp_path: Path, texts: list[str]) -> None:
    (tmp_path / "c.txt").write_bytes("\n".join(texts).encode("utf-8", "surrogatepass"))
    for make in (lambda: captions(texts), lambda: read_captions(tmp_path / "c.txt")):
        try:
            labels = make().labels
        except StudioError as error:
            assert str(error)
        else:
            assert all(label in Names().find(labels, label) for label in labels)


@QUICK
@given(st.lists(st.text("ab=, ", max_size=8), max_size=3))
def test_any_words_for_the_same_are_read_or_refused_in_words(lines: list[str]) -> None:
    try:
        also = parse_also(lines)
    except StudioError as error:
        assert "dog=beagle" in str(error)
    else:
        assert all(name and labels for name, labels in also.items())
