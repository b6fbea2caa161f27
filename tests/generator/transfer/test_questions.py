"""F5: victims are asked what the recipe pursued, whatever a label file says."""

import json
from pathlib import Path

import pytest

from foundation.errors import StudioError
from foundation.images.files import pixel_digest, save_png
from generator.classes.names import Names
from generator.inputs.label_files import read_labels
from generator.inputs.photos import Photo, find_photos, list_photos
from generator.recipes.recipe import Recipe
from generator.transfer.aims import note_on_targets, question_of, recipe_for, uses_targets
from generator.transfer.attacking import AttackPlan
from generator.transfer.batch import Measuring, run_batch
from generator.transfer.outcome import Question
from generator.transfer.saved import cases_of
from generator.victims.victims import classifier_victim
from tests.generator.cli.transfer_command import QUICK, Run, report, transfer_command
from tests.generator.standins import NAMES, Colours
from tests.generator.transfer.standins import RECIPE, Context, save_photos, tinted

LEAVING = RECIPE.with_changes(objective="leave", classes=())
WORDS = RECIPE.with_changes(classes=(), models=("words",), prompt="a leaf")
PHOTO = Photo("p", Path("p.png"), "red", "blue")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    return transfer_command(monkeypatch, tmp_path)


@pytest.mark.parametrize(
    ("recipe", "classes", "targets"),
    [
        (RECIPE, NAMES, ("blue",)),
        (LEAVING, NAMES, ()),
        (LEAVING.with_changes(classes=("red",)), NAMES, ()),
        (WORDS.with_changes(prompt="a green thing"), (), ("a green thing",)),
        (WORDS.with_changes(prompt="a photo of a {target}"), (), ("blue",)),
        (WORDS.with_changes(prompt="a {target} on grass"), (), ("blue", "a blue on grass")),
        (WORDS.with_changes(prompt="", captions="a cat | a dog"), (), ()),
        (WORDS.with_changes(prompt="a green thing", negative="a {target}"), (), ("a green thing",)),
        (WORDS.with_changes(prompt="", target="0" * 64), (), ()),
        (RECIPE.with_changes(models=("colours", "words"), prompt="a leaf"), NAMES, ("blue", "a leaf")),
        (LEAVING.with_changes(models=("colours", "words"), prompt="a leaf"), NAMES, ("a leaf",)),
    ],
)
def test_the_question_is_what_the_recipe_pursued(
    recipe: Recipe, classes: tuple[str, ...], targets: tuple[str, ...]
) -> None:
    """F5: for every objective, for texts with and without {target}, and for target pictures."""
    own = recipe_for(recipe, PHOTO, classes, Names())
    assert question_of(own, PHOTO, classes, recipe) == Question("red", targets)


def test_what_nobody_uses_is_said() -> None:
    """F5: targets that mean nothing to some attacks are named with these."""
    attacks = {"one": RECIPE, "two": LEAVING, "three": WORDS.with_changes(prompt="x", negative="a {target}")}
    classes = {"one": NAMES, "two": NAMES, "three": ()}
    note = note_on_targets(attacks, classes)
    assert "the attacks by two, three lead to" in note and "{target}" in note
    assert note_on_targets({"one": RECIPE}, classes) == ""
    assert [uses_targets(recipe, classifiers=name != "three") for name, recipe in attacks.items()] == [
        True,
        False,
        True,
    ]


def test_an_untargeted_batch_is_judged_as_one(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """F5: both photos count, none is left out for its target, and the report says that targets are unused."""
    Path("l.csv").write_text("filename,label,targeted_label\np0.png,red,red\np1.png,blue,99\n")
    flags = ["--objective", "leave", "--model", "colours", "--labels", "l.csv", *QUICK]
    assert run("batch", "photos", "--out", "out", *flags) == 0
    found = report()
    assert [image["targets"] for image in found["images"]] == [[], []] and found["left_out"] == {}
    assert [row["outcome"] for row in found["rows"]] == ["success", "success"]
    assert len(found["notes"]) == 1 and "are not what the attacks lead to" in found["notes"][0]
    out = capsys.readouterr().out
    assert "2 of 2" in out and found["notes"][0] in out
    assert "are not what the attacks lead to" in Path("out/report.html").read_text()


@pytest.mark.parametrize("with_recipe", [True, False])
def test_saved_pictures_are_asked_what_their_recipe_pursued(tmp_path: Path, with_recipe: bool) -> None:
    """F5: transfer --attacked goes by the recipe that a picture, or the record beside it, has."""
    paths = save_photos(tmp_path / "photos")
    (tmp_path / "l.csv").write_text("filename,label,targeted_label\np0.png,red,green\np1.png,blue,green\n")
    photos = list_photos(paths, read_labels(tmp_path / "l.csv"), NAMES).photos
    plan = AttackPlan({"colours": LEAVING}, photos, tmp_path / "out", with_recipe=with_recipe)
    victims = [classifier_victim("colours", Colours())]
    run_batch(Context(), plan, {"colours": Colours()}, Measuring(victims))
    cases = cases_of(photos, find_photos([tmp_path / "out/colours"]), {"words": (), "colours": NAMES})
    assert [case.question for case in cases] == [Question("red"), Question("blue")]
    assert {case.attack for case in cases} == {"colours"}


def test_pictures_of_others_are_asked_for_what_the_label_file_says(tmp_path: Path) -> None:
    """F5: without a recipe, targets are what was wanted."""
    (path,) = save_photos(tmp_path / "photos", (0,))
    (tmp_path / "bare").mkdir()
    save_png(tinted(0, 1), tmp_path / "bare/p0.png")
    (tmp_path / "bare/p0.json").write_text(json.dumps({"recipe": {"classes": ["red"]}, "images": "none"}))
    photo = Photo("p0", path, "red", "green")
    (case,) = cases_of([photo], [tmp_path / "bare/p0.png"], {"colours": NAMES})
    assert case.question == Question("red", ("green",)) and case.attack == "bare"


def test_the_recipe_of_a_prompt_names_the_target_that_it_was_filled_with(tmp_path: Path) -> None:
    """F5: of a saved picture, the target counts where its prompt has it."""
    (path,) = save_photos(tmp_path / "photos", (0,))
    photo = Photo("p0", path, "red", "frog")
    asked = []
    for prompt in ("a Frog on grass", "a frogman on grass"):
        own = WORDS.with_changes(prompt=prompt, source=pixel_digest(tinted(0, 0)))
        asked.append(question_of(own, photo, ()).targets)
    assert asked == [("frog", "a Frog on grass"), ("a frogman on grass",)]


def test_a_label_file_of_photos_with_their_own_class_for_a_target_says_so(tmp_path: Path) -> None:
    paths = save_photos(tmp_path / "photos")
    (tmp_path / "l.csv").write_text("filename,label,targeted_label\np0.png,red,red\np1.png,blue,blue\n")
    with pytest.raises(StudioError, match="own class"):
        list_photos(paths, read_labels(tmp_path / "l.csv"), NAMES)
