"""What one owner may use: jobs that wait, time within a day, the disk. Others notice nothing of it."""

import math
import re

import pytest

from foundation.errors import NoRoomError
from foundation.jobs import Cost, QueueFullError
from foundation.jobs.allowance import Allowance
from tests.foundation.jobs.puppet import Puppet, finish, full_database, request

HOUR = 3600.0


def shares(**most):
    """A share for anna alone."""
    given = Allowance(**{"waiting": 20, **most})
    return lambda owner: given if owner == "anna" else None


def test_waiting_jobs_are_counted_by_owner(start) -> None:
    puppet = Puppet()
    service = start(puppet, allowance=shares(waiting=2))
    running = service.submit(request("runs"))
    puppet.wait_step()
    for name in ("one", "two"):
        service.submit(request(name))
    assert service.shares.used("anna").waiting == 2
    with pytest.raises(QueueFullError, match="2 of 2 jobs waiting"):
        service.submit(request("three"))
    for name in ("b1", "b2", "b3"):
        service.submit(request(name, owner="ben"))
    puppet.release()
    finish(service, running)


def test_time_is_counted_when_jobs_end_and_forgotten_after_a_day(start, clock) -> None:
    """Also that of results which are deleted, and after another start."""
    puppet = Puppet(steps=1)
    service = start(puppet, allowance=shares(seconds=600.0))
    job = service.submit(request("first"))
    puppet.wait_step()
    clock.time += 400
    assert service.shares.used("anna").seconds == 400, "what runs counts already"
    puppet.step()
    finish(service, job)
    service.remove(job, "anna")
    assert service.shares.used("anna").seconds == 400
    service.close()
    puppet = Puppet(steps=1)
    service = start(puppet, allowance=shares(seconds=600.0))
    assert service.shares.used("anna").seconds == 400
    job = service.submit(request("second"))
    puppet.wait_step()
    clock.time += 300
    puppet.step()
    finish(service, job)
    with pytest.raises(QueueFullError, match="12 of the 10 minutes"):
        service.submit(request("third"))
    clock.time += 25 * HOUR
    assert service.shares.used("anna").seconds == 0
    puppet.release()
    finish(service, service.submit(request("fourth")))


def test_what_a_job_and_those_that_wait_will_take_counts_before_they_run(start) -> None:
    puppet = Puppet()
    service = start(puppet, allowance=shares(seconds=HOUR), cost=lambda _request: Cost(hours=0.4))
    service.submit(request("runs"))
    puppet.wait_step()
    service.submit(request("waits"))
    assert service.shares.used("anna").ahead == pytest.approx(0.4 * HOUR)
    service.submit(request("waits, too"))
    refused = r"about 24 min of computing\. Of the 60 min .* 0 are used, and jobs that wait need 48"
    with pytest.raises(QueueFullError, match=refused):
        service.submit(request("too much"))
    assert re.search(refused, service.why_not(request("too much"), Cost(hours=0.4))), "told before it is submitted"
    assert service.why_not(request("little"), Cost(hours=0.1)) == ""
    assert service.why_not(request("another's", owner="ben"), Cost(hours=0.4)) == ""
    service.submit(request("another's", owner="ben"))
    puppet.release()


def test_results_have_their_share_of_the_disk(start) -> None:
    def draw(context):
        (context.dir / "image.png").write_bytes(b"x" * 600_000)
        return {}

    service = start(draw, allowance=shares(bytes=1_000_000))
    jobs = [service.submit(request("one"))]
    finish(service, jobs[0])
    jobs.append(service.submit(request("two")))
    finish(service, jobs[1])
    assert 1_200_000 < service.shares.used("anna").bytes < 1_300_000
    with pytest.raises(NoRoomError, match="1 of 1 MB: delete some"):
        service.submit(request("three"))
    finish(service, service.submit(request("another's", owner="ben")))
    service.history.delete(jobs[:1], "anna")
    finish(service, service.submit(request("three")))


def test_without_shares_nothing_is_counted(start, clock) -> None:
    puppet = Puppet(steps=1)
    service = start(puppet)
    job = service.submit(request("one"))
    puppet.wait_step()
    clock.time += 1000
    puppet.step()
    finish(service, job)
    assert service.shares.of("anna") is None and service.shares.used("anna").seconds == 0
    service.close()
    again = start({}, allowance=shares(seconds=math.inf))
    assert again.shares.used("anna").seconds == 0


def test_a_database_that_refuses_gives_no_time_back(start, clock, monkeypatch) -> None:
    from foundation.jobs.store.database import Database

    puppet = Puppet(steps=1)
    service = start(puppet, allowance=shares(seconds=600.0))
    job = service.submit(request("one"))
    puppet.wait_step()
    clock.time += 700
    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", full_database)
        puppet.step()
        finish(service, job)
    with pytest.raises(QueueFullError, match="12 of the 10 minutes"):
        service.submit(request("two"))
