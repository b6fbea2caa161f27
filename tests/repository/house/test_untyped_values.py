"""Values without types, `dict[str, Any]` and `Mapping[str, Any]`, counted by package: there may be fewer, never more.

They are for what somebody else hands over (Gradio's events, open_clip's configurations, JSON just before it is judged).
What this program writes and reads itself has a type: `foundation.record.Record`, or an object of `JsonValue`.
"""

import re

import pytest

from tests.sources import ROOT

UNTYPED = re.compile(r"\b(?:dict|Mapping)\[str, Any\]")
MOST = {
    "app": 22,
    "generator": 8,
    "robust_model": 10,
    "clip_model": 6,
    "foundation": 4,
    "crossmax_studio": 8,
    "benchmarks": 35,
}
"""How many lines of each package have one; to be lowered with every one that goes."""


def count(package: str) -> int:
    """Lines of a package that have a value without a type."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / package).rglob("*.py"))
    return sum(UNTYPED.search(line) is not None for text in texts for line in text.splitlines())


@pytest.mark.parametrize("package", MOST)
def test_values_without_types_only_become_fewer(package: str) -> None:
    assert count(package) <= MOST[package], "give the new one a type: a Record, or JsonValue for JSON passed on"


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
