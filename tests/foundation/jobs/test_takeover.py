"""A data directory of the version that had no database, and databases that were lost: nothing is."""

import shutil
from pathlib import Path

import pytest

from foundation.jobs import JobService, JobStatus
from foundation.jobs.store.store import JobStore
from tests.foundation.jobs.old_data import OLD, old_records
from tests.foundation.jobs.puppet import PATIENCE, Puppet, change_rows, finish, on_disk, request

COMPUTED = {"message", "preview_version", "done", "total"}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD, tmp_path / "data"))


def test_a_directory_of_the_version_before_is_taken_over(old: Path) -> None:
    """Every record, result, curve and file; the order; what waited runs, what ran is interrupted."""
    before, ran = old_records(), []
    files = {path.relative_to(old): path.read_bytes() for path in old.glob("jobs/*/*") if path.name != "job.json"}

    def draw(context):
        ran.append(context.params["recipe"]["prompt"])
        return {"images": []}

    with JobService(old, {"text": draw}) as service:
        assert service.problems == ()
        waited = service.wait(service.list()[0].id, PATIENCE)
        assert (waited.title, waited.status, ran) == ("a boat", JobStatus.DONE, ["a boat"])
        titles = ["a boat", "cat", "attack towards ship", "unicorn", "a goldfish", "frog"]
        assert [job.title for job in service.list()] == titles
        assert [job.title for job in service.list("ben0" * 8)] == ["a goldfish"]
        for job in service.list():
            then = before[job.id]
            kept = {name: getattr(job, name) for name in ("kind", "owner", "params", "created", "device")}
            assert kept == {name: then[name] for name in kept}
            if then["status"] in ("done", "failed"):
                now = (job.status.value, job.result, job.error, job.started, job.finished, job.done, job.unit)
                names = ("status", "result", "error", "started", "finished", "done", "unit")
                assert now == tuple(then[name] for name in names)
        cat = service.snapshot(service.list()[1].id)
        assert cat.status is JobStatus.INTERRUPTED and cat.curves == {"total": [(1, 0.5), (2, 0.4)]}
        frog = service.snapshot(service.list()[-1].id)
        assert len(frog.curves["total"]) == 3 and (Path(frog.folder) / frog.result["images"][0]["file"]).is_file()
    assert all((old / path).read_bytes() == content for path, content in files.items() if "curves" not in path.name)
    assert {"status": on_disk(service, waited.id)["status"]} == {"status": "done"}


def test_it_is_taken_over_once(old: Path) -> None:
    """What was deleted or changed afterwards stays so, and a kill in between only has it done again."""
    with JobService(old, {}) as service:
        frog, fish = (next(job for job in service.list() if job.title == title) for title in ("frog", "a goldfish"))
        service.remove(frog.id, frog.owner)
    change_rows(service, "UPDATE jobs SET title = 'a carp', note = 'mine' WHERE id = ?", fish.id)
    with JobService(old, {}) as again:
        assert "frog" not in [job.title for job in again.list()]
        assert again.snapshot(fish.id).title == "a carp" and on_disk(again, fish.id)["note"] == "mine"


def test_it_is_taken_over_into_any_database(old: Path, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'elsewhere' / 'records.sqlite'}"
    (tmp_path / "elsewhere").mkdir()
    with JobService(old, {}, database=address) as service:
        assert len(service.list()) == 6
    assert not (old / "studio.db").exists() and (tmp_path / "elsewhere" / "records.sqlite").exists()


def test_a_lost_database_is_made_anew_of_the_folders(tmp_path: Path) -> None:
    puppet = Puppet(steps=1)
    puppet.release()
    with JobService(tmp_path, {"work": puppet}) as service:
        jobs = [service.submit(request(name)) for name in "abc"]
        finish(service, jobs[-1])
    for path in tmp_path.glob("studio.db*"):
        path.unlink()
    with JobService(tmp_path, {"work": puppet}) as again:
        assert [job.id for job in again.list()] == jobs[::-1]
        assert all(job.result and job.status is JobStatus.DONE for job in again.list())


def test_a_database_that_is_removed_while_the_studio_runs_is_made_anew(tmp_path: Path) -> None:
    """Also the jobs that were finished and those that wait are in it again, before anything is killed."""
    puppet = Puppet(steps=1)
    with JobService(tmp_path, {"work": puppet}) as service:
        first = service.submit(request("first"))
        puppet.wait_step()
        puppet.step()
        finish(service, first)
        running, waiting = service.submit(request("running")), service.submit(request("waiting"))
        puppet.wait_step()
        for path in tmp_path.glob("studio.db*"):
            path.unlink()
        new = service.submit(request("new"))
        found = {job: on_disk(service, job)["status"] for job in (first, running, waiting, new)}
        assert found == {first: "done", running: "queued", waiting: "queued", new: "queued"}
        puppet.step()
        finish(service, running)
        assert on_disk(service, running)["status"] == "done"
        puppet.release()
        finish(service, new)


def test_a_damaged_database_is_refused_with_the_way_out(tmp_path: Path) -> None:
    from foundation.jobs import JobError

    with JobService(tmp_path, {"work": lambda context: {"found": 1}}) as service:
        job = service.submit(request())
        finish(service, job)
    (tmp_path / "studio.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(JobError, match="move it away"):
        JobService(tmp_path, {})
    (tmp_path / "studio.db").rename(tmp_path / "damaged.db")
    with JobService(tmp_path, {}) as again:
        assert again.snapshot(job).result == {"found": 1}


def test_the_folder_of_a_job_whose_row_could_not_be_deleted_says_so_at_the_next_start(tmp_path, monkeypatch) -> None:
    """A database that is away while a job is deleted does not bring it back."""
    from foundation.jobs.store.database import Database
    from tests.foundation.jobs.puppet import database_away

    with JobService(tmp_path, {"work": lambda context: {}}) as service:
        job = service.submit(request())
        finish(service, job)
        with monkeypatch.context() as patch:
            patch.setattr(Database, "write", database_away)
            service.remove(job, "anna")
        (trash,) = (tmp_path / "jobs").iterdir()
        assert list(trash.iterdir()) == []
    store = JobStore(tmp_path)
    assert store.recover().records == [] and list(store.root.iterdir()) == []
    store.close()
