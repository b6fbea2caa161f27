"""The objective that a recipe means: what each of its models is asked, and how the answers are put together."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from foundation.errors import StudioError
from foundation.protocols import Classifier, Encoder, ProbedForGradient
from generator.classes.class_names import (
    EXACT_NAMES,
    UnknownClassError,
    called_otherwise,
    class_place,
    join_names,
    several_names,
)
from generator.objectives.base import Ensemble, Objective, mean, mixture
from generator.objectives.classes import AWAY, OBJECTIVES
from generator.objectives.readout import read_out
from generator.objectives.weighting import DynamicEnsemble
from generator.recipes.checks import is_guided
from generator.recipes.common import MOST_NAME
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.guidance import guide
from generator.units.objective import Activation, UnitObjective

Model = Classifier | Encoder
_SAY_BOTH = (
    "Where models call a class differently, list their names, of which each model takes the first that it knows: "
    "'tabby | cat'."
)


def class_index(classifier: Classifier, name: str) -> int:
    """Return the index of a class given by name or number, as `class_place` does."""
    return class_place(classifier.class_names, name)


def class_indices(recipe: Recipe, classifiers: Mapping[str, Classifier]) -> dict[str, list[int]]:
    """For each classifier, by its name, the places among its classes of those that the recipe names.

    StudioError, which names the model, for a class that it does not know, or that is named twice.
    """
    found: dict[str, list[int]] = {}
    for model, classifier in classifiers.items():
        try:
            indices = [class_place(classifier.class_names, name, recipe.version, model) for name in recipe.classes]
        except UnknownClassError as error:
            if len(classifiers) == 1:
                raise
            raise StudioError(f"{error} {_SAY_BOTH}") from error
        repeated = [name for place, name in enumerate(recipe.classes) if indices[place] in indices[:place]]
        if repeated and recipe.version >= EXACT_NAMES:
            raise StudioError(f"The class '{repeated[0]}' is named already, by name or number: name it once.")
        found[model] = indices
    return found


def taken_for(recipe: Recipe, classifiers: Mapping[str, Classifier]) -> dict[str, dict[str, str]]:
    """For each classifier, the names of the recipe's classes that are not its own, and what it takes them for.

    As {"lite0": {"puma": "cougar"}}; classifiers that have nothing to translate are left out.
    """
    found: dict[str, dict[str, str]] = {}
    for model, classifier in classifiers.items():
        pairs = [called_otherwise(classifier.class_names, name, recipe.version) for name in recipe.classes]
        if any(pairs):
            found[model] = dict(pair for pair in pairs if pair is not None)
    return found


def with_own_names(recipe: Recipe, classifiers: Mapping[str, Classifier]) -> Recipe:
    """The recipe with the models' own names for classes that it gives by synonyms, so that it needs no list of them."""
    indices = class_indices(recipe, classifiers)  # which refuses what a model does not know
    translated = {written for pairs in taken_for(recipe, classifiers).values() for written in pairs}
    if not translated:
        return recipe
    classes = list(recipe.classes)
    for number, name in enumerate(classes):
        if translated & {name, *several_names(name)}:
            own = join_names([model.class_names[indices[label][number]] for label, model in classifiers.items()])
            classes[number] = own if len(own) <= MOST_NAME else name
    renamed = recipe.with_changes(classes=tuple(classes))
    return renamed if class_indices(renamed, classifiers) == indices else recipe


def sorted_models(recipe: Recipe, models: Mapping[str, Model]) -> tuple[dict[str, Classifier], dict[str, Encoder]]:
    """Return the classifiers and the encoders among a recipe's models, by name and in its order.

    StudioError if one is missing, or the task cannot use it.
    """
    missing = [name for name in recipe.models if name not in models]
    if missing:
        raise StudioError(f"The model '{missing[0]}' is not loaded. Choose from {', '.join(models)}.")
    encoders = {name: model for name in recipe.models if isinstance(model := models[name], Encoder)}
    classifiers = {name: model for name in recipe.models if not isinstance(model := models[name], Encoder)}
    demand_gradients(classifiers)
    if recipe.task == "text":
        _check_text(recipe, classifiers, encoders)
    elif encoders and not recipe.unit and not (recipe.task == "attack" and is_guided(recipe)):
        remedy = (
            "give the attack a prompt, captions or a target picture" if recipe.task == "attack" else "use it for a text"
        )
        raise StudioError(
            f"The model '{next(iter(encoders))}' compares pictures with texts and knows no classes: {remedy}, or "
            "choose another model."
        )
    elif recipe.task == "attack":
        _check_attack(recipe, classifiers, encoders)
    return classifiers, encoders


def demand_gradients(models: Mapping[str, Model]) -> None:
    """A StudioError where one of the models is known to give no gradient: pictures are made by following it."""
    for name, model in models.items():
        if isinstance(model, ProbedForGradient) and not model.differentiable:
            raise StudioError(
                f"The model '{name}' gives no gradient: a picture is made, and a photo attacked, by following it. "
                "Choose another model, or let that one compute with gradients (without torch.no_grad or detach)."
            )


