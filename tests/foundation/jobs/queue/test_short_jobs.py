"""The service with its lanes: short jobs go between two steps of long ones, which come out as if nothing had been."""

import dataclasses
import threading
import time
from pathlib import Path

import pytest
import torch

from foundation.jobs import Cost, JobError, JobRecord, JobStatus, Limits
from foundation.jobs.context import Job
from foundation.jobs.queue.lanes import lane_of
from foundation.jobs.queue.view import Outlook
from foundation.jobs.store.model import RECORD_VERSION
from foundation.progress import Progress
from foundation.work_time import worked
from tests.foundation.jobs.puppet import PATIENCE, Puppet, finish, on_disk, request

HOUR = 3600.0


def by_params(asked) -> Cost:
    """What a request says of itself."""
    seconds, size = asked.params.get("seconds"), asked.params.get("bytes", 0)
    return Cost(size, 1.0, known=False) if seconds is None else Cost(size, seconds / HOUR)


class Scripted:
    """A handler for both kinds of jobs: long ones are stepped by the test, short ones wait for it to say so."""

    def __init__(self) -> None:
        self.long, self.short = Puppet(), Puppet(1)
        self.order: list[str] = []

    def __call__(self, context):
        long = context.params.get("seconds") is None
        self.order.append(context.params["name"])
        result = (self.long if long else self.short)(context)
        self.order.append(f"{context.params['name']} ended")
        return result

    def release(self) -> None:
        self.long.release()
        self.short.release()


@pytest.fixture
def scripted(start):
    handler = Scripted()
    yield handler, start(handler, cost=by_params)
    handler.release()


def until(what, patience: float = PATIENCE) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def pausing(service, job) -> bool:
    return service.snapshot(job).paused


def test_a_short_job_goes_before_a_long_one_after_one_step(scripted):
    handler, service = scripted
    long = service.submit(request("long"))
    handler.long.wait_step()
    waiting = service.submit(request("next long"))
    short = service.submit(request("short", owner="bert", seconds=5))
    assert service.snapshot(short).status is JobStatus.QUEUED
    assert (service.snapshot(short).position, service.snapshot(waiting).position) == (1, 2)
    handler.long._go.release()  # one step
    handler.short.wait_step()
    paused = service.snapshot(long)
    assert paused.paused and paused.status is JobStatus.RUNNING and paused.done == 1 and not paused.stopping
    assert on_disk(service, long)["status"] == "running"
    handler.short.step()
    finish(service, short)
    handler.long.wait_step()  # the step that it had taken before
    assert not service.snapshot(long).paused
    for _ in range(4):
        handler.long.step()
    finish(service, long)
    assert handler.order[:4] == ["long", "short", "short ended", "long ended"]


def test_one_job_computes_at_a_time(start):
    busy, most = threading.Semaphore(1), 3

    def handler(context):
        for step in range(most):
            assert busy.acquire(blocking=False), "two compute at once"
            time.sleep(0.002)
            busy.release()
            context.progress(Progress(step + 1, most))
        return {}

    service = start(handler, cost=by_params, limits=Limits(queued_per_owner=1000))
    jobs = [service.submit(request(str(n), seconds=None if n % 3 else 5)) for n in range(30)]
    assert {finish(service, job).status for job in jobs} == {JobStatus.DONE}


def walk(context):
    """Random numbers from a generator of its own, as our work draws them, and from the global one, as others' might."""
    if context.params.get("seconds") is not None:
        torch.default_generator.set_state(torch.Generator().manual_seed(99).get_state())
        return {}
    own, drawn = torch.Generator().manual_seed(1), []
    torch.default_generator.set_state(torch.Generator().manual_seed(7).get_state())
    for step in range(20):
        shared = torch.empty(4).normal_(generator=torch.default_generator)
        drawn.append((torch.rand(4, generator=own) + shared).tolist())
        context.progress(Progress(step + 1, 20, losses={"loss": drawn[-1][0]}))
    return {"drawn": drawn}


def test_what_comes_out_is_the_same_whether_or_not_it_paused(start):
    service = start(walk, cost=by_params, limits=Limits(queued_per_owner=1000))
    alone = finish(service, service.submit(request("alone")))
    gate = threading.Event()

    order = []

    def gated(context):
        gate.wait(PATIENCE)
        result = walk(context)
        order.append(context.params["name"])
        return result

    service._runner._handlers["work"] = gated
    long = service.submit(request("disturbed"))
    shorts = [service.submit(request(str(n), seconds=5)) for n in range(5)]
    gate.set()
    disturbed = finish(service, long)
    assert all(finish(service, short).status is JobStatus.DONE for short in shorts)
    assert disturbed.result == alone.result and disturbed.curves == alone.curves
    assert order == [*"01234", "disturbed"]


