"""The job service with handlers that the tests step by hand: no test waits for a clock."""

import errno
import json
import logging
import os
import threading
from collections.abc import Callable

import pytest
from PIL import Image

from app.jobs import (
    Discarded,
    JobContext,
    JobError,
    JobRequest,
    JobService,
    JobStatus,
    Limits,
    NotYourJobError,
    QueueFullError,
    UnknownJobError,
)
from app.jobs import store as store_module
from generator.errors import StudioError

PATIENCE = 20.0  # seconds until a test that would hang fails instead


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


class Puppet:
    """A handler that makes one step whenever the test says so, and tells when it has."""

    def __init__(self, steps: int = 5) -> None:
        self.steps = steps
        self.ran: list[str] = []
        self._go = threading.Semaphore(0)
        self._at = threading.Semaphore(0)

    def __call__(self, context: JobContext) -> dict:
        self.ran.append(context.params.get("name", ""))
        (context.dir / "begun.txt").write_text("x")
        self._at.release()
        for step in range(1, self.steps + 1):
            assert self._go.acquire(timeout=PATIENCE)
            if context.stop_requested:
                break
            context.progress(step, self.steps, f"step {step}", {"loss": 1.0 / step})
            self._at.release()
        (context.dir / "result.txt").write_text("kept")
        return {"steps": context.params.get("name", ""), "file": "result.txt"}

    def wait_step(self) -> None:
        """Until the handler has begun, or has made the step it was told to."""
        assert self._at.acquire(timeout=PATIENCE)

    def step(self) -> None:
        self._go.release()
        self.wait_step()

    def release(self, steps: int = 1000) -> None:
        for _ in range(steps):
            self._go.release()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(tmp_path, clock):
    """Make services on one data directory; those still open are closed at the end."""
    services: list[JobService] = []
    releases: list[Callable[[], None]] = []

    def make(handler=None, **options) -> JobService:
        handlers = handler if isinstance(handler, dict) else {"work": handler or (lambda context: {})}
        releases.extend(h.release for h in handlers.values() if isinstance(h, Puppet))
        services.append(JobService(tmp_path, handlers, clock=clock, now=clock, **options))
        return services[-1]

    yield make
    for release in releases:
        release()
    for service in services:
        service.close(PATIENCE)


def request(name="", owner="anna", device="cpu", kind="work", **params) -> JobRequest:
    return JobRequest(kind, {"name": name, **params}, device=device, owner=owner, title=f"job {name}")


def finish(service, job_id):
    snapshot = service.wait(job_id, PATIENCE)
    assert snapshot.status.finished
    return snapshot


def on_disk(service, job_id) -> dict:
    return json.loads((service._store.folder(job_id) / "job.json").read_text())


