"""A folder of photos attacked as one job: tables that grow, files, faults, and going on."""

import dataclasses
import io
import json
import os
import signal
import zipfile

import pytest
from PIL import Image

from app.handlers.describing import read_descriptions
from app.handlers.findings import FINDINGS_NAME, read_folder_findings
from app.handlers.folders import ARCHIVE, FOLDER, goes_on
from app.handlers.registry import make_handlers
from app.visitors.data_dir import DataDir
from foundation.cluster.pool import Pool
from foundation.errors import StudioError
from foundation.images.files import load_image, pixel_digest
from foundation.intervals import wilson
from foundation.jobs import JobRequest, run_foreground
from generator.recipes.recipe import Recipe
from generator.transfer.outcome import Outcome
from tests.app.handlers.explored import NamedWords, said
from tests.app.standins import workshop
from tests.generator.vlm.server import look, serving
from tests.toy_cluster import ThreadBackend
from tests.toy_models import Toys

NAMES = ("red", "green", "blue")
SHADES = {"a.png": (150, 120, 110), "b.jpg": (100, 110, 160), "c.png": (160, 100, 100)}


@pytest.fixture
def data(tmp_path):
    data = DataDir(tmp_path / "data")
    data.create()
    return data


@pytest.fixture
def photos(data):
    found = []
    for name, shade in SHADES.items():
        picture = Image.new("RGB", (30, 20), shade)
        digest = pixel_digest(picture)
        data.uploads.keep(picture, "local")
        found.append({"digest": digest, "name": name})
    return found


def order(photos, **changes):
    recipe = Recipe(
        task="attack", norm="linf", eps=24 / 255, classes=("blue",), models=("colours",), resolutions="1,2", steps=4,
        learning_rate=0.5, views="identity",
    )  # fmt: skip
    explore = {"victims": ["other", "damaged"], "survivals": ["jpeg-30"]}
    return {"recipe": json.loads(recipe.to_json()), "explore": explore, "folder": {"photos": photos}, **changes}


def run(data, params, folder, seen=None, **shop):
    toys = {name: shop.pop(name) for name in ("encoders",) if name in shop}
    handlers = make_handlers(dataclasses.replace(workshop(data, **toys), **shop))
    return run_foreground(JobRequest("attack", params), handlers, folder, seen)


def found(folder):
    """What the page reads, in the form that it is written in: nothing is lost on the way."""
    written = json.loads((folder / FINDINGS_NAME).read_text())["folder"]
    assert read_folder_findings(folder).to_json() == written
    return written


def test_the_table_has_denominators_and_is_that_of_the_saved_files(data, photos, tmp_path):
    folder, grown = tmp_path / "out", set()

    def watch(snapshot):
        if snapshot.message.startswith("Attacking"):
            grown.add(found(folder)["done"])

    missing = {"digest": "0" * 64, "name": "gone.png"}
    params = order([*photos, missing])
    params["folder"]["left_out"] = {"notes.txt": "It is no photo."}
    result = run(data, params, folder, watch)
    assert grown == {0, 1, 2} and result["complete"]
    what = found(folder)
    assert (what["done"], what["total"], what["complete"], what["targeted"]) == (3, 3, True, True)
    assert {one["image"] for one in what["missing"]} == {"notes.txt", "gone.png"}
    assert {one["model"]: one["why_not"] for one in what["victims"]} == {
        "colours": "", "other": "", "damaged": "Its weights are damaged.",
    }  # fmt: skip
    cells = {(cell["victim"], cell["survival"]): cell for cell in what["cells"]}
    assert set(cells) == {(victim, change) for victim in ("colours", "other") for change in ("saved", "jpeg-30")}
    answers = [[said(NAMES, folder / one[key])[0] for key in ("photo", "attacked")] for one in what["pictures"]]
    counted = [after == "blue" for before, after in answers if before != "blue"]
    rate = cells["other", "saved"]["rate"]
    assert (rate["successes"], rate["total"]) == (sum(counted), len(counted)) == (sum(counted), 2)
    assert rate["ci95"] == list(wilson(sum(counted), 2))
    assert cells["other", "saved"]["left_out"] == {str(Outcome.TARGET_BEFORE): 1}


