"""The objective that a recipe means: what each of its models is asked, and how the answers are put together."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from foundation.errors import StudioError
from foundation.protocols import Classifier
from generator.objectives.base import Ensemble, Objective, mean, mixture
from generator.objectives.classes import OBJECTIVES
from generator.objectives.readout import read_out
from generator.objectives.weighting import DynamicEnsemble
from generator.synthesis.guidance import guide
from generator.synthesis.plan import Plan
from generator.units.objective import Activation, UnitObjective


def objective_of(
    plan: Plan, classifiers: Mapping[str, Classifier], rngs: Mapping[str, torch.Generator] | None = None
) -> Objective:
    """Return the objective of a plan: that of its only model, or the weighted mean of those of several.

    That is the rule of Direct Ascent Synthesis (arXiv 2502.07753) for its ensembles of CLIP models, the weighted mean
    of the models' objectives, here by `model_weights`, equal ones if there are none. Encoders share the weight 1 among
    themselves, and classifiers share theirs: the class weight, or 1 in a recipe without one. So of a picture of a class
    the loss is the sum of w_k L_k over the sum of w_k. `classifiers` are the plan's with random streams of their own,
    `rngs` the generators of the views of a target picture, one for each encoder by its name.
    """
    recipe, encoders = plan.recipe, plan.encoders
    asked: dict[str, Objective]
    if plan.unit is not None:
        models = {**classifiers, **encoders}
        asked = {name: UnitObjective(Activation.of(model, plan.unit, name)) for name, model in models.items()}
    else:
        asked = {name: _about_classes(plan, model, plan.named.places[name]) for name, model in classifiers.items()}
        asked |= {name: guide(plan, encoder, (rngs or {}).get(name)) for name, encoder in encoders.items()}
    if recipe.version == 1:  # all models saw the same views, and the mean of their terms was shown
        return mean(list(asked.values()))
    weights = dict(zip(recipe.models, recipe.model_weights or [1.0] * len(recipe.models), strict=True))
    class_weight = recipe.class_weight or 1.0
    factors: dict[str, float] = {}
    for names, share in ((classifiers, class_weight), (encoders, 1.0)):
        together = sum(weights[name] for name in names)
        factors |= {name: share * weights[name] / together for name in names}
    weighted = {name: factors[name] * asked[name] for name in recipe.models if name in asked}
    if len(asked) == 1:
        return next(iter(asked.values()))
    if recipe.weighting == "dynamic":
        return DynamicEnsemble(weighted, [list(classifiers), list(encoders)])
    return Ensemble(weighted)


def _about_classes(plan: Plan, classifier: Classifier, indices: Sequence[int]) -> Objective:
    recipe = plan.recipe
    judge = read_out(classifier, recipe.readout)
    count = len(classifier.class_names)
    if recipe.leads_away:
        sources = _source_classes(recipe.objective, indices, classifier, plan.pictures.source)
        return OBJECTIVES[recipe.objective](judge, torch.zeros(count), sources)
    weights = recipe.weights
    if weights:  # shares: those of the wanted classes add up to 1
        wanted = math.fsum(weight for weight in weights if weight > 0)
        weights = tuple(weight / wanted for weight in weights)
    return OBJECTIVES[recipe.objective](judge, mixture(indices, weights, count), None)


def wanted_classes(plan: Plan, classifiers: Mapping[str, Classifier]) -> list[Tensor]:
    """Return which classes an attack wants each of the classifiers to see, [1 or B, C]: true for those.

    They are those with a share above 0 or, of one that leads away, all but the one to leave: the one named, or what the
    classifier sees in the source. `classifiers` are the plan's with random streams of their own.
    """
    recipe = plan.recipe
    shares = recipe.weights or (1.0,) * len(recipe.classes)
    found = []
    for name, classifier in classifiers.items():
        indices, count = plan.named.places[name], len(classifier.class_names)
        if recipe.leads_away:
            sources = _source_classes(recipe.objective, indices, classifier, plan.pictures.source)
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
