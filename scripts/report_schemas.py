"""Writes the JSON schema of evaluation reports, `robust_model/reports/report.schema.json`, from their values.

    python scripts/report_schemas.py [--check]

With --check nothing is written, and the exit status is 1 if the file is not up to date.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from foundation.command_line.program import Parser, answered, run_program  # noqa: E402 -- found by the line above
from foundation.files.text_files import read_text, write_text  # noqa: E402
from robust_model.reports.schema_files import SCHEMA_FILES  # noqa: E402


def main() -> int:
    """Write or check; 1 if a check fails."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the file is up to date")
    arguments = parser.parse_args()
    old = [path for path, text in SCHEMA_FILES.items() if not path.exists() or read_text(path) != text()]
    for path in old:
        if arguments.check:
            print(f"'{path.relative_to(ROOT)}' is not up to date: run python scripts/report_schemas.py")
        else:
            write_text(path, SCHEMA_FILES[path]())
    if arguments.check and not old:
        print("The schemas are up to date.")
    return int(arguments.check and bool(old))


if __name__ == "__main__":
    sys.exit(run_program(lambda: answered(lambda: main() or 0)))
