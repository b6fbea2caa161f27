"""Foreign code in turns with its owner."""

import threading
from collections.abc import Callable

import pytest

from robust_model.attacks.relay import Relay


def test_only_one_of_the_two_runs() -> None:
    happened: list[str] = []

    def work(halt: Callable[[], None]) -> None:
        for step in range(3):
            happened.append(f"work {step}")
            halt()
        happened.append("end")

    relay = Relay(work, "test")
    assert happened == []
    while relay.advance():
        happened.append("owner")
    assert happened == ["work 0", "owner", "work 1", "owner", "work 2", "owner", "end"]
    relay.close()


def test_closing_unwinds_the_work() -> None:
    happened: list[str] = []

    def work(halt: Callable[[], None]) -> None:
        try:
            halt()
            happened.append("never")
        finally:
            happened.append("cleaned up")

    count = threading.active_count()
    relay = Relay(work, "test")
    assert relay.advance()
    relay.close()
    assert happened == ["cleaned up"]
    assert threading.active_count() == count
    relay.close()
    Relay(work, "test").close()  # never started


def test_errors_arrive_at_the_owner() -> None:
    def work(halt: Callable[[], None]) -> None:
        halt()
        raise ValueError("from the thread")

    relay = Relay(work, "test")
    assert relay.advance()
    with pytest.raises(ValueError, match="from the thread"):
        relay.advance()
