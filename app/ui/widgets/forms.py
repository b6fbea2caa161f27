"""Widgets made from the recipe's own fields, so that the page and the command line cannot drift apart."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.ui.wiring.guard import Updates
from foundation.command_line.flags import ConfigField
from foundation.errors import StudioError
from generator.classes.class_names import UnknownClassError, class_place, nearest
from generator.recipes.fields import cli_fields

# What the page asks for in widgets of its own.
OWN_WIDGETS = frozenset(("task", "models", "classes", "weights", "seed", "images", "norm", "eps"))
OWN_OF_TEXTS = frozenset(
    (
        *("prompt", "negative", "prompt_to", "score", "against"),
        *("class_weight", "target_weight", "style_weight", "margin"),
    )
)
OWN_OF_ATTACKS = frozenset(
    (
        *("prompt", "negative", "captions", "class_weight", "target_weight", "caption_weight"),
        *("perturbation", "optimiser"),
    )
)
OWN_OF: Mapping[str, frozenset[str]] = {"class": frozenset(("unit",)), "text": OWN_OF_TEXTS, "attack": OWN_OF_ATTACKS}
# Of stripped texts, and without two ways to match the same blanks: those would make long texts take for ever.
SIZE = re.compile(r"(\d{1,5})(?:(?:\s*[x×,*]\s*|\s+)(\d{1,5}))?")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


MOST_PICTURES = 64
"""Pictures of one recipe, which is for the page to repeat whoever made it."""


class FormError(StudioError):
    """A widget holds something that cannot be understood; the message says which and what would be."""


def advanced_fields(without: Sequence[str] = (), task: str = "class") -> list[ConfigField]:
    """The recipe's fields that the advanced part of a task shows, in the recipe's order."""
    own = OWN_WIDGETS | OWN_OF.get(task, frozenset())
    return [field for field in cli_fields(task) if field.name not in own and field.name not in without]


def label_of(name: str) -> str:
    """A field's name as people read it."""
    return name.replace("_", " ").capitalize()


class RecipeFields:
    """One widget per recipe field, with reading and writing in both directions.

    Args:
        fields: which fields, in the order shown.
        values: what the widgets hold at first.
        prefix: put before the field's name to make the widget's id on the page.
    """

    def __init__(self, fields: Sequence[ConfigField], values: Mapping[str, object], prefix: str) -> None:
        self.fields = tuple(fields)
        self._values = values
        self._prefix = prefix
        self.widgets: dict[str, Any] = {}

    def build(self) -> None:
        """Create the widgets."""
        for field in self.fields:
            self.widgets[field.name] = self._widget(field)

    def _widget(self, field: ConfigField) -> Any:
        common: dict[str, Any] = {
            "label": label_of(field.name),
            "info": field.help,
            "value": to_widget(self._values[field.name]),
            "elem_id": f"{self._prefix}-{field.name}",
        }
        if field.choices:
            return gr.Dropdown(list(field.choices), filterable=False, **common)
        if field.type is bool:
            return gr.Checkbox(**common)
        if field.type in (int, float) and not field.several:
            return gr.Number(**common)
        return gr.Textbox(max_lines=1, **common)

    @property
    def components(self) -> list[Any]:
        """The widgets in order: the inputs whose values ``read`` takes."""
        return [self.widgets[field.name] for field in self.fields]

    def read(self, raw: Sequence[Any]) -> dict[str, object]:
        """What the widgets hold, as recipe values.

        Raises:
            FormError: a number is missing or a size is not one.
        """
        return {field.name: from_widget(field, value) for field, value in zip(self.fields, raw, strict=True)}

    def updates(self, values: Mapping[str, object]) -> Updates:
        """Updates that put recipe values into the widgets."""
        return {self.widgets[field.name]: to_widget(values[field.name]) for field in self.fields}


def to_widget(value: Any) -> Any:
    """A recipe value as a widget shows it: sides as ``224 x 160``, other numbers as ``2 0.5``, else as it is."""
    if isinstance(value, tuple | list):
        return (" x " if all(isinstance(item, int) for item in value) else " ").join(str(item) for item in value)
    return value


