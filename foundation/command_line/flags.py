"""Flags of a command line made of the fields of a configuration: their names, ranges, choices, defaults and words."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from foundation.choices import OneOf, Told
from foundation.command_line.arguments import limits_of, number, whole
from foundation.command_line.settings import validated
from foundation.record import ExactScalars

Config = TypeVar("Config", bound=BaseModel)
LEVELS = 255
"""Grey levels that a budget of 1 has on the command line."""


@dataclass(frozen=True)
class AsFlag:
    """How a field is written on the command line, where that does not follow from its name and type.

    It stands among the marks of the field's type: `Annotated[int, AsFlag("-n", "--count")]`.

    Attributes:
        names: in the place of `--name-of-the-field`; the field's own name without hyphens makes an argument by place.
        metavar: what stands for a value in the help, or for each of several.
        read: makes a value of what is written; paths need one (see `foundation.files.places`).
        repeats: whether several values are written by as many flags.
        two_ways: whether a field that is not false as a rule has a flag for each of yes and no.
        turns_off: whether the flag of a field that is true as a rule says that it is not.
        levels: whether a field in [0, 1] is written in grey levels of 255.
        choices: gives the values, where they are a closed list and the type does not say them.
        shown: what the help says of the default in the place of its value; "" for nothing.
    """

    names: tuple[str, ...] = ()
    metavar: str | tuple[str, ...] | None = None
    read: Callable[[str], object] | None = None
    repeats: bool = False
    two_ways: bool = True
    turns_off: bool = False
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


class Asked(ExactScalars):
    """What a command is told by its flags. Frozen; every field has a description, which is the flag's help."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def described(name: str, field: FieldInfo, task: str = "") -> ConfigField:
    """What a field of a configuration says of itself. Choices are those of the task, if one is given."""
    annotation = without_none(field.annotation)
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


def without_none(annotation: Any) -> Any:
    """The type of a field's values where it has one: that of `Path | None` is Path."""
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    return kinds[0] if get_origin(annotation) is UnionType and len(kinds) == 1 else annotation


def help_of(words: str, default: str) -> str:
    """The help of a flag: its words and, in brackets, its default, if there is anything to say of it."""
    return (f"{words} (default: {default})" if default else words).replace("%", "%%")


def add_flags(
    parser: argparse._ActionsContainer,
    kind: type[BaseModel],
    names: Sequence[str] | None = None,
    defaults: Mapping[str, object] | None = None,
    *,
    in_full: bool = False,
) -> None:
    """Add a flag for each of the named fields of a configuration; without names, for all that have a description.

    Values are judged by the fields' own ranges and choices; a field without a default has to be given. A flag that is
    not given leaves no trace in the namespace, but with `in_full` the field's default; `defaults` are what the help
    shows where the caller has others than the fields.
    """
    fields = kind.model_fields
    for name in [name for name in fields if fields[name].description] if names is None else names:
        default = {name: fields[name].get_default(), **(defaults or {})}[name]
        _add_flag(parser, name, fields[name], default, in_full=in_full)


def _add_flag(
    parser: argparse._ActionsContainer, name: str, field: FieldInfo, default: object, *, in_full: bool
) -> None:
    facts, mark = described(name, field), _mark(field)
    places = mark.names or (facts.flag,)
    by_place, needed = not places[0].startswith("-"), default is PydanticUndefined
    words = help_of(_words(facts, mark), "" if needed else _shown(default, mark) if mark.shown is None else mark.shown)
    held = field.get_default() if in_full and not needed else argparse.SUPPRESS
    held = list(held) if isinstance(held, tuple) else held  # a flag that repeats adds to it
    add = partial(parser.add_argument, *places, default=held, help=words)
    if not by_place:
        add = partial(add, dest=name, **({"required": True} if needed else {}))
    if facts.type is bool:
        two = facts.default is not False and mark.two_ways and not mark.turns_off
        add(action=argparse.BooleanOptionalAction if two else "store_false" if facts.default else "store_true")
        return
    choices = tuple(mark.choices()) if mark.choices else tuple(filter(None, facts.choices))
    if choices:
        add = partial(add, choices=choices, **({"type": mark.read} if mark.read else {}))
    else:
        add = partial(add, type=_type(facts, mark))
    add = partial(add, metavar=mark.metavar) if mark.metavar else add
    if mark.repeats:
        add(action="append")
    elif facts.several:
        add(nargs=_how_many(field) or ("*" if by_place and not needed else "+"))
    elif by_place and not needed:
        add(nargs="?")
    else:
        add()


def _how_many(field: FieldInfo) -> int | None:
    """How many values a tuple holds, None for any number."""
    held = get_args(without_none(field.annotation))
    return None if Ellipsis in held else len(held)


def given(arguments: argparse.Namespace, kind: type[BaseModel]) -> dict[str, object]:
    """The fields of a configuration, of those with a description, that were given as flags, as it takes them."""
    found: dict[str, object] = {}
    for name, field in kind.model_fields.items():
        if field.description and hasattr(arguments, name):
            value = getattr(arguments, name)
            found[name] = _as_share(value) if _mark(field).levels else value
    return found


def read_flags(arguments: argparse.Namespace, kind: type[Config]) -> Config:
    """The configuration that flags stand for: what was given, and defaults for all else. Raises StudioError."""
    return validated(kind, given(arguments, kind))


def _as_share(levels: Any) -> Any:
    return [level / LEVELS for level in levels] if isinstance(levels, list) else levels / LEVELS


def _mark(field: FieldInfo) -> AsFlag:
    return next((mark for mark in field.metadata if isinstance(mark, AsFlag)), AsFlag())


def _words(facts: ConfigField, mark: AsFlag) -> str:
    return f"{facts.help} in grey levels of {LEVELS}" if mark.levels else facts.help


def _type(facts: ConfigField, mark: AsFlag) -> Callable[[str], object]:
    if mark.read is not None:
        return mark.read
    assert facts.type is not Path, f"the field '{facts.name}' needs a way to read paths"
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
