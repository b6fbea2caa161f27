"""A job's handler that tests step by hand, and small words around the job service."""

import contextlib
import errno
import json
import os
import sqlite3
import threading

from foundation.jobs import JobContext, JobRequest
from foundation.jobs.store.database import Database, DatabaseError
from foundation.progress import Progress

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
            context.progress(Progress(step, self.steps, f"step {step}", losses={"loss": 1.0 / step}))
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


def request(name="", owner="anna", device="cpu", kind="work", **params) -> JobRequest:
    return JobRequest(kind, {"name": name, **params}, device=device, owner=owner, title=f"job {name}")


def finish(service, job_id):
    snapshot = service.wait(job_id, PATIENCE)
    assert snapshot.status.finished
    return snapshot


def on_disk(service, job_id) -> dict:
    """The job's row, as whoever opens the database sees it."""
    with contextlib.closing(sqlite3.connect(service._store.root.parent / "studio.db")) as connection:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone())


def change_rows(service, statement: str, *values) -> None:
    """Change the database of a service that has ended, as somebody might by hand."""
    with contextlib.closing(sqlite3.connect(service._store.root.parent / "studio.db")) as connection:
        connection.execute(statement, values)
        connection.commit()


def copy_on_disk(service, job_id) -> dict:
    return json.loads((service._store.folder(job_id) / "job.json").read_text())


def disk_full(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fill_disk(monkeypatch) -> None:
    """From now on neither files nor the database can be written."""
    monkeypatch.setattr(os, "fsync", disk_full)
    monkeypatch.setattr(Database, "write", full_database)


def full_database(*args):
    raise DatabaseError(errno.ENOSPC, "its disk is full")


def database_away(*args):
    raise DatabaseError(errno.EIO, "its server does not answer")
