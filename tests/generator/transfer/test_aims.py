from pathlib import Path

import pytest

from foundation.errors import StudioError
from generator.classes.names import Names
from generator.inputs.photos import Photo
from generator.transfer.aims import question_of, recipe_for, recipe_of_set
from generator.transfer.outcome import Question
from tests.generator.standins import NAMES
from tests.generator.transfer.standins import RECIPE

MIXED = RECIPE.with_changes(prompt="a green thing | a leaf:0.5", class_weight=0.5, models=("colours", "words"))
LEAVING = RECIPE.with_changes(objective="leave", classes=())


def photo(label: str = "", target: str = "") -> Photo:
    return Photo("p", Path("p.png"), label, target)


@pytest.mark.parametrize("names", [("colours",), ("other",), ("colours", "words")])
def test_classifiers_alone_are_asked_for_classes_alone(names: tuple[str, ...]) -> None:
    found = recipe_of_set(MIXED.with_changes(models=("colours",)), names, classifiers=True, encoders=False)
    assert (found.models, found.classes, found.prompt, found.class_weight) == (names, ("green",), "", 0.0)


def test_encoders_alone_are_asked_for_texts_alone() -> None:
    found = recipe_of_set(MIXED, ("words",), classifiers=False, encoders=True)
    assert (found.classes, found.prompt, found.class_weight) == ((), MIXED.prompt, 0.0)
    weighted = MIXED.with_changes(model_weights=(2.0, 1.0))
    assert recipe_of_set(weighted, ("colours", "words"), classifiers=True, encoders=True) == weighted
    assert recipe_of_set(weighted, ("words",), classifiers=False, encoders=True).model_weights == ()


def test_sets_that_cannot_be_asked_anything_are_refused() -> None:
    with pytest.raises(StudioError, match="'words' reads texts"):
        recipe_of_set(RECIPE, ("words",), classifiers=False, encoders=True)
    texts = RECIPE.with_changes(prompt="x", classes=())
    with pytest.raises(StudioError, match="'colours' knows classes"):
        recipe_of_set(texts, ("colours",), classifiers=True, encoders=False)


def test_what_is_known_of_a_photo_goes_into_its_recipe() -> None:
    names = Names({"crimson": ["red"]})
    assert recipe_for(RECIPE, photo(target="crimson"), NAMES, names).classes == ("red",)
    assert recipe_for(LEAVING, photo(label="blue"), NAMES, names).classes == ("blue",)
    assert recipe_for(RECIPE, photo(label="blue"), NAMES, names) == RECIPE
    texts = RECIPE.with_changes(prompt="a {target}, not a {label}", classes=())
    assert recipe_for(texts, photo("cat", "dog"), (), names).prompt == "a dog, not a cat"
    with pytest.raises(StudioError, match="no class 'unicorn'"):
        recipe_for(RECIPE, photo(target="unicorn"), NAMES, names)
    with pytest.raises(StudioError, match="nothing says that of 'p'"):
        recipe_for(texts, photo("cat"), (), names)


def test_questions() -> None:
    assert question_of(RECIPE, photo(), NAMES) == Question("", ("green",))
    assert question_of(RECIPE.with_changes(classes=("1", "3"), weights=(1, 0)), photo("red"), NAMES) == Question(
        "red", ("green",)
    )
    assert question_of(LEAVING, photo(), NAMES) == Question()
    assert question_of(LEAVING.with_changes(classes=("2",)), photo(), NAMES) == Question("blue")
    assert question_of(LEAVING, photo("red"), NAMES) == Question("red")
    assert question_of(MIXED, photo(), NAMES) == Question("", ("green", "a green thing", "a leaf"))
    captions = RECIPE.with_changes(classes=(), captions="a cat | a dog")
    assert question_of(captions, photo("cat"), ()) == Question("cat")
