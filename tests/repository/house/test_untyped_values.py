"""Values without types, `dict[str, Any]` and `Mapping[str, Any]`, counted by package: there may be fewer, never more.

They are for what somebody else hands over (Gradio's events, open_clip's configurations, JSON just before it is judged).
What this program writes and reads itself has a type: `foundation.record.Record`, or an object of `JsonValue`.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.sources import COMMANDS, LIBRARY, ROOT, modules

UNTYPED = re.compile(r"\b(?:dict|Mapping)\[str, Any\]")
MOST = {
    "app": 17,
    "generator": 6,
    "robust_model": 7,
    "clip_model": 1,
    "foundation": 4,
    "crossmax_studio": 8,
    "benchmarks": 0,
    "scripts": 1,
}
"""How many lines of each package have one; to be lowered with every one that goes."""
FEWER_THAN = 60
"""How many there may be in all, outside of the tests: whoever raises one of `MOST` lowers another."""


def count(paths: Iterable[Path]) -> int:
    """Lines of some modules that have a value without a type."""
    texts = (path.read_text(encoding="utf-8") for path in paths)
    return sum(UNTYPED.search(line) is not None for text in texts for line in text.splitlines())


@pytest.mark.parametrize("package", MOST)
def test_values_without_types_only_become_fewer(package: str) -> None:
    assert count(modules(package)) <= MOST[package], (
        "give the new one a type: a Record, or JsonValue for JSON passed on"
    )


def test_values_without_types_are_few_in_all() -> None:
    outside_of_tests = [*LIBRARY, *COMMANDS]
    assert {path.relative_to(ROOT).parts[0] for path in outside_of_tests} == set(MOST)
    assert count(outside_of_tests) < FEWER_THAN


def test_planted_lines_are_counted_in_every_module(tmp_path: Path) -> None:
    planted = "a: dict[str, Any] = {}\nb: dict[str, int] = {}\nc: list[Mapping[str, Any]] = []\n"
    for place in ("a.py", "deep/b.py"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(planted)
    assert count(tmp_path.rglob("*.py")) == 4


@pytest.mark.parametrize(
    ("line", "untyped"),
    [
        ("def f(x: Mapping[str, Any]) -> None:", True),
        ("    found: list[dict[str, Any]] = []", True),
        ("    found: dict[str, JsonValue] = {}", False),
        ("Values = Mapping[Any, Any]", False),
    ],
)
def test_planted_values_are_counted(line: str, untyped: bool) -> None:
    assert (UNTYPED.search(line) is not None) is untyped
