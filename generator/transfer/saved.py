"""Attacked pictures that are there already, whoever made them: which photo each belongs to, and what was wanted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from foundation.errors import StudioError
from foundation.files.text_files import printable, read_object, shown
from foundation.images.files import load_image, pixel_digest
from generator.inputs.photos import Photo
from generator.recipes.recipe import Recipe, RecipeError
from generator.transfer.aims import question_of
from generator.transfer.outcome import Question
from generator.transfer.table import Case

_MOST_BYTES = 16 * 2**20


def cases_of(photos: Sequence[Photo], attacked: Sequence[Path], classes: Mapping[str, Sequence[str]]) -> list[Case]:
    """Return a case for each attacked picture, in their order.

    A picture that carries the recipe of an attack, or has it in the record beside it, belongs to the photo whose
    pixels the recipe names, and its attack goes by the models of the recipe; `classes` are those of models by name,
    which numbers in a recipe count. The victims are asked what that recipe pursued. Any other picture belongs to the
    photo of the same name, goes by its folder, and was to be taken for what the label file says, or for anything
    else. StudioError for a picture that no photo belongs to, and for two of one photo by one attack.
    """
    by_digest = {pixel_digest(load_image(photo.path)): photo for photo in photos}
    by_stem = {Path(photo.path).stem: photo for photo in photos}
    cases: dict[tuple[str, str], Case] = {}
    for path in attacked:
        recipe = _recipe_of(path)
        photo = by_stem.get(path.stem) if recipe is None else by_digest.get(recipe.source)
        if photo is None:
            raise StudioError(
                f"No photo belongs to '{shown(path)}': give the photo that it was made of, with the same pixels or "
                "name."
            )
        if recipe is None:
            attack, targets = printable(path.resolve().parent.name), (photo.target,) if photo.target else ()
            question = Question(photo.label, targets)
        else:
            attack = "+".join(recipe.models)
            question = question_of(recipe, photo, next((classes[m] for m in recipe.models if m in classes), ()))
        if (attack, photo.name) in cases:
            other = cases[attack, photo.name].attacked
            raise StudioError(
                f"'{shown(path)}' and '{shown(other)}' are both of '{shown(photo.name)}' by '{attack}': give one of "
                "them."
            )
        cases[attack, photo.name] = Case(photo.name, attack, photo.path, path, question)
    return list(cases.values())


def _recipe_of(path: Path) -> Recipe | None:
    """The recipe of the attack that made a picture, which carries it or has a record beside it; None if neither."""
    recipe: Recipe | None
    try:
        recipe = Recipe.from_png(path)
    except RecipeError:
        recipe = _recorded(path)
    return recipe if recipe is not None and recipe.task == "attack" else None


def _recorded(path: Path) -> Recipe | None:
    """The recipe in the record of a picture that was to carry none."""
    try:
        record = read_object(path.with_suffix(".json"), "record", most=_MOST_BYTES)
        named = [image["file"] for image in record["images"]]
        return Recipe(**record["recipe"]) if path.name in named else None
    except (StudioError, LookupError, TypeError):  # there is none, or it is somebody else's
        return None
