"""Programs submit what the page submits, follow it, and fetch what came of it; nobody sees anybody else's."""

import io
import time
from typing import Any

import pytest
from PIL import Image

from foundation.limits import Limits
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe
from tests.app.api.conftest import Program
from tests.app.api.orders import FROG, SAID, png
from tests.app.web.conftest import Site
from tests.browser.holding import Hold
from tests.browser.standins import MODELS


def test_models_are_those_of_the_page(program: Program) -> None:
    models = program.get("/models").json()["models"]
    assert [one["name"] for one in models] == [*(model.name for model in MODELS), "tiny-clip", "Large/net"]
    assert models[0]["class_names"][6] == "frog"
    assert models[2]["why_not"]
    assert [one["kind"] for one in program.get("/models?kind=encoder").json()["models"]] == ["encoder"] * 2
    assert program.get("/models?kind=other").status == 422


def test_a_class_is_drawn_and_its_files_are_fetched(program: Program) -> None:
    """The recipe in the PNG is that of the command line: preset, then the fields that were given."""
    submitted = program.post("/class", {"recipe": FROG, "preset": "quick", "title": "mine"})
    first = submitted.json()
    assert (first["kind"], first["title"]) == ("class", "mine")
    job = program.ended(submitted)
    assert (job["status"], job["done"], job["total"], job["error"]) == ("done", 2, 2, None)
    assert {"image-1.png"} <= set(job["files"])
    assert not {"job.json", "curves.json", "log.txt"} & set(job["files"])
    picture = program.get(f"/jobs/{job['id']}/files/image-1.png")
    assert (picture.status, picture.headers["content-type"]) == (200, "image/png")
    made = Recipe.from_png(picture.body)
    assert made == from_preset("class", "quick", **FROG)
    assert Image.open(io.BytesIO(picture.body), formats=("PNG",)).size == (32, 24)
    assert job["result"]["images"][0]["file"] == "image-1.png"
    assert Recipe(**job["params"]["recipe"]) == made


def test_a_recipe_without_a_preset_is_the_recipe(program: Program) -> None:
    job = program.ended(program.post("/class", {"recipe": FROG}))
    assert Recipe(**job["params"]["recipe"]) == Recipe(task="class", **FROG)
    assert job["title"] == "frog, seed 3"


@pytest.mark.slow
def test_a_text_from_a_picture_and_an_attack(program: Program) -> None:
    uploaded = program.upload(png())
    assert uploaded.status == 201, uploaded.text
    digest = uploaded.json()["digest"]
    assert (uploaded.json()["width"], uploaded.json()["height"]) == (40, 24)
    text = program.ended(program.post("/text", {"recipe": SAID, "source": digest}))
    assert (text["status"], text["params"]["source"], text["params"]["recipe"]["source"]) == ("done", digest, digest)
    assert "source.png" in text["files"]
    fields = {"models": ["undefended-cifar10"], "classes": ["ship"], "steps": 2}
    wish = {"victims": ["crossmax-cifar10"], "survivals": []}
    order = {"recipe": fields, "preset": "standard", "source": digest, "explore": wish, "with_recipe": False}
    attack = program.ended(program.post("/attack", order))
    assert attack["status"] == "done", attack["error"]
    assert attack["params"]["explore"]["victims"] == ["crossmax-cifar10"]
    assert attack["params"]["with_recipe"] is False
    assert program.post("/attack", {"recipe": fields, "preset": "standard"}).status == 422
    unknown = program.post("/attack", {**order, "recipe": {**fields, "classes": ["unicorn"]}})
    assert (unknown.status, "no class called 'unicorn'" in unknown.json()["error"]) == (422, True)


def test_an_evaluation(program: Program) -> None:
    choices = program.get("/evaluate?model=crossmax-cifar10").json()
    names = [one["name"] for one in choices["data"]], [one["name"] for one in choices["suites"]]
    assert all(names)
    order = {"model": "crossmax-cifar10", "data": names[0][0], "suites": [names[1][0]], "count": 20}
    job = program.ended(program.post("/evaluate", order))
    assert job["status"] == "done", job["error"]
    assert job["params"]["config"]["eps"] == 8 / 255
    assert {"report.json", "report.html", "report.md"} <= set(job["files"])
    page = program.get(f"/jobs/{job['id']}/files/report.html")
    assert page.headers["content-security-policy"].startswith("sandbox")
    assert program.post("/evaluate", {**order, "data": "far"}).status == 422
    assert program.post("/evaluate", {**order, "model": "tiny-clip"}).status == 422