def disk_full(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


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
    assert [snapshot.position for snapshot in service.list()] == [2, 1, None, None]


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


def test_curves_of_finished_jobs_are_read_from_disk(start, tmp_path):
    def handler(context):
        for step in range(600):
            context.progress(step, 600, losses={"total": step, "nan": float("nan")})
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


def test_the_number_of_curves_is_bounded(start):
    def handler(context):
        context.progress(1, 1, losses={f"loss {index}": 0.0 for index in range(1000)})
        return {}

    service = start(handler)
    assert len(finish(service, service.submit(request())).curves) == 64


# ---------------------------------------------------------------------- previews


def test_previews_come_five_times_a_second_and_for_the_last_step(start, clock):
    rendered, steps = [], []
    service = None

    def handler(context):
        for step in range(1, 42):
            context.progress(step, 41, preview=lambda step=step: rendered.append(step) or frame(step))
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
        context.progress(1, 2, preview=lambda: picture)
        return {}

    service = start(handler)
    done = finish(service, service.submit(request()))
    with Image.open(done.preview) as shown:
        assert shown.size == (1024, 512)
    assert picture.size == (3000, 1500)


def test_a_preview_that_cannot_be_written_does_not_end_the_job(start, monkeypatch):
    real = store_module.write_atomic

    def handler(context):
        monkeypatch.setattr("app.jobs.context.write_atomic", disk_full)
        context.progress(1, 2, preview=lambda: Image.new("RGB", (4, 2)))
        monkeypatch.setattr("app.jobs.context.write_atomic", real)
        return {"fine": True}

    service = start(handler)
    done = finish(service, service.submit(request()))
    assert done.status is JobStatus.DONE and done.preview is None


# ---------------------------------------------------------------------- stop and discard


def test_stopping_a_running_job_keeps_its_result(start):
    puppet = Puppet()
    service = start(puppet)
    job = service.submit(request("s"))
    puppet.wait_step()
    puppet.step()
    service.stop(job, "anna")
    assert service.snapshot(job).stopping
    puppet.release()
    stopped = finish(service, job)
    assert stopped.status is JobStatus.STOPPED and not stopped.stopping
    assert stopped.done == 1 and stopped.result["file"] == "result.txt"
    assert (service._store.folder(job) / "result.txt").read_text() == "kept"
    service.stop(job, "anna")  # again is no error
    assert service.snapshot(job).status is JobStatus.STOPPED


def test_a_stopped_queued_job_never_runs(start, tmp_path):
    puppet = Puppet()
    service = start(puppet)
    _, second, third = (service.submit(request(name)) for name in "123")
    puppet.wait_step()
    service.stop(second, "anna")
    stopped = service.wait(second, 0)
    assert (stopped.status, stopped.result, stopped.started) == (JobStatus.STOPPED, None, None)
    assert on_disk(service, second)["status"] == "stopped"
    puppet.release()
    finish(service, third)
    assert puppet.ran == ["1", "3"]


def test_discarding_a_running_job_ends_it_at_its_next_step_and_removes_its_files(start):
    puppet = Puppet()
    service = start(puppet)
    job, after = service.submit(request("d")), service.submit(request("next"))
    puppet.wait_step()
    puppet.step()
    folder = service._store.folder(job)
    assert (folder / "begun.txt").exists()
    service.discard(job, "anna")
    assert service.snapshot(job).stopping
    puppet.release()
    gone = finish(service, job)
    assert gone.status is JobStatus.DISCARDED and not folder.exists()
    assert (gone.result, gone.preview, gone.curves) == (None, None, {})
    assert job not in [snapshot.id for snapshot in service.list()]
    assert finish(service, after).status is JobStatus.DONE


def test_progress_raises_in_the_step_after_the_discard(start):
    discarded, seen = threading.Event(), []

    def handler(context):
        context.progress(1, 9)
        service.discard(context.id, "anna")
        assert context.stop_requested
        try:
            context.progress(2, 9)
        except Exception:  # noqa: BLE001 (as careless code in between would)
            seen.append("swallowed")
        except Discarded:
            seen.append("raised")
            discarded.set()
            raise
        return {}

    service = start(handler)
    job = service.submit(request())
    assert finish(service, job).status is JobStatus.DISCARDED
    assert seen == ["raised"]


@pytest.mark.parametrize("end", ["return", "raise"])
def test_a_discarded_job_leaves_nothing_however_its_handler_ends(start, end):
    def handler(context):
        service.discard(context.id, "anna")
        (context.dir / "late.txt").write_text("x")
        if end == "raise":
            raise RuntimeError("on the way out")
        return {"unwanted": True}

    service = start(handler)
    job = service.submit(request())
    assert finish(service, job).status is JobStatus.DISCARDED
    assert list(service._store.root.iterdir()) == []


def test_discarding_a_queued_or_finished_job_works_at_once(start):
    puppet = Puppet(steps=1)
    service = start(puppet)
    first, second = service.submit(request("1")), service.submit(request("2"))
    puppet.wait_step()
    service.discard(second, "anna")
    service.discard(second, "anna")
    assert service.snapshot(second).status is JobStatus.DISCARDED
    puppet.step()
    finish(service, first)
    service.discard(first, "anna")
    assert list(service._store.root.iterdir()) == [] and service.list() == []
    assert puppet.ran == ["1"]


def test_only_the_owner_may_touch_a_job(start):
    puppet = Puppet()
    service = start(puppet)
    annas, berts = service.submit(request("a", "anna")), service.submit(request("b", "bert"))
    puppet.wait_step()
    for action in (service.stop, service.discard, service.remove, service.resubmit):
        with pytest.raises(NotYourJobError, match="somebody else"):
            action(annas, "bert")
    service.stop(berts, "bert")
    assert not service.snapshot(annas).stopping
    puppet.release()
    assert finish(service, annas).status is JobStatus.DONE


def test_removing_is_for_finished_jobs(start, tmp_path):
    puppet = Puppet(steps=1)
    service = start(puppet)
    job = service.submit(request())
    puppet.wait_step()
    with pytest.raises(JobError, match="not ended"):
        service.remove(job, "anna")
    with pytest.raises(JobError, match="not ended"):
        service.resubmit(job, "anna")
    puppet.step()
    finish(service, job)
    service.remove(job, "anna")
    assert service.list() == [] and list(service._store.root.iterdir()) == []
    service.close()
    with pytest.raises(UnknownJobError):
        start(puppet).snapshot(job)


def test_a_finished_job_can_be_run_again(start):
    service = start(lambda context: {"name": context.params["name"]})
    first = service.submit(request("again"))
    finish(service, first)
    second = service.resubmit(first, "anna")
    done = finish(service, second)
    assert second != first and done.result == {"name": "again"} and done.title == "job again"


# ---------------------------------------------------------------------- refusals and limits


@pytest.mark.parametrize("name", ["", "x", "../../etc", "0" * 32])
def test_unknown_ids_are_refused(start, name):
    service = start()
    for action in (service.snapshot, service.wait, lambda job: service.stop(job, "anna")):
        with pytest.raises(UnknownJobError):
            action(name)


def test_what_cannot_be_kept_is_not_taken(start):
    service = start(limits=Limits(params_bytes=100))
    with pytest.raises(JobError, match="choose one of: work"):
        service.submit(request(kind="dance"))
    with pytest.raises(JobError, match="plain JSON"):
        service.submit(request(tensor=object()))
    with pytest.raises(JobError, match="JSON object"):
        service.submit(JobRequest("work", ["no", "mapping"]))
    with pytest.raises(JobError, match="at most 100"):
        service.submit(request(text="x" * 200))
    assert service.list() == [] and list(service._store.root.iterdir()) == []


def test_waiting_jobs_are_limited_by_owner_and_altogether(start):
    puppet = Puppet(steps=1)
    service = start(puppet, limits=Limits(queued_per_owner=2, queued=3))
    running = service.submit(request("0"))
    puppet.wait_step()
    waiting = [service.submit(request(name)) for name in "12"]
    with pytest.raises(QueueFullError, match="2 jobs waiting"):
        service.submit(request("3"))
    service.submit(request("4", "bert"))
    with pytest.raises(QueueFullError, match="later"):
        service.submit(request("5", "carl"))
    service.stop(waiting[0], "anna")
    service.submit(request("6"))
    puppet.release()
    finish(service, running)


# ---------------------------------------------------------------------- faults


def raising(error: BaseException):
    def handler(context):
        if context.params["name"] == "bad":
            raise error
        return {}

    return handler


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StudioError("Choose another class."), "Choose another class."),
        (RuntimeError("secret /path/of/server"), "RuntimeError"),
        (MemoryError(), "smaller size"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/secret"), "Permission denied"),
        (SystemExit(3), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (RecursionError("deep"), "RecursionError"),
    ],
)
def test_a_failing_handler_says_so_and_the_next_job_runs(start, caplog, error, said):
    service = start(raising(error))
    bad, good = service.submit(request("bad")), service.submit(request("good"))
    failed = finish(service, bad)
    assert failed.status is JobStatus.FAILED and said in failed.error
    assert "secret" not in json.dumps(failed.to_json()["error"]) and "Traceback" not in failed.error
    assert finish(service, good).status is JobStatus.DONE
    log = service._store.folder(bad) / "log.txt"
    if isinstance(error, StudioError):
        assert not log.exists()
    else:
        assert "Traceback" in log.read_text() and "raise error" in log.read_text()
        assert any(entry.exc_info for entry in caplog.records)


