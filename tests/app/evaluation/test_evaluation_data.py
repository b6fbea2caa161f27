"""The data of evaluations: what a model is offered, and that nothing but names and digests is read."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from app.evaluation.data import EvaluationData, data_sets, load_images
from app.evaluation.order import LabelledUpload
from app.records.params import LabelledPicture
from app.visitors.data_dir import DataDir
from foundation.errors import StudioError
from generator.classes.labels import CIFAR10_CLASSES
from robust_model.data.class_match import by_name
from robust_model.data.datasets import LabelledImages, synthetic

COLOURS = ("red", "green", "blue")
GRATINGS = synthetic("test", count=4).class_names


def plain(colour: tuple[int, int, int], width: int = 40, height: int = 24) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


@pytest.fixture
def data(tmp_path):
    data = DataDir(tmp_path / "data")
    data.create()
    return data


@pytest.fixture
def here(data, tmp_path):
    examples = tmp_path / "examples"
    examples.mkdir()
    for name in ("frog", "ship", "dragon"):
        plain((0, 200, 0)).save(examples / f"{name}.png")
    return EvaluationData(data, examples)


def fill(data: DataDir, name: str, classes: Sequence[str]) -> None:
    for number, label in enumerate(classes):
        folder = data.datasets / name / "test" / label
        folder.mkdir(parents=True)
        for copy in range(number + 1):
            plain((60 * number, 9, copy)).save(folder / f"{copy}.png")


def choice(here, classes, name):
    return next(one for one in here.choices(classes) if one.name == name)


def test_what_works_at_once_comes_first_and_what_does_not_says_why(here):
    found = here.choices(CIFAR10_CLASSES)
    assert [one.name for one in found] == ["examples", "own", "results", "cifar10", "synthetic"]
    examples = found[0]
    assert (examples.title, examples.count, examples.whole) == ("Two example drawings", 2, True)
    assert "frog, ship" in examples.description and "dragon" not in examples.description
    named = choice(here, CIFAR10_CLASSES, "cifar10")
    assert named.note == "needs a download, 170 MB" and not named.why_not
    assert str(here.data.datasets) in named.description and "cifar-10-batches-py" in named.description
    assert "trained on it" in choice(here, CIFAR10_CLASSES, "synthetic").why_not


def test_a_model_of_gratings_is_offered_the_synthetic_set_and_no_photos(here):
    found = here.choices(GRATINGS)
    assert not choice(here, GRATINGS, "synthetic").why_not
    assert "Bring images" in choice(here, GRATINGS, "examples").why_not
    assert {one.name for one in found}.isdisjoint({"cifar10", "cifar100"})
    assert [bool(one.why_not) for one in found] == sorted(bool(one.why_not) for one in found)


def test_folders_of_the_administrator_are_listed_by_name_with_what_is_wrong(here, data):
    fill(data, "mine", ("red", "green"))
    fill(data, "others", ("red", "purple"))
    fill(data, "single", ("red",))
    (data.datasets / ".hidden" / "test").mkdir(parents=True)
    (data.datasets / "empty").mkdir()
    found = {one.name: one for one in here.choices(COLOURS) if one.name.startswith("dataset:")}
    assert set(found) == {"dataset:mine", "dataset:others", "dataset:single"}
    assert not found["dataset:mine"].why_not and found["dataset:mine"].count == 3
    assert "no class called purple" in found["dataset:others"].why_not
    assert "at least two" in found["dataset:single"].why_not
    assert here.choices(COLOURS)[0].name == "dataset:mine"


def test_torchvision_s_folder_counts_as_here(here, data):
    (data.datasets / "cifar-10-batches-py").mkdir()
    assert choice(here, CIFAR10_CLASSES, "cifar10").note == ""


def test_a_folder_is_read_with_the_model_s_own_numbers_for_its_classes(data):
    fill(data, "mine", ("blue", "red"))
    found = load_images(data, "dataset:mine", None, COLOURS, 12)
    assert found.images.shape == (3, 3, 12, 12) and found.images.dtype == torch.uint8
    assert found.labels.tolist() == [2, 0, 0] and found.class_names == COLOURS
    assert found.source == "folder:mine/test"  # no path of this machine


@pytest.mark.parametrize(
    "name",
    ["dataset:../..", "dataset:/etc", "dataset:", "dataset:mine/test", "folder:/etc", "/etc", "", "results/../own"],
)
def test_places_are_no_names(data, name):
    fill(data, "mine", ("red", "green"))
    with pytest.raises(StudioError, match=r"no longer in the data directory|named data sets only"):
        load_images(data, name, None, COLOURS, 12)


def test_the_images_of_a_visitor_are_taken_by_digest_and_label(data):
    stripes = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    wide = Image.fromarray(stripes.repeat(30, axis=0).repeat(15, axis=1))
    kept = [data.uploads.keep(picture, "local").digest for picture in (plain((9, 8, 7)), wide)]
    images = [LabelledPicture(digest=kept[0], label="blue"), LabelledPicture(digest=kept[1], label="red")]
    found = load_images(data, "own", images, COLOURS, 10)
    assert found.images.shape == (2, 3, 10, 10) and found.labels.tolist() == [2, 0]
    assert found.images[0, :, 4, 4].tolist() == [9, 8, 7]
    middle = found.images[1, :, 5, 5].tolist()  # of 45 x 30 the middle 30: green, not the red and the blue beside it
    assert middle[1] > 200 and middle[0] < 50 and middle[2] < 50
    assert found.source == "own images"


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (None, "No image has a label"),
        ([], "No image has a label"),
        ([{"digest": "a" * 64, "label": "red"}], "bring it again"),
        ([{"digest": "../../secret", "label": "red"}], "bring it again"),
        ([{"digest": "a" * 64, "label": "purple"}], "no class called 'purple'"),
        ([{"digest": "a" * 64, "label": ""}], "no class called ''"),
    ],
)
def test_what_is_no_image_of_a_visitor_is_refused_in_words(data, images, words):
    with pytest.raises(StudioError, match=words):
        load_images(data, "own", images and [LabelledPicture.read(one) for one in images], COLOURS, 10)


def test_the_examples_are_uploads_with_their_names_as_labels(here, data):
    images = here.images("examples", CIFAR10_CLASSES, (), "local")
    assert [image.label for image in images] == ["frog", "ship"]
    assert load_images(data, "examples", images, CIFAR10_CLASSES, 8).labels.tolist() == [6, 8]
    digest = data.uploads.keep(plain((1, 2, 3)), "local").digest
    brought = [LabelledUpload(digest, "frog")]
    assert here.images("own", CIFAR10_CLASSES, brought, "local") == (LabelledPicture(digest=digest, label="frog"),)
    with pytest.raises(StudioError, match="bring it again"):
        here.images("own", CIFAR10_CLASSES, brought, "somebody else")
    assert here.images("dataset:mine", CIFAR10_CLASSES, (), "local") == ()


def test_labels_move_with_their_names():
    source = LabelledImages(torch.zeros(3, 3, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 0]), ("blue", "red"), "x")
    assert by_name(source, COLOURS).labels.tolist() == [2, 0, 2]
    with pytest.raises(StudioError, match="no class called blue"):
        by_name(source, ("red", "green"))


def test_a_data_set_that_cannot_be_fetched_says_where_to_put_it(data, monkeypatch):
    def refuse(*arguments, **options):
        raise StudioError("offline")

    monkeypatch.setattr("app.evaluation.data.load_data", refuse)
    with pytest.raises(StudioError, match=r"CIFAR-10 is not here .* cifar-10-batches-py into '.*datasets'"):
        load_images(data, "cifar10", None, CIFAR10_CLASSES, 32)


def test_no_folder_no_sets(tmp_path):
    assert data_sets(DataDir(tmp_path / "nowhere")) == {}


def test_folders_are_counted_as_they_are_read(here, data):
    """F7, F23, F2: one rule for what is an image, and one for which class is which."""
    fill(data, "mine", ("Red", "green"))
    folder = data.datasets / "mine" / "test"
    plain((1, 2, 3)).save(folder / "green" / "more.tif")
    (folder / "green" / ".ipynb_checkpoints").mkdir()
    plain((1, 2, 3)).save(folder / "green" / ".ipynb_checkpoints" / "more.png")
    plain((1, 2, 3)).save(folder / "green" / "._0.png")
    (folder / "green" / "notes.txt").touch()
    listed = choice(here, COLOURS, "dataset:mine")
    read = load_images(data, "dataset:mine", None, COLOURS, 8)
    assert (listed.count, len(read), listed.why_not) == (4, 4, "")
    assert read.labels.tolist() == [0, 1, 1, 1] and "1 file in" in read.note and "'Red' as 'red'" in read.note


def test_a_class_of_no_images_is_told_in_the_list(here, data):
    fill(data, "mine", ("red", "green"))
    for path in (data.datasets / "mine" / "test" / "green").iterdir():
        path.unlink()
    assert "holds no images" in choice(here, COLOURS, "dataset:mine").why_not
    assert choice(here, COLOURS, "own").why_not == ""
