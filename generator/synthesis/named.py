"""What the classes that a recipe names are to each of its classifiers, found once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foundation.errors import StudioError
from foundation.protocols import Classifier
from generator.classes.class_names import EXACT_NAMES, UnknownClassError, join_names, meaning, several_names
from generator.recipes.common import MOST_NAME
from generator.recipes.recipe import Recipe

_SAY_BOTH = (
    "Where models call a class differently, list their names, of which each model takes the first that it knows: "
    "'tabby | cat'."
)


@dataclass(frozen=True)
class Named:
    """The classes of a recipe.

    Attributes:
        places: for each classifier, by its name, the places of the classes among its own, in the recipe's order.
        taken_for: for each classifier, the names that are not its own, and what it takes them for, as
            {"lite0": {"puma": "cougar"}}; classifiers that have nothing to translate are left out.
    """

    places: Mapping[str, tuple[int, ...]]
    taken_for: Mapping[str, Mapping[str, str]]

    def taking(self, more: Mapping[str, Mapping[str, str]]) -> "Named":
        """The same with more names that were found to mean classes, but for those that are called so."""
        taken = {model: dict(pairs) for model, pairs in self.taken_for.items()}
        for model, pairs in more.items():
            others = {words: own for words, own in pairs.items() if words.casefold() != own.casefold()}
            if others:
                taken[model] = {**taken.get(model, {}), **others}
        return Named(self.places, taken)


def named_classes(recipe: Recipe, classifiers: Mapping[str, Classifier]) -> Named:
    """Find the classes that the recipe names.

    StudioError, which names the model, for a class that it does not know, or that is named twice.
    """
    places: dict[str, tuple[int, ...]] = {}
    taken: dict[str, dict[str, str]] = {}
    for model, classifier in classifiers.items():
        try:
            found = [meaning(classifier.class_names, name, recipe.version, model) for name in recipe.classes]
        except UnknownClassError as error:
            if len(classifiers) == 1:
                raise
            raise StudioError(f"{error} {_SAY_BOTH}") from error
        places[model] = tuple(one.place for one in found)
        if recipe.version >= EXACT_NAMES:
            _refuse_repeated(recipe.classes, places[model])
        pairs = [one.otherwise(classifier.class_names) for one in found]
        if any(pairs):
            taken[model] = dict(pair for pair in pairs if pair is not None)
    return Named(places, taken)


def _refuse_repeated(classes: Sequence[str], places: Sequence[int]) -> None:
    repeated = [name for number, name in enumerate(classes) if places[number] in places[:number]]
    if repeated:
        raise StudioError(f"The class '{repeated[0]}' is named already, by name or number: name it once.")


def with_own_names(recipe: Recipe, classifiers: Mapping[str, Classifier], named: Named) -> Recipe:
    """The recipe with the models' own names for classes that it gives by synonyms, so that it needs no list of them.

    It stays as it was where these names are too long, or would mean other classes.
    """
    translated = {written for pairs in named.taken_for.values() for written in pairs}
    classes = list(recipe.classes)
    for number, name in enumerate(recipe.classes):
        if not translated & {name, *several_names(name)}:
            continue
        own = join_names([model.class_names[named.places[label][number]] for label, model in classifiers.items()])
        if len(own) <= MOST_NAME:
            if not _means(own, number, recipe, classifiers, named):
                return recipe
            classes[number] = own
    changed = classes != list(recipe.classes) and len(set(classes)) == len(classes)
    return recipe.completed(classes=tuple(classes)) if changed else recipe


def _means(own: str, number: int, recipe: Recipe, classifiers: Mapping[str, Classifier], named: Named) -> bool:
    """Whether these names mean class `number` of the recipe to all models."""
    try:
        return all(
            meaning(model.class_names, own, recipe.version).place == named.places[label][number]
            for label, model in classifiers.items()
        )
    except StudioError:
        return False