def test_a_pause_counts_neither_as_work_nor_for_the_time_left(scripted, clock):
    handler, service = scripted
    long = service.submit(request("long"))
    handler.long.wait_step()
    for _ in range(2):
        clock.time += 3.0
        handler.long.step()
    short = service.submit(request("short", seconds=5))
    clock.time += 3.0
    handler.long._go.release()
    handler.short.wait_step()
    assert service.snapshot(long).eta_s == pytest.approx(6.0)  # two of five steps are left
    clock.time += 50.0
    assert service.snapshot(long).eta_s == pytest.approx(6.0)
    handler.short.step()
    finish(service, short)
    handler.long.wait_step()
    until(lambda: not pausing(service, long))
    assert service.snapshot(long).eta_s == pytest.approx(6.0)
    clock.time += 3.0
    handler.long.step()
    assert service.snapshot(long).eta_s == pytest.approx(3.0)
    handler.long.step()
    finish(service, long)
    until(lambda: service.meter.read().run_seconds["work"] == pytest.approx(12.0 + 50.0))  # 12 of one, 50 of the other


def test_work_is_timed_without_the_pauses(start):
    measured = []

    def handler(context):
        if context.params.get("seconds") is not None:
            time.sleep(0.3)
            return {}
        begun, began = time.monotonic(), worked()
        started.set()
        ready.wait(PATIENCE)
        context.progress(Progress(1, 2))
        measured.append((time.monotonic() - begun, worked() - began))
        return {}

    started, ready = threading.Event(), threading.Event()

    service = start(handler, cost=by_params)
    service._workers._clock = service._jobs._clock = time.monotonic
    long = service.submit(request("long"))
    assert started.wait(PATIENCE)
    service.submit(request("short", seconds=5))
    ready.set()
    finish(service, long)
    [(all_of_it, work)] = measured
    assert all_of_it - work >= 0.28


@pytest.mark.parametrize("end", ["stop", "discard"])
def test_a_pausing_job_that_is_to_end_does_so_within_a_second(scripted, end):
    """It saves what it has while the short job computes on."""
    handler, service = scripted
    long = service.submit(request("long"))
    handler.long.wait_step()
    short = service.submit(request("short", owner="bert", seconds=5))
    handler.long._go.release()
    handler.short.wait_step()
    handler.long.release()  # it would take all its steps at once, were it not asked to end
    began = time.monotonic()
    getattr(service, end)(long, "anna")
    ended = finish(service, long)
    assert time.monotonic() - began < 1.0
    assert ended.status is (JobStatus.STOPPED if end == "stop" else JobStatus.DISCARDED) and ended.done == 1
    assert service.snapshot(short).status is JobStatus.RUNNING
    handler.short.step()
    assert finish(service, short).status is JobStatus.DONE


def test_closing_wakes_a_pausing_job(start):
    handler = Scripted()
    service = start(handler, cost=by_params)
    long = service.submit(request("long"))
    handler.long.wait_step()
    short = service.submit(request("short", seconds=5))
    handler.long._go.release()
    handler.short.wait_step()
    handler.release()
    service.close(PATIENCE)
    assert service.snapshot(long).status is JobStatus.INTERRUPTED
    assert service.snapshot(short).status in (JobStatus.DONE, JobStatus.INTERRUPTED)


def test_while_bytes_arrive_nobody_goes_first(start):
    """Whoever receives a file holds it: the other might wait for the same, and neither would go on."""
    receiving, go = threading.Event(), threading.Event()

    def handler(context):
        if context.params.get("seconds") is not None:
            return {}
        receiving.set()
        go.wait(PATIENCE)
        context.progress(Progress(1, 9, "Downloading", unit="bytes"))
        seen.append(service.snapshot(short[0]).status)
        context.progress(Progress(1, 9))
        seen.append(service.snapshot(short[0]).status)
        return {}

    seen: list[JobStatus] = []
    service = start(handler, cost=by_params)
    long = service.submit(request("long"))
    assert receiving.wait(PATIENCE)
    short = [service.submit(request("short", seconds=5))]
    go.set()
    finish(service, long)
    assert seen == [JobStatus.QUEUED, JobStatus.DONE]


def test_owners_take_turns_in_each_lane(scripted):
    handler, service = scripted
    first = service.submit(request("first"))
    handler.long.wait_step()
    for name, owner in [("a1", "anna"), ("a2", "anna"), ("b1", "bert"), ("a3", "anna"), ("b2", "bert")]:
        service.submit(request(name, owner, seconds=5))
        service.submit(request(f"long {name}", owner))
    handler.release()
    finish(service, first)
    until(lambda: len([name for name in handler.order if name.endswith("ended")]) == 11)
    begun = [name for name in handler.order if not name.endswith("ended")]
    assert [name for name in begun if len(name) == 2] == ["a1", "b1", "a2", "b2", "a3"]
    assert [name for name in begun if name.startswith("long")] == [
        *("long b1", "long a1", "long b2", "long a2", "long a3")  # anna has just had a turn in this lane
    ]


def test_a_restart_tells_the_lanes_anew(start):
    handler = Scripted()
    service = start(handler, cost=by_params)
    service.submit(request("runs"))
    handler.long.wait_step()
    long, short = service.submit(request("long")), service.submit(request("short", seconds=5))
    handler.release()
    service.close(PATIENCE)
    again = Scripted()
    service = start(again, cost=by_params)
    again.release()
    for job in (long, short):
        finish(service, job)
    assert [name for name in again.order if not name.endswith("ended")] in (["short", "long"], ["long", "short"])


# ---------------------------------------------------------------------- what is expected, and what an owner sees


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
