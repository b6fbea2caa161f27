"""Classifiers that lead a text along: each draws towards its class for what the prompt names.

A robust classifier holds the shape of a thing, and a sharp one adds its details, where a small CLIP model has only an
idea of it. Who names classes of their own for the classifiers of a text says what they draw (`--class`); where nobody
does, the prompt says it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from foundation.protocols import Encoder
from generator.classes.class_names import join_names
from generator.classes.in_texts import class_in
from generator.objectives.classes import usual_for_mixtures
from generator.recipes.recipe import Recipe
from generator.synthesis.drawers import LEAD, shares_of
from generator.synthesis.models import Model

NOTHING = "It knows no class that the prompt names, and took no part."
ON_THE_WAY = "Nobody leads along on the way from one prompt to another: it took no part."


@dataclass(frozen=True)
class Led:
    """A recipe whose classifiers have classes, or are gone.

    Attributes:
        recipe: as it was, where its classes are named already, or it is no text.
        taken_for: for each classifier that leads, the words of the prompt and the class that they are taken for.
        apart: for each classifier that does not, why.
        prompts: the texts of the prompts that somebody leads to.
    """

    recipe: Recipe
    taken_for: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    apart: Mapping[str, str] = field(default_factory=dict)
    prompts: frozenset[str] = frozenset()


def led(recipe: Recipe, names: Mapping[str, Sequence[str]]) -> Led:
    """Find what the classifiers of a text draw, whose classes nobody named, in its prompt.

    `names` are the classes of each of the recipe's classifiers. Those lead that know everything that the one who knows
    most finds in the prompts; all others are left out of the recipe.
    """
    if recipe.task != "text" or recipe.classes or not names:
        return Led(recipe)
    if recipe.prompt_to:
        return Led(_without(recipe, tuple(names)), apart=dict.fromkeys(names, ON_THE_WAY))
    found = classes_named([prompt.text for prompt in recipe.guides.wanted], names)
    most = max(found.values(), key=len)
    leading = [model for model in names if most and most.keys() <= found[model].keys()]
    apart = {model: NOTHING for model in names if model not in leading}
    recipe = _without(recipe, tuple(apart), not leading)
    if not leading:
        return Led(recipe, apart=apart)
    classes = {place: join_names([found[model][place][1] for model in leading]) for place in most}
    classes = {place: name for place, name in classes.items() if _is_new(place, classes)}
    weights = [recipe.guides.wanted[place].weight for place in classes]
    changed = recipe.with_changes(
        classes=tuple(classes.values()),
        weights=tuple(weights) if len(weights) > 1 else (),
        class_weight=recipe.class_weight or LEAD,
        model_weights=recipe.model_weights or shares_of(recipe.models),
        **({"objective": usual_for_mixtures(recipe.objective)} if len(weights) > 1 else {}),
    )
    taken = {model: dict(found[model][place] for place in classes) for model in leading}
    return Led(changed, taken, apart, frozenset(recipe.guides.wanted[place].text for place in most))


def led_fields(found: Recipe, wanted: Recipe) -> set[str]:
    """The fields of a picture's recipe that `led` may have filled in where the recipe that was asked for left them out.

    The models that take part are among those asked for; who does not is known only to whoever has their classes.
    """
    if wanted.task != "text" or wanted.classes or not set(found.models) <= set(wanted.models):
        return set()
    left_out = {
        "class_weight": not wanted.class_weight,
        "model_weights": not wanted.model_weights,
        "objective": len(found.weights) > 1,
    }
    return {"models", "revisions", "classes", "weights", *(name for name, out in left_out.items() if out)}


def classes_of(recipe: Recipe, models: Mapping[str, Model]) -> dict[str, Sequence[str]]:
    """The classes of those loaded models that are classifiers of a recipe, as `led` takes them."""
    mine = {name: models[name] for name in recipe.models if name in models}
    return {name: model.class_names for name, model in mine.items() if not isinstance(model, Encoder)}


def classes_named(prompts: Sequence[str], names: Mapping[str, Sequence[str]]) -> dict[str, dict[int, tuple[str, str]]]:
    """What each classifier (`names`: its classes) finds in prompts, by their places: the words, and its class for them.

    What a model finds in fewer words than another, or in others, does not count: a polar bear is none of the brown
    bears that a smaller model knows.
    """
    found: dict[str, dict[int, tuple[str, str]]] = {}
    said: dict[int, str] = {}
    for model, own in names.items():
        pairs = {place: class_in(text, own) for place, text in enumerate(prompts)}
        found[model] = {place: pair for place, pair in pairs.items() if pair is not None}
        for place, (words, _) in found[model].items():
            if place not in said or len(words.split()) > len(said[place].split()):
                said[place] = words
    return {
        model: {place: pair for place, pair in places.items() if pair[0] == said[place]}
        for model, places in found.items()
    }


def _is_new(place: int, classes: Mapping[int, str]) -> bool:
    """Whether no earlier prompt names the same class."""
    return all(classes[earlier] != classes[place] for earlier in classes if earlier < place)


def _without(recipe: Recipe, apart: Sequence[str], nobody_leads: bool = True) -> Recipe:
    """The recipe without some of its models."""
    if not apart:
        return recipe
    kept = [place for place, model in enumerate(recipe.models) if model not in apart]
    if not kept:  # which is refused where the models are looked at
        return recipe
    changes: dict[str, object] = {"models": tuple(recipe.models[place] for place in kept)}
    if nobody_leads:
        changes["class_weight"] = 0.0
    for name in ("model_weights", "revisions"):
        values = getattr(recipe, name)
        if values:
            changes[name] = tuple(values[place] for place in kept)
    return recipe.with_changes(**changes)
