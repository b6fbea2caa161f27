"""The job service in its ordinary course, with handlers that the tests step by hand: no test waits for a clock."""

import json
import threading

import pytest
from PIL import Image

from foundation.jobs import JobStatus, Limits
from foundation.progress import Progress
from tests.foundation.jobs.puppet import PATIENCE, Puppet, disk_full, finish, on_disk, request

# ---------------------------------------------------------------------- the ordinary course


def test_a_job_from_submission_to_result(start, clock):
    puppet = Puppet(steps=3)
    service = start(puppet)
    job = service.submit(request("one"))
    puppet.wait_step()
    puppet.step()
    clock.time += 2.0
    puppet.step()
    running = service.snapshot(job)
    assert (running.status, running.done, running.total) == (JobStatus.RUNNING, 2, 3)
    assert running.message == "step 2"
    assert running.eta_s == pytest.approx(2.0)
    assert running.curves == {"loss": [(1, 1.0), (2, 0.5)]}
    assert running.result is None and running.position is None
    puppet.step()
    done = finish(service, job)
    assert done.status is JobStatus.DONE and done.eta_s is None
    assert done.result == {"steps": "one", "file": "result.txt"}
    assert (done.created, done.started, done.finished) == (1000.0, 1000.0, 1002.0)
    assert [step for step, _ in done.curves["loss"]] == [1, 2, 3]
    assert json.loads(json.dumps(done.to_json()))["status"] == "done"
    assert on_disk(service, job)["status"] == "done"


def test_ids_cannot_be_guessed_and_creation_orders_the_list(start, clock):
    service = start()
    jobs = []
    for _ in range(5):
        clock.time -= 10.0  # a clock set back does not mix up the order
        jobs.append(service.submit(request()))
    assert len(set(jobs)) == 5 and all(len(job) == 32 and int(job, 16) >= 0 for job in jobs)
    assert [snapshot.id for snapshot in service.list()] == jobs[::-1]


@pytest.mark.slow
def test_jobs_of_one_device_run_in_order_one_at_a_time(start):
    busy, order = threading.Semaphore(1), []

    def handler(context):
        assert busy.acquire(blocking=False), "two jobs at once"
        order.append(context.params["name"])
        busy.release()
        return {}

    service = start(handler, limits=Limits(queued_per_owner=1000))
    names = [f"{index:03d}" for index in range(60)]
    jobs = [service.submit(request(name)) for name in names]
    finish(service, jobs[-1])
    assert order == names


def test_devices_run_beside_each_other(start):
    together = threading.Barrier(2)

    def handler(context):
        together.wait(PATIENCE)  # only passes if both run at once
        return {"device": context.device}

    service = start(handler)
    jobs = [service.submit(request(device=device)) for device in ("cuda:0", "cuda:1")]
    assert [finish(service, job).result for job in jobs] == [{"device": "cuda:0"}, {"device": "cuda:1"}]


def test_positions_in_the_queue(start):
    puppet = Puppet()
    service = start(puppet)
    first, second, third, other = (
        service.submit(request(name, owner))
        for name, owner in [("1", "anna"), ("2", "bert"), ("3", "anna"), ("4", "bert")]
    )
    puppet.wait_step()
    places = [service.snapshot(job).position for job in (first, second, third, other)]
    assert places == [None, 1, 2, 3]
    service.stop(second, "bert")
    assert [snapshot.position for snapshot in service.list()] == [1, 2, None, None]  # anna has just had a turn


def test_lists_are_newest_first_by_owner_and_bounded(start):
    service = start(limits=Limits(listed=3))
    jobs = [service.submit(request(str(index), "anna" if index % 2 else "bert")) for index in range(6)]
    assert [snapshot.id for snapshot in service.list("anna")] == [jobs[5], jobs[3], jobs[1]]
    assert [snapshot.id for snapshot in service.list()] == [jobs[5], jobs[4], jobs[3]]
    assert [snapshot.id for snapshot in service.list(limit=1)] == [jobs[5]]
    assert service.list("nobody") == []


