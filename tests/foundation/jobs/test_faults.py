"""What the job service refuses, and what it does when something breaks."""

import errno
import json
import os

import pytest

from foundation.errors import StudioError
from foundation.jobs import JobError, JobRequest, JobStatus, Limits, QueueFullError, UnknownJobError
from foundation.jobs.store.database import Database
from foundation.progress import Progress
from tests.foundation.jobs.puppet import (
    Puppet,
    copy_on_disk,
    database_away,
    disk_full,
    fill_disk,
    finish,
    full_database,
    on_disk,
    request,
)

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


def for_want_of_room(error: StudioError) -> StudioError:
    """As an error that says where there was none left."""
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StudioError("Choose another class."), "Choose another class."),
        (RuntimeError("secret /path/of/server"), "RuntimeError"),
        (MemoryError(), "smaller size"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (for_want_of_room(StudioError("The picture could not be saved as '/secret.png'.")), "disk is full"),
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
    service = start(lambda context: context.progress(Progress(-1, 5)))
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
    fill_disk(monkeypatch)
    puppet.step()
    failed = finish(service, job)
    assert failed.status is JobStatus.FAILED and "disk is full" in failed.error and ran == []
    assert "make room" in failed.message


def test_a_full_disk_at_the_end_keeps_the_result_and_saves_it_later(start, monkeypatch):
    def handler(context):
        if context.params["name"] == "unlucky":
            fill_disk(monkeypatch)
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


def test_a_full_database_at_submission_is_said_and_leaves_nothing(start, monkeypatch):
    service = start()
    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", full_database)
        with pytest.raises(JobError, match="disk is full"):
            service.submit(request())
    assert service.list() == [] and list(service._store.root.iterdir()) == []
    assert finish(service, service.submit(request())).status is JobStatus.DONE


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_database_that_goes_away_loses_no_finished_result(start, monkeypatch, comes_back):
    """It is told in words; the result lies in the job's folder, and in the database once that is back."""

    def handler(context):
        if context.params["name"] == "unlucky":
            monkeypatch.setattr(Database, "write", database_away)
        return {"found": 42}

    service = start(handler)
    job = service.submit(request("unlucky"))
    done = finish(service, job)
    assert done.status is JobStatus.DONE and done.result == {"found": 42}
    assert "kept in its folder" in done.message and "database" in done.message
    with pytest.raises(JobError, match=r"database cannot be used \(its server does not answer\)"):
        service.submit(request("refused"))
    assert on_disk(service, job)["status"] == "running"
    assert copy_on_disk(service, job)["result"] == {"found": 42}
    if comes_back:
        monkeypatch.undo()
        service.tidy()
        assert on_disk(service, job)["status"] == "done" and service.snapshot(job).message == ""
    service.close()
    monkeypatch.undo()
    again = start(handler)
    found = again.snapshot(job)
    assert (found.status, found.result, found.error) == (JobStatus.DONE, {"found": 42}, None)
    assert on_disk(again, job)["status"] == "done" and again.problems == ()


def test_the_queue_goes_on_while_the_database_is_away(start, monkeypatch):
    """What waits is not failed for it: it runs, and its end is kept in its folder until the database is back."""
    puppet = Puppet(steps=1)
    service = start({"work": lambda context: {"found": context.params["name"]}, "block": puppet})
    blocks, waits = service.submit(request(kind="block")), service.submit(request("later"))
    puppet.wait_step()
    monkeypatch.setattr(Database, "write", database_away)
    puppet.release()
    assert finish(service, blocks).status is JobStatus.DONE
    done = finish(service, waits)
    assert (done.status, done.result) == (JobStatus.DONE, {"found": "later"}) and "kept in its folder" in done.message
    assert on_disk(service, waits)["status"] == "queued"
    monkeypatch.undo()
    service.tidy()
    assert on_disk(service, waits)["status"] == "done" and service.snapshot(waits).message == ""


def test_a_failed_checkpoint_does_not_end_the_job(start, monkeypatch, clock):
    def handler(context):
        fill_disk(monkeypatch)
        clock.time += 60.0
        context.progress(Progress(1, 2))
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
