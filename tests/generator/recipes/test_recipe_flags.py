"""The flags of a recipe: only those given change anything, and every field is described."""

import argparse

import pytest

from generator.recipes.fields import add_arguments, cli_fields, given_fields
from generator.recipes.recipe import Recipe, RecipeError
from tests.generator.recipes.drawn import EXAMPLE

TEXT_FIELDS = {
    *("prompt", "negative", "prompt_to", "score", "against", "class_weight"),
    *("target_weight", "style_weight", "margin", "tile"),
}
ATTACK_FIELDS = {
    *("prompt", "negative", "score", "against", "class_weight", "target_weight", "captions"),
    *("caption_weight", "target_views", "perturbation", "step_schedule", "weighting", "keep", "enough", "detail"),
}


def parse(*flags: str, base: Recipe | None = None, skip: tuple[str, ...] = ()) -> Recipe:
    parser = argparse.ArgumentParser()
    add_arguments(parser, skip)
    base = base or Recipe()
    return base.with_changes(**given_fields(parser.parse_args(flags), base.task))


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
