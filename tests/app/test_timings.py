"""What pictures took: which recipes count as alike, and a file that may be damaged."""

import json

import pytest

from app import timings
from app.timings import Timings
from generator.recipe import Recipe


def recipe(**fields):
    return Recipe(**{"task": "text", "prompt": "a frog", "steps": 5, **fields})


def test_what_costs_the_same_shares_an_entry(tmp_path):
    known = Timings(tmp_path / "timings.json")
    assert known.seconds(recipe(), "cpu") is None
    known.note(recipe(seed=3), "cpu", 4.25)
    assert known.seconds(recipe(prompt="a lemon", negative="text", seed=8), "cpu") == 4.25
    assert known.seconds(recipe(), "cuda") is None
    for other in ({"steps": 6}, {"size": (64, 96)}, {"models": ("other",)}, {"images": 2}, {"views_per_step": 7}):
        assert known.seconds(recipe(**other), "cpu") is None
    known.note(recipe(), "cpu", 3.0)
    assert Timings(tmp_path / "timings.json").seconds(recipe(), "cpu") == 3.0


def test_recipes_with_a_photo_are_left_out(tmp_path):
    known = Timings(tmp_path / "timings.json")
    known.note(recipe(source="0" * 64), "cpu", 9.0)
    assert known.seconds(recipe(), "cpu") is None


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"x": "y"}'])
def test_a_damaged_file_starts_anew(tmp_path, content):
    path = tmp_path / "timings.json"
    path.write_text(content)
    known = Timings(path)
    assert known.seconds(recipe(), "cpu") is None
    known.note(recipe(), "cpu", 1.0)
    assert list(json.loads(path.read_text()).values()) == [1.0]


def test_the_oldest_entries_leave(tmp_path, monkeypatch):
    monkeypatch.setattr(timings, "MOST_KEPT", 2)
    known = Timings(tmp_path / "timings.json")
    for steps in (1, 2, 3):
        known.note(recipe(steps=steps), "cpu", float(steps))
    assert [known.seconds(recipe(steps=steps), "cpu") for steps in (1, 2, 3)] == [None, 2.0, 3.0]
