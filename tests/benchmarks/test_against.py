"""Two checkouts side by side: which figures are compared, and what is said of them."""

import sys
from pathlib import Path

import pytest

from benchmarks import against

STANDIN = """
import json, sys
found = {"results": {"step": {"min_s": %s, "median_s": 9.0}}}
open(sys.argv[sys.argv.index("--json") + 1], "w").write(json.dumps(found))
sys.exit(1)
"""


def test_figures_are_found_at_any_depth_and_the_fastest_counts() -> None:
    found = {
        "settings": {"wait_s": 1.0},
        "machine": {"threads": 2},
        "results": {"forward": {"plain": {"median_s": 3.0, "min_s": 2.0}, "ratio": 1.5}},
        "seconds": {"fast, 1": {"first_preview_s": 0.5, "saved_s": 4.0}},
    }
    assert dict(against.figures(found)) == {
        "forward, plain": 2.0,
        "fast, 1, first_preview": 0.5,
        "fast, 1, saved": 4.0,
    }


def test_the_fastest_of_the_runs_that_have_a_figure() -> None:
    assert against.fastest([{"a": 2.0, "b": 1.0}, {"a": 1.5}]) == {"a": 1.5}


@pytest.mark.parametrize(("here", "status"), [(1.04, 0), (1.2, 1)])
def test_what_is_slower_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: float, status: int
) -> None:
    for name, seconds in (("before", 1.0), ("now", here)):
        folder = tmp_path / name / "benchmarks"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / "toy.py").write_text(STANDIN % seconds)
    monkeypatch.setattr(against, "HERE", tmp_path / "now")
    monkeypatch.setattr(sys, "argv", ["against", str(tmp_path / "before"), "--benchmarks", "toy", "--turns", "2"])
    assert against.main() == status
    told = capsys.readouterr()
    assert f"{here:.3f}" in told.out and ("toy: step" in told.err) == bool(status)