@pytest.mark.slow
def test_waiting_ends_with_the_time_and_with_the_job(program: Program, site: Site) -> None:
    hold = Hold(site.data)
    hold.start()
    job = program.post("/class", {"recipe": {**FROG, "steps": 40}}).json()
    started = time.monotonic()
    assert program.get(f"/jobs/{job['id']}/wait?seconds=0.3").json()["status"] in ("queued", "running")
    assert time.monotonic() - started < 20
    assert program.get(f"/jobs/{job['id']}/wait?seconds=1e9").status == 422
    assert program.post(f"/jobs/{job['id']}/stop").status == 200
    assert program.get(f"/jobs/{job['id']}/wait").json()["status"] == "stopped"
    hold.release()
    assert [one["id"] for one in program.get("/jobs").json()["jobs"]] == [job["id"]]


def test_the_queue_and_ones_place_in_it(program: Program, other: Program, site: Site) -> None:
    """What others have there is a number, and moving passes none of theirs."""
    hold = Hold(site.data)
    hold.start()
    theirs = other.post("/class", {"recipe": {**FROG, "steps": 40}}).json()
    mine = [program.post("/class", {"recipe": FROG, "title": name}).json() for name in ("one", "two", "three")]
    moved = program.post(f"/jobs/{mine[2]['id']}/move", {"up": True})
    assert moved.status == 200 and moved.json()["position"] == 2
    queue = program.get("/queue").json()
    assert [entry["title"] for entry in queue["own"]] == ["one", "three", "two"]
    assert [(entry["can_rise"], entry["can_fall"]) for entry in queue["own"]] == [
        (False, True), (True, True), (True, False)
    ]  # fmt: skip
    assert queue["others_started"] + queue["others_waiting"] == 1
    assert all("expected_start" in entry and entry["paused"] is False for entry in queue["own"])
    assert program.post(f"/jobs/{mine[0]['id']}/move", {"up": True}).status == 422
    assert program.post(f"/jobs/{mine[0]['id']}/move", {"up": "yes please"}).status == 422
    assert other.post(f"/jobs/{mine[0]['id']}/move", {"up": False}).status == 404
    for job in (*mine, theirs):
        (program if job in mine else other).post(f"/jobs/{job['id']}/stop")
    hold.release()
    assert all(program.get(f"/jobs/{job['id']}/wait").json()["status"] == "stopped" for job in mine)
    assert program.get("/queue").json()["own"] == []


def test_a_job_is_named_noted_and_made_a_favourite(program: Program, other: Program) -> None:
    job = program.ended(program.post("/class", {"recipe": FROG, "title": "one"}))
    assert (job["title"], job["note"], job["favourite"]) == ("one", "", False)
    place = f"/jobs/{job['id']}/edit"
    assert program.post(place, {"title": " my  frog", "note": "for\nMonday"}).json()["title"] == "my frog"
    assert program.post(place, {"favourite": True}).json()["note"] == "for\nMonday"
    (listed,) = program.get("/jobs").json()["jobs"]
    assert (listed["title"], listed["note"], listed["favourite"]) == ("my frog", "for\nMonday", True)
    assert program.post(place, {"note": ""}).json()["note"] == ""
    for wrong in (
        {"title": ""},
        {"title": "  "},
        {"title": "x" * 201},
        {"note": "x" * 2001},
        {"favourite": 1},
        {"x": 1},
    ):
        assert program.post(place, wrong).status == 422, wrong
    assert other.post(place, {"title": "theirs"}).status == 404
    assert program.get(f"/jobs/{job['id']}").json()["title"] == "my frog"


def test_a_deleted_job_is_gone_with_its_files(site: Site, program: Program) -> None:
    job = program.ended(program.post("/class", {"recipe": FROG}))
    assert program.ask("DELETE", f"/jobs/{job['id']}").status == 204
    assert program.get(f"/jobs/{job['id']}").status == 404
    assert not (site.data / "jobs" / job["id"]).exists()
    assert program.get("/jobs").json() == {"jobs": []}


