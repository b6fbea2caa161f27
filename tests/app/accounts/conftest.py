"""Users in a database of their own, and a clock that tests turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.accounts.accounts import Accounts
from foundation.jobs.store.database import Database
from foundation.jobs.store.users import Users
from foundation.limits import Limits
from tests.app.accounts.people import SECRET, quick
from tests.foundation.jobs.puppet import Clock

LIMITS = Limits(login_tries_per_name=3, login_tries_per_address=5, login_seconds=60.0, login_days=2.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'studio.db'}")
    yield made
    made.close()


@pytest.fixture
def users(database: Database) -> Users:
    return Users(database)


@pytest.fixture
def accounts(users: Users, clock: Clock) -> Accounts:
    return Accounts(users, SECRET, LIMITS, passwords=quick(), now=clock, clock=clock)
