"""What a preset is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A starting point: the recipe's defaults with `overrides` on top."""

    title: str
    description: str
    task: str
    overrides: Mapping[str, Any]
