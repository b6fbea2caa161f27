"""How jobs end: stopped, discarded, and with the service, which then starts again."""

import logging
import threading

import pytest

from foundation.jobs import Discarded, JobError, JobStatus, Limits, NotYourJobError, UnknownJobError
from foundation.progress import Progress
from tests.foundation.jobs.puppet import PATIENCE, Puppet, change_rows, finish, on_disk, request

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
        context.progress(Progress(1, 9))
        service.discard(context.id, "anna")
        assert context.stop_requested
        try:
            context.progress(Progress(2, 9))
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
    for action in (service.stop, service.discard, service.remove):
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
    puppet.step()
    finish(service, job)
    service.remove(job, "anna")
    assert service.list() == [] and list(service._store.root.iterdir()) == []
    service.close()
    with pytest.raises(UnknownJobError):
        start(puppet).snapshot(job)


# ---------------------------------------------------------------------- ending and starting again


def test_close_asks_running_jobs_to_stop_and_keeps_waiting_ones(start):
    stopping = threading.Event()

    def handler(context):
        if context.params["name"] == "long":
            stopping.set()
            while not context.stop_requested:
                threading.Event().wait(0.001)
            context.progress(Progress(1, 9))
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
        context.progress(Progress(3, 3))
        return {}

    service = start(handler)
    job = service.submit(request())
    assert begun.wait(PATIENCE)
    service.close(PATIENCE)
    assert service.snapshot(job).status is JobStatus.DONE


@pytest.mark.parametrize("discard", [False, True])
def test_a_handler_that_does_not_listen_is_given_up_and_changes_nothing_later(start, discard):
    others = {*threading.enumerate()}  # of whatever else this process serves
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
    for worker in {*threading.enumerate()} - others:
        if worker.name.startswith("jobs on"):
            worker.join(PATIENCE)
            assert not worker.is_alive()
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
    change_rows(service, "UPDATE jobs SET params = '{' WHERE id = ?", jobs[0])
    with caplog.at_level(logging.ERROR):
        again = start()
    assert [jobs[0] in problem for problem in again.problems] == [True, True] and jobs[0] in caplog.text
    assert [snapshot.id for snapshot in again.list()] == [jobs[1]]


def test_a_damaged_row_is_mended_from_the_copy_in_the_folder(start):
    service = start()
    jobs = [service.submit(request(name)) for name in "ab"]
    finish(service, jobs[-1])
    service.close()
    change_rows(service, "UPDATE jobs SET status = 'sleeping' WHERE id = ?", jobs[0])
    again = start()
    assert again.problems == () and again.snapshot(jobs[0]).status is JobStatus.DONE
    assert on_disk(again, jobs[0])["status"] == "done"


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


@pytest.mark.slow
def test_many_owners_and_threads_at_once(start):
    service = start(
        lambda context: context.progress(Progress(1, 1)) or {"owner": context.params["name"]},
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
    monkeypatch.setattr("foundation.jobs.table.DISCARDED_KEPT", 4)
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
