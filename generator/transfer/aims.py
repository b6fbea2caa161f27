"""What a recipe asks for, photo by photo: the recipe with a photo's own classes, and the question for the victims."""

import re
from collections.abc import Mapping, Sequence

from foundation.errors import StudioError
from generator.classes.class_names import class_place
from generator.classes.names import Names, plain
from generator.inputs.photos import Photo
from generator.objectives.classes import AWAY, objectives_that
from generator.recipes.recipe import Recipe
from generator.recipes.schema import AIMS
from generator.transfer.outcome import Question

_TEXTS = ("prompt", "negative", "captions")
_FOR_ENCODERS = (
    *_TEXTS,
    *("against", "score", "target", "target_weight", "target_views", "caption_weight", "class_weight"),
)
"""Fields that mean nothing to classifiers."""
TARGET_WORD, LABEL_WORD = "{target}", "{label}"
"""What stands in the texts of a recipe for the target and the true class of each photo."""


def recipe_of_set(recipe: Recipe, models: Sequence[str], *, classifiers: bool, encoders: bool) -> Recipe:
    """Return the recipe for a set of surrogates: with what its classifiers and CLIP models can be asked, and no more.

    So one recipe can name a class and a prompt, and be used with each model alone. StudioError if nothing is left
    that these can be asked.
    """
    changes: dict[str, object] = {"models": tuple(models)}
    if tuple(models) != recipe.models:
        changes["model_weights"] = ()
    if not encoders:
        changes |= {name: Recipe.model_fields[name].get_default() for name in _FOR_ENCODERS}
    if not classifiers:
        changes |= {"classes": (), "weights": (), "class_weight": 0.0}
    aimed = any(getattr(recipe, name) for name in AIMS) if encoders else False
    if encoders and not aimed:
        raise StudioError(
            f"'{'+'.join(models)}' reads texts and knows no classes: say what it should see with --prompt, or what it "
            "should no longer see with --captions."
        )
    if classifiers and not recipe.classes and not recipe.leads_away:
        raise StudioError(
            f"'{'+'.join(models)}' knows classes: name one with --class, or choose the objective '{AWAY}'."
        )
    return recipe.with_changes(**changes)


def recipe_for(recipe: Recipe, photo: Photo, classes: Sequence[str], names: Names) -> Recipe:
    """Return the recipe with what its label file says about a photo.

    The target of a photo becomes the class that the recipe leads to; of one that leads away and names no class, its
    label becomes the class to get away from. Both are looked up by name among the `classes` of the surrogates
    (() if these are CLIP models alone), and stand in the texts of the recipe for {target} and {label}. StudioError
    where the surrogates have no such class, or a text needs what is not known.
    """
    changes: dict[str, object] = {}
    if classes and recipe.leads_away:
        if not recipe.classes and photo.label:
            changes["classes"] = (_own(photo.label, classes, names),)
    elif classes and photo.target:
        changes |= {"classes": (_own(photo.target, classes, names),), "weights": ()}
    for field in _TEXTS:
        text = getattr(recipe, field)
        filled = _filled(_filled(text, TARGET_WORD, photo.target, photo), LABEL_WORD, photo.label, photo)
        if filled != text:
            changes[field] = filled
    return recipe.with_changes(**changes) if changes else recipe


def leads_to_targets(recipe: Recipe, *, classifiers: bool) -> bool:
    """Whether attacks by a recipe lead to the target of each photo: by a class, or by a text with {target}."""
    return (classifiers and not recipe.leads_away) or TARGET_WORD in recipe.prompt


def uses_targets(recipe: Recipe, *, classifiers: bool) -> bool:
    """Whether it matters to attacks by a recipe what the target of a photo is: to be led to it, or away from it."""
    return leads_to_targets(recipe, classifiers=classifiers) or any(
        TARGET_WORD in getattr(recipe, name) for name in _TEXTS
    )


def note_on_targets(recipes: Mapping[str, Recipe], classes: Mapping[str, Sequence[str]]) -> str:
    """Return a sentence on the attacks by name that targets mean nothing to; "" if there are none.

    `classes` are those of the surrogates of each attack, () where these are CLIP models alone.
    """
    idle = [name for name, recipe in recipes.items() if not leads_to_targets(recipe, classifiers=bool(classes[name]))]
    if not idle:
        return ""
    named = "" if len(idle) == len(recipes) else f" by {', '.join(idle)}"
    away = objectives_that(lambda one: one.leads_away)
    return (
        f"The targets in the label file are not what the attacks{named} lead to, and nobody is asked about them there: "
        f"for that, name a class with an objective other than {away}, or write {TARGET_WORD} in the prompt."
    )


def question_of(recipe: Recipe, photo: Photo, classes: Sequence[str], template: Recipe | None = None) -> Question:
    """Return what the victims are asked about a photo that was attacked by a recipe: what this recipe pursued.

    The targets are the classes and the texts that it leads to; one that leads only away, or to a picture, has none.
    The target of the photo is one of them only if the recipe led to it: as a class, or by a prompt with {target}.
    `template` is the recipe before `recipe_for`; without it a prompt with the name of the target is taken for one.
    `classes` are those of the surrogates, which numbers count.
    """
    named = [_by_number(name, classes) for name in recipe.classes]
    shares = recipe.weights or (1.0,) * len(named)
    wanted = [] if recipe.leads_away else [name for name, share in zip(named, shares, strict=True) if share > 0]
    texts = [prompt.text for prompt in recipe.guides.wanted]
    if template is None:
        led = any(_names_target(text, photo.target) for text in texts)
    else:
        led = leads_to_targets(template, classifiers=bool(classes))
    targets = [*([photo.target] if led and photo.target else []), *wanted, *texts]
    distinct = {plain(target): target for target in reversed(targets)}  # of those that mean the same, the first
    left = named[0] if recipe.leads_away and named else ""
    return Question(label=photo.label or left, targets=tuple(reversed(distinct.values())))


def _names_target(text: str, target: str) -> bool:
    """Whether a text names a target, as words of their own."""
    return re.search(rf"(?<!\w){re.escape(plain(target).casefold())}(?!\w)", text.casefold()) is not None


def _own(name: str, classes: Sequence[str], names: Names) -> str:
    found = names.find(classes, name)
    if not found:
        shown = ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")
        raise StudioError(f"The surrogates know no class '{name}', the photo's label or target. They know {shown}.")
    return found[0]


def _by_number(name: str, classes: Sequence[str]) -> str:
    """A class by name, where the recipe gives its number; a class whose name is a number goes by that."""
    try:
        return classes[class_place(classes, name)]
    except StudioError:  # a class of another model, or a name that several have in other capitals
        return name


def _filled(text: str, word: str, value: str, photo: Photo) -> str:
    if word in text and not value:
        raise StudioError(
            f"The text has {word}, but nothing says that of '{photo.name}': give it, for example by a label file."
        )
    return text.replace(word, value)
