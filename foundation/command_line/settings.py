"""Settings as JSON and as values with types: read, changed by one assignment, checked."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from foundation.command_line.arguments import limits_of
from foundation.errors import StudioError
from foundation.files.text_files import read_object

Config = TypeVar("Config", bound=BaseModel)


_OUT_OF_RANGE = frozenset(
    {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "int_parsing_size", "finite_number"}
)
"""What pydantic calls a number that is none of those that a setting takes."""


def validated(kind: type[Config], settings: object) -> Config:
    """The configuration that JSON settings describe. StudioError names the first that does not fit."""
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "config"
        wanted = _range_of(kind, first["loc"]) if first["type"] in _OUT_OF_RANGE else ""
        raise StudioError(f"The setting '{place}' is not valid: {wanted or first['msg'].rstrip('.')}.") from error


def _range_of(kind: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """What numbers a setting takes, in words; "" where it has not both ends, or lies within other settings."""
    field = kind.model_fields.get(str(place[0])) if len(place) == 1 else None
    low, high = (None, None) if field is None else limits_of(field)
    return "" if low is None or high is None else f"it takes numbers from {low:,} to {high:,}"


def read_settings(path: Path, what: str = "configuration") -> dict[str, Any]:
    """The settings in a JSON file; `what` is what sentences call it. Raises StudioError."""
    return read_object(path, what)


def change_setting(settings: dict[str, Any], assignment: str) -> None:
    """Apply one `key.path=JSON` (or plain text) to all the settings there are. Raises StudioError."""
    path, equals, text = assignment.partition("=")
    if not equals:
        raise StudioError(f"--set takes KEY=VALUE, not '{assignment}'.")
    *parents, key = path.split(".")
    place = settings
    for parent in parents:
        place = place.get(parent, {})
    if key not in place:
        raise StudioError(f"There is no setting '{path}'.")
    try:
        place[key] = json.loads(text)
    except json.JSONDecodeError:
        place[key] = text
