"""Presets as a file: what was exported comes back as it was; anything else is refused in words, and changes nothing."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.records.presets import FORMAT, MOST_BYTES, PresetFile
from foundation.errors import StudioError
from foundation.jobs.store.owners import Preset
from generator.recipes.presets import from_preset
from tests.examples import examples

FROG = from_preset("class", "quick", models=("crossmax-cifar10",), classes=("frog",)).model_dump(mode="json")
SAID = from_preset("text", prompt="a frog", models=("tiny-clip",)).model_dump(mode="json")


def filed(**changes: Any) -> bytes:
    preset = {"name": "mine", "settings": FROG}
    return json.dumps({"format": FORMAT, "version": 1, "presets": [preset], **changes}).encode()


def test_what_is_exported_comes_back() -> None:
    kept = [Preset("0" * 32, "class", "grün", FROG), Preset("1" * 32, "text", "said", SAID)]
    data = PresetFile.of(kept).write()
    assert json.loads(data)["version"] == 1 and "0" * 32 not in data.decode()  # ids are of one studio
    for written in (data, b"\xef\xbb\xbf" + data):  # as some editors save it
        assert [(one.kind, one.name, one.settings) for one in PresetFile.read(written).judged()] == [
            ("class", "grün", FROG),
            ("text", "said", SAID),
        ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89PNG\r\n", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no presets of this program"),
        (json.dumps(FROG).encode(), "no presets of this program"),
        (filed(version=2), "version 2, and this program reads version 1"),
        (filed(presets=[{"name": "", "settings": FROG}]), "presets.0.name"),
        (filed(presets=[{"name": "x" * 81, "settings": FROG}]), "presets.0.name"),
        (filed(presets=[{"name": "x", "settings": FROG, "run": "rm"}]), "presets.0.run"),
        (filed(presets=[{"name": "x", "settings": FROG}] * 201), "presets"),
        (filed(presets=[{"name": "x", "settings": {}}]), "'x' cannot be used: This is no recipe"),
        (filed(presets=[{"name": "x", "settings": {**FROG, "steps": -1}}]), "'x' cannot be used: steps"),
        (filed(presets=[{"name": "x", "settings": {**FROG, "shade": 1}}]), "'x' cannot be used"),
        (filed(presets=[{"name": "x", "settings": {**FROG, "version": 999}}]), "'x' cannot be used"),
        (filed(presets=[{"name": "x", "settings": {**FROG, "tv_weight": float("nan")}}]), "'x' cannot be used"),
        (b" " * (MOST_BYTES + 1), "larger than 4 MB"),
    ],
)
def test_anything_else_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(StudioError) as refused:
        PresetFile.read(data).judged()
    assert words in str(refused.value)


@settings(max_examples=examples(60), deadline=None)
@given(data=st.binary(max_size=60) | st.integers(0, 500).map(lambda cut: filed()[:cut]))
def test_broken_files_are_never_a_fault(data: bytes) -> None:
    with pytest.raises(StudioError):
        PresetFile.read(data).judged()
