"""Evaluations are expected to start and to end as other jobs are, by what they take at most."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.costs.timings import Timings
from app.handlers.costs import UNKNOWN_HOURS, at_most, cost_of
from app.ui.wiring.outlook import wait_line, wait_words
from app.visitors.uploads import Uploads
from foundation.jobs import JobContext, JobRequest, JobService
from foundation.jobs.queue.view import Outlook


def asked(seconds: object) -> JobRequest:
    return JobRequest("evaluate", {"config": {}, "at_most_seconds": seconds})


@pytest.fixture
def cost(tmp_path: Path):
    uploads, timings = Uploads(tmp_path / "uploads"), Timings(tmp_path / "timings.json")
    return lambda request: cost_of(request, uploads, timings)


def test_what_it_takes_at_most_is_its_cost(cost) -> None:
    """It is refused by no limit that it was not refused by before: at most the hours that count for any evaluation."""
    assert cost(asked(1800.0)) == at_most(1800.0) and at_most(1800.0).hours == 0.5
    assert cost(asked(40 * 3600.0)).hours == UNKNOWN_HOURS and cost(asked(40 * 3600.0)).seconds == 144_000
    for unknown in (None, 0, -1.0, float("inf"), float("nan"), True, "1"):
        assert cost(asked(unknown)).seconds is None and cost(asked(unknown)).hours == UNKNOWN_HOURS


def test_evaluations_that_wait_have_an_expected_start_and_end(tmp_path: Path, cost) -> None:
    over = threading.Event()

    def evaluate(context: JobContext) -> dict[str, str]:
        assert over.wait(60)
        return {}

    with JobService(tmp_path / "data", {"evaluate": evaluate}, cost=cost) as jobs:
        first, second = (jobs.submit(asked(seconds)) for seconds in (2000.0, 3000.0))
        waiting = jobs.snapshot(second)
        assert waiting.expected_start is not None and waiting.expected_finish is not None
        assert waiting.expected_start - waiting.created == pytest.approx(2000, abs=60)
        assert waiting.expected_finish - waiting.expected_start == pytest.approx(3000)
        _, outlook = jobs.estimate(asked(60.0))
        assert outlook.start is not None and outlook.before <= 2
        asking = SimpleNamespace(device="cpu", jobs=jobs)
        said = wait_line(asking, {"owner": "0" * 32}, at_most(600.0))
        assert "It waits for one job first" in said and "cx-wait" in said
        assert wait_line(asking, None, at_most(600.0)) == ""
        over.set()
        for job in (first, second):
            jobs.wait(job, 60)


@pytest.mark.parametrize(
    ("outlook", "words"),
    [
        (Outlook(0.0, 9.0, 0), ""),
        (Outlook(120.0, 180.0, 1), "It waits for one job first: about 2 min, and would be done in about 3 min."),
        (Outlook(120.0, None, 3), "It waits for 3 jobs first: about 2 min."),
        (Outlook(None, None, 2), "It waits for 2 jobs first, of which nobody can tell yet how long that is."),
    ],
)
def test_the_wait_is_said_in_words(outlook: Outlook, words: str) -> None:
    assert wait_words(outlook) == words
