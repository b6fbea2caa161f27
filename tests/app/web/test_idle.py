"""A server of which nothing is asked sleeps, and takes nothing of the processor from whoever computes beside it."""

import threading
import time
from pathlib import Path

import pytest

from tests.app.web.conftest import Site

SECONDS = 0.5
MOST_A_SECOND = 60  # the server looks ten times a second whether it shall end


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="this system does not tell how often a thread wakes")
def test_it_wakes_a_few_times_a_second(site: Site) -> None:
    assert site.client().get("/").status == 200
    servers = [one for one in threading.enumerate() if one.name == "web server"]
    assert servers
    before = sum(map(woken, servers))
    time.sleep(SECONDS)
    assert sum(map(woken, servers)) - before < MOST_A_SECOND * SECONDS * len(servers)


def woken(thread: threading.Thread) -> int:
    """How often a thread has waited for something so far."""
    lines = Path(f"/proc/self/task/{thread.native_id}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
