"""What came out: rates with intervals, paired tests between rows, and all of it as Markdown and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pydantic import JsonValue

from benchmarks.transfer.running import CLEAN, Attack, Journal, Work, asked
from foundation.intervals import Rate
from generator.victims.survival import SAVED
from robust_model.evaluation.masking.significance import mcnemar

Column = tuple[str, str]
"""A victim, and what happened to the file."""


@dataclass(frozen=True)
class Row:
    """What one attack did to the photos, in their order.

    Attributes:
        fooled: by victim and what happened to the file: whether its answer is another than of the photo itself, or of
            an attack with a target, whether it is that. A victim that does not know the classes of the targets has no
            column.
        passes, seconds, l2: means over the photos; `linf` is the largest of all, in levels of 255.
    """

    attack: Attack
    fooled: Mapping[Column, tuple[bool, ...]]
    passes: float
    seconds: float
    linf: float
    l2: float

    def rate(self, column: Column) -> Rate:
        """How many of the photos fooled a victim."""
        return Rate(sum(self.fooled[column]), len(self.fooled[column]))

    def to_json(self) -> dict[str, JsonValue]:
        """As a file has it: every rate with its interval, and the photos by which two rows can be paired."""
        return {
            "surrogates": list(self.attack.surrogates),
            "method": self.attack.method,
            "targeted": self.attack.targeted,
            "levels": self.attack.levels,
            "passes": self.passes,
            "seconds": self.seconds,
            "linf_levels": self.linf,
            "l2": self.l2,
            "rates": {asked(*column): self.rate(column).to_json() for column in self.fooled},
            "fooled": {asked(*column): "".join("01"[one] for one in ones) for column, ones in self.fooled.items()},
        }


def rows_of(journal: Journal, work: Work, photos: Sequence[str]) -> list[Row]:
    """The rows of all attacks on photos that are done."""
    return [_row(journal, work, attack, photos) for attack in work.attacks]


def _row(journal: Journal, work: Work, attack: Attack, photos: Sequence[str]) -> Row:
    lines = [journal[photo, attack.key] for photo in photos]
    clean = [journal[photo, CLEAN] for photo in photos]
    fooled: dict[Column, tuple[bool, ...]] = {}
    for survival in work.survivals:
        for victim in work.victims:
            answer = asked(victim, survival)
            pairs = zip(lines, clean, strict=True)
            fooled[victim, survival] = tuple(
                line.said[answer] == line.target if line.target else line.said[answer] != before.said[asked(victim)]
                for line, before in pairs
            )
    return Row(
        attack,
        fooled,
        passes=fmean(line.passes for line in lines),
        seconds=fmean(line.seconds for line in lines),
        linf=255 * max(line.linf for line in lines),
        l2=fmean(line.l2 for line in lines),
    )


@dataclass(frozen=True)
class Paired:
    """Two rows on the same photos: how many only the first fooled, how many only the second, and the exact p."""

    only_first: int
    only_second: int

    @property
    def p(self) -> float:
        """Of McNemar's two-sided exact test."""
        return mcnemar(self.only_first, self.only_second)

    @classmethod
    def of(cls, first: Row, second: Row, column: Column) -> "Paired":
        """Of one column."""
        pairs = list(zip(first.fooled[column], second.fooled[column], strict=True))
        return cls(sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs))

    def __str__(self) -> str:
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}" if self.p < 0.1 else f"p = {self.p:.2f}"
        return f"+{self.only_first} -{self.only_second}, {p}"


def shown(rate: Rate) -> str:
    """A rate as a cell has it: ``62 % (57 to 68)``."""
    if rate.value is None:
        return "-"
    low, high = rate.interval
    return f"{100 * rate.value:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def markdown(rows: Sequence[Row], work: Work, against: str) -> str:
    """All rows of a table, then the paired tests of each against the row of the method `against`, as Markdown."""
    parts = [_rates(rows, work)] if work.survivals == (SAVED,) else [_by_survival(rows, work)]
    tests = _tests(rows, work, against)
    return "\n".join([*parts, *([tests] if tests else [])])


def _name(row: Row, rows: Sequence[Row]) -> list[str]:
    """Surrogate, if there are several, and method."""
    several = len({one.attack.surrogates for one in rows}) > 1
    return [*(["`" + "+".join(row.attack.surrogates) + "`"] if several else []), row.attack.method]


def _heading(rows: Sequence[Row]) -> list[str]:
    return ["attacked", "method"] if len(_name(rows[0], rows)) > 1 else ["method"]


def _rates(rows: Sequence[Row], work: Work) -> str:
    lines = [[*_heading(rows), *(f"`{victim}`" for victim in work.victims), "passes", "s", "L2"]]
    for row in rows:
        cells = [
            shown(row.rate((victim, SAVED))) + ("*" if victim in row.attack.surrogates else "")
            for victim in work.victims
        ]
        lines.append([*_name(row, rows), *cells, f"{row.passes:.1f}", f"{row.seconds:.1f}", f"{row.l2:.1f}"])
    return table(lines)


def _by_survival(rows: Sequence[Row], work: Work) -> str:
    parts = []
    for victim in work.victims:
        lines = [[f"`{victim}`: method", *work.survivals]]
        for row in rows:
            lines.append([" ".join(_name(row, rows)), *(shown(row.rate((victim, one))) for one in work.survivals)])
        parts.append(table(lines))
    return "\n".join(parts)


def _tests(rows: Sequence[Row], work: Work, against: str) -> str:
    """For each row, the one of the same surrogates by the method `against` is tested against it."""
    columns = [(victim, survival) for survival in work.survivals for victim in work.victims]
    held = [one for one in columns if any(one[0] not in row.attack.surrogates for row in rows)]
    lines = [[*_heading(rows), *(f"`{asked(*column)}`" for column in held)]]
    for row in rows:
        pair = next(
            (r for r in rows if r.attack.surrogates == row.attack.surrogates and r.attack.method == against), None
        )
        if pair is not None and row.attack.method != against:
            cells = ["-" if one[0] in row.attack.surrogates else str(Paired.of(pair, row, one)) for one in held]
            lines.append([*_name(row, rows), *cells])
    return f"`{against}` against each, photo by photo:\n\n{table(lines)}" if len(lines) > 1 else ""


def table(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells, the first being the heading, as a table of Markdown."""
    rule = ["---"] * len(lines[0])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [lines[0], rule, *lines[1:]])
