"""The service killed by the system at several moments, and what the next one finds."""

import contextlib
import random
import sqlite3
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import foundation.jobs
from foundation.jobs import JobRequest, JobService, JobSnapshot, JobStatus
from tests.forking import Forking

pytestmark = pytest.mark.slow

IMPORTED = ("foundation.jobs", "foundation.jobs.store.store", "alembic.operations", "sqlalchemy.orm")
PATIENCE = 20.0

# The victim announces a moment on its standard output and then stands still until it is killed.
PREAMBLE = """
import sys, threading
from pathlib import Path
from foundation.jobs import JobRequest, JobService
from foundation.jobs.store import store
from foundation.progress import Progress

def here(moment):
    print(moment, flush=True)
    threading.Event().wait()

def submit(service, name, device="cpu"):
    return service.submit(JobRequest("work", {"name": name}, device=device, owner="anna"))

def run(handler, **options):
    service = JobService(Path(sys.argv[1]), {"work": handler}, **options)
    for problem in service.problems:
        print(problem)
    return service
"""


@pytest.fixture(autouse=True)
def imported(forking: Forking) -> None:
    """Each program is a fresh process, which is spared the imports alone."""
    forking.need(*IMPORTED)


@pytest.fixture
def killed(forking: Forking, tmp_path: Path) -> Callable[[str], str]:
    """Run a program until it announces a moment, then kill it; the announcement."""

    def run(program: str) -> str:
        process = forking.start(PREAMBLE + textwrap.dedent(program), str(tmp_path))
        with process.stdout:
            moment = process.stdout.readline().strip()
            process.kill()
        return moment

    return run


def integrity(tmp_path: Path) -> str:
    """What SQLite says of the database, looking at all of it."""
    with contextlib.closing(sqlite3.connect(tmp_path / "studio.db")) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def same(job: JobSnapshot) -> JobRequest:
    """What asks once more for what a job was to do."""
    return JobRequest(job.kind, job.params, job.device, job.owner, job.title)


class Restart:
    """The next service, and the order in which its jobs ran."""

    def __init__(self, tmp_path: Path) -> None:
        self.ran: list[str] = []
        self.service = JobService(tmp_path, {"work": self._handler})

    def _handler(self, context):
        self.ran.append(context.params["name"])
        return {"name": context.params["name"]}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.service.close(PATIENCE)

    def statuses(self) -> dict[str, JobStatus]:
        """Of every job by name, once all of them have ended."""
        return {
            snapshot.params["name"]: self.service.wait(snapshot.id, PATIENCE).status for snapshot in self.service.list()
        }


def test_killed_in_the_middle_of_a_job(killed, tmp_path):
    moment = killed(
        """
        def handler(context):
            for step in range(1, 4):
                (context.dir / "partial.txt").write_text(str(step))
                context.progress(Progress(step, 9, losses={"loss": 1.0 / step}))
            here("running " + context.id)

        service = run(handler, checkpoint_s=0.0)
        for name in ("first", "second", "third"):
            submit(service, name)
        threading.Event().wait()
        """,
    )
    job = moment.split()[1]
    with Restart(tmp_path) as again:
        assert again.statuses() == {
            "first": JobStatus.INTERRUPTED,
            "second": JobStatus.DONE,
            "third": JobStatus.DONE,
        }
        assert again.ran == ["second", "third"]
        assert again.service.problems == ()
        cut = again.service.snapshot(job)
        assert cut.done == 3 and cut.curves["loss"][-1] == (3, 1.0 / 3)
        assert "run it again" in cut.error and cut.eta_s is None
        assert (Path(cut.folder) / "partial.txt").read_text() == "3"
        new = again.service.submit(same(cut))
        assert again.service.wait(new, PATIENCE).result == {"name": "first"}
        assert again.service.snapshot(job).status is JobStatus.INTERRUPTED


def test_killed_again_while_an_interrupted_job_is_in_the_list(killed, tmp_path):
    program = """
        service = run(lambda context: here("running"))
        submit(service, sys.argv[1][-1] + str(len(service.list())))
        threading.Event().wait()
    """
    for _ in range(3):
        assert killed(program) == "running"
    with Restart(tmp_path) as again:
        assert list(again.statuses().values()) == [JobStatus.INTERRUPTED] * 3