def test_somebody_elses_job_is_not_there(program: Program, other: Program) -> None:
    """Not to see, nor to wait for, stop, delete or fetch from; nor is their picture."""
    job = program.ended(program.post("/class", {"recipe": FROG}))
    theirs = f"/jobs/{job['id']}"
    nobodys = f"/jobs/{'0' * 32}"
    for method, tail in (
        ("GET", ""),
        ("GET", "/wait"),
        ("POST", "/stop"),
        ("DELETE", ""),
        ("GET", "/files/image-1.png"),
    ):
        refused = other.ask(method, theirs + tail)
        assert refused.status == 404
        assert refused.json() == other.ask(method, nobodys + tail).json()
    assert other.get("/jobs").json() == {"jobs": []}
    assert program.get(theirs).status == 200
    digest = program.upload(png()).json()["digest"]
    refused = other.post("/text", {"recipe": SAID, "source": digest})
    assert (refused.status, "no longer here" in refused.json()["error"]) == (422, True)


@pytest.mark.parametrize("owner", ["", "short", "0" * 32, "ab" * 16, "x" * 65, "0123456789abcdef0123456789abcde/"])
def test_an_owner_is_a_secret(program: Program, owner: str) -> None:
    """Without one, or with one that anybody could guess, nothing is listed or submitted."""
    program.owner = owner
    for answer in (program.get("/jobs"), program.post("/class", {"recipe": FROG}), program.upload(png())):
        assert answer.status == 401
        assert "X-Owner" in answer.json()["error"]


@pytest.mark.parametrize(
    "name",
    ["job.json", "..%2fjob.json", "%2e%2e", "image-1.png%00", "image-9.png", "..", ".hidden.png", "a%2fb.png", "%5c"],
)
def test_names_of_files_never_become_paths(site: Site, program: Program, name: str) -> None:
    job = program.ended(program.post("/class", {"recipe": FROG}))
    (site.data / "jobs" / job["id"] / ".hidden.png").write_bytes(b"x")
    answer = program.get(f"/jobs/{job['id']}/files/{name}")
    assert answer.status == 404
    assert program.owner not in answer.text


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"recipe": {**FROG, "stepps": 3}}, "did you mean 'steps'"),
        ({"recipe": {**FROG, "steps": -1}}, "steps must be"),
        ({"recipe": {**FROG, "task": "text"}}, "another task"),
        ({"recipe": {**FROG, "models": ["/etc/passwd"]}}, "no model '/etc/passwd'"),
        ({"recipe": {**FROG, "models": ["absent"]}}, "weights are missing"),
        ({"recipe": {**FROG, "models": ["tiny-clip"]}}, "reads texts"),
        ({"recipe": {**FROG, "classes": ["unicorn"]}}, "unicorn"),
        ({"recipe": FROG, "preset": "nonsense"}, "no preset"),
        ({"recipe": FROG, "other": 1}, "no 'other'"),
        ({}, "'recipe' is missing"),
        (["recipe"], "does not fit"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(program: Program, order: Any, words: str) -> None:
    answer = program.post("/class", order)
    assert answer.status == 422
    assert words in answer.json()["error"]
    assert program.get("/jobs").json() == {"jobs": []}


@pytest.mark.slow
def test_bodies_are_bounded(program: Program) -> None:
    """An over-long body, one that is no JSON, one that lies too deep, and a form in place of a picture."""
    limits = Limits()
    for path in ("/class", "/text", "/attack", "/evaluate"):
        assert program.post(path, b"[" + b"[]," * (limits.json_bytes // 3) + b"[]]").status == 413
        assert program.post(path, b"[" * 200 + b"]" * 200).status == 413
        assert program.post(path, b'{"recipe": NaN}').status == 400
        assert program.ask("POST", path, b"{}", {"Content-Type": "text/plain"}).status == 415
    assert program.ask("POST", f"/jobs/{'0' * 32}/stop", b"{}").status == 413
    assert program.upload(b"no picture").status == 422
    assert program.upload(b"").status == 422
    assert program.upload(b"x", "multipart/form-data; boundary=x").status == 415
    long = {"Content-Type": "image/png", "Content-Length": str(limits.upload_bytes + 1)}
    assert program.ask("POST", "/uploads", b"x", long).status == 413


def test_all_jobs_are_listed_part_by_part(program: Program, other: Program) -> None:
    made = [program.ended(program.post("/class", {"recipe": {**FROG, "seed": seed}}))["id"] for seed in range(3)]
    listed: list[str] = []
    while part := program.get(f"/jobs?limit=2&before={listed[-1] if listed else ''}").json()["jobs"]:
        assert len(part) <= 2
        listed += [one["id"] for one in part]
    assert listed == made[::-1]
    for unknown in ("0" * 32, other.ended(other.post("/class", {"recipe": FROG}))["id"]):
        assert program.get(f"/jobs?before={unknown}").status == 404
