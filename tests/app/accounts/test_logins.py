"""What keeps somebody logged in: signed, for some days, and not by anybody else."""

import pytest

from app.accounts.logins import Logins
from foundation.jobs.store.users import User
from tests.app.accounts.people import SECRET
from tests.foundation.jobs.puppet import Clock

DAY = 86_400.0
ANNA = User("1" * 32, "anna", "guest", "2" * 32, "3" * 32, 0.0, "hash")


def test_a_login_says_whose_it_is_until_its_time_is_over() -> None:
    clock = Clock()
    logins = Logins(SECRET, 2.0, clock)
    cookie = logins.sign(ANNA)
    found = logins.read(cookie)
    assert found is not None and (found.user_id, found.stamp, found.until) == (ANNA.id, ANNA.stamp, 1000 + 2 * DAY)
    clock.time += 2 * DAY
    assert logins.read(cookie) == found
    clock.time += 1
    assert logins.read(cookie) is None


def test_each_login_is_another() -> None:
    logins = Logins(SECRET, 2.0, Clock())
    assert len({logins.read(logins.sign(ANNA)).id for _ in range(20)}) == 20  # type: ignore[union-attr]


def test_what_another_signed_or_somebody_changed_is_no_login() -> None:
    logins = Logins(SECRET, 2.0, Clock())
    cookie = logins.sign(ANNA)
    assert Logins(b"t" * 32, 2.0, Clock()).read(cookie) is None
    for place in range(len(cookie)):
        changed = cookie[:place] + ("x" if cookie[place] != "x" else "y") + cookie[place + 1 :]
        found = logins.read(changed)
        # of the last sign of the signature some bits mean nothing
        assert found is None or place == len(cookie) - 1


@pytest.mark.parametrize("cookie", ["", ".", "a.b.c", "x" * 10_000, "\u00e4", "..", "\0", "1" * 98 + ".AAAA.BBBB"])
def test_nonsense_is_no_login(cookie: str) -> None:
    assert Logins(SECRET, 2.0, Clock()).read(cookie) is None


def test_a_login_from_the_future_is_none() -> None:
    """A clock that was put back, or a forged time: it could be good for ever."""
    clock = Clock()
    clock.time += 10 * DAY
    cookie = Logins(SECRET, 2.0, clock).sign(ANNA)
    clock.time -= 10 * DAY
    assert Logins(SECRET, 2.0, clock).read(cookie) is None
