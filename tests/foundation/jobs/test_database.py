"""The database itself: its form, its durability, its refusals in words, and who may use it."""

import contextlib
import errno
import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL

from foundation.jobs import JobError, JobService
from foundation.jobs.store.database import MIGRATIONS, Database, DatabaseError, parse_address, upgrade
from foundation.jobs.store.tables import Base, OwnerRow
from tests.foundation.jobs.puppet import finish, request


@pytest.fixture
def database(tmp_path: Path):
    made = Database(f"sqlite:///{tmp_path / 'studio.db'}")
    yield made
    made.close()


def add_owners(database: Database, count: int) -> None:
    with database.write() as session:
        session.add_all(OwnerRow(token=f"{index:0200d}", first_seen=0.0, disk_budget=None) for index in range(count))


def count(path: Path, table: str = "owners") -> int:
    with sqlite3.connect(path) as connection:
        found = int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    connection.close()
    return found


def test_the_steps_come_to_the_tables(database: Database) -> None:
    """Whoever changes a table without a step, or the other way round, is told."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with database._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize(
    "tables", [("jobs",), ("alembic_version",), ("moz_places",), ("alembic_version", "jobs"), ("owners", "presets")]
)
def test_a_file_of_another_program_is_left_as_it_is(tmp_path: Path, tables: tuple[str, ...]) -> None:
    """Also where its tables have names as ours, or its steps are Alembic's: nothing is added to it."""
    path = tmp_path / "other #1.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for table in tables:
            connection.execute(f"CREATE TABLE {table} (version_num TEXT)")
            connection.execute(f"INSERT INTO {table} VALUES ('abc')")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(JobError, match="tables of another program"):
        Database(URL.create("sqlite", database=str(path)).render_as_string())
    assert path.read_bytes() == before


def test_a_link_to_a_database_in_use_leads_to_its_lock(tmp_path: Path, database: Database) -> None:
    (tmp_path / "alias.db").symlink_to(tmp_path / "studio.db")
    with pytest.raises(JobError, match="Another CrossMax Studio already uses this database"):
        Database(f"sqlite:///{tmp_path / 'alias.db'}")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("sqlite:////", "SQLite's is a file"),
        ("sqlite:///..", "Is a directory"),
        ("sqlite:///.", "SQLite's is a file"),
        ("sqlite:////tmp/a\0b.db", "SQLite's is a file"),
        ("sqlite:///file:name?mode=memory&uri=true", "in memory keeps nothing"),
        ("sqlite:///file:name?uri=true", "SQLite's is a file"),
        ("sqlite:///:memory:?cache=shared", "in memory keeps nothing"),
        ("postgresql://anna:secret@host:port/name", "cannot be read"),
        ("sqlite:///never-made.db?timeout=soon", "cannot be read"),
        ("x://anna:secret@y", "not installed"),
    ],
)
def test_an_address_that_is_none_is_refused_in_words(address: str, said: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JobError, match=said) as refused:
        Database(address)
    assert "secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_steps_are_taken_together_or_not_at_all(tmp_path: Path, monkeypatch) -> None:
    """A step that fails in its middle leaves the database as it was."""
    from alembic.operations import Operations

    tables = iter(range(2))
    make = Operations.create_table

    def fails_at_the_second(self, *arguments, **options):
        if next(tables):
            raise RuntimeError("killed")
        return make(self, *arguments, **options)

    path = tmp_path / "studio.db"
    with monkeypatch.context() as patch:
        patch.setattr(Operations, "create_table", fails_at_the_second)
        with pytest.raises(RuntimeError):
            Database(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()
    Database(f"sqlite:///{path}").close()
    assert count(path) == 0


def test_steps_are_taken_once(database: Database, tmp_path: Path) -> None:
    add_owners(database, 3)
    upgrade(database._engine)
    assert count(tmp_path / "studio.db") == 3


def test_a_database_of_a_newer_version_is_left_alone(database: Database, tmp_path: Path) -> None:
    database.close()
    with sqlite3.connect(tmp_path / "studio.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(JobError, match="newer version"):
        JobService(tmp_path, {})
    JobService(tmp_path, {}, database=f"sqlite:///{tmp_path / 'other.db'}").close()  # nothing was left locked


def test_commits_wait_for_the_disk_and_readers_for_nobody(database: Database, tmp_path: Path) -> None:
    with database.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA synchronous")) == 2
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
    with database.write() as session:
        session.add(OwnerRow(token="x", first_seen=0.0, disk_budget=None))
        session.flush()
        assert count(tmp_path / "studio.db") == 0  # another reader, while it is being written
    assert count(tmp_path / "studio.db") == 1


def test_what_fails_leaves_nothing_of_its_session(database: Database, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as session:
        session.add(OwnerRow(token="x", first_seen=0.0, disk_budget=None))
        session.flush()
        raise ZeroDivisionError
    assert count(tmp_path / "studio.db") == 0


def test_a_disk_that_is_full_for_sqlite_is_one_for_us(database: Database, tmp_path: Path) -> None:
    """SQLite's own refusal, of a file that may not grow."""
    with database.write() as session:
        session.execute(text("PRAGMA max_page_count = 12"))
    with pytest.raises(DatabaseError, match="disk is full") as refused:
        add_owners(database, 2000)
    assert refused.value.errno == errno.ENOSPC
    assert count(tmp_path / "studio.db") == 0


def test_only_its_owner_can_read_it(database: Database, tmp_path: Path) -> None:
    add_owners(database, 1)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("studio.db*")}
    assert {modes[name] for name in ("studio.db", "studio.db-wal", "studio.db-shm")} == {0o600}


def test_one_database_has_one_studio(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'both.db'}"
    with JobService(tmp_path / "one", {}, database=address):
        with pytest.raises(JobError, match=r"already uses this database.*--database"):
            JobService(tmp_path / "two", {}, database=address)
        JobService(tmp_path / "two", {}).close()  # its folder was not left locked
    JobService(tmp_path / "two", {}, database=address).close()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense", "cannot be read"),
        ("sqlite://", "in memory keeps nothing"),
        ("sqlite:///:memory:", "in memory keeps nothing"),
        ("sqlite:////no/such/folder/a.db", "No such file"),
        ("strange://anna:secret@host/a", "needs a package"),
        ("postgresql://anna:secret@127.0.0.1:1/a", "its server does not answer"),
    ],
)
def test_addresses_that_will_not_do_are_refused_in_words(tmp_path: Path, address: str, said: str) -> None:
    with pytest.raises(JobError, match=said) as refused:
        JobService(tmp_path, {}, database=address)
    assert "secret" not in str(refused.value)
    JobService(tmp_path, {}).close()


