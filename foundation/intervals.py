"""Proportions with their denominators and confidence intervals."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from pydantic import JsonValue

from foundation.record import Record

LEVEL = 0.95
"""The confidence level of every interval here."""


def wilson(successes: int, total: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson 1927, JASA 22, p. 209); (0, 1) of nothing.

    ValueError for counts that are none.
    """
    if not 0 <= successes <= total:
        raise ValueError(f"there cannot be {successes} successes among {total}")
    if total == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, shrink = successes / total, 1 + z * z / total
    centre = (p + z * z / (2 * total)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    # At the ends the interval touches them exactly, which floating point only nearly does.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == total else centre + half)


class RateRecord(Record):
    """A rate as it is written; `rate` is null out of nothing, `ci95` the 95 % Wilson interval."""

    successes: int
    total: int
    rate: float | None
    ci95: tuple[float, float]


@dataclass(frozen=True)
class Rate:
    """A number of successes out of a stated total."""

    successes: int
    total: int

    @property
    def value(self) -> float | None:
        """The share of successes, 0 to 1; None out of nothing."""
        return self.successes / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the share."""
        return wilson(self.successes, self.total)

    def record(self) -> RateRecord:
        """Return the counts, the share and its interval."""
        return RateRecord(successes=self.successes, total=self.total, rate=self.value, ci95=self.interval)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the same as JSON."""
        return self.record().to_json()

    def __str__(self) -> str:
        if self.value is None:
            return "none of 0"
        low, high = self.interval
        return f"{self.successes} of {self.total} ({self.value:.0%}, {low:.0%} to {high:.0%})"
