"""The same records in PostgreSQL, where one is installed: the tests start a server of their own in a folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.jobs import JobError, JobService, JobStatus
from foundation.jobs.store.database import Database
from foundation.jobs.store.users import Users
from tests.foundation.jobs.accounts.looking import look_after
from tests.foundation.jobs.old_data import OLD
from tests.foundation.jobs.puppet import PATIENCE, Puppet, finish, request
from tests.postgresql import Server, running_server

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]
pytest.importorskip("psycopg")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as found:
        yield found


@pytest.fixture
def address(server: Server, request: pytest.FixtureRequest) -> str:
    """An empty database of its own."""
    return server.make(f"t{abs(hash(request.node.name)):x}")


def test_a_job_from_submission_to_the_next_start(address: str, tmp_path: Path) -> None:
    puppet = Puppet(steps=2)
    puppet.release()
    with JobService(tmp_path, {"work": puppet}, database=address) as service:
        job = service.submit(request("Fr\u00f6sche \0 \ud83d", nested=[1, None, {"deep": 0.5}]))
        done = finish(service, job)
    assert not (tmp_path / "studio.db").exists()
    with JobService(tmp_path, {}, database=address) as again:
        found = again.snapshot(job)
        assert (found.status, found.result, found.params) == (JobStatus.DONE, done.result, done.params)
        assert found.title == "job Fr\u00f6sche \ufffd ?" and found.created == done.created
        again.remove(job, "anna")
    with JobService(tmp_path, {}, database=address) as last:
        assert last.list() == []


def test_the_steps_come_to_the_tables_there_too(address: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from foundation.jobs.store.tables import Base

    database = Database(address)
    with database._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_a_directory_of_the_version_before_is_taken_over_there_too(address: str, tmp_path: Path) -> None:
    old = shutil.copytree(OLD, tmp_path / "data")
    with JobService(old, {}, database=address) as service:
        assert service.problems == () and len(service.list()) == 6


def test_one_database_has_one_studio_there_too(address: str, tmp_path: Path) -> None:
    with (
        JobService(tmp_path / "one", {}, database=address),
        pytest.raises(JobError, match="already uses this database"),
    ):
        JobService(tmp_path / "two", {}, database=address)
    JobService(tmp_path / "two", {}, database=address).close()


def test_users_are_kept_there_too_beside_a_studio_that_runs(address: str, tmp_path: Path) -> None:
    with JobService(tmp_path, {}, database=address) as service:
        beside = Database(address, shared=True)
        look_after(Users(beside))
        assert [user.name for user in service.users.all()] == ["anna", "ben"]
        beside.close()
        with pytest.raises(JobError, match="already uses this database"):
            Database(address)


def test_a_server_that_goes_away_loses_no_finished_result(server: Server, address: str, tmp_path: Path) -> None:
    """Killed while a job runs: said in words; and once it is back, everything is there, without a new start."""
    puppet = Puppet(steps=1)
    with JobService(tmp_path, {"work": puppet}, database=address) as service:
        job = service.submit(request("cut"))
        puppet.wait_step()
        server.stop()
        try:
            puppet.step()
            done = service.wait(job, PATIENCE)
            assert done.status is JobStatus.DONE and done.result and "kept in its folder" in done.message
            with pytest.raises(JobError, match="its server does not answer"):
                service.submit(request("refused"))
        finally:
            server.start()
        puppet.release()
        finish(service, service.submit(request("next")))
        service.tidy()
        assert service.snapshot(job).message == "step 1"
        with pytest.raises(JobError, match="already uses this database"):  # it is held again
            JobService(tmp_path / "other", {}, database=address)
    with JobService(tmp_path, {}, database=address) as again:
        assert [one.status for one in again.list()] == [JobStatus.DONE] * 2
