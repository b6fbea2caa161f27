"""Who draws where nobody says: models that are there after the installation, and how much each counts."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from foundation.catalogue.entry import ModelInfo
from foundation.errors import StudioError
from generator.classes.class_names import meaning
from generator.recipes.schema import RecipeSchema

SHARES: Mapping[str, float] = {"crossmax-imagenet64": 4.0, "lite0": 1.0}
"""What the logits of a model count beside others': the robust one holds the shape, the sharp one adds detail."""
LEAD = 0.1
"""The weight of what classifiers that lead a text along want, beside prompts of weight 1."""
DRAWERS: Mapping[str, tuple[str, ...]] = {
    "text": ("tiny-clip", "crossmax-imagenet64", "lite0"),
    "class": ("crossmax-imagenet64", "lite0"),
}
"""The models of each task."""


class Usual(TypedDict, total=False):
    """Fields of a recipe."""

    models: tuple[str, ...]
    model_weights: tuple[float, ...]


_ALONE = frozenset({"das"})
"""Presets that mean CLIP models alone."""


def shares_of(models: Sequence[str]) -> tuple[float, ...]:
    """The weights of models, as a recipe has them: () where all count alike."""
    shares = tuple(SHARES.get(name, 1.0) for name in models)
    return shares if len(set(shares)) > 1 else ()


def usual_models(task: str, preset: str | None, classes: Sequence[str], listed: Sequence[ModelInfo]) -> Usual:
    """The fields of a recipe that say who draws it where nobody chose models; {} where the recipe's default does.

    A text is drawn by those that are ready, and by a CLIP model alone where classes are named, or by the preset's
    intent. A class is drawn by `DRAWERS` if all of them are ready and know it; where the recipe's default does not know
    it either, by those of them that do.
    """
    ready = {info.name: info for info in listed if info.ready}
    drawers = tuple(name for name in DRAWERS.get(task, ()) if name in ready)
    if task == "text" and not classes and preset not in _ALONE and "tiny-clip" in drawers:
        return {"models": drawers}
    if task != "class" or not classes:
        return {}
    knowing = tuple(name for name in drawers if _know([ready[name]], classes))
    others = [ready[name] for name in RecipeSchema.model_fields["models"].default if name in ready]
    if not knowing or (knowing != DRAWERS["class"] and others and _know(others, classes)):
        return {}
    return {"models": knowing, "model_weights": shares_of(knowing)}


def _know(models: Sequence[ModelInfo], classes: Sequence[str]) -> bool:
    return all(_knows(info.class_names, wanted) for info in models for wanted in classes)


def _knows(names: Sequence[str], wanted: str) -> bool:
    try:
        meaning(names, wanted)
    except StudioError:
        return False
    return True
