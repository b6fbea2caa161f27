from pathlib import Path

import pytest

from foundation.errors import StudioError
from generator.classes.labels import LabelList, captions, find_label_list, imagenet, read_captions
from generator.classes.names import Names, folded, parse_also


@pytest.mark.parametrize("name", ["Tailed  Frog", "a tailed frog", "tailed_frog", "A photo of the tailed frog"])
def test_folded(name: str) -> None:
    assert folded(name) == "tailed frog"


def test_labels_are_found_by_name_synonym_and_part() -> None:
    labels = ("tench, Tinca tinca", "car", "carpet", "Automobile")
    assert Names().find(labels, "tinca tinca") == ("tench, Tinca tinca",)
    assert Names().find(labels, "automobile") == ("car", "Automobile")
    assert Names().find(labels, "pet") == ()


def test_capitals_tell_labels_apart_that_differ_in_nothing_else() -> None:
    """F27: ImageNet's Cardigan is a dog, and its cardigan a garment."""
    labels = imagenet().labels
    assert Names().find(labels, "Cardigan") == ("Cardigan",)
    assert Names().find(labels, "cardigan") == Names().find(labels, "a photo of a cardigan") == ("cardigan",)
    assert Names().find(labels, "CARDIGAN") == ("Cardigan", "cardigan")
    assert Names({"jumper": ["cardigan"]}).find(labels, "Jumper") == ("cardigan",)
    assert Names().find(("Frog", "a frog", "a photo of a FROG"), "frog") == ("a frog",)
    assert Names().find(("a photo of a frog", "frog, toad"), "frog") == ("a photo of a frog", "frog, toad")


def test_what_the_user_adds_goes_one_way() -> None:
    names = Names(parse_also(["dog=beagle, Husky", "dog=collie"]))
    assert names.find(("husky", "cat", "collie"), "Dog") == ("husky", "collie")
    assert names.find(("dog",), "beagle") == ()
    with pytest.raises(StudioError, match="dog=beagle,husky"):
        parse_also(["dog"])


def test_built_in_lists() -> None:
    assert find_label_list("cifar10").labels[6:8] == ("frog", "horse")
    assert imagenet().labels[0] == "tench" and len(imagenet().labels) == 1000
    assert {"frog", "golden retriever"} <= set(find_label_list("tiny-clip").labels)
    assert find_label_list("cifar10").texts("airplane")[:1] == ("a photo of an airplane",)


def test_captions_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_bytes("\ufeffa frog on grass\n\n  un chat noir \n".encode())
    found = find_label_list(str(path))
    assert (found.name, found.labels) == ("own", ("a frog on grass", "un chat noir"))
    assert found.texts("un chat noir") == ("un chat noir",)


def test_lists_that_are_no_choice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="1 labels"):
        captions(["alone"])
    with pytest.raises(StudioError, match="'a' twice"):
        LabelList("x", ("a", "b", "a"))
    with pytest.raises(StudioError, match="choose cifar10, imagenet"):
        find_label_list("nothing")
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudioError, match="UTF-8"):
        read_captions(tmp_path / "bad.txt")
