"""Figures of many benchmarks as one JSON file and one Markdown file, written anew after every point."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app import __version__
from benchmarks.harness import machine, write_json
from benchmarks.suite import plots
from benchmarks.suite.measuring import Found, Row, Setting
from benchmarks.suite.peers import PEERS, installed
from foundation.files.text_files import write_text

LIBRARIES = ("torchvision", "timm", "open-clip-torch", "numpy", "pillow", "gradio")
HEADING = ("side", "median", "least", "runs", "of ours")


@dataclass
class Report:
    """What is known so far: how it was measured, and what was found, by benchmark; `complete` once all are through."""

    setting: Setting
    found: dict[str, Found] = field(default_factory=dict)
    complete: bool = False

    def write(self, folder: Path) -> None:
        """Write results.json and results.md."""
        write_json(folder / "results.json", self.as_json())
        write_text(folder / "results.md", self.markdown(), "report")

    def draw(self, folder: Path, name: str) -> None:
        """Write how a benchmark's figures grow, a file for each axis."""
        found = self.found[name]
        for axis, curves in found.curves().items():
            write_text(folder / plot_name(name, axis), plots.growth(found, axis, curves), "plot")

    def as_json(self) -> dict[str, object]:
        """Everything, with ratios; growth is the power of the value that a figure grows with."""
        return {
            "machine": machine() | versions(),
            "settings": asdict(self.setting),
            "complete": self.complete,
            "results": {
                name: {
                    "title": found.title,
                    "unit": found.unit,
                    "refused": found.refused,
                    "rows": [asdict(row) for row in found.rows],
                    "growth": found.growth(),
                }
                for name, found in self.found.items()
            },
        }

    def markdown(self) -> str:
        """Tables for people: what the figures depend on, then each benchmark with its plots."""
        facts = ", ".join(f"{key} {value}" for key, value in (machine() | versions()).items())
        setting = self.setting
        how = f"{'Small sizes (--quick)' if setting.quick else 'Full sizes'}, {setting.device}; medians of at most "
        how += f"{setting.repeats} runs in turn. Of ours: the median over the turns of a side's figure by ours."
        if not self.complete:
            how += " Not all was measured: the run goes on, or was stopped."
        parts = ["# Benchmarks", facts, how]
        for name, found in self.found.items():
            parts += [f"## {name}: {found.title}", *([found.refused] if found.refused else []), *_tables(name, found)]
        return "\n\n".join(parts) + "\n"


def versions() -> dict[str, str]:
    """The versions of the program, its libraries, and of packages that it is compared with, as far as they are here."""
    found = {name: installed(name) for name in (*LIBRARIES, *PEERS)}
    return {"crossmax-studio": __version__} | {name: version for name, version in found.items() if version}


def plot_name(name: str, axis: str) -> str:
    """The file of a benchmark's plot along an axis."""
    words = "".join(letter if letter.isalnum() else " " for letter in axis.lower()).split()
    return f"{name}-{'-'.join(words)}.svg"


def shown(value: float | None, unit: str) -> str:
    """A figure with its unit in three digits; a dash where there is none."""
    if value is None:
        return "\u2013"
    if unit == "MB":
        return f"{value:,.0f} MB"
    size, word = next((pair for pair in ((1.0, "s"), (1e-3, "ms")) if value >= pair[0]), (1e-6, "\u00b5s"))
    return f"{value / size:.3g} {word}"


def _tables(name: str, found: Found) -> list[str]:
    parts = []
    growth, curves = found.growth(), found.curves()
    for axis in dict.fromkeys(row.axis for row in found.rows):
        lines = [_line((axis, *HEADING)), _line(["---"] * (1 + len(HEADING)))]
        lines += [_line(_cells(row, found.unit)) for row in found.rows if row.axis == axis]
        parts.append("\n".join(lines))
        if axis in curves:
            powers = [f"{side} {value:.2f}" for side, value in growth[axis].items()]
            parts.append(f"Grows with that to the power of: {'; '.join(powers)}.")
            parts.append(f"![{found.title} by {axis}]({plot_name(name, axis)})")
    return parts


def _cells(row: Row, unit: str) -> tuple[str, ...]:
    side = row.side if row.role in ("ours", "also") else f"{row.side} ({row.role})"
    if row.median is None:
        return (row.called, side, row.note, "", "", "")
    ratio = "" if row.of_ours is None or row.role == "ours" else f"{row.of_ours:.3g} x"
    return (row.called, side, shown(row.median, unit), shown(row.least, unit), str(row.runs), ratio)


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def missing(found: Mapping[str, Found]) -> list[str]:
    """What could not be measured, a sentence each, each once."""
    rows = [row for one in found.values() for row in one.rows if row.note]
    return list(dict.fromkeys(f"{row.side}: {row.note}" for row in rows))
