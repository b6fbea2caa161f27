"""What is checked before a release and takes too long for every day; prints one summary, and ends well if all holds.

    python scripts/prerelease.py [--times 20] [--minutes 10] [--users 30] [--skip audit]

- audit: known vulnerabilities of all pinned packages, by pip-audit (installed for this run alone). What could not be
  looked up, for want of a network, counts as not done, never as clean.
- properties: the property tests (hypothesis) with so many times the usual examples, and every command as a program of
  its own among the tests of odd paths.
- hostile: the hostile client against a running server, for so many minutes.
- load: so many people at one server for five minutes, each of whom must be served in turn.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, which need not be installed

from foundation.command_line.program import Parser, answered, run_program  # noqa: E402
from foundation.errors import StudioError  # noqa: E402
from foundation.files.text_files import read_text  # noqa: E402

PIP_AUDIT = "pip-audit==2.10.1"
HOSTILE, LOAD = "benchmarks.hostile", "benchmarks.load"
GOOD, BAD, NOT_DONE = "good", "BAD", "NOT DONE"


class Verdict(NamedTuple):
    """How a check ended: GOOD, BAD or NOT_DONE, and what there is to say."""

    state: str
    text: str


def judge_audit(text: str, requirements: int) -> Verdict:
    """Read pip-audit's JSON on so many requirements: it ends well, too, when it could look up nothing."""
    try:
        entries = json.loads(text)["dependencies"]
    except (ValueError, LookupError, TypeError):
        return Verdict(NOT_DONE, "pip-audit answered nothing that can be read: is there a network?")
    found = [f"{e['name']} {e['version']}: {', '.join(v['id'] for v in e['vulns'])}" for e in entries if e.get("vulns")]
    if found:
        return Verdict(BAD, "; ".join(found))
    skipped = [entry["name"] for entry in entries if "vulns" not in entry]
    if skipped or len(entries) < requirements:
        unknown = ", ".join(skipped[:3]) or "some"
        count = len(skipped) or requirements - len(entries)
        return Verdict(NOT_DONE, f"{count} packages could not be looked up ({unknown}...): is there a network?")
    return Verdict(GOOD, f"{len(entries)} packages, none with a known vulnerability")


def audit() -> Verdict:
    """Look up the pinned packages, with a pip-audit in an environment of its own."""
    pinned = [line for line in read_text(ROOT / "requirements.txt").splitlines() if "==" in line]
    with tempfile.TemporaryDirectory(prefix="audit-") as place:
        venv.create(place, with_pip=True)
        python = Path(place) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        if _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PIP_AUDIT]):
            return Verdict(NOT_DONE, f"{PIP_AUDIT} could not be installed: is there a network?")
        options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "30", "--format", "json"]
        command = [str(python), "-m", "pip_audit", "-r", str(ROOT / "requirements.txt"), *options]
        answer = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT)
    return judge_audit(answer.stdout.decode("utf-8", errors="replace"), len(pinned))


def properties(times: int) -> Verdict:
    """Run the tests that draw examples, and those of all commands, with more of both."""
    tests = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "hypothesis" in (text := read_text(path)) or "examples import" in text
    ]
    environment = {**os.environ, "CROSSMAX_TESTS_TIMES": str(times)}
    code = _run([sys.executable, "-m", "pytest", "-q", "--timeout", "3600", *tests], environment)
    return Verdict(BAD if code else GOOD, f"{len(tests)} files of tests, {times} times the usual examples")


def hostile(minutes: float) -> Verdict:
    """Let the hostile client loose on a server of its own."""
    return _measure(HOSTILE, f"{minutes:g} minutes", "--minutes", str(minutes))


def load(users: int) -> Verdict:
    """Let so many people use a server of its own."""
    return _measure(LOAD, f"{users} users", "--users", str(users))


def _measure(program: str, what: str, *options: str) -> Verdict:
    if importlib.util.find_spec(program) is None:
        return Verdict(NOT_DONE, f"there is no {program}")
    code = _run([sys.executable, "-m", program, *options])
    return Verdict(BAD if code else GOOD, what)


def _run(command: list[str], environment: dict[str, str] | None = None) -> int:
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


def summary(verdicts: dict[str, Verdict]) -> str:
    """One line for each check."""
    return "\n".join(f"{name:<12}{verdict.state:<10}{verdict.text}" for name, verdict in verdicts.items())


def main() -> int:
    """Check, and say what came of it; 0 only if everything was done and is good."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="more examples than usual (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="of the hostile client (default: %(default)s)")
    parser.add_argument("--users", type=int, default=30, help="of the load (default: %(default)s)")
    names = ("audit", "properties", "hostile", "load")
    parser.add_argument("--skip", action="append", default=[], choices=names, help="leave a check out; may be repeated")
    options = parser.parse_args()
    if options.times < 1 or not 0 < options.minutes < 24 * 60:
        raise StudioError("--times is at least 1, and --minutes more than 0.")
    checks: dict[str, Callable[[], Verdict]] = {
        "audit": audit,
        "properties": lambda: properties(options.times),
        "hostile": lambda: hostile(options.minutes),
        "load": lambda: load(options.users),
    }
    verdicts = {
        name: Verdict(NOT_DONE, "left out by --skip") if name in options.skip else check()
        for name, check in checks.items()
    }
    print(f"\n{summary(verdicts)}")
    return 0 if all(verdict.state == GOOD for verdict in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(run_program(lambda: answered(main)))