@pytest.mark.parametrize("result", [None, [1], {"t": object()}, {1: 2}])
def test_a_result_that_is_no_json_fails_the_job(start, result):
    service = start(lambda context: result)
    failed = finish(service, service.submit(request()))
    assert failed.status is JobStatus.FAILED and "TypeError" in failed.error


def test_numbers_that_json_lacks_become_none(start):
    service = start(lambda context: {"loss": float("nan"), "best": (float("inf"), 1.5)})
    assert finish(service, service.submit(request())).result == {"loss": None, "best": [None, 1.5]}


def test_negative_progress_is_a_fault_of_the_handler(start):
    service = start(lambda context: context.progress(-1, 5))
    assert finish(service, service.submit(request())).status is JobStatus.FAILED


def test_a_full_disk_at_submission_is_said_and_leaves_nothing(start, monkeypatch):
    service = start()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", disk_full)
        with pytest.raises(JobError, match="disk is full"):
            service.submit(request())
    assert service.list() == [] and list(service._store.root.iterdir()) == []
    assert finish(service, service.submit(request())).status is JobStatus.DONE


def test_a_full_disk_at_the_start_of_a_job_fails_it_before_it_works(start, monkeypatch):
    puppet, ran = Puppet(steps=1), []

    def handler(context):
        ran.append(context.id)
        return {}

    service = start({"work": handler, "block": puppet})
    service.submit(request(kind="block"))
    puppet.wait_step()
    job = service.submit(request())
    monkeypatch.setattr(os, "fsync", disk_full)
    puppet.step()
    failed = finish(service, job)
    assert failed.status is JobStatus.FAILED and "disk is full" in failed.error and ran == []
    assert "make room" in failed.message


