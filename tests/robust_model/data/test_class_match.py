"""Classes are matched by name, everywhere; by their order only where that is asked, and means something."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from foundation.errors import StudioError
from robust_model.analyses.defences import InOrder
from robust_model.data.class_match import by_name, match_classes, numbered, places_of
from robust_model.data.datasets import LabelledImages, class_folder
from robust_model.evaluation.record.config import EvalConfig
from robust_model.networks.plain import PlainConfig, PlainDefence
from tests.robust_model.data.greys import greys
from tests.robust_model.evaluated import evaluate_model

COLOURS = ("red", "green", "blue")


def labelled(*names: str) -> LabelledImages:
    """One image of each class."""
    count = len(names)
    return LabelledImages(torch.zeros(count, 3, 2, 2, dtype=torch.uint8), torch.arange(count), names, "here")


class ByLevel(nn.Module):
    """Tells twelve grey levels apart; the logits stand in the order of `names`, each the number that it is for."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.levels = torch.tensor([10.0 * int(name.removeprefix("class ")) + 5 for name in names]) / 255

    def forward(self, images: Tensor) -> Tensor:
        return -100 * (images.mean((1, 2, 3))[:, None] - self.levels).abs()


def evaluated(names: tuple[str, ...], folder: Path, match: str = "name") -> dict[str, object]:
    model = PlainDefence(ByLevel(names), PlainConfig(name="levels", class_names=names)).probed((8, 8))
    config = EvalConfig(model="levels", data=f"folder:{folder}", count=0, match=match, suites=("quick",), eps=1 / 255)
    return evaluate_model(config, model)


def test_the_same_names_in_another_order_are_the_same_classes(tmp_path: Path) -> None:
    """F2 (a): what a model says of each image does not depend on the order of its classes."""
    folder = greys(tmp_path, [str(n) for n in range(12)])
    plain = tuple(str(n) for n in range(12))
    shuffled = tuple(str(5 * n % 12) for n in range(12))
    first, second = evaluated(plain, folder), evaluated(shuffled, folder)
    assert first["clean"]["correct"] == second["clean"]["correct"] == 12
    assert first["per_image"]["standing"] == second["per_image"]["standing"]
    assert second["per_image"]["label"] == [shuffled.index(name) for name in plain]
    with pytest.raises(StudioError, match=r"at another place.*leave --match order out"):
        evaluated(shuffled, folder, match="order")


def test_folders_whose_names_are_numbers_are_counted_by_number(tmp_path: Path) -> None:
    """F2 (b): folder 10 is class 10, not class 2."""
    folder = greys(tmp_path, [str(n) for n in range(12)])
    assert class_folder(folder, "test").class_names == tuple(str(n) for n in range(12))
    for match in ("name", "order"):
        report = evaluated(numbered(12), folder, match)
        assert report["clean"]["correct"] == 12, match
    assert any("not as texts are sorted" in warning for warning in report["warnings"])


def test_labels_count_the_model_s_classes() -> None:
    found = match_classes(labelled("blue", "red"), COLOURS)
    assert found.labels.tolist() == [2, 0] and found.class_names == COLOURS
    assert "2 of the model's 3 classes" in found.note
    assert match_classes(labelled(*COLOURS), COLOURS).note == ""


@pytest.mark.parametrize(
    ("names", "known", "places"),
    [
        (("Red", "BLUE"), COLOURS, [0, 2]),  # another case
        (("aquarium_fish", "ray"), ("ray", "aquarium fish"), [1, 0]),  # underscores for blanks
        (("cardigan", "Cardigan"), ("Cardigan", "cardigan"), [1, 0]),  # the exact name first
        (("cafe\u0301", "b"), ("b", "caf\u00e9"), [1, 0]),  # as macOS writes an accent
        (("07", "3"), ("3", "7"), [1, 0]),
        (("3", "0"), numbered(4), [3, 0]),
        (("class_2", "class 0"), numbered(3), [2, 0]),
    ],
)
def test_what_a_name_means(names: tuple[str, ...], known: tuple[str, ...], places: list[int]) -> None:
    """F2: other case, underscores, accents and zeros are still the name."""
    assert places_of(names, known) == places


def test_a_name_that_is_spelled_otherwise_is_told() -> None:
    assert "'Red' as 'red'" in by_name(labelled("Red", "green", "blue"), COLOURS).note


@pytest.mark.parametrize(
    ("names", "known", "words"),
    [
        (("red", "purple"), COLOURS, "no class called purple; it knows red, green, blue"),
        (("red", "Red"), COLOURS, "one class of the model's"),
        (("CRANE", "b"), ("Crane", "crane", "b"), "could be 2 of the model's classes"),
        (("crane", "b"), ("crane", "crane", "b"), "could be 2 of the model's classes"),
        (("4", "0"), numbered(4), "no class called 4"),
        (("", "red"), COLOURS, "no class called"),
    ],
)
def test_a_name_that_is_nobody_s_or_several_s_is_refused(
    names: tuple[str, ...], known: tuple[str, ...], words: str
) -> None:
    """F2: where a name says nothing, no place decides."""
    with pytest.raises(StudioError, match=words):
        places_of(names, known)


def test_by_order_where_the_names_are_others() -> None:
    data = labelled("n01", "n02", "n03")
    with pytest.raises(StudioError, match="--match order"):
        match_classes(data, COLOURS)
    found = match_classes(data, COLOURS, "order")
    assert found.labels.tolist() == [0, 1, 2] and found.class_names == COLOURS and "'n01' as 'red'" in found.note
    ones = labelled("1", "2", "3")  # counted from 1, where the model counts from 0
    assert match_classes(ones, ("0", "1", "2"), "order").labels.tolist() == [0, 1, 2]
    with pytest.raises(StudioError, match="equally many"):
        match_classes(labelled("a", "b"), COLOURS, "order")


@pytest.mark.parametrize("names", [("blue", "green", "red"), ("azure", "red", "green")])
def test_by_order_is_refused_where_names_are_the_model_s_own(names: tuple[str, ...]) -> None:
    """F2: `--match order` never sets one class of the model's in the place of another."""
    with pytest.raises(StudioError, match="at another place"):
        match_classes(labelled(*names), COLOURS, "order")


def test_networks_that_are_analysed_together_are_matched_by_name() -> None:
    """F2: a network whose classes stand in another order says the same in an analysis."""
    plain = PlainDefence(ByLevel(("0", "1", "2")), PlainConfig(name="p", class_names=("0", "1", "2")))
    other = PlainDefence(ByLevel(("2", "0", "1")), PlainConfig(name="o", class_names=("2", "0", "1")))
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) / 8
    same = InOrder(other, plain.class_names)
    torch.testing.assert_close(same.readouts(images), plain.readouts(images))
    torch.testing.assert_close(same.combine(same.readouts(images)), plain(images))
    assert same.class_names == plain.class_names and not same.random
    with pytest.raises(StudioError, match="no class called 3"):
        InOrder(other, ("0", "1", "3"))
    with pytest.raises(StudioError, match="of 2 and of 3 classes"):
        InOrder(other, ("0", "1"))
