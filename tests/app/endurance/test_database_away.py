"""A studio with its records in PostgreSQL, whose server is stopped in the middle of jobs, and started again."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.hostile.visitors import Honest, PageConfig
from crossmax_studio.client import Studio
from foundation.errors import StudioError
from foundation.jobs.outcome import INTERRUPTED
from tests.app.endurance.studio import OWNER, Witness, port_of, rounds, start_app, until_refused
from tests.forking import Forking
from tests.hostile import Hostile
from tests.postgresql import Server, running_server

pytestmark = [pytest.mark.postgresql, pytest.mark.slow, pytest.mark.timeout(900)]
pytest.importorskip("psycopg")

STOPS = rounds(4)
AWAY = "database cannot be used (its server does not answer)"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as found:
        yield found


def test_nothing_that_was_finished_is_lost_and_the_queue_goes_on(
    server: Server, forking: Forking, tmp_path: Path
) -> None:
    """Every other time the studio is killed, too, before the server is back."""
    witness, draws, pace = Witness(forking, tmp_path / "data", server.make("stopped")), random.Random(3), 1.0
    for stop in range(STOPS):
        service = witness.start()
        with service.stdout:
            lines = [service.stdout.readline()]
            time.sleep(pace * draws.uniform(0.3, 1.0))
            server.stop()
            try:
                if stop == 0:
                    lines += until_refused(service.stdout)
                time.sleep(pace * draws.uniform(0.3, 1.0))
                if stop % 2:
                    service.kill()
            finally:
                server.start()
            if not stop % 2:
                time.sleep(pace * draws.uniform(0.3, 1.0))
                service.kill()
            pace = pace if witness.hear([*lines, *service.stdout]) else min(2 * pace, 8.0)
        witness.check()
    refusals = [*witness.refusals]
    assert [refusal for refusal in refusals if AWAY not in refusal] == []
    last = witness.start(waiting=0)
    with last.stdout:
        witness.hear(last.stdout)
    witness.check()
    assert witness.submitted <= {*witness.ended}
    assert {one.status for one in witness.ended.values()} <= {"done", "interrupted"}
    assert {one.error for one in witness.ended.values()} <= {None, INTERRUPTED}
    assert len(witness.kinds("done")) == 4 and refusals == witness.refusals != []


def test_the_page_and_programs_are_told_in_words_meanwhile(server: Server, forking: Forking, tmp_path: Path) -> None:
    app = start_app(forking, tmp_path / "data", database=server.make("told"))
    port = port_of(app)
    with app.stdout, Studio(f"http://127.0.0.1:{port}", owner=OWNER) as studio:
        page = Honest(Hostile(port), PageConfig(Hostile(port).get("/", timeout=120).text))
        page.arrive()
        running = studio.text("a frog", preset="fast", size=[32, 32], steps=300)
        waiting = studio.text("a ship", preset="fast", size=[32, 32], steps=3)
        while studio.job(running).status == "queued":
            time.sleep(0.05)
        server.stop()
        try:
            with pytest.raises(StudioError, match="its server does not answer"):
                studio.text("a horse", preset="fast", size=[32, 32], steps=3)
            told = page.click(page.config.triggered("click", "text-start"))
            assert told.status == 200 and AWAY in told.text and "data-job" not in told.text
            studio.stop(running)
            for job in (studio.wait(running), studio.wait(waiting)):
                assert job.status in ("done", "stopped") and "kept in its folder" in job.told["message"]
            assert {line["id"] for line in studio.jobs()} == {running.id, waiting.id}
            assert studio.read(waiting, "image-1.png")
        finally:
            server.start()
        later = studio.wait(studio.text("a truck", preset="fast", size=[32, 32], steps=3))
        known = {job.id: studio.job(job).status for job in (running, waiting, later)}
        app.kill()
    again = start_app(forking, tmp_path / "data", database=server.address("told"))
    with again.stdout, Studio(f"http://127.0.0.1:{port_of(again)}", owner=OWNER) as studio:
        assert {job: studio.job(job).status for job in known} == known
        again.kill()
