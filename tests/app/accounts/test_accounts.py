"""Who logs in and who is asking: ended by a new password, by removal and by logging out; and what each may use."""

import dataclasses
import math

import pytest

from app.accounts.accounts import KNOWN_SECONDS, WRONG, Accounts, WrongPasswordError, digest_of, share_of
from app.accounts.tries import TooManyTriesError
from app.visitors.visitor import for_no_guests, job_address, sent_by, visitor_address
from foundation.errors import StudioError
from foundation.jobs.store.database import Database, DatabaseError
from foundation.jobs.store.users import Users
from foundation.limits import Limits
from tests.app.accounts.people import ANOTHER, PASSWORD, SECRET, account, add, quick
from tests.foundation.jobs.puppet import Clock, database_away


def test_the_right_password_logs_in_and_the_cookie_says_who(accounts: Accounts, users: Users) -> None:
    anna = add(users, "anna", "owner")
    cookie = accounts.log_in(" ANNA ", PASSWORD, "10.0.0.1")
    found = accounts.of_login(cookie)
    assert found is not None
    assert (found.id, found.name, found.role, found.owner) == (anna.id, "anna", "owner", anna.owner)
    assert PASSWORD not in cookie and anna.owner not in cookie and anna.password not in cookie


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "wrong"), ("anna", ""), ("nobody", PASSWORD), ("", ""), ("a\0b", PASSWORD), ("x" * 5000, "y" * 5000)],
)
def test_whatever_is_wrong_is_told_alike(accounts: Accounts, users: Users, name: str, password: str) -> None:
    add(users, "anna")
    with pytest.raises(WrongPasswordError) as refused:
        accounts.log_in(name, password, "")
    assert str(refused.value) == WRONG


def test_too_many_wrong_ones_are_not_looked_at_any_more(accounts: Accounts, users: Users, clock: Clock) -> None:
    """Not even the right one, and alike for a name that is nobody's."""
    add(users, "anna")
    for name in ("anna", "nobody"):
        for _ in range(3):
            with pytest.raises(WrongPasswordError):
                accounts.log_in(name, "wrong", f"from {name}")
        with pytest.raises(TooManyTriesError):
            accounts.log_in(name, PASSWORD, f"from {name}")
    clock.time += 60
    assert accounts.log_in("anna", PASSWORD, "from anna")


def test_logging_out_ends_this_login_wherever_its_cookie_is(accounts: Accounts, users: Users) -> None:
    add(users, "anna")
    first, second = (accounts.log_in("anna", PASSWORD, "") for _ in range(2))
    assert accounts.of_login(first) and accounts.of_login(second)
    accounts.log_out(first)
    accounts.log_out("nonsense")
    assert accounts.of_login(first) is None and accounts.of_login(second)
    again = Accounts(users, SECRET, Limits(), passwords=quick(), now=Clock())
    assert again.of_login(first) is None and again.of_login(second), "also after a new start"


def test_a_new_password_ends_all_logins_and_needs_the_old_one(accounts: Accounts, users: Users) -> None:
    add(users, "anna")
    before = [accounts.log_in("anna", PASSWORD, "") for _ in range(2)]
    me = account(accounts, "anna")
    with pytest.raises(WrongPasswordError):
        accounts.change_password(me, "wrong", ANOTHER, "")
    with pytest.raises(StudioError, match="10 to 200"):
        accounts.change_password(me, PASSWORD, "short", "")
    assert all(accounts.of_login(cookie) for cookie in before)
    cookie = accounts.change_password(me, PASSWORD, ANOTHER, "")
    assert accounts.of_login(cookie) == me
    assert not any(accounts.of_login(one) for one in before)
    with pytest.raises(WrongPasswordError):
        accounts.log_in("anna", PASSWORD, "")
    assert account(accounts, "anna", ANOTHER) == me


@pytest.mark.parametrize("change", ["password", "remove"])
def test_what_a_command_ends_is_over_within_two_seconds(
    accounts: Accounts, users: Users, clock: Clock, change: str
) -> None:
    anna = add(users, "anna")
    cookie, token = accounts.log_in("anna", PASSWORD, ""), accounts.make_token(account(accounts, "anna"))
    assert accounts.of_login(cookie) and accounts.of_token(token)
    if change == "remove":
        users.remove(anna.id)
    else:
        users.set_password(anna.id, quick().hash(ANOTHER))
    assert KNOWN_SECONDS <= 2
    clock.time += KNOWN_SECONDS
    assert accounts.of_login(cookie) is None
    assert (accounts.of_token(token) is None) == (change == "remove")


