"""The parts of the hostile measurement that need no server."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from benchmarks.hostile import visitors
from benchmarks.hostile.__main__ import Seen, judge
from tests.hostile import Answer

CONFIG = {
    "components": [
        {"id": 1, "props": {"elem_id": "text-start", "value": "Show me"}},
        {"id": 2, "props": {"value": {}, "storage_key": "crossmax-studio"}},
        {"id": 3, "props": {"value": 7}},
    ],
    "dependencies": [
        {"id": 5, "targets": [[0, "load"]], "inputs": [2]},
        {"id": 6, "targets": [[1, "click"]], "inputs": [2, 3]},
    ],
}
GOOD = Seen(
    minutes=1.0,
    requests=9,
    statuses={"200": 9},
    read=[],
    page_loads=True,
    memory_start_mb=1000.0,
    memory_end_mb=1150.0,
    memory_highest_mb=1160.0,
    honest_clicks=5,
    honest_faults=[],
    honest_median_s=0.1,
    honest_p95_s=0.5,
)


def test_the_page_says_what_its_buttons_send() -> None:
    page = visitors.PageConfig(f"<script>window.gradio_config = {json.dumps(CONFIG)};</script>")
    assert page.triggered("load") == 5
    assert page.triggered("click", "text-start") == 6
    assert page.fields(6, {"owner": "me"}) == [{"owner": "me"}, 7]
    assert page.fields(6, {}, {"text-start": 1}) == [{}, 7]


def test_the_bomb_is_a_picture() -> None:
    with Image.open(io.BytesIO(visitors.picture_bomb(64))) as picture:
        assert (picture.size, picture.format) == ((64, 64), "PNG")
        picture.load()


@pytest.mark.parametrize(
    "change",
    [
        {"read": ["x"]},
        {"page_loads": False},
        {"memory_end_mb": 1201.0},
        {"honest_faults": ["500"]},
        {"honest_p95_s": 2.5},
    ],
)
def test_what_does_not_hold_is_told(change: dict[str, Any]) -> None:
    assert all(holds for _, _, holds in judge(GOOD))
    assert sum(not holds for _, _, holds in judge(replace(GOOD, **change))) == 1


def test_what_must_not_be_read_is_noticed(tmp_path: Any) -> None:
    page = visitors.PageConfig(f"<script>window.gradio_config = {json.dumps(CONFIG)};</script>")
    evil = visitors.Evil(1, page, tmp_path, {"abcdef"})
    for body in (b"... abcdef ...", b"root:x:0:0", str(tmp_path).encode()):
        evil.see("x", Answer(200, {}, body))
    evil.see("y", Answer(500, {}, b"oops"))
    evil.see("z", Answer(404, {}, b"no"))
    assert len(evil.read) == 4
