"""Which class a text names: the longest run of words, the first of several, and everyday words by a typical one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.classes.class_names import several_names
from generator.classes.in_texts import TYPICAL, class_in
from generator.classes.labels import CIFAR10_CLASSES, imagenet
from tests.examples import examples

IMAGENET = imagenet().labels


@pytest.mark.parametrize(
    ("text", "words", "name"),
    [
        ("a lighthouse at night", "lighthouse", "beacon"),
        ("a red sports car", "sports car", "sports car"),
        ("two lighthouses", "lighthouses", "beacon"),
        ("A Goldfish, swimming.", "Goldfish", "goldfish"),
        ("a dog", "dog", "golden retriever"),
        ("wolves in the snow", "wolves", "timber wolf"),
        ("a polar bear", "polar bear", "ice bear"),
        ("an orange cat", "cat", "tabby"),
        ("an orange on a table", "orange", "orange"),
        ("an orange", "orange", "orange"),
        ("a plane", "plane", "airliner"),  # ImageNet's "plane" is a carpenter's
        ("a castle and a volcano", "castle", "castle"),
        ("tabby kitten", "tabby", "tabby"),
    ],
)
def test_what_a_text_names(text: str, words: str, name: str) -> None:
    assert class_in(text, IMAGENET) == (words, name)


@pytest.mark.parametrize("text", ["", "oil painting", "the number 7", "an idea", "with of the"])
def test_texts_that_name_nothing(text: str) -> None:
    assert class_in(text, IMAGENET) is None


def test_a_model_of_few_classes_takes_its_own() -> None:
    for name in ("frog", "dog", "cat", "ship"):
        assert class_in(f"a {name} in the rain", CIFAR10_CLASSES) == (name, name)
    assert class_in("a plane", CIFAR10_CLASSES) == ("plane", "airplane")
    assert class_in("a lighthouse", CIFAR10_CLASSES) is None


def test_typical_classes_exist() -> None:
    for word, names in TYPICAL.items():
        assert word == word.casefold()
        assert set(several_names(names)) <= set(IMAGENET), word
        assert class_in(word, IMAGENET) is not None


@settings(max_examples=examples(60), deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    found = class_in(text, ("frog", "two words"))
    assert found is None or (found[1] in ("frog", "two words") and found[0] in text)
