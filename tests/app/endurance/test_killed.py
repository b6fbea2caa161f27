"""A studio with the shipped models and all kinds of jobs, killed by the system at twenty random moments."""

import hashlib
import random
import re
import time
from pathlib import Path

import pytest

from crossmax_studio.client import Studio
from foundation.jobs.outcome import INTERRUPTED
from tests.app.endurance.studio import OWNER, Witness, integrity, port_of, start_app
from tests.forking import Forking

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KILLS = 20
WITH_PAGE = {3, 10, 17}
"""Which of them meet the whole app, which takes longer to start; the middle one is killed in the middle of that."""
PACE, SLOWEST = 1.0, 8.0
"""Seconds within which a studio is killed, until its jobs end within that; a busy machine needs more of them."""


def kill_app(forking: Forking, witness: Witness, draws: random.Random, *, starting: bool) -> None:
    """Start the app and order some jobs over HTTP, unless it is killed before it is up."""
    app = start_app(forking, witness.data)
    with app.stdout:
        if not starting:
            with Studio(f"http://127.0.0.1:{port_of(app)}", owner=OWNER) as studio:
                small = {"size": [32, 32], "steps": 4}
                orders = [
                    studio.text("a frog", preset="fast", **small),
                    studio.class_image("ship", preset="quick", **small),
                    studio.evaluate("undefended-cifar10", data="examples", suites=["quick"], count=4),
                ]
            witness.submitted |= {job.id for job in orders}
        time.sleep(draws.uniform(0.0, 2.0))
        app.kill()


def test_nothing_that_was_finished_is_lost_and_the_queue_goes_on(forking: Forking, tmp_path: Path) -> None:
    witness, draws, pace = Witness(forking, tmp_path / "data"), random.Random(18), PACE
    for kill in range(KILLS):
        if kill in WITH_PAGE:
            kill_app(forking, witness, draws, starting=kill == sorted(WITH_PAGE)[1])
        else:
            service = witness.start()
            with service.stdout:
                first = service.stdout.readline()
                time.sleep(pace * draws.uniform(0.1, 1.0))
                service.kill()
                ended = witness.hear([first, *service.stdout])
            pace = pace if ended else min(2 * pace, SLOWEST)
        assert integrity(witness.data) == "ok"
    last = witness.start(waiting=0)
    with last.stdout:
        witness.hear(last.stdout)
    witness.check()
    assert witness.submitted <= {*witness.ended}, "every job that was taken has ended"
    assert {*witness.kinds("done")} == {"text", "image", "attack", "evaluate"}
    assert {one.status for one in witness.ended.values()} == {"done", "interrupted"}
    assert {one.error for one in witness.ended.values() if one.status == "interrupted"} == {INTERRUPTED}
    assert witness.refusals == []
    app = start_app(forking, witness.data)
    with app.stdout, Studio(f"http://127.0.0.1:{port_of(app)}", owner=OWNER) as studio:
        for job, ended in witness.ended.items():
            assert studio.job(job).status == ended.status
            for name in [name for name in ended.files if re.fullmatch(r"image-\d+\.png", name)]:
                assert hashlib.sha256(studio.read(job, name)).hexdigest() == ended.files[name]
        app.kill()