def test_a_cluster_changes_nothing_but_who_attacks(data, photos, tmp_path):
    more = [*photos, *({**photo, "name": f"again-{photo['name']}"} for photo in photos)]
    backend, words = ThreadBackend(1), set()
    pool = Pool(lambda: backend)
    here, apart = tmp_path / "here", tmp_path / "apart"
    run(data, order(more), here)
    assert run(data, order(more), apart, lambda now: words.add(now.message), pool=pool)["complete"]
    assert backend.closed and sum(handle.begun for handle in backend.hired) == len(more)
    assert found(apart) == found(here)
    pictures = [sorted((folder / FOLDER / "colours").glob("*.png")) for folder in (here, apart)]
    assert [path.read_bytes() for path in pictures[1]] == [path.read_bytes() for path in pictures[0]]
    assert {"Connecting to the cluster", "Attacking 1 to 4 of 6", "Attacking 5 to 6 of 6"} <= words


def test_everything_comes_as_one_file(data, photos, tmp_path):
    run(data, order(photos), tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out" / ARCHIVE) as packed:
        assert packed.testzip() is None
        names = set(packed.namelist())
        picture = load_image(io.BytesIO(packed.read("colours/a.png.png"))) if "colours/a.png.png" in names else None
        rows = packed.read("rows.csv").decode().splitlines()
    assert {"report.json", "rows.csv", "report.html", "plan.json", "answers.jsonl"} <= names
    assert sum(name.endswith(".png") and name.startswith("colours/") for name in names) == 3
    assert sum(name.startswith("photos/") for name in names) == 3
    assert picture is None or picture.size == (30, 20)
    assert len(rows) == 1 + 3 * 2 * 2
    saved = next((tmp_path / "out" / FOLDER / "colours").glob("*.png"))
    assert Recipe.from_png(saved).revisions == ("0" * 15 + "1",)


def test_the_pictures_carry_no_recipe_if_that_is_switched_off(data, photos, tmp_path):
    run(data, order(photos[:1], with_recipe=False), tmp_path / "out")
    (saved,) = (tmp_path / "out" / FOLDER / "colours").glob("*.png")
    with Image.open(saved) as picture:
        assert not picture.info
    with pytest.raises(StudioError, match="no recipe"):
        Recipe.from_png(saved)


def test_stopping_keeps_and_another_job_goes_on(data, photos, tmp_path):
    first = data.root / "jobs" / ("a" * 32)

    def stop(snapshot):
        if snapshot.message.startswith("Attacking 2"):
            os.kill(os.getpid(), signal.SIGINT)

    params = order(photos)
    result = run(data, params, first, stop)
    assert not result["complete"] and found(first)["done"] == 1 and not found(first)["complete"]
    assert (first / ARCHIVE).is_file() and goes_on(params, result, first)
    made = {path: path.stat().st_mtime_ns for path in (first / FOLDER / "colours").glob("a*.png")}
    second = tmp_path / "second"
    result = run(data, {**params, "continues": "a" * 32}, second)
    assert result["complete"] and found(second)["done"] == 3 and not goes_on(params, result, second)
    whole = tmp_path / "whole"
    run(data, params, whole)
    for path in made:
        assert (second / FOLDER / "colours" / path.name).read_bytes() == path.read_bytes()
    for name in ("rows.csv", "report.json"):
        assert (second / FOLDER / name).read_bytes() == (whole / FOLDER / name).read_bytes()
    with pytest.raises(StudioError, match="no longer there"):
        run(data, {**params, "continues": "../../x"}, tmp_path / "third")


def test_labels_decide_what_counts_and_where_it_leads(data, photos, tmp_path):
    labelled = [
        {**photos[0], "label": "red", "target": "green"},
        {**photos[1], "label": "red", "target": "green"},
        {**photos[2], "label": "red", "target": "cow"},
    ]
    run(data, order(labelled), tmp_path / "out")
    what = found(tmp_path / "out")
    (cell,) = [cell for cell in what["cells"] if (cell["victim"], cell["survival"]) == ("other", "saved")]
    assert cell["rate"]["total"] == 1 and cell["left_out"] == {str(Outcome.WRONG_BEFORE): 1}
    (why,) = [one["why"] for one in what["missing"] if one["image"] == "c.png"]
    assert "cow" in why
    assert Recipe.from_png(tmp_path / "out" / what["pictures"][0]["attacked"]).classes == ("green",)


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ({"photos": []}, "photos"),
        ({"photos": [{"digest": "../../etc/passwd", "name": "a"}]}, "digest"),
        ({"photos": [{"digest": "0" * 64, "name": "a"}, {"digest": "1" * 64, "name": "A"}]}, "same name"),
        ({"photos": [{"digest": "0" * 64, "name": "a"}]}, "bring them again"),
        ({"photos": [{"digest": "0" * 64, "name": "a", "path": "/etc"}]}, "path"),
    ],
)
def test_what_makes_no_sense_is_refused(data, tmp_path, folder, words):
    with pytest.raises(StudioError, match=words):
        run(data, order([], folder=folder), tmp_path / "out")


