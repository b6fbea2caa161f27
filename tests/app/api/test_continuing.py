"""Programs go on from what was cut short, attack folders, and have attacks described, as far as the page does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generator.recipes.recipe import Recipe
from tests.app.api.conftest import Program
from tests.app.api.orders import FROG, SAID, png, stopped
from tests.app.api.real import DESCRIBES, serving_standins
from tests.app.web.conftest import Site
from tests.browser.holding import Hold
from tests.hostile import Hostile

SHIP: dict[str, Any] = {"models": ["undefended-cifar10", "crossmax-cifar10"], "classes": ["ship"], "steps": 2}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("standins") / "data"


@pytest.fixture(scope="module")
def port(root: Path) -> Iterator[int]:
    with serving_standins(root) as found:
        yield found


@pytest.fixture
def hold(root: Path, port: int) -> Iterator[Hold]:
    """Holds back the work until it is stopped."""
    found = Hold(root)
    found.start()
    yield found
    found.release()


@pytest.fixture
def program(port: int) -> Program:
    return Program(Hostile(port))


def folder_order(program: Program, **more: Any) -> dict[str, Any]:
    """An attack on two photos, of which one has a label."""
    digests = [program.upload(png(width)).json()["digest"] for width in (40, 48)]
    photos = [{"digest": digests[0], "name": "a.png", "label": "frog"}, {"digest": digests[1], "name": "b.png"}]
    return {"recipe": SHIP, "preset": "standard", "folder": {"photos": photos}, "explore": {"survivals": []}, **more}


def test_a_stopped_evaluation_goes_on(program: Program, hold: Hold) -> None:
    order = {"model": "crossmax-cifar10", "data": "photos", "suites": ["thorough"], "count": 20, "title": "mine"}
    first = program.post("/evaluate", order).json()
    address = f"/jobs/{first['id']}/continue"
    refused = program.post(address, {})
    assert (refused.status, "not ended yet" in refused.json()["error"]) == (422, True)
    stopped(program, first)
    unknown = program.post(address, {"suites": ["nonsense"]})
    assert unknown.status == 422 and "'nonsense'" in unknown.json()["error"]
    second = program.post(address, {"suites": ["quick"]})
    assert second.status == 202, second.text
    assert (second.json()["kind"], second.json()["title"]) == ("evaluate", "mine")
    assert second.json()["params"]["continues"] == first["id"]
    assert program.ask("DELETE", f"/jobs/{second.json()['id']}").status == 204


def test_a_text_goes_on_from_one_of_its_pictures(program: Program) -> None:
    first = program.ended(program.post("/text", {"recipe": {**SAID, "images": 2}, "with_recipe": False}))
    address = f"/jobs/{first['id']}/continue"
    second = program.ended(program.post(address, {"picture": 2, "title": "further"}))
    recipe = Recipe(**second["params"]["recipe"])
    assert (second["status"], second["title"], second["params"]["with_recipe"]) == ("done", "further", False)
    assert (recipe.source, recipe.start_std, recipe.images) == (second["params"]["source"], 0.0, 1)
    assert recipe.seed == Recipe(**first["params"]["recipe"]).seed + 1
    assert program.post(address, {"picture": 3}).status == 422
    assert program.post(address, {"picture": 0}).status == 422


def test_a_folder_is_attacked_stopped_and_gone_on_with(program: Program, hold: Hold) -> None:
    submitted = program.post("/attack", folder_order(program))
    assert submitted.status == 202, submitted.text
    job = submitted.json()
    assert job["title"] == "attack towards ship, 2 photos"
    assert [photo["label"] for photo in job["params"]["folder"]["photos"]] == ["frog", ""]
    assert "source" not in job["params"] and job["params"]["folder"]["alone"] is False
    stopped(program, job)
    hold.release()
    more = program.ended(program.post(f"/jobs/{job['id']}/continue", {}))
    assert (more["status"], more["params"]["continues"]) == ("done", job["id"])
    assert "batch.zip" in more["files"]
    assert program.post(f"/jobs/{more['id']}/continue", {}).status == 422  # all is done


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"folder": {"photos": []}}, "at least 1"),
        ({"folder": {"photos": [{"digest": "0" * 64, "name": "a"}]}}, "no longer here"),
        ({"folder": {"photos": [{"digest": "0" * 64, "name": name} for name in "aA"]}}, "same name"),
        ({"describe": {"samples": 11}}, "less than or equal to 10"),
        ({"describe": {"similarity": "crossmax-cifar10"}}, "choose a CLIP model"),
    ],
)
def test_what_makes_no_sense_is_refused(program: Program, changes: dict[str, Any], words: str) -> None:
    answer = program.post("/attack", folder_order(program, **changes))
    assert answer.status == 422
    assert words in answer.json()["error"]
    assert program.get("/jobs").json() == {"jobs": []}


def test_a_folder_takes_the_place_of_a_photo(program: Program) -> None:
    order = folder_order(program)
    answer = program.post("/attack", {**order, "source": order["folder"]["photos"][0]["digest"]})
    assert (answer.status, "one of them" in answer.json()["error"]) == (422, True)


@pytest.mark.slow
def test_a_vision_language_model_is_asked_where_there_is_one(program: Program, site: Site) -> None:
    """Programs are told no more of it than the page: no address, no key."""
    told = program.get("/describe").json()
    assert (told["model"], told["judge"], told["why_not"]) == ("one-that-sees", "one-that-sees", "")
    assert told["max_requests"] == DESCRIBES.max_requests and "127.0.0.1" not in str(told)
    answer = program.post("/attack", folder_order(program, describe={"samples": 2, "keywords": ["ship|boat"]}))
    assert answer.status == 202, answer.text
    asked = answer.json()["params"]["describe"]
    assert (asked["samples"], asked["keywords"], asked["judge"]) == (2, ["ship|boat"], False)
    assert program.ask("DELETE", f"/jobs/{answer.json()['id']}").status == 204
    elsewhere = Program(site.client())
    assert elsewhere.get("/describe").json()["model"] is None
    assert "CROSSMAX_VLM_URL" in elsewhere.get("/describe").json()["why_not"]
    refused = elsewhere.post("/attack", folder_order(elsewhere, describe={}))
    assert (refused.status, "CROSSMAX_VLM_URL" in refused.json()["error"]) == (422, True)


def test_nothing_else_is_gone_on_with(program: Program, port: int) -> None:
    job = program.ended(program.post("/class", {"recipe": FROG}))
    refused = program.post(f"/jobs/{job['id']}/continue", {})
    assert (refused.status, "nothing to go on from" in refused.json()["error"]) == (422, True)
    assert Program(Hostile(port)).post(f"/jobs/{job['id']}/continue", {}).status == 404
