"""Short jobs before long ones: the rules alone, drawn at random, with a clock that the test turns."""

import dataclasses
import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foundation.jobs import Cost, Limits
from foundation.jobs.queue.forecast import Ahead, Expected, forecast
from foundation.jobs.queue.lanes import OVERDUE, Lanes, lane_of
from foundation.jobs.queue.turns import Turns
from foundation.jobs.store.model import RECORD_VERSION, JobRecord
from tests.examples import examples

LIMITS = Limits(short_seconds=60.0, pause_seconds=120.0, job_bytes=1000)


@dataclasses.dataclass(eq=False)
class Item:
    """A job as far as the rules look at it."""

    record: JobRecord
    cost: Cost


_numbers = itertools.count(1)


def item(seconds: float | None, owner: str = "anna", *, size: int = 0, address: str = "") -> Item:
    number = next(_numbers)
    record = JobRecord(
        RECORD_VERSION, f"{number:032x}", number, "work", "", owner, "cpu", {}, created=0.0, address=address
    )
    return Item(record, Cost(size) if seconds is None else Cost(size, seconds / 3600))


def queue(*items: Item, limits: Limits = LIMITS) -> Lanes[Item]:
    lanes: Lanes[Item] = Lanes(limits)
    for one in items:
        lanes.append(one, 0.0)
    return lanes


@pytest.mark.parametrize(
    ("cost", "lane"),
    [
        (Cost(hours=60 / 3600), "short"),
        (Cost(hours=61 / 3600), "long"),
        (Cost(hours=1 / 3600, known=False), "long"),
        (Cost(), "long"),  # nobody has told
    ],
)
def test_the_lane_of_a_job_is_told_by_its_cost(cost: Cost, lane: str) -> None:
    assert lane_of(cost, LIMITS) == lane


def test_a_long_job_gives_way_as_soon_as_a_short_one_waits() -> None:
    long, short = item(1000), item(5)
    lanes = queue(long)
    assert lanes.start("long", 0.0) is long and not lanes.gives_way("long", 1.0)
    lanes.append(short, 1.5)
    assert not lanes.may_start("short")  # not in the middle of a step
    assert lanes.gives_way("long", 2.0)
    lanes.pause(2.0)
    assert lanes.may_start("short") and not lanes.may_go_on("long")
    assert lanes.start("short", 2.0) is short and not lanes.gives_way("short", 4.0)
    lanes.end("short", 7.0)
    assert lanes.may_go_on("long") and lanes.go_on("long", 7.0) and lanes.debt == 5.0
    assert not lanes.gives_way("long", 8.0) and lanes.debt == 4.0


def test_memory_of_both_has_to_fit() -> None:
    """The short job that does not fit beside the paused one waits for its end; others go past it."""
    long, large, small = item(1000, size=600), item(5, size=500), item(5, size=400)
    lanes = queue(long, large)
    lanes.start("long", 0.0)
    assert not lanes.gives_way("long", 1.0)
    lanes.append(small, 1.5)
    assert lanes.gives_way("long", 2.0)
    lanes.pause(2.0)
    assert lanes.start("short", 2.0) is small
    lanes.end("short", 3.0)
    assert lanes.go_on("long", 3.0) and not lanes.gives_way("long", 4.0)
    lanes.end("long", 5.0)
    assert lanes.start("short", 5.0) is large


def test_one_that_is_to_end_goes_on_beside_another_and_nothing_is_started_until_it_has() -> None:
    lanes = queue(item(1000), item(5), item(5))
    lanes.start("long", 0.0)
    lanes.gives_way("long", 1.0)
    lanes.pause(1.0)
    lanes.start("short", 1.0)
    assert not lanes.go_on("long", 2.0) and lanes.computing == "short"
    lanes.end("short", 3.0)
    assert lanes.next() is None and not lanes.may_start("short")
    lanes.end("long", 4.0)
    assert lanes.may_start("short")


def test_a_short_job_that_takes_too_long_shares_the_device() -> None:
    """Once it has taken twice what a short job may, and the long one has waited for its turn."""
    lanes = queue(item(1000), item(5))
    lanes.start("long", 0.0)
    lanes.gives_way("long", 0.0)
    lanes.pause(0.0)
    lanes.start("short", 0.0)
    overdue = OVERDUE * LIMITS.short_seconds
    assert not lanes.gives_way("short", overdue - 1) and lanes.gives_way("short", overdue)
    lanes.pause(overdue)
    assert lanes.go_on("long", overdue) and not lanes.gives_way("long", 2 * overdue - 1)
    assert lanes.gives_way("long", 2 * overdue)


@dataclasses.dataclass(frozen=True)
class Played:
    """What came of a simulated day: (when, what) for every second that a job computed, and who ended in which order."""

    seconds: list[tuple[float, Item]]
    ended: list[Item]


def play(arrivals: list[tuple[float, Item]], until: float, limits: Limits = LIMITS) -> Played:
    """Steps of one second, each by the job whose turn it is; a job computes as long as it was expected to."""
    lanes, now, done = queue(limits=limits), 0.0, {}
    coming = sorted(arrivals, key=lambda one: one[0])
    played = Played([], [])
    while now < until and len(played.ended) < len(arrivals):
        while coming and coming[0][0] <= now:
            lanes.append(coming.pop(0)[1], now)
        if lanes.computing is not None and lanes.gives_way(lanes.computing, now):
            lanes.pause(now)
        for lane in ("short", "long"):
            if lanes.may_start(lane):
                lanes.start(lane, now)
            elif lane in lanes.started and lanes.may_go_on(lane):
                assert lanes.go_on(lane, now)
        now += 1.0
        if lanes.computing is None:
            continue
        job = lanes.started[lanes.computing]
        played.seconds.append((now - 1, job))
        done[job.record.id] = done.get(job.record.id, 0) + 1
        if done[job.record.id] >= (job.cost.seconds or 0):
            lanes.end(lanes.computing, now)
            played.ended.append(job)
    return played