def test_a_handler_cannot_change_what_was_asked_for(start):
    def handler(context):
        context.params["nested"].append("changed")
        return {}

    service = start(handler)
    job = service.submit(request(nested=[1]))
    assert finish(service, job).params["nested"] == [1]


@pytest.mark.slow
def test_curves_of_finished_jobs_are_read_from_disk(start, tmp_path):
    def handler(context):
        for step in range(600):
            context.progress(Progress(step, 600, losses={"total": step, "nan": float("nan")}))
        return {}

    service = start(handler, limits=Limits(queued_per_owner=100))
    jobs = [service.submit(request()) for _ in range(17)]
    finish(service, jobs[-1])
    for job in jobs:
        curves = service.snapshot(job).curves
        assert curves["nan"] == [] and curves["total"][-1] == (599, 599.0)
        assert 250 <= len(curves["total"]) <= 501
    assert all(snapshot.curves == {} for snapshot in service.list())
    service.close()
    assert start(handler).snapshot(jobs[0]).curves == curves


def test_the_time_left_of_steps_is_not_that_of_bytes(start, clock):
    """Fewer bytes than the steps that were taken before, or more: their rate is their own, and begins anew."""
    seen = []

    def handler(context):
        for now in (Progress(1, 9), Progress(2, 9), *(Progress(done, 900, unit="bytes") for done in (300, 600))):
            clock.time += 6.0
            context.progress(now)
            seen.append(service.snapshot(job_id[0]))
        return {}

    job_id: list[str] = []
    hold = threading.Event()
    service = start(lambda context: hold.wait(PATIENCE) and handler(context))
    job_id.append(service.submit(request()))
    hold.set()
    finish(service, job_id[0])
    assert [(one.unit, one.eta_s) for one in seen] == [
        ("steps", None),
        ("steps", 42.0),
        ("bytes", None),
        ("bytes", 6.0),
    ]


def test_the_number_of_curves_is_bounded(start):
    def handler(context):
        context.progress(Progress(1, 1, losses={f"loss {index}": 0.0 for index in range(1000)}))
        return {}

    service = start(handler)
    assert len(finish(service, service.submit(request())).curves) == 64


# ---------------------------------------------------------------------- previews


def test_previews_come_five_times_a_second_and_for_the_last_step(start, clock):
    rendered, steps = [], []
    service = None

    def handler(context):
        for step in range(1, 42):
            context.progress(Progress(step, 41, preview=lambda step=step: rendered.append(step) or frame(step)))
            steps.append(service.snapshot(context.id).preview_version)
            clock.time += 0.0625  # exact in binary: a frame is due at every fourth step
        return {}

    def frame(step):
        return Image.new("RGB", (20, 10), (step, 0, 0))

    service = start(handler)
    done = finish(service, service.submit(request()))
    assert done.preview is not None and done.preview_version == len(rendered) == steps[-1]
    assert rendered == [1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41]
    with Image.open(done.preview) as picture:
        assert picture.format == "JPEG" and picture.size == (20, 10)
        assert abs(picture.getpixel((5, 5))[0] - 41) <= 3


def test_large_and_transparent_frames_become_small_jpegs(start):
    picture = Image.new("RGBA", (3000, 1500), (10, 20, 30, 128))

    def handler(context):
        context.progress(Progress(1, 2, preview=lambda: picture))
        return {}

    service = start(handler)
    done = finish(service, service.submit(request()))
    with Image.open(done.preview) as shown:
        assert shown.size == (1024, 512)
    assert picture.size == (3000, 1500)


def test_a_preview_that_cannot_be_written_does_not_end_the_job(start, monkeypatch):
    def handler(context):
        with monkeypatch.context() as patched:
            patched.setattr("foundation.jobs.context.replace_whole", disk_full)
            context.progress(Progress(1, 2, preview=lambda: Image.new("RGB", (4, 2))))
        return {"fine": True}

    service = start(handler)
    done = finish(service, service.submit(request()))
    assert done.status is JobStatus.DONE and done.preview is None
