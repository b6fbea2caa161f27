"""What is measured: sides of one thing, in turn, at one size after the other; and what came of it."""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from benchmarks.harness import alternate, paired_ratio, timed

Role = Literal["ours", "also", "reference", "peer", "floor"]
"""What a side is: ours, ours in another way, the published procedure, another package, or what nothing can be below."""
How = Literal["timed", "tells", "once"]
Run = Callable[[], object]
T = TypeVar("T")


@dataclass(frozen=True)
class Side:
    """One way to do it.

    Attributes:
        name: what tables call it.
        role: what it is to the others.
        make: prepares everything, and returns what is measured.
        missing: why it cannot be measured here, and what to do; "" if it can.
    """

    name: str
    role: Role
    make: Callable[[], Run]
    missing: str = ""


@dataclass(frozen=True)
class Point:
    """The sides at one size.

    Attributes:
        axis: what grows, with its unit: "images".
        value: how large it is; of what is no number, its place.
        sides: ours first.
        label: what tables call the value where it is no number.
    """

    axis: str
    value: float
    sides: tuple[Side, ...]
    label: str = ""

    @property
    def called(self) -> str:
        """The value in words."""
        return self.label or f"{self.value:g}"


@dataclass(frozen=True)
class Setting:
    """How everything is measured: on which device, small or not, how often, and for how many seconds a point."""

    device: str = "cpu"
    quick: bool = False
    repeats: int = 5
    at_most: float = 60.0

    def sizes(self, quick: Sequence[T], full: Sequence[T]) -> Sequence[T]:
        """Those of a quick run, or those of a full one."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: its title, what its points are, and the unit of its figures.

    `how`: runs are "timed"; or a run "tells" its figure itself; or it does so "once", since more would tell the same.
    """

    title: str
    points: Callable[[Setting], Iterator[Point]]
    unit: Literal["s", "MB"] = "s"
    how: How = "timed"


@dataclass(frozen=True)
class Row:
    """One side at one point: the median, least and greatest of its runs, and the median ratio to ours within a turn."""

    axis: str
    value: float
    called: str
    side: str
    role: Role
    runs: int = 0
    median: float | None = None
    least: float | None = None
    greatest: float | None = None
    of_ours: float | None = None
    note: str = ""


@dataclass
class Found:
    """What is known of one benchmark: its rows in the order of its points, and why it ended early, if it did."""

    title: str
    unit: str
    rows: list[Row] = field(default_factory=list)
    refused: str = ""

    def curves(self) -> dict[str, dict[str, dict[float, Row]]]:
        """By axis and side, the measured rows by their values, where the axis has two or more."""
        found: dict[str, dict[str, dict[float, Row]]] = {}
        for row in self.rows:
            if row.median is not None and row.called == f"{row.value:g}":
                found.setdefault(row.axis, {}).setdefault(row.side, {})[row.value] = row
        several = {axis: {s: rows for s, rows in sides.items() if len(rows) > 1} for axis, sides in found.items()}
        return {axis: sides for axis, sides in several.items() if sides}

    def growth(self) -> dict[str, dict[str, float]]:
        """By axis and side, the power of the value that the figure grows with (see `power`)."""
        return {
            axis: {
                side: slope
                for side, rows in sides.items()
                if math.isfinite(slope := power({value: row.median or 0.0 for value, row in rows.items()}))
            }
            for axis, sides in self.curves().items()
        }


def power(figures: Mapping[float, float]) -> float:
    """The slope of the line through the logarithms of figures by value (least squares); NaN of fewer than two."""
    points = [(math.log(value), math.log(figure)) for value, figure in figures.items() if value > 0 and figure > 0]
    if len({x for x, _ in points}) < 2:
        return math.nan
    slope, _ = statistics.linear_regression(*zip(*points, strict=True))
    return slope


def measure(point: Point, setting: Setting, how: How = "timed") -> list[Row]:
    """The rows of a point: its sides are made, then measured in turn. A package that fails gets a row that says so."""
    cases: dict[str, Run] = {}
    notes: dict[str, str] = {}
    for side in point.sides:
        if side.missing:
            notes[side.name] = side.missing
        elif side.role == "peer":
            _try_peer(side, cases, notes)
        else:
            cases[side.name] = side.make()
    if how == "once":
        found = {name: [_told(run)] for name, run in cases.items()}
    else:
        figure = timed if how == "timed" else _told
        found = alternate(cases, setting.repeats, at_most=setting.at_most, figure=figure)
    ours = next(side.name for side in point.sides if side.role == "ours")
    rows = []
    for side in point.sides:
        row = Row(point.axis, point.value, point.called, side.name, side.role, note=notes.get(side.name, ""))
        rows.append(_with_figures(row, found[side.name], found[ours]) if side.name in found else row)
    return rows


def _with_figures(row: Row, figures: Sequence[float], ours: Sequence[float]) -> Row:
    return replace(
        row,
        runs=len(figures),
        median=statistics.median(figures),
        least=min(figures),
        greatest=max(figures),
        of_ours=paired_ratio(figures, ours),
    )


def _try_peer(side: Side, cases: dict[str, Run], notes: dict[str, str]) -> None:
    """Make another package's side and run it once, or take down why it does not run."""
    try:
        run = side.make()
        run()
    except Exception as error:  # noqa: BLE001 -- code of others fails as it likes: its row says how
        said = (str(error) or "no reason given").splitlines()[0][:200]
        notes[side.name] = f"does not run here ({type(error).__name__}: {said})"
    else:
        cases[side.name] = run


def _told(run: Run) -> float:
    found = run()
    assert isinstance(found, int | float)
    return float(found)