def from_widget(field: ConfigField, value: Any) -> Any:
    """A widget's value as the recipe wants it; whether it is in range is for the recipe to judge.

    Raises:
        FormError: it is empty where a number is needed, no size, or no list of numbers.
    """
    if field.type in (int, float) and not field.several:
        return _in_range(field, value)
    if field.several and field.type is float:
        return _numbers(str(value or ""), label_of(field.name))
    if field.several:
        match = SIZE.fullmatch(str(value or "").strip())
        if match is None:
            raise FormError(f"{label_of(field.name)}: write height x width in pixels, for example 224 x 160.")
        return (int(match[1]), int(match[2] or match[1]))
    return value.strip() if isinstance(value, str) else value


def _in_range(field: ConfigField, value: Any) -> int | float:
    """A number for a field; the ends of a range of fractions are for the recipe to name, which knows more of them."""
    label = label_of(field.name)
    if field.type is int and field.minimum is not None and field.maximum is not None:
        return whole(value, label, int(field.minimum), int(field.maximum))
    return number(value, label, "a number, or choose a preset to fill it in")


def _numbers(written: str, label: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in written.replace(",", " ").split())
    except ValueError:
        raise FormError(f"{label}: write numbers with blanks between them, for example 2 1.") from None


def parse_mixture(written: str, class_names: Sequence[str]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Read ``frog 60, ship 40`` as classes and their shares; without numbers all count the same.

    A class may be given by a synonym or, with ``|`` between, by its names in several models.

    Raises:
        FormError: a class that the model does not know, or some shares are missing.
    """
    names: list[str] = []
    shares: list[float | None] = []
    for part in (piece.strip() for piece in written.split(",")):
        if not part:
            continue
        name, share = (part, None) if part in class_names else _with_share(part)
        try:
            class_place(class_names, name)
        except UnknownClassError as error:
            near = nearest(class_names, name) or class_names[:20]
            raise FormError(f"The model knows no class called {name!r}. Its classes: {', '.join(near)}.") from error
        names.append(name)
        shares.append(share)
    if any(share is None for share in shares):
        if any(share is not None for share in shares):
            raise FormError("Give every class of the mixture a share, or none of them: frog 60, ship 40.")
        return tuple(names), ()
    return tuple(names), tuple(share for share in shares if share is not None) if len(names) > 1 else ()


def _with_share(part: str) -> tuple[str, float | None]:
    """A class and the share written behind it (frog 60, frog: 0.6, frog = 60 %), or the whole text and None."""
    text = part.rstrip().removesuffix("%").rstrip()
    head = text.rstrip("0123456789.-")
    name = head.rstrip(" \t\n:=")
    number = text[len(head) :]
    return (name.strip(), float(number)) if name != head and NUMBER.fullmatch(number) else (part, None)


def write_mixture(classes: Sequence[str], weights: Sequence[float]) -> str:
    """The text that ``parse_mixture`` reads; empty for a single class."""
    if len(classes) < 2:
        return ""
    if not weights:
        return ", ".join(classes)
    return ", ".join(f"{name} {weight:g}" for name, weight in zip(classes, weights, strict=True))


def whole(value: Any, what: str, low: int, high: int) -> int:
    """A whole number out of a number widget.

    Raises:
        FormError: it is empty, no whole number, or not from ``low`` to ``high``; the message gives the range.
    """
    wanted = f"a whole number from {low:,} to {high:,}"
    found = number(value, what, wanted)
    if found != int(found) or not low <= found <= high:
        raise FormError(f"{what} must be {wanted}, not {found:,.10g}.")
    return int(found)


def number(value: Any, what: str, wanted: str) -> float:
    """A number out of a number widget; ``wanted`` says what the widget is to be given.

    Raises:
        FormError: it is empty, or no finite number.
    """
    if value is None or value == "":
        raise FormError(f"{what} is empty. Give it {wanted}.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FormError(f"{what} must be {wanted}.")
    return value
