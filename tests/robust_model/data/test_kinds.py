"""What counts as right across lists of classes, by hand."""

import pytest

from generator.classes.labels import cifar10, imagenet
from robust_model.data.kinds import kinds, right_places

IMAGENET, CIFAR10 = imagenet().labels, cifar10().labels


def test_the_table_is_of_classes_that_there_are() -> None:
    assert kinds().keys() == set(CIFAR10) - {"deer"}  # ImageNet has none
    assert all(members <= set(IMAGENET) for members in kinds().values())
    counts = {name: len(members) for name, members in kinds().items()}
    assert (counts["dog"], counts["cat"], counts["bird"], counts["frog"]) == (118, 5, 59, 3)
    assert sum(counts.values()) == len(frozenset().union(*kinds().values()))  # nothing is of two kinds


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        *[("beagle", "dog"), ("Cardigan", "dog"), ("Siamese cat", "cat"), ("bald eagle", "bird"), ("robin", "bird")],
        *[("tree frog", "frog"), ("sorrel", "horse"), ("airliner", "airplane"), ("garbage truck", "truck")],
        *[("liner", "ship"), ("sports car", "automobile")],
    ],
)
def test_a_kind_and_what_is_of_it(label: str, kind: str) -> None:
    assert IMAGENET.index(label) in right_places(IMAGENET, kind)
    assert right_places(CIFAR10, label) == (CIFAR10.index(kind),)


@pytest.mark.parametrize("label", ["timber wolf", "cougar", "zebra", "pickup", "cardigan", "axolotl", "airship"])
def test_what_is_of_no_kind(label: str) -> None:
    assert right_places(CIFAR10, label) == ()


def test_the_same_class_is_found_by_name_and_by_synonym() -> None:
    assert right_places(IMAGENET, "puma") == (IMAGENET.index("cougar"),)
    assert right_places(CIFAR10, "deer") == (4,) and right_places(IMAGENET, "deer") == ()
    assert right_places(CIFAR10, "car") == (1,)
