"""A file of settings in TOML: what it holds, and in which line each of it stands."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from foundation.errors import StudioError
from foundation.files.text_files import read_text, shown

FILE_NAME = "settings.toml"
TABLE = "limits"
"""The one table of the file; its keys are fields of `foundation.limits.Limits`."""
_MOST_BYTES = 64_000


class Line(NamedTuple):
    """A value of a file, and the line where it stands; 0 where that cannot be told."""

    value: Any
    line: int


class Written(NamedTuple):
    """What a file says, key by key."""

    options: Mapping[str, Line]
    limits: Mapping[str, Line]


NOTHING = Written({}, {})


def read_file(path: Path) -> Written:
    """What a file says. StudioError: it is not there, or is no TOML of settings; the message says in which line."""
    text = read_text(path, "settings", most=_MOST_BYTES)
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StudioError(f"The settings '{shown(path)}' are no TOML: {error}.") from error
    limits = found.pop(TABLE, {})
    if not isinstance(limits, dict):
        raise StudioError(
            f"The settings '{shown(path)}'{_in_line(_line_of(text, TABLE))}: the limits are a table, which begins with "
            f"[{TABLE}]."
        )
    return Written(
        {key: Line(value, _line_of(text, key)) for key, value in found.items()},
        {key: Line(value, _line_of(text, TABLE, key)) for key, value in limits.items()},
    )


def place(path: Path, line: int) -> str:
    """How sentences name a place in a file."""
    return f"'{shown(path)}'{_in_line(line)}"


def _in_line(line: int) -> str:
    return f" (line {line})" if line else ""


def _line_of(text: str, *keys: str) -> int:
    """The line where a key is written: the first that names it and with which, or some lines later, it is there."""
    lines = text.splitlines(keepends=True)
    for first, line in enumerate(lines, start=1):
        if keys[-1] not in line:
            continue
        for last in range(first, len(lines) + 1):
            try:
                found: Any = tomllib.loads("".join(lines[:last]))
            except tomllib.TOMLDecodeError:
                continue  # within a value of several lines
            for key in keys:
                found = found.get(key) if isinstance(found, dict) else None
            if found is not None:
                return first
            break
    return 0
