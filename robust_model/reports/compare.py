"""Several reports side by side: which differences between models are more than chance?

On the images that two reports share, the exact McNemar test; where they share none, Fisher's exact test. Both are
two-sided. As many pairs are compared per measure, p-values are corrected after Holm (1979).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from foundation.errors import StudioError
from robust_model.evaluation.masking.significance import fisher, mcnemar
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.evaluation.record.values import Proportion
from robust_model.reports import markup
from robust_model.reports.markdown import table
from robust_model.reports.words import NOTHING, WORST_CASE, budget, interval, percent

LEVEL = 0.05
"""Differences with a corrected p below this are called significant."""

Standing = dict[int, bool]
"""Whether the image at each place of the split is (still) answered rightly."""


@dataclass(frozen=True)
class Difference:
    """Two reports in one measure. `points`: first minus second, in percentage points, on the images compared."""

    measure: str
    first: str
    second: str
    points: float
    p: float
    n: int
    paired: bool

    @property
    def significant(self) -> bool:
        """Whether the difference is more than chance."""
        return self.p < LEVEL

    @property
    def words(self) -> str:
        """The verdict and its test."""
        test = f"McNemar, the same {self.n:,} images" if self.paired else "Fisher, different images"
        return f"{'significant' if self.significant else 'not significant'} (p = {self.p:.2g}; {test})"


@dataclass(frozen=True)
class Comparison:
    """Reports by name with their figures by measure, the differences of each pair, and what stands in the way."""

    names: tuple[str, ...]
    settings: tuple[str, ...]
    figures: dict[str, tuple[Proportion | None, ...]]
    differences: tuple[Difference, ...]
    warnings: tuple[str, ...]

    def _tables(self) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
        """(title, header, rows) of every table."""
        cells: list[tuple[str, ...]] = [
            (measure, *(NOTHING if f is None else f"{percent(f.accuracy)} ({interval(f)})" for f in figures))
            for measure, figures in self.figures.items()
        ]
        changes: list[tuple[str, ...]] = [
            (d.measure, d.first, d.second, f"{d.points:+.1f}", d.words) for d in self.differences
        ]
        return [
            ("Accuracy (95 % interval)", ("", *self.names), [("evaluated on", *self.settings), *cells]),
            ("Differences in points", ("measure", "first", "second", "first − second", "verdict"), changes),
        ]

    def text(self) -> str:
        """Columns for a terminal."""
        parts = []
        for title, header, rows in self._tables():
            if not rows:
                continue
            lines = [header, *rows]
            widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
            body = ["  ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)).rstrip() for line in lines]
            parts += [title, *body, ""]
        return "\n".join([*parts, *self.warnings])

    def markdown(self) -> str:
        """Markdown tables."""
        lines = []
        for title, header, rows in self._tables():
            if rows:
                lines += [f"**{title}**", "", *table(header, rows), ""]
        return "\n".join([*lines, *(f"- {line}" for line in self.warnings)]).rstrip() + "\n"

    def html(self) -> str:
        """An HTML fragment: tables with the classes of the report page."""
        tables = (markup.table(title, header, rows) for title, header, rows in self._tables() if rows)
        warnings = (markup.tag("p", line, kind="notice") for line in self.warnings)
        return markup.tag("section", *tables, *warnings, kind="comparison")


def _clean(report: EvaluationReport) -> Standing:
    return dict(zip(report.data.indices, report.per_image.clean, strict=True))


def _worst(report: EvaluationReport) -> Standing:
    rows = report.per_image
    every = [rows.clean, *rows.standing.values()]
    both = zip(report.data.indices, rows.counted, zip(*every, strict=True), strict=True)
    return {index: all(standing) for index, counted, standing in both if counted}


def _under(attack: str) -> Callable[[EvaluationReport], Standing]:
    def standing(report: EvaluationReport) -> Standing:
        rows = report.per_image
        triples = zip(report.data.indices, rows.counted, rows.standing[attack], strict=True)
        return {index: stands for index, counted, stands in triples if counted}

    return standing


def _difference(measure: str, pair: tuple[str, str], standing: tuple[Standing, Standing], same: bool) -> Difference:
    first, second = standing
    shared = first.keys() & second.keys() if same else set[int]()
    if shared:
        only_first = sum(first[i] and not second[i] for i in shared)
        only_second = sum(second[i] and not first[i] for i in shared)
        points = 100 * (only_first - only_second) / len(shared)
        return Difference(measure, *pair, points, mcnemar(only_first, only_second), len(shared), True)
    totals = sum(first.values()), sum(second.values())
    points = 100 * (totals[0] / len(first) - totals[1] / len(second))
    p = fisher(totals[0], len(first), totals[1], len(second))
    return Difference(measure, *pair, points, p, len(first) + len(second), False)


def _holm(found: Sequence[Difference]) -> list[Difference]:
    """The differences of one measure with p-values that allow for their number (Holm 1979)."""
    corrected: dict[Difference, float] = {}
    floor = 0.0
    for rank, difference in enumerate(sorted(found, key=lambda d: d.p)):
        floor = max(floor, min(1.0, difference.p * (len(found) - rank)))
        corrected[difference] = floor
    return [Difference(**{**vars(d), "p": corrected[d]}) for d in found]


def _names(reports: Sequence[EvaluationReport]) -> tuple[str, ...]:
    """The models' names, numbered where two are alike."""
    names = [r.config.model for r in reports]
    return tuple(f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names))