def test_a_full_disk_at_the_end_keeps_the_result_and_saves_it_later(start, monkeypatch):
    def handler(context):
        if context.params["name"] == "unlucky":
            monkeypatch.setattr(os, "fsync", disk_full)
        return {"found": 42}

    service = start(handler)
    job = service.submit(request("unlucky"))
    done = finish(service, job)
    assert done.status is JobStatus.DONE and done.result == {"found": 42} and "make room" in done.message
    assert on_disk(service, job)["status"] == "running"
    monkeypatch.undo()
    finish(service, service.submit(request("next")))
    service.close()
    assert on_disk(service, job)["status"] == "done"
    assert start(handler).snapshot(job).message == ""


def test_a_failed_checkpoint_does_not_end_the_job(start, monkeypatch, clock):
    def handler(context):
        monkeypatch.setattr(os, "fsync", disk_full)
        clock.time += 60.0
        context.progress(1, 2)
        monkeypatch.undo()
        return {}

    service = start(handler)
    assert finish(service, service.submit(request())).status is JobStatus.DONE


def test_progress_reaches_the_disk_every_few_seconds(start, clock):
    puppet = Puppet()
    service = start(puppet, checkpoint_s=5.0)
    job = service.submit(request())
    puppet.wait_step()
    puppet.step()
    assert on_disk(service, job)["done"] == 0
    clock.time += 5.0
    puppet.step()
    # the step is reported before the checkpoint is written; the next one comes after it
    puppet.step()
    assert on_disk(service, job)["done"] == 2
    assert json.loads((service._store.folder(job) / "curves.json").read_text())["loss"][-1] == [2, 0.5]


# ---------------------------------------------------------------------- ending and starting again


def test_close_asks_running_jobs_to_stop_and_keeps_waiting_ones(start):
    stopping = threading.Event()

    def handler(context):
        if context.params["name"] == "long":
            stopping.set()
            while not context.stop_requested:
                threading.Event().wait(0.001)
            context.progress(1, 9)
            return {"partial": True}
        return {}

    service = start(handler)
    long, waiting = service.submit(request("long")), service.submit(request("waiting"))
    assert stopping.wait(PATIENCE)
    service.close(PATIENCE)
    service.close()
    cut = service.snapshot(long)
    assert cut.status is JobStatus.INTERRUPTED and cut.result == {"partial": True} and "run it again" in cut.error
    assert service.wait(waiting).status is JobStatus.QUEUED  # returns although it never ran
    with pytest.raises(JobError, match="closing"):
        service.submit(request())
    again = start(handler)
    assert finish(again, waiting).status is JobStatus.DONE
    assert again.snapshot(long).status is JobStatus.INTERRUPTED


