"""What every command line shares: numbers with a range."""

import argparse
from collections.abc import Callable
from typing import Any

from pydantic.fields import FieldInfo

_MOST_DIGITS = 40
MOST_SEED = 2**53 - 1
"""The largest seed, as in recipes: what JSON's numbers hold exactly."""
MOST_THREADS = 256
"""With far more of them PyTorch ends in a segmentation fault."""


def whole(low: int, high: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number from `low` to `high`."""

    def convert(text: str) -> int:
        try:
            value = int(text) if len(text) <= _MOST_DIGITS else high + 1
        except ValueError:
            value = high + 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"'{text[:_MOST_DIGITS]}' is no whole number from {low:,} to {high:,}")
        return value

    return convert


def number(low: float, high: float) -> Callable[[str], float]:
    """The type of an argument that is a number from `low` to `high`."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:  # what is no number is in no range
            raise argparse.ArgumentTypeError(f"'{text[:_MOST_DIGITS]}' is no number from {low:,g} to {high:,g}")
        return value

    return convert


def limits_of(field: FieldInfo) -> tuple[Any, Any]:
    """The least and the largest value that a field of a configuration takes, each None where it has no such limit."""

    def limit(*names: str) -> Any:
        return next((getattr(mark, name) for mark in field.metadata for name in names if hasattr(mark, name)), None)

    return limit("ge", "gt"), limit("le", "lt")
