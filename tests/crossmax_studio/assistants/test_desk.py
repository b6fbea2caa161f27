"""What an assistant's tools do on a studio, and which files they touch."""

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crossmax_studio.assistants.desk import Answer, Desk
from crossmax_studio.assistants.folder import Folder
from crossmax_studio.assistants.owner import keep_owner
from crossmax_studio.client import Studio
from foundation.errors import StudioError
from generator.recipes.recipe import Recipe

SMALL: dict[str, Any] = {"size": (24, 32), "steps": 2, "seed": 3}


@pytest.fixture
def desk(address: str, folder: Path) -> Iterator[Desk]:
    with contextlib.closing(Desk(lambda: Studio(address), Folder(folder))) as opened:
        yield opened


def frog(desk: Desk, wait: float = 30.0) -> Answer:
    return desk.class_image("frog", "crossmax-cifar10", "quick", SMALL, wait)


def test_models_in_short_and_one_with_all_there_is(desk: Desk) -> None:
    listed = desk.models().facts["models"]
    assert {"crossmax-cifar10", "tiny-clip"} <= {one["name"] for one in listed}
    assert listed[0]["classes"] == 10 and "class_names" not in listed[0]
    one = desk.models("crossmax-cifar10").facts
    assert one["class_names"][6] == "frog"
    assert {choice["name"] for choice in one["evaluations"]["suites"]} >= {"quick"}
    assert "evaluations" not in desk.models("tiny-clip").facts
    with pytest.raises(StudioError, match="no model 'nobody' in the list: crossmax-cifar10"):
        desk.models("nobody")


def test_a_picture_is_drawn_shown_and_saved_where_it_may_be(desk: Desk, folder: Path) -> None:
    answer = frog(desk)
    assert (answer.facts["status"], answer.facts["kind"]) == ("done", "class")
    (picture,) = answer.pictures
    assert Image.open(io.BytesIO(picture), formats=("PNG",)).size == (32, 24)
    assert Recipe.from_png(picture).classes == ("frog",)
    assert [job["id"] for job in desk.jobs().facts["jobs"]] == [answer.facts["id"]]
    saved = desk.results(answer.facts["id"], 0, save=True).facts["saved"]
    assert str(folder / "crossmax-studio" / answer.facts["id"] / "image-1.png") in saved


def test_a_text_an_attack_and_an_evaluation(desk: Desk) -> None:
    """A photo of the folder, or a picture of an earlier job; amounts of 255; away where no class is named."""
    text = desk.text_image("a frog", "tiny-clip", "fast", {**SMALL, "negative": None}, 30)
    assert text.facts["status"] == "done" and text.pictures
    studio = desk.studio
    there = desk.attack("photo.png", ["undefended-cifar10"], "ship", 4, "standard", {"steps": 2}, 0)
    recipe = studio.job(there.facts["id"]).told["params"]["recipe"]
    assert (recipe["classes"], recipe["eps"]) == (["ship"], 4 / 255)
    assert "ask for it with `results`" in there.facts["note"] and not there.pictures
    away = desk.attack(f"{text.facts['id']}/image-1.png", ["undefended-cifar10"], "", 8, "standard", {"steps": 2}, 0)
    assert studio.job(away.facts["id"]).told["params"]["recipe"]["objective"] == "leave"
    report = desk.evaluate("crossmax-cifar10", "photos", ["thorough"], 20, 8, 0)
    assert studio.job(report.facts["id"]).told["params"]["config"]["eps"] == 8 / 255
    for answer in (there, away, report):
        desk.stop(answer.facts["id"])


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        ("../outside.png", "outside of the folder"),
        ("/etc/passwd", "outside of the folder"),
        ("link.png", "outside of the folder"),
        ("notes.txt", "no picture, by the ending"),
        ("none.png", "There is no picture 'none.png'"),
        ("", "no path"),
        ("a\0.png", "no path"),
        (f"{'0' * 32}/image-1.png", "no such job"),
    ],
)
def test_only_pictures_in_the_folder_are_read(desk: Desk, folder: Path, photo: str, words: str) -> None:
    (folder.parent / "outside.png").write_bytes((folder / "photo.png").read_bytes())
    (folder / "link.png").symlink_to(folder.parent / "outside.png")
    (folder / "notes.txt").write_text("a secret")
    with pytest.raises(StudioError) as refused:
        desk.attack(photo, ["undefended-cifar10"], "ship", 8, "standard", {}, 0)
    assert words in str(refused.value)


def test_without_a_folder_no_file_is_touched(address: str) -> None:
    desk = Desk(lambda: Studio(address), None)
    with pytest.raises(StudioError, match="--folder FOLDER"):
        desk.attack("photo.png", ["undefended-cifar10"], "ship", 8, "standard", {}, 0)
    with pytest.raises(StudioError, match="--folder FOLDER"):
        desk.results("0" * 32, 0, save=True)


def test_results_lead_nowhere_else(desk: Desk, folder: Path) -> None:
    job = frog(desk).facts["id"]
    (folder / "crossmax-studio").symlink_to(folder.parent)
    with pytest.raises(StudioError, match="leads out of the folder"):
        desk.results(job, 0, save=True)


def test_what_the_studio_refuses_is_its_sentence(desk: Desk) -> None:
    with pytest.raises(StudioError, match="There is no model 'nobody'"):
        desk.class_image("frog", "nobody", "quick", SMALL, 0)


def test_an_owner_is_kept_for_this_user_alone(tmp_path: Path) -> None:
    root = tmp_path / "data"
    owner = keep_owner(root)
    assert keep_owner(root) == owner and len(owner) == 32
    if os.name == "posix":
        assert stat.S_IMODE((root / "assistants").stat().st_mode) == 0o600
        assert stat.S_IMODE(root.stat().st_mode) == 0o700
    (root / "assistants").write_text("me")
    assert keep_owner(root) != "me"