def test_names_of_files_lead_nowhere_else(data, photos, tmp_path):
    hostile = [{**photos[0], "name": "../../../escaped.png"}, {**photos[1], "name": "<b>.png"}]
    run(data, order(hostile), tmp_path / "out")
    assert found(tmp_path / "out")["done"] == 2 and not list(tmp_path.glob("escaped*"))
    with zipfile.ZipFile(tmp_path / "out" / ARCHIVE) as packed:
        assert all({"", ".."}.isdisjoint(name.split("/")) for name in packed.namelist())


def test_the_pictures_of_a_folder_are_described_and_a_full_disk_is_a_sentence(data, photos, tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    with serving() as endpoint:
        endpoint.default = look
        params = order(photos[:2], describe={"samples": 1, "keywords": ["whale"]})
        monkeypatch.setattr("zipfile.ZipFile.write", full)
        result = run(data, params, tmp_path / "out", read_vlm=endpoint.settings)
    described = read_descriptions(tmp_path / "out" / FOLDER)
    assert [entry.image for entry in described.described] == ["a.png", "b.jpg"]
    assert "a red bus" in (tmp_path / "out" / FOLDER / "report.html").read_text(encoding="utf-8")
    assert described.cells[0].rates["target_keywords>=1"].attacked.total == 2
    assert "one file" in result["archive_error"] and "archive" not in result and result["complete"]


def test_all_pairs_are_attacked_and_told_apart(data, photos, tmp_path):
    params = order(photos[:2])
    params["recipe"] |= {"models": ["colours", "other"], "revisions": [], "model_weights": [1.0, 2.0]}
    params["folder"]["alone"] = True
    params["explore"]["victims"] = []
    assert run(data, params, tmp_path / "out")["complete"]
    what = found(tmp_path / "out")
    attacks = {"colours+other": ["colours", "other"], "colours": ["colours"], "other": ["other"]}
    assert what["attacks"] == attacks and what["done"] == 2
    pairs = {(cell["attack"], cell["victim"], cell["survival"]) for cell in what["cells"]}
    assert len(pairs) == len(what["cells"]) == 3 * 2 * 2
    assert [(one["image"], one["attack"]) for one in what["pictures"]] == [
        (photo["name"], attack) for photo in photos[:2] for attack in attacks
    ]
    for one in what["pictures"]:
        recipe = Recipe.from_png(tmp_path / "out" / one["attacked"])
        assert list(recipe.models) == attacks[one["attack"]] and len(recipe.revisions) == len(recipe.models)


def test_a_model_that_alone_cannot_be_asked_what_is_wanted_is_said(data, photos, tmp_path):
    params = order(photos[:1])
    encoders = Toys({"words": NamedWords()}, "encoder")
    params["recipe"] |= {"models": ["colours", "words"], "prompt": "blue", "classes": [], "objective": "logit"}
    params["folder"]["alone"] = True
    with pytest.raises(StudioError, match="'colours' knows classes"):
        run(data, params, tmp_path / "none", encoders=encoders)
    params["recipe"] |= {"classes": ["blue"]}
    assert run(data, params, tmp_path / "out", encoders=encoders)["complete"]
    place = tmp_path / "out" / FOLDER
    alone = Recipe.from_png(next((place / "words").glob("*.png")))
    assert (alone.prompt, alone.classes) == ("blue", ())
    assert Recipe.from_png(next((place / "colours").glob("*.png"))).prompt == ""
