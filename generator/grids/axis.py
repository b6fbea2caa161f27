"""An axis of a grid: a field of the recipe, and the values that it takes.

Written `seed=1..6`, `steps=50,100,200`, `prompt=a frog; a ship`, `model=a; b`, `eps=4/255, 8/255`. Values of texts and
names have semicolons between them, or are lines, since commas are parts of them; all others may have either. Whole
numbers may be ranges, with a step if there is one (`20..100:20`), fractions are ranges only with a step (`0..1:0.25`).
What a field is, its choices and its range, says the registry of fields (`generator.recipes.fields`).
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from foundation.command_line.flags import ConfigField
from foundation.errors import StudioError
from generator.recipes.fields import cli_fields, judge, numbers
from generator.recipes.presets import rule_fields
from generator.recipes.recipe import Recipe

MOST_VALUES = 100
"""Values of one axis, at most."""
NO_AXES = frozenset(("task", "images", "together", "prompt_to"))
"""Fields that say how many pictures a recipe makes, and which of all: a cell of a grid is one picture."""
_SINGULAR = {"classes": "class", "models": "model"}
_LISTED = ("classes", "models")
"""Fields of several names, of which a value may take more than one: `a + b`."""
_YES, _NO = ("yes", "on", "true", "1"), ("no", "off", "false", "0")
_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})(?:\s*:\s*({_NUMBER}))?")
_SIZE = re.compile(r"(\d{1,5})(?:\s*[x×*]\s*(\d{1,5}))?")
_SHOWN = 60


@dataclass(frozen=True)
class Value:
    """One value of an axis: as it is written, and as a recipe takes it."""

    text: str
    given: object

    @property
    def short(self) -> str:
        """The text as a title, of one line."""
        line = " ".join(self.text.split())
        return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1].rstrip()}\u2026"


@dataclass(frozen=True)
class Axis:
    """A field of the recipe, and at least one value for it; no two are the same."""

    field: str
    values: tuple[Value, ...]

    @property
    def title(self) -> str:
        """What the axis is called: "learning rate", "class"."""
        return title_of(self.field)

    def companions(self, value: Value, base: Recipe) -> dict[str, object]:
        """What else changes in a recipe with a value of this axis, as it does with the flag of its field."""
        match self.field:
            case "optimiser":
                return {**rule_fields(str(value.given)), "planned_steps": 0}
            case "steps":
                return {"planned_steps": 0}
            case "classes":
                return {"weights": (), "unit": ""}
            case "unit":
                return {"classes": (), "weights": ()}
            case "models" if isinstance(value.given, tuple) and len(value.given) != len(base.model_weights):
                return {"model_weights": ()}
            case "norm" if value.given == "none":
                return {"eps": 0.0}
        return {}


def title_of(field: str) -> str:
    """What people call a field as an axis."""
    return _SINGULAR.get(field, field).replace("_", " ")


def axis_fields(task: str) -> dict[str, ConfigField]:
    """The fields of a task's recipes that can be an axis, by name and in the recipe's order."""
    return {field.name: field for field in cli_fields(task) if field.name not in NO_AXES}


def parse_axis(text: str, task: str) -> Axis:
    """Read `FIELD=VALUES`. StudioError for what is no axis of the task, in a sentence that says what would be."""
    name, equals, written = text.partition("=")
    if not equals:
        raise StudioError(f"'{text[:_SHOWN]}' is no axis: write a field and its values, for example seed=1..6.")
    return read_axis(name, written, task)


def read_axis(name: str, written: str, task: str) -> Axis:
    """The same of the name of a field and its values."""
    field = find_field(name, task)
    texts = list(_texts(field, written))
    if not texts:
        raise StudioError(f"The axis {title_of(field.name)} has no values: write {how_to_write(field)}.")
    return axis_of(field, texts)


def axis_of(field: ConfigField, texts: Sequence[str]) -> Axis:
    """The axis of a field with these values, one by one. StudioError for one that the field cannot have."""
    values: dict[object, Value] = {}
    for text in texts:
        value = read_value(field, text)
        if value.given in values:
            raise StudioError(f"The axis {title_of(field.name)} has the value '{value.short}' twice: name it once.")
        values[value.given] = value
    if len(values) > MOST_VALUES:
        raise _too_many(field)
    return Axis(field.name, tuple(values.values()))


def find_field(name: str, task: str) -> ConfigField:
    """A field by its name, that of its flag, or as people call it. StudioError if it is no axis of the task."""
    fields = axis_fields(task)
    asked = name.strip().lower().lstrip("-").replace("-", "_").replace(" ", "_")
    known = {**fields, **{short: fields[long] for long, short in _SINGULAR.items() if long in fields}}
    if asked in known:
        return known[asked]
    near = difflib.get_close_matches(asked, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"choose of {', '.join(map(title_of, fields))}."
    raise StudioError(f"'{name.strip()[:_SHOWN]}' can be no axis: {hint}")


def how_to_write(field: ConfigField) -> str:
    """How the values of an axis are written, in words for people."""
    if field.choices:
        return f"some of {', '.join(field.choices)}, with commas between"
    if field.type is bool:
        return "yes, no"
    if field.name == "size":
        return "sides such as 96, 160 or 128 x 192 (height x width), with commas between"
    if field.name in _LISTED:
        return "names with semicolons between, or one a line; a + b takes both at once"
    if field.several:
        return "numbers with blanks between, and semicolons between the lists: 2 1; 1 1"
    if field.type is int:
        return "whole numbers such as 1..6, or 50, 100, 200"
    if field.type is float:
        return "numbers such as 0.01, 0.05, 8/255, or 0..1:0.25"
    return "texts with semicolons between, or one a line"


def read_value(field: ConfigField, text: str) -> Value:
    """One value of a field. StudioError for one that it cannot have, whatever the others are."""
    given = _given(field, text)
    judge(field.name, given)
    return Value(text, given)


def _given(field: ConfigField, text: str) -> object:
    """A text as the field takes it; what makes no sense stays as it is, for the recipe to judge."""
    if field.type is bool:
        return True if text.lower() in _YES else False if text.lower() in _NO else text
    if field.choices:
        return next((choice for choice in field.choices if choice.lower() == text.lower()), text)
    if field.name == "size":
        match = _SIZE.fullmatch(text)
        if match is None:
            raise StudioError(f"'{text[:_SHOWN]}' is no size: write {how_to_write(field)}.")
        return int(match[1]), int(match[2] or match[1])
    if field.name in _LISTED:
        return tuple(part for name in re.split(r"\s\+\s", text) if (part := name.strip()))
    if field.several:
        return tuple(_float(part) for part in text.replace(",", " ").split())
    if field.type is int:
        return int(text) if re.fullmatch(r"[-+]?\d{1,30}", text) else text
    return _float(text) if field.type is float else text


def _float(text: str) -> object:
    number = numbers(text)  # 8/255
    try:
        return float(str(number))
    except ValueError:
        return text


# ---------------------------------------------------------------------- taking values apart


def _texts(field: ConfigField, written: str) -> Iterator[str]:
    """The values that are written, ranges as each of their numbers."""
    number = field.type in (int, float) and not field.several
    by_commas = number or field.choices or field.type is bool or field.name == "size"
    if by_commas:
        parts = re.split(r"[;,\n]", written)
    else:
        lines = written.strip().splitlines()
        parts = lines if len(lines) > 1 else written.split(";")
    for part in filter(None, map(str.strip, parts)):
        match = _RANGE.fullmatch(part) if number else None
        yield from [part] if match is None else _counted(field, match)


def _counted(field: ConfigField, match: re.Match[str]) -> Iterator[str]:
    """The numbers of a range, both ends included where the step leads there."""
    first, last = Decimal(match[1]), Decimal(match[2])
    if match[3] is None and field.type is float:
        raise StudioError(f"Say how far the values of '{match[0]}' are apart: {match[0]}:0.25, for example.")
    step = Decimal(match[3] or 1)
    if step <= 0 or last < first:
        raise StudioError(f"The range '{match[0]}' leads nowhere: write the smaller number first, and a step above 0.")
    if (last - first) / step >= MOST_VALUES:
        raise _too_many(field)
    for number in range(int((last - first) / step) + 1):
        value = first + number * step
        yield f"{value:f}" if field.type is float or value != int(value) else str(int(value))


def _too_many(field: ConfigField) -> StudioError:
    return StudioError(f"The axis {title_of(field.name)} has more than {MOST_VALUES} values: give it fewer.")
