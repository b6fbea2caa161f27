import pytest
import torch

from clip_model.concepts import CIFAR10, GENERAL, Concept, Concepts, wordnet_concepts
from tests.clip_model.standins import CONCEPTS


def test_ancestors_reach_all_the_way_up() -> None:
    assert CONCEPTS.ancestors == ((3, 4), (3, 4), (), (4,), ())


def test_related_is_symmetric_and_leaves_siblings_apart() -> None:
    expected = torch.zeros(5, 5, dtype=torch.bool)
    for a, b in ((0, 3), (0, 4), (1, 3), (1, 4), (3, 4)):
        expected[a, b] = expected[b, a] = True
    assert torch.equal(CONCEPTS.related, expected)


def test_an_image_matches_its_class_and_what_stands_above_it() -> None:
    assert CONCEPTS.matches[1].tolist() == [False, True, False, True, True]
    assert CONCEPTS.matches[3].tolist() == [False, False, False, True, True]  # a dog need not be a poodle


def test_unknown_parents_and_double_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown parents"):
        Concepts((Concept("poodle", ("poodle",), ("dog",)),))
    with pytest.raises(ValueError, match="not unique"):
        Concepts((Concept("dog", ("dog",)), Concept("dog", ("hound",))))


def test_wordnet_entries_become_names_with_parents() -> None:
    words = {"n01443537": "goldfish, Carassius auratus", "n07873807": "pizza, pizza pie, pizza"}
    goldfish, pizza = wordnet_concepts(list(words), words)
    assert goldfish.names == ("goldfish", "carassius auratus") and goldfish.parents == ("fish",)
    assert pizza.names == ("pizza", "pizza pie") and pizza.parents == ("food",)


def test_the_general_concepts_fit_together() -> None:
    concepts = Concepts((*wordnet_concepts([], {}), *CIFAR10, *GENERAL))
    assert concepts.ancestors[concepts.index["butterfly"]] == (concepts.index["insect"],)
