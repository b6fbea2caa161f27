"""What a preset is."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """A starting point: the recipe's defaults with `overrides` on top."""

    title: str
    description: str
    task: str
    overrides: Mapping[str, object]
