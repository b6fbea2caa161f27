"""Writes the table of the shipped models into the README, from the evaluation reports in `assets/`.

    python scripts/figures.py [--check]

With --check nothing is written, and the exit status is 1 if the README is not up to date.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from foundation.command_line.program import Parser, answered, run_program  # noqa: E402 -- found by the line above
from foundation.files.text_files import read_json, read_text, write_text  # noqa: E402
from robust_model.attacks import AutoAttackConfig  # noqa: E402
from robust_model.evaluation.record.reading import as_report  # noqa: E402
from robust_model.evaluation.record.schema import EvaluationReport  # noqa: E402
from robust_model.evaluation.record.values import Proportion  # noqa: E402
from robust_model.reports.words import WORST_CASE, both_rules, rule  # noqa: E402

START, END = "<!-- figures: written by scripts/figures.py from the reports in assets/ -->", "<!-- /figures -->"
CLIP_START, CLIP_END = "<!-- zero-shot: written by scripts/figures.py -->", "<!-- /zero-shot -->"


def _percent(figure: Proportion) -> str:
    low, high = figure.ci95
    return f"{figure.accuracy:.1%} ({low:.1%} to {high:.1%})"


def _suites(report: EvaluationReport) -> str:
    """The suites, where they are others than the adaptive one."""
    return "" if report.suites == ("adaptive",) else f"; suites {', '.join(report.suites)}"


def _autoattack(report: EvaluationReport) -> str:
    """AutoAttack's own number, and of a random defence what is left by the votes of its draws, by either rule."""
    found = []
    for attack in report.attacks:
        if attack.autoattack is not None and isinstance(attack.config, AutoAttackConfig):
            own, version = attack.autoattack.own_accuracy, attack.config.version
            votes = [f"{f.accuracy:.1%} {by}" for name, by, f in both_rules(report) if name == attack.name]
            found.append(f"{own:.1%} (`{version}`{'; by majority ' if votes else ''}{', '.join(votes)})")
    return ", ".join(found)


def _worst(report: EvaluationReport) -> str:
    """The worst case; of a random defence by both rules."""
    votes = [f"{_percent(f)} {by}" for name, by, f in both_rules(report) if name == WORST_CASE]
    return "; ".join(votes) or (_percent(report.worst_case) if report.worst_case else "not known")


def table(assets: Path) -> str:
    """The table of every shipped model that has a report, with the command that made it."""
    rows, commands = [], []
    rules: dict[str, None] = {}
    for path in sorted(assets.glob("*/evaluation*.json"), key=lambda path: (path.parent, path.stem)):
        found = read_json(path)
        if "worst_case" not in found:  # of a CLIP, which has a table of its own
            continue
        report, name = as_report(found, f"The report '{path}'"), path.parent.name
        which = path.stem.removeprefix("evaluation").strip("-")  # "" is the first that is shown of a model
        config = report.config
        rules[rule(report)] = None
        size = (path.parent / "model.safetensors").stat().st_size / 1e6
        title = f"`{name}` ({which})" if which else f"`{name}`"
        elsewhere = "in its own row" if (path.parent / "evaluation-autoattack.json").is_file() else "not run"
        rows.append(
            f"| {title} | {size:.1f} MB | {_percent(report.clean)} | {_autoattack(report) or elsewhere} | "
            f"{_worst(report)} | {report.worst_case.n if report.worst_case else 0} |"
        )
        commands.append(
            f"`{report.command}` ({report.data.source}, L-inf {config.eps * 255:.3g}/255, "
            f"{config.steps} steps, {config.restarts} restarts or more{_suites(report)})"
        )
    header = (
        "| model | weights | clean | AutoAttack's own number | worst case over all attacks | images |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    notes = "\n".join(f"- {command}" for command in commands)
    said = "".join(f"{text}\n\n" for text in rules if text)
    by = "Accuracy with its 95 % interval, on CIFAR-10 (JPEG) and, where the command says so, Tiny-ImageNet, by:"
    return f"{header}\n" + "\n".join(rows) + f"\n\n{said}{by}\n\n{notes}\n"


def clip_table(assets: Path) -> str:
    """The zero-shot figures of the shipped CLIP, with the command that made them."""
    folder = assets / "tiny-clip"
    report = read_json(folder / "evaluation.json")
    size = (folder / "open_clip_model.safetensors").stat().st_size / 1e6
    rows = [
        f"| {name} | {found['top1']:.1%} ({found['ci95'][0]:.1%} to {found['ci95'][1]:.1%}) | {found['top5']:.1%} | "
        f"{found['images']} |"
        for name, found in report["data"].items()
    ]
    header = f"| `tiny-clip` ({size:.1f} MB), zero-shot | top-1 | top-5 | images |\n| --- | --- | --- | --- |"
    return f"{header}\n" + "\n".join(rows) + f"\n\nWith the 95 % interval, by `{report['command']}`.\n"


def renewed(readme: str, assets: Path) -> str:
    """The README with the current table in its place."""
    for start, end, text in ((START, END, table(assets)), (CLIP_START, CLIP_END, clip_table(assets))):
        before, _, rest = readme.partition(start)
        _, _, after = rest.partition(end)
        readme = f"{before}{start}\n{text}{end}{after}"
    return readme


def main() -> int:
    """Write or check; 1 if a check fails."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the README is up to date")
    arguments = parser.parse_args()
    path = ROOT / "README.md"
    old = read_text(path)
    new = renewed(old, ROOT / "assets")
    if arguments.check:
        print("README is up to date." if new == old else "README is not up to date: run python scripts/figures.py")
        return int(new != old)
    write_text(path, new)
    return 0


if __name__ == "__main__":
    sys.exit(run_program(lambda: answered(lambda: main() or 0)))
