"""Results of jobs that make pictures, whole, in the form that they are written in."""

from typing import Any

from generator.recipes.recipe import Recipe
from generator.records.answers import Said


def answer(*names: str, share: float | None = 0.9, readouts: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a classifier says: the first class with that share, the others with 0.05 each."""
    top = [{"class": name, "probability": 0.05 if place else share} for place, name in enumerate(names)]
    return {
        "top": top,
        "agreement": 1.0,
        "draws": 1,
        "readouts": [{"readout": name, "top": top} for name in readouts],
    }


def said(*names: str) -> Said:
    """The same as a value."""
    return Said.read(answer(*names))


def picture(file: str = "image-1.png", **changes: Any) -> dict[str, Any]:
    """A picture that nobody was asked about, but for the changes."""
    return {"file": file, "before": {}, "after": {}, "success": {}, **changes}


def result(recipe: Recipe, *pictures: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What a recipe came to."""
    return {
        "recipe": recipe.model_dump(mode="json"),
        "steps_asked": recipe.steps,
        "stopped": False,
        "enough": False,
        "error": None,
        "images": list(pictures),
        "unknown_words": {},
        "warnings": {},
        "ran_away": [],
        "taken_for": {},
        "device": "cpu",
        "versions": {"python": "3.11.0", "torch": "2.0.0"},
        "seconds": 1.0,
        "size": list(recipe.size),
        "with_recipe": True,
        **changes,
    }
