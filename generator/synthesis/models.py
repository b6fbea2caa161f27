"""Which of the models that are there a recipe uses, and whether its task can use them."""

from collections.abc import Mapping

from foundation.errors import StudioError
from foundation.protocols import AcceleratedClassifier, Classifier, Encoder, ProbedForGradient
from generator.objectives.classes import AWAY
from generator.recipes.checks import is_guided
from generator.recipes.recipe import Recipe

Model = Classifier | Encoder


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


def accelerated(classifier: Classifier) -> Classifier:
    """The classifier in its faster form, with the same answers up to rounding, if it has one."""
    return classifier.accelerated() if isinstance(classifier, AcceleratedClassifier) else classifier
