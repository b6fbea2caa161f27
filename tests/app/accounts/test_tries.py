"""Wrong passwords: so many of a name and from an address, whoever has that name."""

import pytest

from app.accounts.tries import REMEMBERED, TooManyTriesError, Tries, network_of
from tests.foundation.jobs.puppet import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tries(clock: Clock) -> Tries:
    return Tries(3, 5, 60.0, clock)


def test_a_name_is_tried_so_often_from_wherever(tries: Tries, clock: Clock) -> None:
    for number in range(3):
        tries.begin("anna", f"10.0.0.{number}")
        clock.time += 10
    with pytest.raises(TooManyTriesError, match="try again in 1 minute"):
        tries.begin("anna", "10.0.0.9")
    tries.begin("ben", "10.0.0.9")
    clock.time += 30  # a minute after the first
    tries.begin("anna", "10.0.0.9")
    with pytest.raises(TooManyTriesError):
        tries.begin("anna", "10.0.0.9")


def test_an_address_tries_so_often_whichever_names(tries: Tries, clock: Clock) -> None:
    for number in range(5):
        tries.begin(f"name{number}", "10.0.0.1")
    with pytest.raises(TooManyTriesError):
        tries.begin("another", "10.0.0.1")
    tries.begin("another", "10.0.0.2")
    clock.time += 60
    tries.begin("another", "10.0.0.1")


def test_the_right_password_counts_for_nothing_and_makes_wrong_ones_of_the_name_forgotten(tries: Tries) -> None:
    for _ in range(20):
        tries.begin("anna", "10.0.0.1")
        tries.succeeded("anna", "10.0.0.1")
    for _ in range(2):
        tries.begin("anna", "10.0.0.1")
    tries.begin("anna", "10.0.0.1")
    tries.succeeded("anna", "10.0.0.1")
    tries.begin("anna", "10.0.0.1")
    tries.begin("x", "10.0.0.1")
    tries.begin("y", "10.0.0.1")
    with pytest.raises(TooManyTriesError):  # the wrong ones of the address are all there
        tries.begin("z", "10.0.0.1")


def test_what_is_refused_does_not_prolong_the_wait(tries: Tries, clock: Clock) -> None:
    for _ in range(3):
        tries.begin("anna", "")
    for _ in range(50):
        clock.time += 1
        with pytest.raises(TooManyTriesError):
            tries.begin("anna", "")
    clock.time += 10
    tries.begin("anna", "")


def test_a_network_of_ipv6_is_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1%eth0") != network_of("2001:db8:0:1::1")
    assert network_of("10.0.0.1") != network_of("10.0.0.2")
    assert network_of("") == "" and network_of("nonsense") == "nonsense"


def test_made_up_names_do_not_fill_the_memory(clock: Clock) -> None:
    tries = Tries(3, 10**9, 60.0, clock)
    for number in range(REMEMBERED + 50):
        tries.begin(f"name{number}", "10.0.0.1")
    assert len(tries._made["name"]) <= REMEMBERED + 1
