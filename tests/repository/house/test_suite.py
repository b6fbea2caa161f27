"""The suite itself: what `scripts/test.sh` runs, in full and for every day, and how tests are written."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sources import PACKAGES, ROOT, TESTS, nodes, parse

MOST_LINES = 400
SAYS = '#!/bin/sh\necho "$(basename "$0") $*" >> "$SAID"\n'


def run(folder: Path, *options: str) -> list[str]:
    """What the script calls of Python, ruff and mypy, in a copy of it where each of them only says so."""
    (folder / "scripts").mkdir()
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "test.sh", folder / "scripts")
    (folder / "scripts" / "common.sh").write_text("ensure_environment() { :; }\n")
    for name in ("python", "ruff", "mypy", "initdb", "chromium"):
        (tools / name).write_text(SAYS)
        (tools / name).chmod(0o755)
    said = folder / "said"
    environment = {**os.environ, "SAID": str(said), "PATH": f"{tools}:{os.environ['PATH']}"}
    subprocess.run(["bash", folder / "scripts" / "test.sh", *options], env=environment, check=True, capture_output=True)
    return [line for line in said.read_text().splitlines() if not line.startswith("initdb")]


def marked_out(call: str) -> str:
    """By which marks a call of pytest leaves tests out; "" where it leaves out none."""
    found = re.search(r" -m (.*)$", call.removeprefix("python -m pytest"))
    return found[1] if found else ""


def test_everything_is_run_but_for_every_day(tmp_path: Path) -> None:
    """Slow tests are run with all others: no mark leaves any out, and what one call passes over another one runs."""
    calls = run(tmp_path)
    assert {"ruff check .", "ruff format --check .", "mypy "} <= set(calls)
    rest, browser = sorted(call for call in calls if call.startswith("python -m pytest"))
    assert browser.startswith("python -m pytest tests/browser") and marked_out(browser) == ""
    assert rest.endswith("--ignore tests/browser") and marked_out(rest) == "" and rest.count("--ignore") == 1


def test_for_every_day_the_slow_ones_are_left_out(tmp_path: Path) -> None:
    calls = run(tmp_path, "--fast", "-x")
    (tests,) = [call for call in calls if call.startswith("python")]
    assert marked_out(tests) == "not slow and not browser -x" and "mypy " not in calls


def test_options_reach_all_tests(tmp_path: Path) -> None:
    (tests,) = [call for call in run(tmp_path, "-k", "jpeg") if call.startswith("python")]
    assert tests.endswith("-k jpeg") and "--ignore" not in tests and marked_out(tests) == ""


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks", "repository"])
def test_every_package_has_tests_for_every_day(package: str) -> None:
    """Files that are not slow as a whole: at least half of each package's."""
    files = list((ROOT / "tests" / package).rglob("test_*.py"))
    whole = re.compile(r"^pytestmark = .*\bslow\b", re.MULTILINE)
    quick = [path for path in files if not whole.search(path.read_text(encoding="utf-8"))]
    assert len(quick) > len(files) / 2


OURS = (*PACKAGES, "benchmarks", "scripts", "tests")


def is_private(part: str) -> bool:
    return part.startswith("_") and not part.startswith("__")


def private_imports(source: str) -> list[str]:
    """What a test imports of the project's own that is private to its module: "line: module._name"."""
    return [
        f"{node.lineno}: {node.module}.{alias.name}"
        for node in nodes(parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS
        for alias in node.names
        if any(
            part.startswith("_") and not part.startswith("__") for part in (alias.name, *str(node.module).split("."))
        )
    ]


@pytest.mark.slow
def test_no_private_name_is_imported() -> None:
    assert {path.name: found for path in TESTS if (found := private_imports(path.read_text("utf-8")))} == {}


def test_planted_private_names_are_seen() -> None:
    assert private_imports("from app.ui.tab import Tab, _f\nfrom benchmarks._a import b\n") == [
        "1: app.ui.tab._f",
        "2: benchmarks._a.b",
    ]
    assert private_imports("from os import _exit\nfrom app.a import f\nfrom app.__main__ import main\n") == []


FROM_TESTS = re.compile(
    r"""^\W*(?:from\s+tests\.[\w.]*\btest_\w+\s+import\b.*|from\s+tests[\w.]*\s+import\b.*\btest_\w+.*|
    import\s+tests\.[\w.]*\btest_\w+.*)$""",
    re.MULTILINE | re.VERBOSE,
)


def test_what_tests_share_is_in_no_file_of_tests() -> None:
    """It stands in `conftest.py` or in a module beside them; programs that tests write as text count, too."""
    found = {path.name: FROM_TESTS.findall(path.read_text("utf-8")) for path in TESTS}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    ["from tests.app.{}views import look", "  'from tests.app import toys, {}views'", "import tests.{}views as v"],
)
def test_planted_imports_from_tests_are_seen(line: str) -> None:
    assert FROM_TESTS.findall(f"import os\n{line.format('test_')}\nx = 1\n") == [line.format("test_")]
    assert FROM_TESTS.findall(line.format("")) == []


def test_every_file_of_tests_is_read_in_a_sitting() -> None:
    long = {path.name: count for path in TESTS if (count := len(path.read_text("utf-8").splitlines())) > MOST_LINES}
    assert long == {}