def test_the_driver_of_postgresql_is_the_one_that_is_installed_with_us() -> None:
    for given in ("postgresql://anna@host/a", "postgresql+psycopg://anna@host/a"):
        assert parse_address(given).drivername == "postgresql+psycopg"


def test_progress_does_not_write_the_database_each_time(start, clock) -> None:
    """Of a hundred steps within the seconds between two records, none reaches the database."""
    from foundation.progress import Progress

    written: list[int] = []

    def handler(context):
        write = Database.write

        def counted(self):
            written.append(1)
            return write(self)

        Database.write = counted
        try:
            for step in range(100):
                clock.time += 0.04
                context.progress(Progress(step, 100))
        finally:
            Database.write = write
        return {}

    service = start(handler)
    finish(service, service.submit(request()))
    assert written == []


def test_a_record_of_odd_texts_comes_back(start) -> None:
    """Zero bytes, which PostgreSQL has no place for, and half surrogates become signs that say so."""
    service = start(lambda context: {"said": "a\0b"})
    job = service.submit(request("x\0y \ud83d"))
    finish(service, job)
    service.close()
    again = start()
    found = again.snapshot(job)
    assert found.title == "job x\ufffdy ?" and found.params["name"] == "x\0y ?" and found.result == {"said": "a\0b"}


def test_texts_are_values_and_never_statements(start) -> None:
    service = start()
    attack = "x'); DROP TABLE jobs; --"
    jobs = [service.submit(request(attack, attack)) for _ in range(2)]
    finish(service, jobs[-1])
    service.close()
    again = start()
    assert [job.owner for job in again.list(attack)] == [attack] * 2 and again.list("x' OR '1' = '1") == []


def test_every_step_is_a_file_of_the_package() -> None:
    names = sorted(path.stem for path in MIGRATIONS.glob("v*.py"))
    assert names[0] == "v0001_records" and names == sorted(set(names))
    engine = create_engine("sqlite://")
    upgrade(engine)
    with engine.connect() as connection:
        head = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    engine.dispose()
    assert head == names[-1][1:5]
