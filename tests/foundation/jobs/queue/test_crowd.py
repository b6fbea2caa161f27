"""Thirty people at one device for five minutes, played through with a clock of its own: nobody of them is starved."""

import dataclasses
import statistics
from random import Random

import pytest

from foundation.jobs import Cost, Limits
from foundation.jobs.queue.lanes import Lanes
from foundation.jobs.store.model import RECORD_VERSION, JobRecord

USERS, SECONDS, THINK = 30, 300.0, 8.0
TICK = 0.25
"""Seconds of a step: the clock's."""
Kinds = dict[str, tuple[float, float]]
FEW = {"text": (0.36, 2.0), "class": (0.28, 1.75), "attack": (0.20, 1.5), "transfer": (0.10, 2.5), "long": (0.06, 2.5)}
LONG = {**FEW, "long": (0.02, 60.0)}
"""Of each kind its share of the orders, and the seconds that it takes; nobody knows what a long one takes before.

These are evaluations of a few images, or fewer that take a minute.
"""


@dataclasses.dataclass(eq=False)
class Ordered:
    """A job, when it was ordered, and how long it still computes."""

    record: JobRecord
    cost: Cost
    at: float
    left: float


def ordered(kind: str, seconds: float, user: int, number: int, now: float) -> Ordered:
    name = f"user{user}"
    record = JobRecord(RECORD_VERSION, f"{number:032x}", number, kind, "", name, "cpu", {}, created=now, address=name)
    return Ordered(record, Cost(hours=1.0, known=False) if kind == "long" else Cost(hours=seconds / 3600), now, seconds)


def waits(seed: int, kinds: Kinds, limits: Limits) -> dict[str, list[float]]:
    """By kind, the seconds from every order to its end, of users who think, order one job and wait for it."""
    draws, lanes, now = Random(seed), Lanes[Ordered](limits), 0.0
    comes = {user: draws.uniform(0, THINK) for user in range(USERS)}
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    number = 0
    while comes or len(lanes) or lanes.started:
        for user in [user for user, at in comes.items() if at <= now]:
            del comes[user]
            if now < SECONDS:
                number += 1
                kind = draws.choices([*kinds], [share for share, _ in kinds.values()])[0]
                lanes.append(ordered(kind, kinds[kind][1], user, number, now), now)
        if lanes.computing is not None and lanes.gives_way(lanes.computing, now):
            lanes.pause(now)
        for lane in ("short", "long"):
            if lanes.may_start(lane):
                lanes.start(lane, now)
            elif lane in lanes.started and lanes.may_go_on(lane):
                lanes.go_on(lane, now)
        now += TICK
        if lanes.computing is not None:
            job = lanes.started[lanes.computing]
            job.left -= TICK
            if job.left <= 0:
                lanes.end(lanes.computing, now)
                found[job.record.kind].append(now - job.at)
                comes[int(job.record.owner.removeprefix("user"))] = now + draws.expovariate(1 / THINK)
    return found


@pytest.mark.parametrize("kinds", [FEW, LONG], ids=["few images", "a minute"])
@pytest.mark.parametrize("seed", range(4))
def test_nobody_waits_more_than_three_times_the_median_of_their_kind(seed: int, kinds: Kinds) -> None:
    """Long jobs neither stop a crowd of short ones for minutes nor wait for all of it."""
    found = {kind: seconds for kind, seconds in waits(seed, kinds, Limits()).items() if len(seconds) > 1}
    for kind, seconds in found.items():
        assert max(seconds) <= 3 * statistics.median(seconds), kind
    if kinds is FEW:
        assert statistics.median(found["long"]) <= statistics.median(found["text"])