def test_a_job_that_completes_while_the_service_closes_is_done(start):
    begun = threading.Event()

    def handler(context):
        begun.set()
        while not context.stop_requested:
            threading.Event().wait(0.001)
        context.progress(3, 3)
        return {}

    service = start(handler)
    job = service.submit(request())
    assert begun.wait(PATIENCE)
    service.close(PATIENCE)
    assert service.snapshot(job).status is JobStatus.DONE


@pytest.mark.parametrize("discard", [False, True])
def test_a_handler_that_does_not_listen_is_given_up_and_changes_nothing_later(start, discard):
    puppet = Puppet()
    service = start(puppet)
    job = service.submit(request())
    puppet.wait_step()
    if discard:
        service.discard(job, "anna")
    service.close(timeout=0.0)
    folder = service._store.folder(job)
    settled = JobStatus.DISCARDED if discard else JobStatus.INTERRUPTED
    assert service.snapshot(job).status is settled and folder.exists() is not discard
    puppet.release()
    for worker in threading.enumerate():
        if worker.name.startswith("jobs on"):
            worker.join(PATIENCE)
    assert service.snapshot(job).status is settled and folder.exists() is not discard
    if not discard:
        assert on_disk(service, job)["status"] == "interrupted"


def test_a_second_service_on_the_directory_is_refused(start):
    service = start()
    with pytest.raises(JobError, match="already uses"):
        start()
    assert finish(service, service.submit(request())).status is JobStatus.DONE


def test_a_corrupt_record_does_not_keep_the_service_from_starting(start, caplog):
    service = start()
    jobs = [service.submit(request(name)) for name in "ab"]
    finish(service, jobs[-1])
    service.close()
    (service._store.folder(jobs[0]) / "job.json").write_text("{")
    with caplog.at_level(logging.ERROR):
        again = start()
    assert len(again.problems) == 1 and jobs[0] in again.problems[0] and jobs[0] in caplog.text
    assert [snapshot.id for snapshot in again.list()] == [jobs[1]]


def test_a_job_of_a_kind_that_is_gone_fails_in_words(start):
    puppet = Puppet(steps=1)
    service = start({"work": puppet, "old": lambda context: {}})
    service.submit(request())
    puppet.wait_step()
    job = service.submit(request(kind="old"))
    service.close(timeout=0.0)
    again = start({"work": puppet})
    failed = finish(again, job)
    assert failed.status is JobStatus.FAILED and "'old'" in failed.error


def test_many_owners_and_threads_at_once(start):
    service = start(
        lambda context: context.progress(1, 1) or {"owner": context.params["name"]},
        limits=Limits(queued_per_owner=1000),
    )
    jobs: dict[str, list[str]] = {}

    def use(owner):
        mine = [service.submit(request(owner, owner, device=f"gpu{index % 2}")) for index in range(10)]
        service.discard(mine[0], owner)
        service.stop(mine[1], owner)
        service.list(owner)
        jobs[owner] = mine

    threads = [threading.Thread(target=use, args=(f"owner {index}",)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for owner, mine in jobs.items():
        assert finish(service, mine[0]).status is JobStatus.DISCARDED
        assert finish(service, mine[1]).status in (JobStatus.STOPPED, JobStatus.DONE)
        assert all(finish(service, job).result == {"owner": owner} for job in mine[2:])
        assert len(service.list(owner)) == 9


def test_discarded_jobs_are_forgotten_in_the_end(start, monkeypatch):
    monkeypatch.setattr("app.jobs.table.DISCARDED_KEPT", 4)
    puppet = Puppet(steps=1)
    service = start(puppet)
    service.submit(request())
    puppet.wait_step()
    first = service.submit(request())
    service.discard(first, "anna")
    for _ in range(4):
        service.discard(service.submit(request()), "anna")
    with pytest.raises(UnknownJobError):
        service.snapshot(first)
