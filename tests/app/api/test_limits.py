"""Every limit that a program can reach is an answer of its own: a status, a sentence, and when to come back."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.api.refusals import WORDS, refusal_of
from foundation.errors import NoRoomError, StudioError
from foundation.jobs.store.model import (
    FullDiskError,
    JobError,
    NotYourJobError,
    QueueFullError,
    UnavailableError,
    UnknownJobError,
)
from foundation.limits import Limits
from tests.app.api.conftest import Program
from tests.app.api.orders import FROG, png
from tests.app.api.real import serving_standins
from tests.browser.holding import Hold
from tests.hostile import Hostile


@pytest.fixture
def within(tmp_path: Path) -> Iterator[Callable[[Limits], Program]]:
    """Start a server with limits of a test's own."""
    with contextlib.ExitStack() as stack:
        yield lambda limits: Program(Hostile(stack.enter_context(serving_standins(tmp_path / "data", limits))))


def test_jobs_that_wait_are_counted(within: Callable[[Limits], Program], tmp_path: Path) -> None:
    program = within(Limits(queued_per_owner=1))
    Hold(tmp_path / "data").start()
    patient = {"recipe": {**FROG, "steps": 40}}
    first = program.post("/class", patient).json()
    while program.get(f"/jobs/{first['id']}").json()["status"] == "queued":
        pass
    assert program.post("/estimate/class", patient).json()["why_not"] == ""
    assert program.post("/class", patient).status == 202
    assert "1 jobs waiting already" in program.post("/estimate/class", patient).json()["why_not"]
    refused = program.post("/class", patient)
    assert refused.status == 429
    assert "1 jobs waiting already" in refused.json()["error"] and refused.headers["retry-after"] == "10"


def test_a_disk_that_is_nearly_full_takes_nothing(within: Callable[[Limits], Program]) -> None:
    """Neither a picture nor a job; what is there can still be looked at."""
    program = within(Limits(free_bytes=10**18))
    for refused in (program.upload(png()), program.post("/class", {"recipe": FROG})):
        assert refused.status == 507
        assert "of the disk are free" in refused.json()["error"]
    assert program.get("/jobs").json() == {"jobs": []}
    assert program.client.get("/readyz").status == 503


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(kept_bytes_per_visitor=1), "as much as is kept for one visitor"),
        (Limits(kept_bytes=1), "as many pictures as it may"),
        (Limits(cache_bytes=-1), "Too many files wait"),
    ],
)
def test_pictures_have_their_share(within: Callable[[Limits], Program], limits: Limits, words: str) -> None:
    program = within(limits)
    answers = [program.upload(png(40 + number)) for number in range(2)]
    assert answers[-1].status == 507
    assert words in answers[-1].json()["error"]


def test_what_is_too_large_is_refused(within: Callable[[Limits], Program]) -> None:
    program = within(Limits(upload_bytes=50, json_bytes=60))
    assert program.upload(png()).status == 413
    assert program.post("/class", {"recipe": FROG}).status == 413


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StudioError("x"), 422),
        (JobError("x"), 422),
        (UnknownJobError("x"), 404),
        (NotYourJobError("x"), 404),
        (QueueFullError("x"), 429),
        (UnavailableError("x"), 503),
        (FullDiskError("x"), 507),
        (NoRoomError("x"), 507),
    ],
)
def test_errors_have_their_status(error: StudioError, status: int) -> None:
    refused = refusal_of(error)
    assert refused.status == status and status in WORDS
    assert ("retry-after" in dict(refused.headers)) == (status in (429, 503))
