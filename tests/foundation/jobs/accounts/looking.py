"""All that can be done with users, on any database."""

import pytest

from foundation.jobs import JobError
from foundation.jobs.store.users import Users


def look_after(users: Users) -> None:
    """All that can be done with users, on any database."""
    anna = users.add("anna", "owner", "hash of anna's", 5.0)
    ben = users.add("ben", "guest", "hash of ben's", 6.0)
    assert [user.name for user in users.all()] == ["anna", "ben"]
    assert users.named("anna") == users.find(anna.id) == users.of_owner(anna.owner) == anna
    assert (anna.role, anna.password, anna.created, anna.has_token) == ("owner", "hash of anna's", 5.0, False)
    assert len({anna.id, ben.id, anna.owner, ben.owner, anna.stamp, ben.stamp}) == 6
    with pytest.raises(JobError, match="There is a user 'anna' already"):
        users.add("anna", "guest", "another", 7.0)

    users.keep_hash(anna.id, "the same with more work")
    assert users.find(anna.id).stamp == anna.stamp
    users.set_password(anna.id, "another")
    assert users.find(anna.id).password == "another" and users.find(anna.id).stamp != anna.stamp
    users.set_role(ben.id, "owner")
    assert users.find(ben.id).role == "owner" and users.find(anna.id).role == "owner"

    users.set_token(ben.id, "a" * 64)
    assert users.of_token("a" * 64).id == ben.id and users.of_token("b" * 64) is None
    users.set_token(ben.id, "b" * 64)
    assert users.of_token("a" * 64) is None and users.find(ben.id).has_token
    users.remove(ben.id)
    assert users.named("ben") is users.find(ben.id) is users.of_token("b" * 64) is users.of_owner(ben.owner) is None
    assert list(users.removed()) == [ben.owner]
    again = users.add("ben", "guest", "a new one's", 8.0)
    assert again.owner != ben.owner, "whoever has the name next has nothing of what was another's"
    users.forget(again.owner)
    assert users.named("ben") == again, "nobody is forgotten who was not removed"
    users.forget(ben.owner)
    assert list(users.removed()) == []

    users.end_login("1" * 32, until=100.0, now=50.0)
    users.end_login("1" * 32, until=100.0, now=51.0)
    assert users.has_ended("1" * 32) and not users.has_ended("2" * 32)
    users.end_login("2" * 32, until=200.0, now=150.0)
    assert users.has_ended("2" * 32) and not users.has_ended("1" * 32), "those that are over by themselves go"
