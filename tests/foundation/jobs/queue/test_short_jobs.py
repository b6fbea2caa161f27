"""The service with its lanes: short jobs go between two steps of long ones, which come out as if nothing had been."""

import threading
import time

import pytest
import torch

from foundation.jobs import JobStatus, Limits
from foundation.progress import Progress
from foundation.work_time import worked
from tests.foundation.jobs.puppet import PATIENCE, finish, on_disk, request
from tests.foundation.jobs.queue.scripted import Scripted, by_params, pausing, until


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
    closing = threading.Thread(target=service.close, args=(PATIENCE,))
    closing.start()
    until(lambda: service._closing)  # from now on nothing is started
    handler.release()
    closing.join()
    again = Scripted()
    service = start(again, cost=by_params)
    again.release()
    for job in (long, short):
        finish(service, job)
    assert [name for name in again.order if not name.endswith("ended")] in (["short", "long"], ["long", "short"])