def test_a_guest_who_becomes_an_owner_is_one_at_once(accounts: Accounts, users: Users, clock: Clock) -> None:
    anna = add(users, "anna")
    cookie = accounts.log_in("anna", PASSWORD, "")
    assert accounts.of_login(cookie).role == "guest"  # type: ignore[union-attr]
    users.set_role(anna.id, "owner")
    clock.time += KNOWN_SECONDS
    assert accounts.of_login(cookie).role == "owner"  # type: ignore[union-attr]


def test_a_token_is_told_once_and_kept_as_a_digest(accounts: Accounts, users: Users, database: Database) -> None:
    add(users, "anna")
    me = account(accounts, "anna")
    assert not accounts.has_token(me)
    token = accounts.make_token(me)
    assert accounts.of_token(token) == me and accounts.has_token(me)
    with database.read() as session:
        rows = str(session.connection().exec_driver_sql("SELECT * FROM users").all())
    assert token not in rows and PASSWORD not in rows and digest_of(token) in rows
    other = accounts.make_token(me)
    assert accounts.of_token(token) is None and accounts.of_token(other) == me
    accounts.drop_token(me)
    assert accounts.of_token(other) is None and not accounts.has_token(me)
    for nonsense in ("", "cxs_", token + "0", digest_of(token), "\0"):
        assert accounts.of_token(nonsense) is None


def test_who_is_logged_in_stays_so_while_the_database_is_away(
    accounts: Accounts, users: Users, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(users, "anna")
    cookie, unseen = accounts.log_in("anna", PASSWORD, ""), accounts.log_in("anna", PASSWORD, "")
    assert accounts.of_login(cookie)
    monkeypatch.setattr(Database, "read", database_away)
    clock.time += 100
    assert accounts.of_login(cookie)
    with pytest.raises(DatabaseError):
        accounts.of_login(unseen)


def test_hashes_get_the_work_that_is_usual_now(users: Users) -> None:
    from argon2 import PasswordHasher

    from app.accounts.passwords import Passwords

    anna = add(users, "anna")
    more = Accounts(users, SECRET, Limits(), passwords=Passwords(PasswordHasher(2, 8, 1)))
    cookie = more.log_in("anna", PASSWORD, "")
    kept = users.find(anna.id)
    assert kept is not None and kept.password != anna.password and "t=2" in kept.password
    assert more.of_login(cookie), "which ends no login"
    assert more.log_in("anna", PASSWORD, "")


def test_each_role_has_its_share(accounts: Accounts, users: Users) -> None:
    limits = Limits(guest_jobs=2, guest_hours=0.5, guest_result_bytes=7.0, guest_upload_bytes=8.0, queued_per_owner=5)
    guest, owner = share_of("guest", limits), share_of("owner", limits)
    assert dataclasses.astuple(guest) == (2, 1800.0, 7.0, 8.0)
    assert (owner.waiting, owner.seconds, owner.result_bytes) == (5, math.inf, math.inf)
    anna = add(users, "anna")
    share = accounts.allowance(anna.owner)
    assert share is not None and share.waiting == Limits().guest_jobs
    assert accounts.upload_bytes(anna.owner) == Limits().guest_upload_bytes
    assert accounts.allowance("x" * 32) is None and accounts.upload_bytes("x" * 32) is None


def test_whoever_was_removed_is_forgotten_with_all_that_is_theirs(accounts: Accounts, users: Users) -> None:
    anna, ben = add(users, "anna"), add(users, "ben")
    forgotten: list[str] = []
    assert accounts.sweep(forgotten.append) == [] and not accounts.is_empty
    users.remove(anna.id)
    accounts.sweep(forgotten.append)
    accounts.sweep(forgotten.append)
    assert forgotten == [anna.owner]
    users.remove(ben.id)
    assert accounts.is_empty


def test_guests_are_not_offered_what_is_for_owners(accounts: Accounts, users: Users) -> None:
    add(users, "anna", "owner")
    add(users, "ben")
    look = for_no_guests(lambda: "a model that costs money")
    assert look() == "a model that costs money", "one person's studio is theirs"
    with sent_by("10.0.0.1", account(accounts, "anna")):
        assert look() and job_address() == "" and visitor_address() == "10.0.0.1"
    with sent_by("10.0.0.1", account(accounts, "ben")):
        assert look() is None
    with sent_by("10.0.0.1", None):
        assert look() and job_address() == "10.0.0.1"
