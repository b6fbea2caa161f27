"""The client, against answers that are made up; `tests/app/api/test_journey.py` has it talk to a real studio."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from crossmax_studio.client import Studio
from foundation.errors import StudioError

JOB: dict[str, Any] = {
    "id": "a" * 32,
    "kind": "class",
    "status": "done",
    "error": None,
    "result": {},
    "files": ["a.png"],
}


def studio_of(answer: Callable[[httpx.Request], httpx.Response], **options: Any) -> Studio:
    return Studio("http://studio.example/?token=x", transport=httpx.MockTransport(answer), **options)


def test_a_request_says_whose_it_is_and_brings_the_token() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json={**JOB, "status": "queued"})

    studio = studio_of(answer, token="secret", owner="o" * 32)
    job = studio.class_image("frog", preset="quick", steps=3)
    assert (job.status, job.ended, job.files) == ("queued", False, ("a.png",))
    assert str(seen[0].url) == "http://studio.example/api/v1/class"
    assert (seen[0].headers["authorization"], seen[0].headers["x-owner"]) == ("Bearer secret", "o" * 32)
    asked = json.loads(seen[0].content)
    assert asked["recipe"] == {"classes": ["frog"], "steps": 3}  # who draws is the studio's to say
    for model, named in (("a", ["a"]), (("a", "b"), ["a", "b"])):
        studio.text("a frog", model=model)
        assert json.loads(seen[-1].content)["recipe"] == {"models": named, "prompt": "a frog"}
    assert asked["preset"] == "quick"


def test_owners_are_made_at_random() -> None:
    owners = {studio_of(lambda request: httpx.Response(200)).owner for _ in range(20)}
    assert len(owners) == 20 and all(len(owner) == 32 and owner.isalnum() for owner in owners)


def test_waiting_asks_until_the_job_has_ended() -> None:
    states = iter(["queued", "running", "done"])
    studio = studio_of(lambda request: httpx.Response(200, json={**JOB, "status": next(states)}))
    assert studio.wait(JOB["id"]).status == "done"


@pytest.mark.parametrize(("status", "words"), [("failed", "No memory"), ("running", "within 0 seconds")])
def test_a_job_that_fails_or_takes_too_long_is_an_error(status: str, words: str) -> None:
    told = {**JOB, "status": status, "error": "No memory is left."}
    studio = studio_of(lambda request: httpx.Response(200, json=told))
    with pytest.raises(StudioError, match=words):
        studio.wait(JOB["id"], timeout=0)


@pytest.mark.parametrize("name", ["../a.png", "/etc/x", "a/b.png", ".bashrc", "..", ""])
def test_names_of_a_server_lead_nowhere(tmp_path: Path, name: str) -> None:
    """Whoever pretends to be a studio writes no file outside of the folder that was named."""
    studio = studio_of(lambda request: httpx.Response(200, json={**JOB, "files": ["a.png", name]}))
    with pytest.raises(StudioError, match="leads elsewhere"):
        studio.save(JOB["id"], tmp_path / "inside")
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(422, json={"error": "Choose a smaller size."}), "Choose a smaller size."),
        (httpx.Response(502, text="Bad gateway"), "Bad gateway"),
        (httpx.Response(500, text=""), "HTTP 500"),
        (httpx.Response(200, text="<html>"), "no studio"),
        (httpx.Response(200, json=["x"]), "no job"),
    ],
)
def test_refusals_are_sentences(answer: httpx.Response, words: str) -> None:
    with pytest.raises(StudioError, match=words):
        studio_of(lambda request: answer).job(JOB["id"])


def test_files_are_saved(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"x") if "/files/" in request.url.path else httpx.Response(200, json=JOB)

    assert studio_of(answer).save(JOB["id"], tmp_path / "new") == [tmp_path / "new" / "a.png"]
    assert (tmp_path / "new" / "a.png").read_bytes() == b"x"


def test_it_loads_no_pytorch() -> None:
    script = "import sys, crossmax_studio.client; assert not {'torch', 'gradio', 'numpy'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).resolve().parents[2])
