"""What many users saw, in figures, and whether it is what must hold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.load.orders import KINDS
from benchmarks.load.tally import Order, Tally, middle
from crossmax_studio.told import ENDED

MOST_RATIO = 3.0
"""Of the longest wait for a kind to its median."""
MOST_GROWTH = 0.10
"""Of memory, from the second minute to the last."""


@dataclass(frozen=True)
class Waits:
    """Seconds that users waited: the median, the 95th percentile and the longest; 0 where nobody did."""

    median: float = 0.0
    p95: float = 0.0
    longest: float = 0.0

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Waits":
        """Of so many waits."""
        return cls(median(seconds), middle(seconds, 0.95), max(seconds)) if seconds else cls()


@dataclass(frozen=True)
class OfKind:
    """What became of the orders of one kind.

    Attributes:
        orders, done, stopped: how many there were, ended well, and were stopped by their users.
        refusals: how often users were told to come again.
        start, end: waits from when a job was first asked for until it was started, and until it ended.
        ratio: the longest wait until the end to the median, 1 where nobody waited.
    """

    orders: int
    done: int
    stopped: int
    refusals: int
    start: Waits
    end: Waits
    ratio: float

    @classmethod
    def of(cls, orders: Sequence[Order]) -> "OfKind":
        """Of the orders of one kind."""
        start = Waits.of([wait for one in orders if (wait := one.until_start) is not None])
        end = Waits.of([wait for one in orders if (wait := one.until_end) is not None])
        return cls(
            orders=len(orders),
            done=sum(one.status == "done" for one in orders),
            stopped=sum(one.stopped for one in orders),
            refusals=sum(one.refusals for one in orders),
            start=start,
            end=end,
            ratio=end.longest / end.median if end.median else 1.0,
        )


@dataclass(frozen=True)
class Found:
    """All that was seen.

    Attributes:
        kinds: by their names in `KINDS`; kinds that nobody ordered are left out.
        lost: orders that were taken, and never ended with a state.
        faults: what users saw that must not be, and ``server_faults`` how many answers were 5xx.
        log: lines of the server's log that tell of a fault.
        warm_mb, end_mb: memory of the server in the second minute, and in the last.
        memory: seconds and MB of the server on the way.
        alive: whether the server still ran.
    """

    kinds: Mapping[str, OfKind]
    lost: int
    faults: Sequence[str]
    server_faults: int
    log: Sequence[str]
    warm_mb: float
    end_mb: float
    memory: Sequence[tuple[float, float]]
    alive: bool

    @classmethod
    def of(
        cls,
        tally: Tally,
        log: Sequence[str],
        warm_mb: float,
        end_mb: float,
        memory: Sequence[tuple[float, float]] = (),
        *,
        alive: bool,
    ) -> "Found":
        """Of what was seen."""
        by_kind = {kind: [one for one in tally.orders if one.kind == kind] for kind in KINDS}
        return cls(
            kinds={kind: OfKind.of(orders) for kind, orders in by_kind.items() if orders},
            lost=sum(bool(one.id) and one.status not in ENDED for one in tally.orders),
            faults=tally.faults,
            server_faults=tally.server_faults,
            log=log,
            warm_mb=warm_mb,
            end_mb=end_mb,
            memory=memory,
            alive=alive,
        )

    @property
    def growth(self) -> float:
        """Of memory, as a share of what it was in the second minute."""
        return self.end_mb / self.warm_mb - 1

    def to_json(self) -> dict[str, object]:
        """As a file has it."""
        return {**asdict(self), "growth": self.growth}

    def rows(self) -> list[list[str]]:
        """A table of the kinds."""
        head = ["kind", "orders", "done", "stopped", "told to come again"]
        head += ["start: median", "p95", "longest", "end: median", "p95", "longest", "longest/median"]
        return [head, *([kind, *_cells(one)] for kind, one in self.kinds.items())]

    def judged(self) -> list[tuple[str, str, bool]]:
        """What must hold, what was seen, and whether it does."""
        worst = max(self.kinds, key=lambda kind: self.kinds[kind].ratio, default="")
        ratio = self.kinds[worst].ratio if worst else 0.0
        done = sum(one.done for one in self.kinds.values())
        return [
            ("the server is alive", str(self.alive), self.alive),
            ("jobs were done", str(done), done > 0),
            ("no answer is 5xx", str(self.server_faults), self.server_faults == 0),
            ("users saw no fault", "; ".join(self.faults[:3]) or "-", not self.faults),
            ("no fault in the server's log", "; ".join(self.log[:3]) or "-", not self.log),
            ("no job is lost", str(self.lost), self.lost == 0),
            (f"nobody waits more than {MOST_RATIO:g} times the median", f"{ratio:.2f} ({worst})", ratio <= MOST_RATIO),
            (f"memory grows by less than {MOST_GROWTH:.0%}", f"{self.growth:+.1%}", self.growth < MOST_GROWTH),
        ]


def _cells(one: OfKind) -> list[str]:
    counts = (one.orders, one.done, one.stopped, one.refusals)
    waits = [f"{value:.1f}" for waits in (one.start, one.end) for value in (waits.median, waits.p95, waits.longest)]
    return [*map(str, counts), *waits, f"{one.ratio:.2f}"]


def faults_of(log: str) -> list[str]:
    """The lines of a server's log that tell of a fault: errors, and tracebacks."""
    return [
        line for line in log.splitlines() if line.startswith("Traceback") or " ERROR " in line or " CRITICAL " in line
    ]
