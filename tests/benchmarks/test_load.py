"""The parts of the measurement of many users that need no server: what is counted, and what must hold."""

import dataclasses
from collections.abc import Callable

import httpx
import pytest

from benchmarks.load.figures import Found, OfKind, Waits, faults_of
from benchmarks.load.orders import KINDS
from benchmarks.load.tally import Counted, Order, Tally, middle
from benchmarks.load.users import User
from crossmax_studio.client import Studio
from foundation.errors import StudioError


def order(kind: str, start: float, end: float, **more: object) -> Order:
    """One that was wanted at 100 s, started and ended so many seconds later."""
    order = Order(kind, 100.0, id="a" * 32, status="done", started=100.0 + start, finished=100.0 + end)
    return dataclasses.replace(order, **more)  # type: ignore[arg-type]


def seen(*orders: Order, **more: object) -> Found:
    found = Found.of(Tally(orders=list(orders)), log=[], warm_mb=1000.0, end_mb=1050.0, alive=True)
    return dataclasses.replace(found, **more)  # type: ignore[arg-type]


TEXTS = [order("text", start, start + 2) for start in (0, 8, 9, 10, 20)]


def test_waits_are_those_from_when_a_job_was_wanted() -> None:
    stopped = order("text", 30.0, 99.0, status="stopped", stopped=True)
    text = OfKind.of([*TEXTS, stopped, Order("text", 100.0, refusals=2)])
    assert text == OfKind(7, 5, 1, 2, start=Waits(9.5, 30, 30), end=Waits(11, 22, 22), ratio=2.0)
    assert OfKind.of([]).ratio == 1.0 and OfKind.of([stopped]).end == Waits()


def test_the_share_of_values_below() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (middle(values), middle(values, 0.95), middle([3.0], 0.95)) == (51.0, 96.0, 3.0)


@pytest.mark.parametrize(
    ("found", "fails"),
    [
        (seen(*TEXTS, alive=False), "the server is alive"),
        (seen(order("text", 1, 2, status="stopped", stopped=True)), "jobs were done"),
        (seen(*TEXTS, server_faults=1), "no answer is 5xx"),
        (seen(*TEXTS, faults=["x"]), "users saw no fault"),
        (seen(*TEXTS, log=["Traceback"]), "no fault in the server's log"),
        (seen(*TEXTS, order("class", 1, 2, status="")), "no job is lost"),
        (seen(*TEXTS, order("class", 1, 2), order("class", 1, 2), order("class", 1, 7)), "nobody waits more than"),
        (seen(*TEXTS, end_mb=1100.1), "memory grows by less than 10%"),
    ],
)
def test_what_does_not_hold_is_told(found: Found, fails: str) -> None:
    assert all(holds for _, _, holds in seen(*TEXTS).judged())
    assert [what for what, _, holds in found.judged() if not holds and what.startswith(fails)]
    assert sum(not holds for _, _, holds in found.judged()) == 1


def test_kinds_are_not_compared_with_each_other() -> None:
    """A kind whose jobs all take longer starves nobody."""
    found = seen(*TEXTS, order("evaluation", 90, 99))
    assert all(holds for _, _, holds in found.judged())
    assert [row[0] for row in found.rows()] == ["kind", "text", "evaluation"]
    assert found.to_json()["growth"] == pytest.approx(0.05)


def test_faults_are_found_in_a_log() -> None:
    log = "2026 WARNING x: slow\n2026 ERROR y: bad\nTraceback (most recent call last):\n  File ERROR_x\nKeyError\n"
    assert faults_of(log) == ["2026 ERROR y: bad", "Traceback (most recent call last):"]


def test_answers_are_counted_and_full_disks_are_no_faults() -> None:
    tally = Tally()
    for status in (200, 429, 503, 507, 500, 502):
        tally.answered(status)
    assert tally.server_faults == 2


def test_the_mixture_is_whole() -> None:
    assert sum(kind.share for kind in KINDS.values()) == pytest.approx(1.0)


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> Callable[..., User]:
    """A user whose pauses take no time, and whose studio answers as it is told to."""
    monkeypatch.setattr("benchmarks.load.users.time.sleep", lambda seconds: None)

    def make(*answers: httpx.Response) -> User:
        user = User(0, 1, 0.0, Tally())
        waiting = list(answers)
        user._transport._inner = httpx.MockTransport(lambda request: waiting.pop(0))  # type: ignore[assignment]
        return user

    return make


def refused(status: int, words: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"error": words}, headers=headers)


def test_who_is_told_to_come_again_does_so(user: Callable[..., User]) -> None:
    again = {"Retry-After": "10"}
    one = user(
        refused(429, "The studio has 500 jobs waiting already.", **again),
        refused(429, "The studio has 500 jobs waiting already.", **again),
        httpx.Response(200, json={"models": []}),
    )
    order = one.tally.order("text")
    with Studio(transport=one._transport) as studio:
        assert one._asked(studio.models, order) == []
    assert order.refusals == 2 and one.tally.faults == [] and one.tally.statuses == {429: 2, 200: 1}


@pytest.mark.parametrize("answer", [refused(429, "Too many jobs."), refused(429, "no", **{"Retry-After": "10"})])
def test_a_refusal_without_words_or_a_time_is_a_fault(user: Callable[..., User], answer: httpx.Response) -> None:
    one = user(answer, httpx.Response(200, json={"models": []}))
    with Studio(transport=one._transport) as studio:
        one._asked(studio.models)
    assert len(one.tally.faults) == 1


def test_any_other_refusal_is_raised(user: Callable[..., User]) -> None:
    one = user(refused(500, "A fault of the studio's own."))
    with Studio(transport=one._transport) as studio, pytest.raises(StudioError, match="fault"):
        one._asked(studio.models)
    assert one.tally.server_faults == 1


def test_answers_of_a_user_come_from_an_address_of_their_own() -> None:
    transport = Counted("127.0.1.7", Tally())
    assert transport._inner._pool._local_address == "127.0.1.7"
    transport.close()