LENGTHS = st.one_of(st.integers(1, 60), st.integers(61, 400))
ARRIVALS = st.lists(st.tuples(st.integers(0, 300), LENGTHS, st.sampled_from(["anna", "bert"])), min_size=1, max_size=12)


@pytest.mark.slow
@given(ARRIVALS)
@settings(max_examples=examples(100), deadline=None)
def test_short_jobs_wait_for_a_long_one_at_most_a_step_until_it_has_waited_its_share(drawn) -> None:
    """Of every second in which a long job computes while a short one waits, the short ones had one before."""
    arrivals = [(float(at), item(length, owner)) for at, length, owner in drawn]
    played = play(arrivals, until=10_000)
    assert len(played.ended) == len(arrivals)  # nobody starves
    came = {one.record.id: at for at, one in arrivals}
    last = {one.record.id: at for at, one in played.seconds}
    debt = 0.0
    for at, job in played.seconds:
        short = lane_of(job.cost, LIMITS) == "short"
        waits = [one for one in arrivals if came[one[1].record.id] <= at and last[one[1].record.id] > at]
        others = [one for _, one in waits if one is not job]
        if not short and any(lane_of(one.cost, LIMITS) == "short" for one in others):
            assert debt > 0
            debt -= 1
        elif not short:
            debt = max(0.0, debt - 1)
        elif any(lane_of(one.cost, LIMITS) == "long" for one in others):
            debt += 1
            # One that has begun runs to its end, however long the others have waited.
            assert debt <= LIMITS.pause_seconds + LIMITS.short_seconds
        else:
            debt = 0.0


def test_a_stream_of_short_jobs_leaves_a_long_one_half_the_device() -> None:
    stream = [(20.0 * number, item(20, "bert")) for number in range(100)]
    long = item(500)
    played = play([(0.0, long), *stream], until=1990)
    mine = [at for at, job in played.seconds if job is long]
    assert len(mine) == 500 and mine[-1] < 1200
    waits = max(b - a for a, b in itertools.pairwise(mine))
    assert waits <= LIMITS.pause_seconds + 20


def order(told: dict[str, Expected]) -> list[tuple[str, str]]:
    """Which job begins and ends after which."""
    moments = [(one.start, "starts", name) for name, one in told.items()]
    moments += [(one.end, "ends", name) for name, one in told.items()]
    return [(name, what) for _, what, name in sorted(moments)]


@pytest.mark.slow
@given(ARRIVALS)
@settings(max_examples=examples(100), deadline=None)
def test_what_is_expected_is_what_happens_if_no_more_come(drawn) -> None:
    items = [item(length, owner) for _, length, owner in drawn]
    slip = 2.0 * len(items)  # a game in whole seconds
    lanes = queue(*items)

    def told_with(off_pause: float = 0.0, off_long: float = 0.0) -> dict[str, Expected]:
        ahead = {
            lane: [
                Ahead(one.record.id, (one.cost.seconds or 0) + (off_long if lane == "long" else 0))
                for one in lanes
                if lanes.lane(one) == lane
            ]
            for lane in ("short", "long")
        }
        pause = LIMITS.pause_seconds + off_pause
        return forecast(ahead, started={}, computing=None, debt=0.0, owed=False, pause_seconds=pause)

    told = told_with()
    off = [told_with(-slip), told_with(slip), told_with(0, -slip), told_with(0, slip)]
    assume(all(order(one) == order(told) for one in off))  # else a second more or less decides whose turn it is
    played = play([(0.0, one) for one in items], 10_000, LIMITS)
    for one in items:
        mine = [at for at, job in played.seconds if job is one]
        expected = told[one.record.id]
        assert expected.start == pytest.approx(mine[0], abs=slip)
        assert expected.end == pytest.approx(mine[-1] + 1, abs=slip)


def test_of_what_comes_after_a_job_of_unknown_length_nothing_is_expected() -> None:
    told = forecast(
        {"short": [Ahead("s", 5.0)], "long": [Ahead("now", None), Ahead("next", 100.0)]},
        started={"long": "now"},
        computing="long",
        debt=0.0,
        owed=False,
        pause_seconds=120.0,
    )
    assert told == {"s": Expected(0.0, 5.0), "now": Expected(0.0, None), "next": Expected(None, None)}


def test_places_are_exchanged_within_ones_own_jobs() -> None:
    """Nobody else's turn changes, whatever an owner does with their own."""
    turns: Turns[Item] = Turns()
    a1, b1, a2, a3, b2 = (item(5, owner) for owner in ("anna", "bert", "anna", "anna", "bert"))
    for one in (a1, b1, a2, a3, b2):
        turns.append(one)
    assert list(turns) == [a1, b1, a2, b2, a3]
    turns.swap(a1, a3)
    assert list(turns) == [a3, b1, a2, b2, a1] and turns.own(a2) == (a3, a2, a1)
    with pytest.raises(ValueError):
        turns.swap(a1, b1)
