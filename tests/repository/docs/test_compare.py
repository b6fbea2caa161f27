"""docs/compare.md: every row of ours says yes, and names a test that exists; of others, the page that says so."""

import re

import pytest

from tests.sources import ROOT

TEXT = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
_MARK = re.compile(r"\[([A-Z]\d)\](?!\()")


def table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head."""
    _, _, below = TEXT.partition(f"\n## {heading}\n")
    part = below.partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")]
    return rows[2:]


ROWS = {row[0]: row for heading in ("Making pictures", "Attacks") for row in table(heading)}
SOURCES = {row[0]: row[1] for row in table("What was read")}


def test_there_is_a_row_for_what_others_have() -> None:
    assert len(table("Making pictures")) >= 30 and len(table("Attacks")) >= 12
    assert all(len(row) == 6 for row in table("Making pictures")) and all(len(row) == 4 for row in table("Attacks"))


@pytest.mark.parametrize("feature", ROWS)
def test_ours_is_yes_and_the_test_that_shows_it_exists(feature: str) -> None:
    _, here, checked, *_ = ROWS[feature]
    assert here == "yes"
    named = _TEST.fullmatch(checked)
    assert named, checked
    text = (ROOT / named[1]).read_text(encoding="utf-8")
    assert named[2] is None or re.search(rf"^def {named[2]}\(", text, re.MULTILINE), checked


@pytest.mark.parametrize("feature", ROWS)
def test_what_is_said_of_others_names_what_was_read(feature: str) -> None:
    for said in ROWS[feature][3:]:
        marks = _MARK.findall(said)
        assert marks and said.partition(" [")[0].strip(), said
        assert set(marks) <= SOURCES.keys(), said


def test_what_was_read_is_a_page_with_an_address_and_is_used() -> None:
    used = set(_MARK.findall(" ".join(" ".join(row) for row in ROWS.values())))
    assert used == set(SOURCES)
    assert all(re.fullmatch(r"\[.+\]\(https://github\.com/.+\)", page) for page in SOURCES.values())