def _warnings(reports: Sequence[EvaluationReport], names: Sequence[str]) -> tuple[str, ...]:
    found = []
    if len({r.config.eps for r in reports}) > 1:
        found.append("The reports have different budgets: their figures under attack are not comparable.")
    if len({r.data.source for r in reports}) > 1:
        found.append("The reports are on different data: no difference says anything of the models alone.")
    if len({frozenset(a.name for a in r.attacks) for r in reports}) > 1:
        found.append(
            "The reports met different attacks: a worst case over fewer or weaker ones is higher for that reason alone."
        )
    found += [f"{n} is not complete." for r, n in zip(reports, names, strict=True) if not r.complete]
    return tuple(found)


def compare(reports: Sequence[EvaluationReport]) -> Comparison:
    """Compare at least two reports: clean, worst case, and every attack that all of them met.

    Images are paired where two reports are on the same data. An attack that met only what others had left (cumulative)
    is not compared, nor a measure of which one report has no images yet. Raises StudioError for fewer than two reports.
    """
    if len(reports) < 2:
        raise StudioError("A comparison needs at least two reports.")
    names = _names(reports)
    own = [{a.name: a for a in r.attacks if not a.cumulative} for r in reports]
    common = [name for name in own[0] if all(name in attacks for attacks in own)]
    figures: dict[str, tuple[Proportion | None, ...]] = {"clean": tuple(r.clean for r in reports)}
    measures: dict[str, Callable[[EvaluationReport], Standing]] = {"clean": _clean}
    for name in common:
        figures[name] = tuple(attacks[name] for attacks in own)
        measures[name] = _under(name)
    figures[WORST_CASE] = tuple(r.worst_case for r in reports)
    measures[WORST_CASE] = _worst

    differences: list[Difference] = []
    for measure, standing_of in measures.items():
        if any(figure is None or not figure.n for figure in figures[measure]):
            continue
        standing = [standing_of(r) for r in reports]
        if not all(standing):  # this attack has met images of a report whose others have met none of them
            continue
        pairs = [
            _difference(
                measure,
                (names[i], names[j]),
                (standing[i], standing[j]),
                reports[i].data.source == reports[j].data.source,
            )
            for i, j in combinations(range(len(reports)), 2)
        ]
        differences += _holm(pairs)
    settings = tuple(f"{r.data.n:,} of {r.data.source}, {budget(r.config.eps)}" for r in reports)
    return Comparison(names, settings, figures, tuple(differences), _warnings(reports, names))
