"""Settings come from the environment and a private file, and never show the key."""

import json
import os
import traceback
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import StudioError
from generator.vlm.settings import VlmSettings, read_settings
from tests.generator.vlm.server import KEY

GOOD = {"url": "http://localhost:8000/v1", "model": "eyes", "key": KEY}


def write(folder: Path, content: Any, mode: int = 0o600) -> Path:
    path = folder / "vlm.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def test_nothing_said_is_no_settings(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "vlm.json", {"CROSSMAX_VLM_URL": " "}) is None


def test_the_environment_wins_field_by_field(tmp_path: Path) -> None:
    path = write(tmp_path, {**GOOD, "max_tokens": 7})
    found = read_settings(path, {"CROSSMAX_VLM_MODEL": "other", "CROSSMAX_VLM_STREAM": "true"})
    assert found is not None
    assert (found.model, found.max_tokens, found.stream, found.secret) == ("other", 7, True, KEY)
    alone = read_settings(None, {f"CROSSMAX_VLM_{name.upper()}": value for name, value in GOOD.items()})
    assert alone is not None and alone.endpoint == "http://localhost:8000/v1/chat/completions"


def test_a_key_of_the_file_goes_to_no_other_address(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    same = read_settings(path, {"CROSSMAX_VLM_URL": GOOD["url"]})
    other = read_settings(path, {"CROSSMAX_VLM_URL": "https://other.example/v1"})
    assert same is not None and same.secret == KEY
    assert other is not None and other.key is None


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(StudioError, match="chmod 600"):
        read_settings(write(tmp_path, GOOD, mode), {})


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, GOOD)
    os.chown(path, 12345, -1) if os.geteuid() == 0 else monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StudioError, match="another user"):
        read_settings(path, {})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "ftp://x/v1"}, "url: it has to be an address"),
        ({"url": f"https://me:{KEY}@host/v1"}, "do not belong in the address"),
        ({"url": f"https://host/v1?key={KEY}"}, "do not belong in the address"),
        ({"url": "http://host.example/v1"}, "in the clear"),
        ({"url": "http://127.0.0.1.example/v1"}, "in the clear"),
        ({"key": "short"}, "at least 8 characters"),
        ({"key": f"{KEY}\nX-Evil: 1"}, "no spaces"),
        ({"key": f"{KEY}ü"}, "beyond ASCII"),
        ({"key": [KEY]}, "key: "),
        ({KEY: 1}, "none of url, model"),
        ({"model": ""}, "model: "),
        ({"read_s": "soon"}, "read_s: "),
        ({"max_cost": 1.0}, "needs price_in"),
        ({"price_in": 1.0}, "go together"),
        ({"temperature": float("nan")}, "temperature: "),
    ],
)
def test_mistakes_are_sentences_without_the_key(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(StudioError, match=says) as caught:
        read_settings(write(tmp_path, {**GOOD, **changes}), {})
    assert KEY not in "".join(traceback.format_exception(caught.value, chain=True))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("text", [f'{{"key": "{KEY}"', f'["{KEY}"]', "[" * 30_000, KEY * 5000])
def test_a_file_that_is_no_object_is_named_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(StudioError, match="no JSON object") as caught:
        read_settings(write(tmp_path, text), {})
    assert KEY not in "".join(traceback.format_exception(caught.value)) and caught.value.__context__ is None


@pytest.mark.parametrize(
    "url", ["https://host/v1", "http://127.0.0.1:1/v1", "http://[::1]:8000/v1", "http://localhost"]
)
def test_the_key_may_go_over_https_and_to_this_computer(url: str) -> None:
    assert VlmSettings.model_validate({**GOOD, "url": url}).secret == KEY
    assert VlmSettings.model_validate({**GOOD, "url": url + "/chat/completions/"}).url == url


def test_settings_never_show_the_key() -> None:
    found = VlmSettings.model_validate(GOOD)
    assert KEY not in f"{found!r} {found!s} {found.model_dump()!r} {found.model_dump_json()} {vars(found)!r}"
    open_settings = VlmSettings.model_validate({**GOOD, "url": "http://lan.example/v1", "insecure": True})
    assert open_settings.secret == KEY
