"""When jobs are expected, and the queue as an owner sees and orders it."""

import dataclasses
from pathlib import Path

import pytest

from foundation.jobs import Cost, JobError, JobRecord, JobStatus, Limits
from foundation.jobs.context import Job
from foundation.jobs.queue.lanes import lane_of
from foundation.jobs.queue.view import Outlook
from foundation.jobs.store.model import RECORD_VERSION
from tests.foundation.jobs.puppet import PATIENCE, Puppet, finish, request
from tests.foundation.jobs.queue.scripted import HOUR, by_params, pausing, until


def test_waiting_jobs_say_when_they_are_expected(scripted, clock):
    handler, service = scripted
    running = service.submit(request("now"))
    handler.long.wait_step()
    longs = [service.submit(request(f"long {n}", seconds=100.0 * n)) for n in (1, 2)]
    short = service.submit(request("short", "bert", seconds=10))
    told = {job: service.snapshot(job) for job in (running, *longs, short)}
    assert (told[short].expected_start, told[short].expected_finish) == (1000.0, 1010.0)
    assert told[running].expected_start is None and told[running].expected_finish is None  # nobody knows yet
    assert {told[job].expected_start for job in longs} == {None}
    clock.time += 20.0
    handler.long._go.release()
    handler.short.wait_step()
    handler.short.step()
    finish(service, short)
    handler.long.wait_step()
    until(lambda: not pausing(service, running))
    clock.time += 20.0
    handler.long.step()  # three steps of about 20 s are left
    first, second = (service.snapshot(job) for job in longs)
    left = service.snapshot(running).eta_s
    assert left == pytest.approx(60.0)
    assert first.expected_start == pytest.approx(clock.time + left)
    assert first.expected_finish == pytest.approx(clock.time + left + 100)
    assert second.expected_finish == pytest.approx(clock.time + left + 300)
    assert [job.expected_finish for job in service.list("bert")] == [None]


def test_the_queue_as_an_owner_sees_it(scripted):
    handler, service = scripted
    theirs = service.submit(request("theirs", "bert"))
    handler.long.wait_step()
    mine = [service.submit(request(name)) for name in ("one", "two", "three")]
    service.submit(request("theirs too", "bert"))
    quick = service.submit(request("quick", seconds=5))
    view = service.queue("anna")
    assert [entry.job.id for entry in view.own] == [quick, *mine]
    assert [(entry.can_rise, entry.can_fall) for entry in view.own] == [
        (False, False), (False, True), (True, True), (True, False)
    ]  # fmt: skip
    assert (view.others_started, view.others_waiting) == (1, 1)
    assert service.queue("bert").own[0].job.id == theirs and service.queue("nobody").own == ()


def test_moving_a_job_passes_nobody_else(scripted):
    handler, service = scripted
    service.submit(request("runs", "carl"))
    handler.long.wait_step()
    jobs = {
        name: service.submit(request(name, owner))
        for name, owner in [("a1", "anna"), ("b1", "bert"), ("a2", "anna"), ("b2", "bert"), ("a3", "anna")]
    }
    places = {name: service.snapshot(job).position for name, job in jobs.items()}
    service.move(jobs["a3"], "anna", up=True)
    service.move(jobs["a3"], "anna", up=True)
    after = {name: service.snapshot(job).position for name, job in jobs.items()}
    assert [after[name] for name in ("a3", "a1", "a2")] == [places[name] for name in ("a1", "a2", "a3")]
    assert [after[name] for name in ("b1", "b2")] == [places[name] for name in ("b1", "b2")]
    with pytest.raises(JobError, match="the first of your jobs"):
        service.move(jobs["a3"], "anna", up=True)
    with pytest.raises(JobError, match="the last of your jobs"):
        service.move(jobs["a2"], "anna", up=False)
    with pytest.raises(JobError, match="somebody else"):
        service.move(jobs["b1"], "anna", up=True)


def test_a_moved_job_keeps_its_place_over_a_restart(start):
    puppet = Puppet()
    service = start(puppet)
    service.submit(request("runs"))
    puppet.wait_step()
    jobs = [service.submit(request(name)) for name in ("one", "two", "three")]
    service.move(jobs[2], "anna", up=True)
    service.move(jobs[0], "anna", up=False)
    with pytest.raises(JobError, match="no longer waits"):
        service.move(service.queue("anna").own[0].job.id, "anna", up=True)
    puppet.release()
    service.close(PATIENCE)
    order = []

    def handler(context):
        order.append(context.params["name"])
        return {}

    service = start(handler)
    for job in jobs:
        finish(service, job)
    assert order == ["three", "one", "two"]


def test_what_has_ended_is_expected_no_more(start):
    service = start(cost=by_params)
    done = finish(service, service.submit(request("done", seconds=5)))
    assert done.expected_start is None and done.expected_finish is None and not done.paused
    assert service.queue("anna").own == ()


def test_what_a_job_would_wait_for_is_told_without_changing_a_turn(scripted):
    """Behind what was started and what waits in its lane; nothing is written, and nobody's place changes."""
    handler, service = scripted
    asked = request("short", owner="carl", seconds=20)
    assert service.estimate(asked) == (Cost(0, 20 / HOUR), Outlook(0.0, pytest.approx(20.0), 0))
    running = service.submit(request("first", seconds=30))
    handler.short.wait_step()
    waiting = [service.submit(request(name, owner=owner, seconds=10)) for name, owner in (("a", "bert"), ("b", "bert"))]
    long = service.submit(request("long"))
    places = [service.snapshot(job).position for job in (*waiting, long)]
    _, outlook = service.estimate(asked)
    assert (outlook.before, outlook.start, outlook.end) == (2, pytest.approx(40.0), pytest.approx(60.0))  # "b" is later
    assert service.estimate(request("long", owner="carl"))[1] == Outlook(None, None, 4)  # behind what nobody can tell
    assert [service.snapshot(job).position for job in (*waiting, long)] == places
    assert len(service.list()) == 4
    with pytest.raises(JobError, match="no job of the kind"):
        service.estimate(dataclasses.replace(asked, kind="other"))
    for job in (*waiting, long):
        service.stop(job, service.snapshot(job).owner)
    handler.short.step()
    finish(service, running)


def test_what_is_expected_at_most_is_passed_over_once_there_is_a_pace(clock):
    """An evaluation whose images break early is done sooner than was said."""
    record = JobRecord(RECORD_VERSION, "", 1, "work", "", "anna", "cpu", {}, created=0.0)
    for cost, expected in ((Cost(0, 1.0, at_most=5000.0), 90.0), (Cost(0, 5000 / HOUR), 4990.0)):
        job = Job(record, Path(), cost)
        assert job.left(clock()) == pytest.approx(5000.0) and lane_of(cost, Limits()) == "long"
        job.update(status=JobStatus.RUNNING, total=100)
        job.began = clock()
        for done in range(11):
            job.rate.update(done, clock())
            job.update(done=done)
            clock.time += 1.0 if done < 10 else 0.0
        assert job.left(clock()) == pytest.approx(expected, rel=0.05)
