"""How long pictures took on this machine, so that the page can say what the next one costs."""

import json
import threading
from pathlib import Path

from app.jobs.store import write_atomic
from generator.recipe import Recipe

MOST_KEPT = 500
_COST_FIELDS = (
    *("task", "models", "size", "resolutions", "form", "tolerance", "optimiser", "steps", "views", "views_per_step"),
    *("images", "tile"),
)


class Timings:
    """Seconds per kind of recipe and device, in a JSON file. Safe for threads.

    Recipes that differ only in what costs no time (prompts, seeds, weights) share an entry.

    Args:
        path: the file. It is made with the first entry; one that cannot be read is started anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, float] | None = None

    def seconds(self, recipe: Recipe, device: str) -> float | None:
        """How long the newest picture like this took on the device, in seconds; None if there was none yet."""
        with self._lock:
            return self._entries().get(_key(recipe, device))

    def note(self, recipe: Recipe, device: str, seconds: float) -> None:
        """Remember what a recipe took. Recipes with a photo are left out: its size, not theirs, makes the cost.

        Raises:
            OSError: the file cannot be written.
        """
        if recipe.source:
            return
        with self._lock:
            entries = self._entries()
            entries.pop(key := _key(recipe, device), None)
            entries[key] = round(seconds, 3)
            while len(entries) > MOST_KEPT:
                del entries[next(iter(entries))]
            write_atomic(self._path, json.dumps(entries, indent=1).encode(), durable=False)

    def _entries(self) -> dict[str, float]:
        if self._known is None:
            self._known = _read(self._path)
        return self._known


def _read(path: Path) -> dict[str, float]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # nothing is lost that the next pictures will not measure again
    if not isinstance(content, dict):
        return {}
    return {key: float(value) for key, value in content.items() if isinstance(value, int | float)}


def _key(recipe: Recipe, device: str) -> str:
    facts = recipe.model_dump(mode="json", include=set(_COST_FIELDS))
    return json.dumps([device, *(facts[name] for name in _COST_FIELDS)], separators=(",", ":"))
