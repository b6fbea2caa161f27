"""The fields of a recipe as data, for whatever shows them: flags of the command line, widgets of the app."""

import argparse
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic.fields import FieldInfo

from foundation.command_line.flags import ConfigField, described, help_of
from foundation.errors import StudioError
from generator.recipes.common import marks_of
from generator.recipes.errors import sentences
from generator.recipes.recipe import Recipe, RecipeError

_SINGULAR = {"classes": "--class", "models": "--model"}
"""Flags that most often get one value have a second name."""


def cli_fields(task: str = "class") -> list[ConfigField]:
    """All fields that a user sets for a task, in the order of the recipe; not those which the program fills in.

    Pictures of a class have what all tasks have; "text" and "attack" have more. Choices are those of the task.
    """
    return [described(name, field, task) for name, field in Recipe.model_fields.items() if _belongs(field, task)]


def judge(name: str, value: object) -> None:
    """Raise RecipeError for a value that a field cannot have, whatever the others are."""
    try:
        _alone(name)(**{name: value})
    except ValidationError as error:
        raise RecipeError(sentences(error, Recipe.model_fields)) from error


@lru_cache(maxsize=128)
def _alone(name: str) -> type[BaseModel]:
    """A model of one field of the recipe, which knows nothing of the others."""
    field = Recipe.model_fields[name]
    definition: Any = (field.annotation, field)
    return create_model("Alone", __config__=Recipe.model_config, **{name: definition})


def oldest_version(names: Collection[str]) -> int:
    """The first version of recipes that knows all of these fields."""
    marks = [marks_of(Recipe.model_fields[name]) for name in names]
    return max((mark.since for mark in marks if mark.tasks), default=1)


def _belongs(field: FieldInfo, task: str) -> bool:
    marks = marks_of(field)
    return not marks.filled_in and task in (marks.tasks or (task,))


def add_arguments(
    parser: argparse._ActionsContainer,
    skip: Collection[str] = (),
    defaults: Mapping[str, object] | None = None,
    *,
    task: str = "class",
) -> None:
    """Add a flag for every field of a task (--learning-rate for learning_rate) but those named in skip.

    Values are not judged here but by the recipe, so that a wrong one has the same sentence everywhere. A flag
    that is not given leaves no trace in the namespace. The help shows `defaults` where they differ from the
    recipe's own.
    """
    for field in cli_fields(task):
        if field.name in skip:
            continue
        shown = _shown((defaults or {}).get(field.name, field.default))
        text = help_of(field.help, shown)
        options: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS, "help": text}
        if field.type is bool:
            parser.add_argument(field.flag, action=argparse.BooleanOptionalAction, **options)
            continue
        if field.name == "size":
            options |= {"nargs": "+", "metavar": ("H", "W")}
        elif field.several:
            options |= {"nargs": "*", "metavar": field.name.upper()}
        elif field.choices:
            options |= {"choices": field.choices}
        else:
            options |= {"metavar": {int: "N", float: "X"}.get(field.type, "TEXT")}
        names = [_SINGULAR[field.name]] if field.name in _SINGULAR else []
        parser.add_argument(*names, field.flag, **options)


def add_prompt(parser: argparse._ActionsContainer) -> None:
    """Add the prompt by its place."""
    words = Recipe.model_fields["prompt"].description
    parser.add_argument("prompt", nargs="?", default=argparse.SUPPRESS, metavar="PROMPT", help=words)


def given_fields(namespace: argparse.Namespace, task: str = "class") -> dict[str, object]:
    """The fields that were given as flags, for a recipe to judge.

    Numbers may be fractions, such as 8/255; StudioError for one that is none.
    """
    given = {field: getattr(namespace, field.name) for field in cli_fields(task) if hasattr(namespace, field.name)}
    return {field.name: numbers(value) if field.type is float else value for field, value in given.items()}


def numbers(value: Any) -> Any:
    """Texts such as 8/255 as numbers, also in lists, and anything else as it is, for the recipe to judge.

    StudioError for a fraction that is none.
    """
    if isinstance(value, list):
        return [numbers(entry) for entry in value]
    above, slash, below = str(value).partition("/")
    try:
        return float(above) / float(below) if slash else value
    except (ValueError, ZeroDivisionError):
        raise StudioError(f"'{value}' is no number: write 0.03 or 8/255.") from None


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(str(entry) for entry in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value) or "none"
