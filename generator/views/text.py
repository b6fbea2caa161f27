"""Numbers and ranges in the text form of views, and what views with one of either have in common."""

import re
from typing import ClassVar, Self

from foundation.errors import StudioError
from generator.views.shown import Counted

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


def parse_range(text: str) -> tuple[float, float]:
    """Read ``0.8-1`` as (0.8, 1.0) and ``0.8`` as (0.8, 0.8)."""
    match = re.fullmatch(rf"\s*({_NUMBER})\s*(?:-\s*({_NUMBER})\s*)?", text)
    if match is None:
        raise StudioError(f"'{text.strip()}' is not a number or a range such as 0.8-1.")
    low = float(match[1])
    return low, low if match[2] is None else float(match[2])


def parse_number(text: str) -> float:
    """Read ``0.05``."""
    if re.fullmatch(rf"\s*{_NUMBER}\s*", text) is None:
        raise StudioError(f"'{text.strip()}' is not a number such as 0.05.")
    return float(text)


def parse_whole(text: str) -> int:
    """Read ``8``."""
    if re.fullmatch(r"\s*\d{1,9}\s*", text) is None:
        raise StudioError(f"'{text.strip()}' is not a whole number such as 8.")
    return int(text)


def parse_whole_range(text: str) -> tuple[int, int]:
    """Read ``60-95`` as (60, 95) and ``75`` as (75, 75)."""
    low, dash, high = text.partition("-")
    return parse_whole(low), parse_whole(high if dash else low)


def number_text(value: float) -> str:
    """Write a number so that reading it gives exactly the same one, without a needless ``.0``."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def check_between(what: str, least: float, most: float, *values: float) -> None:
    """Raise StudioError unless least <= each value <= most and the values do not fall."""
    if list(values) != sorted(values) or not all(least <= value <= most for value in values):
        order = ", the smaller one first" if len(values) > 1 else ""
        raise StudioError(
            f"the {what} must lie between {number_text(least)} and {number_text(most)}{order}; "
            f"it is {' to '.join(map(number_text, values))}."
        )


class NoArgument(Counted):
    """Text form of a view that has no fields."""

    syntax: ClassVar[str] = ""

    @classmethod
    def from_text(cls, argument: str) -> Self:
        """Take no argument."""
        if argument:
            raise StudioError(f"it takes nothing after its name, and '{argument}' stands there.")
        return cls()


class OneNumber(Counted):
    """Text form of a view whose only field is a number; without an argument, its default."""

    @classmethod
    def from_text(cls, argument: str) -> Self:
        """Read ``0.05``."""
        return cls(*([parse_number(argument)] if argument else []))


class OneRange(Counted):
    """Text form of a view whose only fields are the ends of a range; without an argument, its defaults."""

    @classmethod
    def from_text(cls, argument: str) -> Self:
        """Read ``0.8-1``, or ``0.9`` for both ends."""
        return cls(*(parse_range(argument) if argument else ()))
