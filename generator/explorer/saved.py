"""Attacked pictures that are there already, whoever made them: which photo each belongs to, and what was wanted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from generator.errors import StudioError
from generator.explorer.aims import question_of
from generator.explorer.photos import Photo
from generator.explorer.transfer import Case
from generator.image import load_image, pixel_digest
from generator.recipe import Recipe, RecipeError


def cases_of(photos: Sequence[Photo], attacked: Sequence[Path], classes: Mapping[str, Sequence[str]]) -> list[Case]:
    """Return a case for each attacked picture, in their order.

    A picture that carries the recipe of an attack belongs to the photo whose pixels the recipe names, and its attack
    goes by the models of the recipe; `classes` are those of models by name, which numbers in a recipe count. Any
    other picture belongs to the photo of the same name, goes by its folder, and was to be taken for what the label
    file says, or for anything else. StudioError for a picture that no photo belongs to, and for two of one photo by
    one attack.
    """
    by_digest = {pixel_digest(load_image(photo.path)): photo for photo in photos}
    by_stem = {Path(photo.path).stem: photo for photo in photos}
    cases: dict[tuple[str, str], Case] = {}
    for path in attacked:
        recipe = _recipe_of(path)
        photo = by_stem.get(path.stem) if recipe is None else by_digest.get(recipe.source)
        if photo is None:
            raise StudioError(
                f"No photo belongs to '{path}': give the photo that it was made of, with the same pixels or name."
            )
        if recipe is None:
            attack, own = path.resolve().parent.name, Recipe(task="attack", objective="leave", classes=())
        else:
            attack, own = "+".join(recipe.models), recipe
        if (attack, photo.name) in cases:
            other = cases[attack, photo.name].attacked
            raise StudioError(f"'{path}' and '{other}' are both of '{photo.name}' by '{attack}': give one of them.")
        question = question_of(own, photo, classes.get(own.models[0], ()))
        cases[attack, photo.name] = Case(photo.name, attack, photo.path, path, question)
    return list(cases.values())


def _recipe_of(path: Path) -> Recipe | None:
    """The recipe of an attack that a picture carries; None if it carries none."""
    try:
        recipe = Recipe.from_png(path)
    except RecipeError:
        return None
    return recipe if recipe.task == "attack" else None
