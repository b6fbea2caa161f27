"""Flags of a command line made of the fields of a configuration: their names, ranges, choices, defaults and words."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from foundation.choices import OneOf, Told
from foundation.command_line.arguments import limits_of, number, whole

LEVELS = 255
"""Grey levels that a budget of 1 has on the command line."""


@dataclass(frozen=True)
class AsFlag:
    """How a field is written on the command line, where that does not follow from its name and type.

    It stands among the marks of the field's type: `Annotated[int, AsFlag("-n", "--count")]`.

    Attributes:
        names: in the place of `--name-of-the-field`; the field's own name without hyphens makes an argument by place.
        metavar: what stands for a value in the help.
        levels: whether a field in [0, 1] is written in grey levels of 255.
        choices: gives the values, where they are a closed list and the type does not say them.
        shown: what the help says of the default in the place of its value; "" for nothing.
    """

    names: tuple[str, ...] = ()
    metavar: str | None = None
    levels: bool = False
    choices: Callable[[], Sequence[str]] | None = None
    shown: str | None = None


@dataclass(frozen=True)
class ConfigField:
    """One field that a user sets.

    name is that of the field, flag that of the command line; type is the type of one value, and several says
    whether the field is a tuple of such values; choices is empty unless the values are a closed list; minimum
    and maximum are the ends of a number's range, if it has any (the ends themselves may be excluded).
    """

    name: str
    flag: str
    type: type
    several: bool
    default: Any
    help: str
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None


def described(name: str, field: FieldInfo, task: str = "") -> ConfigField:
    """What a field of a configuration says of itself. Choices are those of the task, if one is given."""
    annotation: Any = field.annotation
    several = get_origin(annotation) is tuple
    if several:
        annotation = get_args(annotation)[0]
        annotation = getattr(annotation, "__origin__", annotation)  # the type below its limits
    listed = next((mark for mark in field.metadata if isinstance(mark, OneOf)), None)
    choices = get_args(annotation) if get_origin(annotation) is Literal else ()
    choices = choices if listed is None else listed.names(task)
    words = field.description or ""
    for mark in field.metadata:
        words = mark.describe(words) if isinstance(mark, OneOf | Told) else words
    low, high = limits_of(field)
    return ConfigField(
        name=name,
        flag="--" + name.replace("_", "-"),
        type=str if choices else annotation,
        several=several,
        default=field.get_default(),
        help=words,
        choices=choices,
        minimum=low,
        maximum=high,
    )


def help_of(words: str, default: str) -> str:
    """The help of a flag: its words and, in brackets, its default, if there is anything to say of it."""
    return (f"{words} (default: {default})" if default else words).replace("%", "%%")


def add_flags(
    parser: argparse._ActionsContainer,
    kind: type[BaseModel],
    names: Sequence[str] | None = None,
    defaults: Mapping[str, object] | None = None,
) -> None:
    """Add a flag for each of the named fields of a configuration; without names, for all that have a description.

    Values are judged by the fields' own ranges and choices. A flag that is not given leaves no trace in the namespace;
    `defaults` are what the help shows where the caller has others than the fields.
    """
    fields = kind.model_fields
    for name in [name for name in fields if fields[name].description] if names is None else names:
        facts, mark = described(name, fields[name]), _mark(fields[name])
        default = (defaults or {}).get(name, facts.default)
        places = mark.names or (facts.flag,)
        by_place = not places[0].startswith("-")
        add = partial(
            parser.add_argument,
            *places,
            default=argparse.SUPPRESS,
            help=help_of(_words(facts, mark), _shown(default, mark) if mark.shown is None else mark.shown),
        )
        add = add if by_place else partial(add, dest=name)
        if facts.type is bool:
            add(action=argparse.BooleanOptionalAction if facts.default else "store_true")
            continue
        choices = tuple(mark.choices()) if mark.choices else tuple(filter(None, facts.choices))
        add = partial(add, choices=choices) if choices else partial(add, type=_type(facts, mark))
        add = partial(add, metavar=mark.metavar) if mark.metavar else add
        add(nargs="*" if by_place else "+") if facts.several else add()


def given(arguments: argparse.Namespace, kind: type[BaseModel]) -> dict[str, object]:
    """The fields of a configuration, of those with a description, that were given as flags, as it takes them."""
    found: dict[str, object] = {}
    for name, field in kind.model_fields.items():
        if field.description and hasattr(arguments, name):
            value = getattr(arguments, name)
            found[name] = _as_share(value) if _mark(field).levels else value
    return found


def _as_share(levels: Any) -> Any:
    return [level / LEVELS for level in levels] if isinstance(levels, list) else levels / LEVELS


def _mark(field: FieldInfo) -> AsFlag:
    return next((mark for mark in field.metadata if isinstance(mark, AsFlag)), AsFlag())


def _words(facts: ConfigField, mark: AsFlag) -> str:
    return f"{facts.help} in grey levels of {LEVELS}" if mark.levels else facts.help


def _type(facts: ConfigField, mark: AsFlag) -> Callable[[str], object]:
    if facts.type not in (int, float):
        return str
    low, high = (0.0, 1.0) if mark.levels else (facts.minimum, facts.maximum)
    assert low is not None and high is not None, f"the field '{facts.name}' has no limits"
    if facts.type is int:
        return whole(int(low), int(high))
    return number(low * LEVELS, high * LEVELS) if mark.levels else number(low, high)


def _shown(value: Any, mark: AsFlag) -> str:
    if isinstance(value, (tuple, list)):
        return " ".join(_shown(entry, mark) for entry in value)
    if isinstance(value, bool):
        return "yes" if value else ""  # a flag alone says that it is not usual
    if mark.levels:
        return f"{LEVELS * value:g}"
    return "" if value is None else str(value)
