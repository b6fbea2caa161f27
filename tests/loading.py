"""Models by their names, as a user gives them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foundation.catalogue.memory import Memory
from robust_model.zoo.catalogue import open_catalogue


def load_model(name: str | Path, folders: Sequence[Path] = ()) -> Any:
    """The classifier called so, on the CPU."""
    return open_catalogue(folders).load(str(name), kind="classifier", typed=True)


def loaded_bytes(memory: Memory) -> int:
    """Bytes of the weights that are loaded."""
    return sum(one.size for one in memory.list())
