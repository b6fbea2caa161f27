"""Presets of one's own by programs: kept, taken along as a file and brought back; nobody sees anybody else's."""

import json
from pathlib import Path
from typing import Any

import pytest

from crossmax_studio.client import Studio
from foundation.errors import StudioError
from generator.recipes.recipe import Recipe
from tests.app.api.conftest import Program
from tests.app.api.orders import FROG, SAID
from tests.app.web.conftest import Site


def settings(**changes: Any) -> dict[str, Any]:
    return Recipe(**{"task": "class", **FROG, **changes}).model_dump(mode="json")


def names(program: Program) -> list[str]:
    return [one["name"] for one in program.get("/presets").json()["presets"]]


def test_a_preset_is_kept_used_and_deleted(program: Program, other: Program) -> None:
    kept = program.post("/presets", {"name": " green  things ", "settings": settings()})
    assert (kept.status, kept.json()["name"], kept.json()["task"]) == (201, "green things", "class")
    again = program.post("/presets", {"name": "green things", "settings": settings(seed=9)}).json()
    assert again["id"] == kept.json()["id"] and again["settings"]["seed"] == 9
    job = program.ended(program.post("/class", {"recipe": again["settings"]}))
    assert (job["status"], job["params"]["recipe"]["seed"]) == ("done", 9)
    address = f"/presets/{again['id']}"
    assert other.get("/presets").json() == {"presets": []}
    assert other.ask("DELETE", address).status == 204 and names(program) == ["green things"]
    assert program.ask("DELETE", address).status == 204 and names(program) == []


def test_a_file_goes_to_another_studio_and_back(program: Program, other: Program) -> None:
    """Names that are taken: both are kept, or replaced; what is the same already stays one."""
    for name, recipe in (("a", settings()), ("b", {"task": "text", **SAID})):
        assert program.post("/presets", {"name": name, "settings": recipe}).status == 201
    file = program.get("/presets/export").json()
    assert [one["name"] for one in other.post("/presets/import", file).json()["presets"]] == ["a", "b"]
    assert other.get("/presets/export").json() == file
    other.post("/presets/import", file)
    assert names(other) == ["a", "b"]
    assert other.post("/presets", {"name": "a", "settings": settings(seed=9)}).status == 201
    brought = other.post("/presets/import", file).json()["presets"]
    assert [one["name"] for one in brought] == ["a (2)", "b"] and names(other) == ["a", "a (2)", "b"]
    assert other.post("/presets/import?replace=true", file).status == 201
    seeds = {one["name"]: one["settings"]["seed"] for one in other.get("/presets").json()["presets"]}
    assert seeds["a"] == seeds["a (2)"] == 3


def test_a_file_that_is_none_loses_nothing(program: Program) -> None:
    """All of a file is kept or none of it."""
    program.post("/presets", {"name": "mine", "settings": settings()})
    before = program.get("/presets").json()
    file = program.get("/presets/export").json()
    good = {"name": "good", "settings": settings(seed=4)}
    bad = {"name": "bad", "settings": {**settings(), "steps": -1}}
    for broken in (
        {**file, "presets": [good, bad]},
        {**file, "version": 2},
        {**file, "format": "other"},
        {**file, "presets": [{**good, "name": f"n{number}"} for number in range(200)]},  # with "mine", one too many
        b"{",
    ):
        answer = program.post("/presets/import?replace=true", broken)
        assert answer.status in (400, 422) and answer.json()["error"], answer.text
    assert "'bad' cannot be used: steps" in program.post("/presets/import", {**file, "presets": [good, bad]}).text
    assert program.get("/presets").json() == before


def test_the_client_takes_presets_along(site: Site, tmp_path: Path) -> None:
    with Studio(f"http://127.0.0.1:{site.port}") as here, Studio(f"http://127.0.0.1:{site.port}") as there:
        kept = here.keep_preset("mine", settings(seed=5))
        file = here.export_presets(tmp_path / "presets.json")
        assert json.loads(file.read_text(encoding="utf-8"))["presets"][0]["name"] == "mine"
        (brought,) = there.import_presets(file)
        assert (brought.name, brought.task, brought.settings) == ("mine", "class", kept.settings)
        (renamed,) = (there.keep_preset("mine", settings(seed=6)), *there.import_presets(file))[1:]
        assert renamed.name == "mine (2)" and len(there.presets()) == 2
        there.delete_preset(renamed)
        assert [one.settings["seed"] for one in there.presets()] == [6]
        (tmp_path / "other.json").write_text("{}")
        with pytest.raises(StudioError):
            there.import_presets(tmp_path / "other.json")
        with pytest.raises(StudioError, match="cannot be read"):
            there.import_presets(tmp_path / "none.json")
