"""docs/faults.md: every fault that was found has a row, and the tests that its row names exist."""

import re

import pytest

from tests.sources import ROOT

TABLE = ROOT / "docs" / "faults.md"
IDS = [
    *(f"F{number}" for number in range(1, 31) if number != 22),
    *(f"U{number}" for number in range(1, 19)),
    *(f"H{number}" for number in range(1, 6)),
    *(f"S{number}" for number in range(1, 16)),
]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> dict[str, list[str]]:
    """The rows of the table by the id they begin with."""
    found: dict[str, list[str]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        match = re.match(r"\| ([FUHS]\d+) \|", line)
        if match:
            found.setdefault(match[1], []).append(line)
    return found


def test_every_fault_has_a_row() -> None:
    assert sorted(rows()) == sorted(IDS)


@pytest.mark.parametrize("fault", IDS)
def test_the_tests_that_a_row_names_exist(fault: str) -> None:
    named = [found for row in rows()[fault] for found in _TEST.findall(row)]
    assert named, f"{fault} names no test"
    for path, name in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^\s*(?:async )?def {name}\(", text, re.MULTILINE), f"{path} has no {name}"
