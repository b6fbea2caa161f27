"""Axes: what is written is what a recipe takes, whatever the field; what makes no sense is a sentence."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import StudioError
from generator.grids.axis import (
    MOST_VALUES,
    NO_AXES,
    axis_fields,
    axis_of,
    how_to_write,
    parse_axis,
    read_axis,
    read_value,
)
from generator.recipes.fields import cli_fields
from generator.recipes.recipe import Recipe

TASKS = ("text", "class")


def values(text: str, task: str = "text") -> list[object]:
    return [value.given for value in parse_axis(text, task).values]


@pytest.mark.parametrize(
    ("text", "field", "found"),
    [
        ("seed=1..6", "seed", [1, 2, 3, 4, 5, 6]),
        ("steps=50,100, 200", "steps", [50, 100, 200]),
        ("steps=20..100:40; 7", "steps", [20, 60, 100, 7]),
        ("prompt=a frog; a ship, at sea", "prompt", ["a frog", "a ship, at sea"]),
        ("prompt=a; b\nc", "prompt", ["a; b", "c"]),
        ("class=frog; ship", "classes", [("frog",), ("ship",)]),
        ("classes=frog + ship; cat", "classes", [("frog", "ship"), ("cat",)]),
        ("model=a; b + c", "models", [("a",), ("b", "c")]),
        ("--learning-rate = 0.5, 1", "learning_rate", [0.5, 1.0]),
        ("Learning rate=0.1..0.3:0.1", "learning_rate", [0.1, 0.2, 0.3]),
        ("eps=8/255; 0.25", "eps", [8 / 255, 0.25]),
        ("tile=yes, off", "tile", [True, False]),
        ("score=Cosine, contrastive", "score", ["cosine", "contrastive"]),
        ("size=64, 96 x 128", "size", [(64, 64), (96, 128)]),
        ("model_weights=2 1; 1, 3", "model_weights", [(2.0, 1.0), (1.0, 3.0)]),
        ("resolutions=1..16; 8,16,32", "resolutions", ["1..16", "8,16,32"]),
        ("views=flip; crop:0.8-1.0 | noise:0.05", "views", ["flip", "crop:0.8-1.0 | noise:0.05"]),
    ],
)
def test_values_by_hand(text: str, field: str, found: list[object]) -> None:
    axis = parse_axis(text, "text")
    assert axis.field == field
    assert [value.given for value in axis.values] == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed", "'seed' is no axis: write a field and its values, for example seed=1..6."),
        ("sede=1", "'sede' can be no axis: did you mean 'seed'?"),
        ("images=1,2", "'images' can be no axis"),
        ("task=text", "'task' can be no axis"),
        ("seed=", "The axis seed has no values: write whole numbers such as 1..6"),
        ("seed= ;, ", "The axis seed has no values"),
        ("seed=1,01", "The axis seed has the value '01' twice"),
        ("steps=0", "steps must be at least 1 and at most 100000, not 0."),
        ("steps=fifty", "steps must be a whole number, not 'fifty'."),
        ("steps=1.5", "steps must be a whole number, not '1.5'."),
        ("seed=6..1", "The range '6..1' leads nowhere"),
        ("seed=1..6:0", "The range '1..6:0' leads nowhere"),
        ("seed=0..9007199254740991", f"The axis seed has more than {MOST_VALUES} values"),
        ("learning_rate=0..1", "Say how far the values of '0..1' are apart"),
        ("eps=1/0", "'1/0' is no number"),
        ("score=loudest", "score must be 'cosine'"),
        ("tile=perhaps", "tile must be true or false, not 'perhaps'."),
        ("size=large", "'large' is no size"),
        ("size=4", "must be at least 8"),
        (f"prompt={'x' * 2001}", "prompt must have at most 2000 characters"),
    ],
)
def test_what_is_no_axis_is_a_sentence(text: str, words: str) -> None:
    with pytest.raises(StudioError) as caught:
        parse_axis(text, "text")
    assert words in str(caught.value)


@pytest.mark.parametrize("task", TASKS)
def test_every_field_but_those_that_make_several_pictures_is_an_axis(task: str) -> None:
    fields = axis_fields(task)
    assert set(fields) == {field.name for field in cli_fields(task)} - NO_AXES
    for field in fields.values():
        assert how_to_write(field)
        for choice in field.choices:
            assert read_axis(field.name, choice, task).values[0].given == choice


@given(st.lists(st.integers(0, 2**53 - 1), min_size=1, max_size=20, unique=True), st.sampled_from(",;\n"))
def test_whole_numbers_are_what_they_are(numbers: list[int], between: str) -> None:
    assert values("seed=" + between.join(map(str, numbers))) == numbers


@given(st.integers(-50, 50), st.integers(1, 9), st.integers(0, 40))
def test_ranges_are_those_of_python(first: int, step: int, beyond: int) -> None:
    first = abs(first)
    assert values(f"seed={first}..{first + beyond}:{step}") == list(range(first, first + beyond + 1, step))


@given(st.lists(st.floats(1e-4, 10, allow_subnormal=False), min_size=1, max_size=8, unique=True))
def test_fractions_are_what_they_are(numbers: list[float]) -> None:
    assert values("learning_rate=" + ",".join(map(repr, numbers))) == numbers


words = st.text(string.ascii_letters + " ,.|:", min_size=1, max_size=20).map(str.strip).filter(bool)


@given(st.lists(words, min_size=1, max_size=6, unique=True), st.sampled_from(["; ", "\n"]))
def test_texts_are_taken_apart_where_they_are_joined(texts: list[str], between: str) -> None:
    assert values("prompt=" + between.join(texts)) == texts


@given(st.data())
def test_the_texts_of_values_are_read_as_the_same_values(data: st.DataObject) -> None:
    task = data.draw(st.sampled_from(TASKS))
    field = data.draw(st.sampled_from(list(axis_fields(task).values())))
    default = Recipe.model_fields[field.name].get_default()
    if field.type is bool:
        written = data.draw(st.sampled_from(["yes", "no"]))
    elif field.choices:
        written = data.draw(st.sampled_from(field.choices))
    elif field.several and field.name not in ("classes", "models"):
        written = "64 x 96" if field.name == "size" else "1 2"
    else:
        written = str(default if isinstance(default, int | float | str) and str(default) else "a")
    axis = read_axis(field.name, written, task)
    assert axis_of(field, [value.text for value in axis.values]) == axis
    assert [read_value(field, value.text) for value in axis.values] == list(axis.values)