@pytest.mark.parametrize("step", ["os.fsync", "Path.replace", "text_files.sync_folder", "Path.rename"])
def test_killed_during_a_submission(killed, tmp_path, step):
    owner, name = step.rsplit(".", 1)
    moment = killed(
        f"""
        import os
        from foundation.files import text_files
        service = run(lambda context: {{}})
        setattr({owner}, {name!r}, lambda *arguments: here("submitting"))
        submit(service, "lost")
        """,
    )
    assert moment == "submitting"
    with Restart(tmp_path) as again:
        assert again.statuses() == {} and again.service.problems == ()
        assert list((tmp_path / "jobs").iterdir()) == []


def test_killed_while_a_long_job_pauses_for_a_short_one(killed, tmp_path):
    """Both were running: both keep their files, and both can be run again."""
    moment = killed(
        """
        from foundation.jobs import Cost

        def handler(context):
            (context.dir / "partial.txt").write_text(context.params["name"])
            if context.params["name"] == "short":
                here("pausing")
            begun.set()
            while not context.stop_requested:
                context.progress(Progress(1, 9))
            return {}

        begun = threading.Event()
        service = run(handler, cost=lambda asked: Cost(hours=1e-3 if asked.params["name"] == "short" else 5))
        submit(service, "long")
        begun.wait()
        submit(service, "short")
        threading.Event().wait()
        """,
    )
    assert moment == "pausing" and integrity(tmp_path) == "ok"
    with Restart(tmp_path) as again:
        assert again.statuses() == {"long": JobStatus.INTERRUPTED, "short": JobStatus.INTERRUPTED}
        for cut in again.service.list():
            assert (Path(cut.folder) / "partial.txt").read_text() == cut.params["name"] and not cut.paused
            new = again.service.submit(same(cut))
            assert again.service.wait(new, PATIENCE).status is JobStatus.DONE


@pytest.mark.parametrize("row", ["before it", "in its middle", "after it"])
def test_killed_while_a_submission_reaches_the_database(killed, tmp_path, row):
    """The folder is there already: the job is taken over from it, once, and runs."""
    moment = killed(
        f"""
        from foundation.jobs.store.records import Records
        from sqlalchemy.orm import Session
        add, commit = Records.add, Session.commit
        service = run(lambda context: here("too late"))
        service._jobs.queue = lambda device: []

        def stalled(self, records):
            if {row!r} == "after it":
                add(self, records)
            here("submitting")

        if {row!r} == "in its middle":
            from sqlalchemy import event
            event.listen(service._store.database._engine, "commit", lambda connection: here("submitting"))
        else:
            Records.add = stalled
        submit(service, "kept")
        """,
    )
    assert moment == "submitting" and integrity(tmp_path) == "ok"
    with Restart(tmp_path) as again:
        assert again.statuses() == {"kept": JobStatus.DONE} and again.ran == ["kept"] and again.service.problems == ()


def test_killed_while_the_database_is_made(killed, tmp_path):
    """In the middle of its first form: the next start makes it whole."""
    moment = killed(
        """
        from alembic.operations import Operations
        make = Operations.create_table
        Operations.create_table = lambda self, name, *rest: here(name) if name == "jobs" else make(self, name, *rest)
        run(lambda context: {})
        """,
    )
    assert moment == "jobs" and integrity(tmp_path) == "ok"
    with Restart(tmp_path) as again:
        again.service.submit(JobRequest("work", {"name": "first"}, owner="anna"))
        assert again.statuses() == {"first": JobStatus.DONE}


def test_killed_at_any_moment(forking, tmp_path):
    """Twenty times, while jobs are submitted, run, change and end: the database opens, and all that was told holds."""
    program = """
        import itertools
        def handler(context):
            (context.dir / "image.png").write_text(context.params["name"])
            for step in range(1, 4):
                context.progress(Progress(step, 3, losses={"loss": 1.0 / step}))
            return {"file": "image.png"}

        service = run(handler, checkpoint_s=0.0)
        print("up", flush=True)
        for number in itertools.count():
            job = submit(service, str(number))
            print("submitted " + job, flush=True)
            if number % 3 == 1:
                service.discard(submit(service, "unwanted"), "anna")
            if number % 2:
                service.wait(job)
                print("ended " + job, flush=True)
    """
    moments, pace = random.Random(7), 0.4
    submitted: set[str] = set()
    ended: set[str] = set()
    code = PREAMBLE + textwrap.dedent(program)
    for _ in range(20):
        process = forking.start(code, str(tmp_path))
        with process.stdout:
            assert process.stdout.readline().strip() == "up"  # and no problem before that
            time.sleep(pace * moments.uniform(0.0, 0.8))
            process.kill()
            lines = [line.split() for line in process.stdout if line.endswith("\n")]
        submitted |= {line[1] for line in lines if line[0] == "submitted"}
        ended_now = {line[1] for line in lines if line[0] == "ended"}
        ended |= ended_now
        pace = pace if ended_now else min(2 * pace, 8.0)  # on a busy machine more time passes before a job ends
        assert integrity(tmp_path) == "ok"
    assert len(ended) >= 10 and submitted > ended
    with Restart(tmp_path) as again:
        assert again.service.problems == ()
        found = {job: again.service.wait(job, PATIENCE) for job in submitted}
        assert {found[job].status for job in submitted} <= {JobStatus.DONE, JobStatus.INTERRUPTED}
        assert {found[job].status for job in ended} == {JobStatus.DONE}
        for job in ended:
            snapshot = found[job]
            assert snapshot.result == {"file": "image.png"} and snapshot.curves["loss"][-1] == (3, 1.0 / 3)
            assert (Path(snapshot.folder) / "image.png").read_text() == snapshot.params["name"]
    assert {path.name for path in (tmp_path / "jobs").iterdir() if path.name.startswith(".")} == set()


