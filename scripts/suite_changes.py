"""What an evaluation of the shipped models says now, beside an earlier commit's: a table for docs/evaluations.md.

    python scripts/suite_changes.py --before 58b97a4 [--check]

Both reports are of the same images. The earlier ones are read from git; with --check nothing is written, and the exit
status is 1 if the document is not up to date.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from foundation.command_line.program import Parser, answered, run_program  # noqa: E402 -- found by the line above
from foundation.errors import StudioError  # noqa: E402
from foundation.files.text_files import read_text, write_text  # noqa: E402
from robust_model.evaluation.masking.findings import findings_of  # noqa: E402
from robust_model.evaluation.record.reading import as_report, read_report  # noqa: E402
from robust_model.evaluation.record.schema import AttackReport, EvaluationReport  # noqa: E402

MODELS = ("crossmax-cifar10", "crossmax-plain-cifar10", "undefended-cifar10")
PAGE = ROOT / "docs" / "evaluations.md"
START, END = "<!-- suite: written by scripts/suite_changes.py -->", "<!-- /suite -->"


def earlier(commit: str, model: str) -> EvaluationReport:
    """The report of a model as a commit has it. StudioError where git does not know it."""
    place = f"{commit}:assets/{model}/evaluation.json"
    found = subprocess.run(["git", "show", place], cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        raise StudioError(f"git has no '{place}': {found.stderr.strip()}")
    return as_report(json.loads(found.stdout), place)


def passes(attacks: Sequence[AttackReport]) -> tuple[int, int]:
    return sum(one.passes.forward for one in attacks), sum(one.passes.backward for one in attacks)


def suite(report: EvaluationReport) -> list[AttackReport]:
    """The attacks of the adaptive suite."""
    return [attack for attack in report.attacks if attack.autoattack is None]


def signs(report: EvaluationReport) -> str:
    return ", ".join(found.sign for found in findings_of(report) if found.verdict == "found") or "none"


def changes(model: str, before: EvaluationReport, now: EvaluationReport) -> str:
    """The table of one model. StudioError where the reports are of other images."""
    if before.data.indices != now.data.indices:
        raise StudioError(f"The reports of '{model}' are of other images.")
    rows = [("clean", f"{before.clean.accuracy:.1%}", f"{now.clean.accuracy:.1%}")]
    was, has = ({attack.name: attack for attack in suite(report)} for report in (before, now))
    for name in dict.fromkeys((*was, *has)):
        figures = (f"{side[name].accuracy:.1%}" if name in side else "not there" for side in (was, has))
        rows.append((name, *figures))
    if before.worst_case and now.worst_case:
        rows.append(
            (
                "worst case, AutoAttack included where the report has it",
                f"{before.worst_case.accuracy:.1%}",
                f"{now.worst_case.accuracy:.1%}",
            )
        )
    old, new = passes(suite(before)), passes(suite(now))
    rows.append(
        (
            "forward and backward passes of the suite",
            f"{old[0]:,} + {old[1]:,}",
            f"{new[0]:,} + {new[1]:,} ({sum(new) / sum(old) - 1:+.1%})",
        )
    )
    rows.append(("signs of masking named", signs(before), signs(now)))
    lines = [f"| {' | '.join(row)} |" for row in [("", "before", "now"), ("---",) * 3, *rows]]
    return f"`{model}`, {now.data.n:,} images, `{now.command}`:\n\n" + "\n".join(lines)


def main() -> int:
    parser = Parser(description=__doc__.split("\n")[0])
    parser.add_argument("--before", default="58b97a4", help="a commit with earlier reports (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not up to date")
    options = parser.parse_args()
    tables = [
        changes(model, earlier(options.before, model), read_report(ROOT / "assets" / model / "evaluation.json"))
        for model in MODELS
    ]
    text = read_text(PAGE)
    head, _, rest = text.partition(START)
    _, end, tail = rest.partition(END)
    if not end:
        raise StudioError(f"'{PAGE}' has no place for the tables: {START} ... {END}")
    made = f"{head}{START}\n" + "\n\n".join(tables) + f"\n{END}{tail}"
    if options.check:
        return int(made != text)
    write_text(PAGE, made)
    return 0


if __name__ == "__main__":
    sys.exit(run_program(lambda: answered(main)))