def _check_text(recipe: Recipe, classifiers: Mapping[str, Classifier], encoders: Mapping[str, Encoder]) -> None:
    if not encoders:
        raise StudioError("A text needs a model that reads it: choose a CLIP model, such as 'tiny-clip'.")
    if classifiers and not recipe.classes:
        raise StudioError(
            f"The model '{next(iter(classifiers))}' knows classes, and no texts: name classes with a class weight "
            "for it, or leave it out."
        )
    if recipe.classes and not classifiers:
        raise StudioError("The recipe names classes, but none of its models knows any: add a classifier.")


def _check_attack(recipe: Recipe, classifiers: Mapping[str, Classifier], encoders: Mapping[str, Encoder]) -> None:
    if is_guided(recipe) and not encoders:
        raise StudioError(
            "The attack has a prompt, captions or a target picture, but none of its models reads texts: add a CLIP "
            "model, such as 'tiny-clip'."
        )
    if classifiers and not recipe.classes and not recipe.leads_away:
        raise StudioError(
            f"The model '{next(iter(classifiers))}' knows classes, and no texts: name a class for it, choose the "
            f"objective '{AWAY}', or leave it out."
        )
    if (recipe.classes or recipe.class_weight > 0) and not classifiers:
        raise StudioError("The attack is about classes, but none of its models knows any: add a classifier.")


def objective_of(
    recipe: Recipe,
    classifiers: Mapping[str, Classifier],
    encoders: Mapping[str, Encoder],
    pictures: Pictures,
    rngs: Mapping[str, torch.Generator] | None = None,
) -> Objective:
    """Return the objective of a recipe: that of its only model, or the weighted mean of those of several.

    That is the rule of Direct Ascent Synthesis (arXiv 2502.07753) for its ensembles of CLIP models, the weighted mean
    of the models' objectives, here by `model_weights`, equal ones if there are none. Encoders share the weight 1 among
    themselves, and classifiers share theirs: the class weight, or 1 in a recipe without one. So of a picture of a class
    the loss is the sum of w_k L_k over the sum of w_k. `rngs` are the generators of the views of a target picture, one
    for each encoder by its name.
    """
    indices = class_indices(recipe, classifiers)
    asked: dict[str, Objective]
    if recipe.unit:
        models = {**classifiers, **encoders}
        asked = {name: UnitObjective(Activation.of(model, recipe.unit, name)) for name, model in models.items()}
    else:
        asked = {name: _about_classes(recipe, model, indices[name], pictures) for name, model in classifiers.items()}
        asked |= {name: guide(recipe, encoder, pictures, (rngs or {}).get(name)) for name, encoder in encoders.items()}
    if recipe.version == 1:  # all models saw the same views, and the mean of their terms was shown
        return mean(list(asked.values()))
    weights = dict(zip(recipe.models, recipe.model_weights or [1.0] * len(recipe.models), strict=True))
    class_weight = recipe.class_weight or 1.0
    factors: dict[str, float] = {}
    for names, share in ((classifiers, class_weight), (encoders, 1.0)):
        together = sum(weights[name] for name in names)
        factors |= {name: share * weights[name] / together for name in names}
    weighted = {name: factors[name] * asked[name] for name in recipe.models}
    if len(asked) == 1:
        return next(iter(asked.values()))
    if recipe.weighting == "dynamic":
        return DynamicEnsemble(weighted, [list(classifiers), list(encoders)])
    return Ensemble(weighted)


def _about_classes(recipe: Recipe, classifier: Classifier, indices: Sequence[int], pictures: Pictures) -> Objective:
    judge = read_out(classifier, recipe.readout)
    count = len(classifier.class_names)
    if recipe.leads_away:
        sources = _source_classes(recipe.objective, indices, classifier, pictures.source)
        return OBJECTIVES[recipe.objective](judge, torch.zeros(count), sources)
    weights = recipe.weights
    if weights:  # shares: those of the wanted classes add up to 1
        wanted = math.fsum(weight for weight in weights if weight > 0)
        weights = tuple(weight / wanted for weight in weights)
    return OBJECTIVES[recipe.objective](judge, mixture(indices, weights, count), None)


def wanted_classes(recipe: Recipe, classifiers: Mapping[str, Classifier], source: Tensor | None) -> list[Tensor]:
    """Return which classes an attack wants each of the classifiers to see, [1 or B, C]: true for those.

    They are those with a share above 0 or, of one that leads away, all but the one to leave: the one named, or what the
    classifier sees in the source [1 or B, 3, H, W].
    """
    shares = recipe.weights or (1.0,) * len(recipe.classes)
    found = []
    for name, indices in class_indices(recipe, classifiers).items():
        count = len(classifiers[name].class_names)
        if recipe.leads_away:
            sources = _source_classes(recipe.objective, indices, classifiers[name], source)
            found.append(~functional.one_hot(sources.long(), count).bool())
        else:
            wanted = [place for place, share in zip(indices, shares, strict=True) if share > 0]
            found.append(mixture(wanted, (), count)[None] > 0)
    return found


def _source_classes(objective: str, indices: Sequence[int], classifier: Classifier, source: Tensor | None) -> Tensor:
    """Return the classes [1 or B] to leave: the one named, or what the classifier sees in the source."""
    if len(indices) > 1:
        raise StudioError(
            f"The objective '{objective}' gets away from one class: name one, or none for the model's own."
        )
    if indices:
        return torch.tensor(indices)
    if source is None:
        raise StudioError(f"The objective '{objective}' needs a photo whose class is to be left; give one.")
    with torch.no_grad():
        return classifier(source).argmax(dim=1).cpu()
