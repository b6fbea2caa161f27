"""What a recipe asks for, photo by photo: the recipe with a photo's own classes, and the question for the victims."""

from collections.abc import Sequence

from generator.errors import StudioError
from generator.explorer.names import Names
from generator.explorer.outcome import Question
from generator.explorer.photos import Photo
from generator.guidance import read_guides
from generator.recipe import Recipe
from generator.recipe_schema import AIMS

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
    if classifiers and not recipe.classes and recipe.objective != "leave":
        raise StudioError(
            f"'{'+'.join(models)}' knows classes: name one with --class, or choose the objective 'leave'."
        )
    return recipe.with_changes(**changes)


def recipe_for(recipe: Recipe, photo: Photo, classes: Sequence[str], names: Names) -> Recipe:
    """Return the recipe with what its label file says about a photo.

    The target of a photo becomes the class that the recipe leads to; with the objective "leave" and no class, its
    label becomes the class to get away from. Both are looked up by name among the `classes` of the surrogates
    (() if these are CLIP models alone), and stand in the texts of the recipe for {target} and {label}. StudioError
    where the surrogates have no such class, or a text needs what is not known.
    """
    changes: dict[str, object] = {}
    if classes and recipe.objective == "leave":
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


def question_of(recipe: Recipe, photo: Photo, classes: Sequence[str]) -> Question:
    """Return what the victims are asked about a photo that was attacked by a recipe (of `recipe_for`).

    The targets are the target of the photo, else the classes and texts that the recipe leads to; a recipe that
    leads only away, or to a picture, has none. `classes` are those of the surrogates, which numbers count.
    """
    named = [_by_number(name, classes) for name in recipe.classes]
    if recipe.objective == "leave" and recipe.classes:
        return Question(photo.label or named[0], () if not photo.target else (photo.target,))
    if photo.target:
        return Question(photo.label, (photo.target,))
    shares = recipe.weights or (1.0,) * len(named)
    wanted = [name for name, share in zip(named, shares, strict=True) if share > 0]
    texts = [prompt.text for prompt in read_guides(recipe).wanted]
    return Question(photo.label, tuple(dict.fromkeys([*wanted, *texts])))


def _own(name: str, classes: Sequence[str], names: Names) -> str:
    found = names.find(classes, name)
    if not found:
        shown = ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")
        raise StudioError(f"The surrogates know no class '{name}', the photo's label or target. They know {shown}.")
    return found[0]


def _by_number(name: str, classes: Sequence[str]) -> str:
    """A class by name, where the recipe gives its number; a class whose name is a number goes by that."""
    known = name.strip().casefold() in {entry.casefold() for entry in classes}
    return classes[int(name)] if not known and name.strip().isdecimal() and int(name) < len(classes) else name


def _filled(text: str, word: str, value: str, photo: Photo) -> str:
    if word in text and not value:
        raise StudioError(
            f"The text has {word}, but nothing says that of '{photo.name}': give it, for example by a label file."
        )
    return text.replace(word, value)
