"""Prompts as people write them: what `parse_prompts` reads back."""

import re
from collections.abc import Sequence
from decimal import Decimal

from generator.recipes.prompts import Prompt

_NUMBER_LAST = re.compile(r"(?:^|.*[^\S])?\d+(?:[.:]\d+)*", re.ASCII | re.DOTALL)  # after which 16:9 would be a ratio


def write_prompts(prompts: Sequence[Prompt], default: float = 1.0) -> str:
    """Write prompts as a line from which `parse_prompts` (with the same `default`) reads equal ones."""
    return " | ".join(_escaped(text) + _weight_text(text, weight, default) for text, weight in prompts)


def _escaped(text: str) -> str:
    text = re.sub(r"[\\|:]", r"\\\g<0>", text)
    text = re.sub(r"(?<![^\s|])AND(?!\S)", r"\\AND", text)  # also behind a bar, whatever stands before that
    return "\\" + text if text.startswith('"') else text


def _weight_text(text: str, weight: float, default: float) -> str:
    if weight == default:
        return ""
    return f"{' ' if _NUMBER_LAST.fullmatch(text) else ''}:{Decimal(repr(weight)):f}"
