"""Jobs that other machines can do: in lines of their own, side by side, while this machine's device has its own."""

import pytest

from foundation.jobs import Cost, JobRecord, JobService, JobStatus
from foundation.jobs.queue.lines import Elsewhere
from tests.foundation.jobs.puppet import Puppet, finish, request


def of_pictures(job: JobRecord) -> bool:
    return job.kind == "picture" and "folder" not in job.params


ELSEWHERE = Elsewhere(("cluster 1", "cluster 2"), of_pictures)


@pytest.fixture
def puppets() -> dict[str, Puppet]:
    return {"picture": Puppet(), "work": Puppet()}


def status(service: JobService, job: str) -> JobStatus:
    return service.snapshot(job).status


def test_as_many_run_at_once_as_there_are_lines_and_this_machine_has_its_own(start, puppets) -> None:
    service = start(puppets, elsewhere=ELSEWHERE)
    jobs = [service.submit(request(str(number), kind="picture")) for number in range(3)]
    here = service.submit(request("here"))
    folder = service.submit(request("folder", kind="picture", folder=1))
    for puppet, count in (("picture", 2), ("work", 1)):
        for _ in range(count):
            puppets[puppet].wait_step()
    assert [status(service, job) for job in jobs] == ["running", "running", "queued"]
    assert [status(service, job) for job in (here, folder)] == ["running", "queued"]
    assert service.snapshot(jobs[2]).position == 1, "the next of its line"
    puppets["picture"].release()
    puppets["work"].release()
    for job in (*jobs, here, folder):
        assert finish(service, job).status is JobStatus.DONE
        assert service.snapshot(job).device == "cpu"


def test_a_line_that_has_nothing_left_takes_what_waits_in_another(start) -> None:
    first, others = Puppet(), Puppet(steps=1)

    def either(context) -> dict:
        return (first if context.params["name"] == "first" else others)(context)

    service = start({"picture": either}, elsewhere=ELSEWHERE)
    jobs = [service.submit(request("first", kind="picture"))]
    first.wait_step()
    jobs += [service.submit(request(str(number), kind="picture")) for number in range(3)]
    others.release()
    for job in jobs[1:]:  # two lines have them, of which one does not end
        assert finish(service, job).status is JobStatus.DONE
    assert status(service, jobs[0]) is JobStatus.RUNNING
    first.release()
    finish(service, jobs[0])
    assert sorted(others.ran) == ["0", "1", "2"]


def test_a_long_job_elsewhere_does_not_give_way_to_a_short_one(start) -> None:
    puppet = Puppet()
    short = Cost(hours=1 / 3600)

    def cost(asked) -> Cost:
        return short if asked.params["name"] == "short" else Cost()

    service = start({"picture": puppet}, elsewhere=Elsewhere(("cluster 1",), of_pictures), cost=cost)
    long = service.submit(request("long", kind="picture"))
    puppet.wait_step()
    later = service.submit(request("short", kind="picture"))
    for _ in range(3):
        puppet.step()
    assert status(service, long) is JobStatus.RUNNING and not service.snapshot(long).paused
    assert status(service, later) is JobStatus.QUEUED
    puppet.release()
    assert finish(service, long).finished <= finish(service, later).finished


def test_what_waits_elsewhere_is_stopped_moved_and_outlives_the_program(start) -> None:
    puppet = Puppet()
    service = start({"picture": puppet}, elsewhere=Elsewhere(("cluster 1",), of_pictures))
    jobs = [service.submit(request(name, kind="picture")) for name in "abcd"]
    puppet.wait_step()
    service.move(jobs[3], "anna", up=True)
    service.stop(jobs[1], "anna")
    assert [service.snapshot(job).position for job in jobs] == [None, None, 2, 1]
    assert service.outlook(request("e", kind="picture"), Cost()).before == 3
    puppet.release(1)
    service.close(5)

    again = start({"picture": Puppet(steps=0)})  # without other machines: here
    assert [finish(again, job).status for job in (jobs[3], jobs[2])] == [JobStatus.DONE] * 2
