"""Users in the database: each has one name, and what was changed by a command is seen by a studio that runs."""

import contextlib
import sqlite3
import stat
from pathlib import Path

import pytest

from foundation.jobs import JobError
from foundation.jobs.store.database import MIGRATIONS, Database
from foundation.jobs.store.users import Users
from tests.foundation.jobs.accounts.looking import look_after


@pytest.fixture
def database(tmp_path: Path):
    made = Database(f"sqlite:///{tmp_path / 'studio.db'}")
    yield made
    made.close()


def test_users_are_added_changed_removed_and_found(database: Database) -> None:
    look_after(Users(database))


def test_a_command_changes_users_beside_a_studio_that_runs(start, tmp_path: Path) -> None:
    service = start()
    with contextlib.closing(Database(f"sqlite:///{tmp_path / 'studio.db'}", shared=True)) as beside:
        Users(beside).add("anna", "guest", "x", 1.0)
        assert [user.name for user in service.users.all()] == ["anna"]
        service.users.remove(service.users.named("anna").id)
        assert Users(beside).all() == []
    with pytest.raises(JobError, match="Another CrossMax Studio"):
        Database(f"sqlite:///{tmp_path / 'studio.db'}")  # the studio holds it still


def test_a_command_before_the_first_start_makes_what_a_studio_takes(start, tmp_path: Path) -> None:
    with contextlib.closing(Database(f"sqlite:///{tmp_path / 'studio.db'}", shared=True)) as first:
        Users(first).add("anna", "owner", "x", 1.0)
    assert stat.S_IMODE((tmp_path / "studio.db").stat().st_mode) == 0o600
    assert [user.name for user in start().users.all()] == ["anna"]


def test_a_database_of_the_version_before_gets_users(start, tmp_path: Path) -> None:
    """The first step alone, as it is out there, with a job in it: the second is taken and nothing is lost."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine, inspect

    path = tmp_path / "studio.db"
    engine = create_engine(f"sqlite:///{path}")
    steps = ScriptDirectory(MIGRATIONS, version_locations=[MIGRATIONS])
    with engine.begin() as connection:
        options = {"fn": lambda heads, context: steps._upgrade_revs("0001", heads)}
        context = MigrationContext.configure(connection, opts=options)
        with Operations.context(context):
            context.run_migrations()
    assert "users" not in inspect(engine).get_table_names()
    engine.dispose()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO owners VALUES (?, 1.0, 77)", ("o" * 32,))
        connection.commit()
    service = start()
    assert service.users.all() == [] and service.history.usage("o" * 32).budget == 77