def test_killed_right_after_a_submission(killed, tmp_path):
    killed(
        """
        gate = threading.Event()
        service = run(lambda context: gate.wait())
        submit(service, "blocks")
        for index in range(12):
            submit(service, f"job {index:02d}")
        here("submitted")
        """,
    )
    with Restart(tmp_path) as again:
        statuses = again.statuses()
        assert statuses.pop("blocks") in (JobStatus.INTERRUPTED, JobStatus.DONE)
        assert set(statuses.values()) == {JobStatus.DONE} and len(statuses) == 12
        names = [name for name in again.ran if name != "blocks"]
        assert names == sorted(names)


@pytest.mark.parametrize("moment", ["before the rename", "after the rename", "before the row"])
def test_killed_while_the_end_of_a_job_is_written(killed, tmp_path, moment):
    killed(
        f"""
        replace = Path.replace
        ending = False

        def stalled(self, target):
            if ending and Path(target).name == "job.json" and {moment!r} != "before the row":
                if {moment!r} == "after the rename":
                    replace(self, target)
                here("ending")
            return replace(self, target)

        def handler(context):
            global ending
            (context.dir / "image.png").write_text("result")
            ending = True
            return {{"file": "image.png"}}

        Path.replace = stalled
        service = run(handler)
        from foundation.jobs.store.records import Records
        save = Records.save
        Records.save = lambda self, record: here("ending") if record.status.finished else save(self, record)
        submit(service, "ends")
        threading.Event().wait()
        """,
    )
    with Restart(tmp_path) as again:
        ended = JobStatus.INTERRUPTED if moment == "before the rename" else JobStatus.DONE
        assert again.statuses() == {"ends": ended}
        (job,) = again.service.list()
        assert sorted(path.name for path in Path(job.folder).iterdir()) == ["image.png", "job.json"]
        assert job.result == ({"file": "image.png"} if ended is JobStatus.DONE else None)


def test_killed_while_a_discarded_job_is_removed(killed, tmp_path):
    killed(
        """
        import shutil
        shutil.rmtree = lambda *arguments, **options: here("removing")

        def handler(context):
            (context.dir / "unwanted.png").write_text("x")
            service.discard(context.id, "anna")
            context.progress(Progress(1, 2))

        service = run(handler)
        submit(service, "unwanted")
        threading.Event().wait()
        """,
    )
    with Restart(tmp_path) as again:
        assert again.statuses() == {} and again.service.problems == ()
        assert list((tmp_path / "jobs").iterdir()) == []


def test_a_stopped_queued_job_stays_stopped(killed, tmp_path):
    killed(
        """
        gate = threading.Event()
        service = run(lambda context: gate.wait())
        submit(service, "blocks")
        job = submit(service, "unwanted")
        service.stop(job, "anna")
        here("stopped")
        """,
    )
    with Restart(tmp_path) as again:
        assert again.statuses()["unwanted"] is JobStatus.STOPPED
        assert "unwanted" not in again.ran


def test_a_killed_service_leaves_no_lock_and_a_living_one_does(forking, tmp_path):
    code = PREAMBLE + "service = run(lambda context: {}); here('up')"
    process = forking.start(code, str(tmp_path))
    with process.stdout:
        try:
            assert process.stdout.readline().strip() == "up"
            with pytest.raises(foundation.jobs.JobError, match="already uses"):
                JobService(tmp_path, {})
        finally:
            process.kill()
    JobService(tmp_path, {}).close()
