"""What is checked before a release: what counts as good, and what as not done."""

import json
import runpy
from typing import Any

import pytest

from tests.sources import ROOT


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts/prerelease.py"))


def entry(name: str, **facts: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", **facts}


@pytest.mark.parametrize(
    ("entries", "state", "said"),
    [
        ([entry("a", vulns=[]), entry("b", vulns=[])], "good", "2 packages"),
        ([entry("a", vulns=[{"id": "CVE-1"}]), entry("b", vulns=[])], "BAD", "a 1.0: CVE-1"),
        ([entry("a", vulns=[]), entry("b", skip_reason="not found on PyPI")], "NOT DONE", "1 packages could not be"),
        ([entry("a", vulns=[])], "NOT DONE", "1 packages could not be looked up"),
    ],
)
def test_an_audit_that_looked_nothing_up_is_not_clean(
    script: dict[str, Any], entries: list[dict[str, Any]], state: str, said: str
) -> None:
    verdict = script["judge_audit"](json.dumps({"dependencies": entries}), 2)
    assert verdict.state == state and said in verdict.text


@pytest.mark.parametrize("text", ["", "no network", "{}", "[]", "null"])
def test_no_answer_is_not_clean(script: dict[str, Any], text: str) -> None:
    assert script["judge_audit"](text, 2).state == "NOT DONE"


def test_the_summary_names_every_check(script: dict[str, Any]) -> None:
    verdict = script["Verdict"]
    text = script["summary"]({"audit": verdict("NOT DONE", "no network"), "hostile": verdict("good", "10 minutes")})
    assert text.splitlines() == ["audit       NOT DONE  no network", "hostile     good      10 minutes"]
