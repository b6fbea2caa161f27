"""What was said about pictures, in the explorer's page: with its numbers, and inert whatever it is."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from foundation.files.tables import inert
from generator.vlm.describing import Inquiry
from generator.vlm.record import DescriptionsRecord
from generator.vlm.report import cells_of, to_csv
from generator.vlm.report_html import LONGEST_SHOWN, addition_of, summary_of
from generator.vlm.verdicts import Described, VlmVerdict
from tests.generator.cli.vlm_command import BATCH, Run, vlm_command
from tests.generator.vlm.server import Endpoint, answer

HOSTILE = '</td></table><script>alert(1)</script><img src=x onerror="alert(2)">&lt;b&gt; \'"'


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint: Endpoint) -> Run:
    return vlm_command(monkeypatch, tmp_path, endpoint)


def described(text: str, image: str = "p0", survival: str = "saved", error: str = "") -> Described:
    says = [VlmVerdict(sample=i, seed=i, text=t, error=error, target_keywords=0.5) for i, t in enumerate((text, ""))]
    return Described(
        image=image,
        attack="a+b",
        model="<eyes>",
        survival=survival,
        label="",
        targets=("frog",),
        target_words=("frog",),
        label_words=(),
        target_texts=("frog",),
        clean=(says[0].model_copy(update={"text": "a dog", "target_keywords": 0.0}),),
        attacked=tuple(says),
    )


def found(*entries: Described, **changes: Any) -> DescriptionsRecord:
    """What descriptions.json would hold, read back."""
    whole = {
        "version": 1,
        "meaning": "m",
        "complete": True,
        "ended": "",
        "judge_model": None,
        "inquiry": {**Inquiry().model_dump(), "question": "What <is> this?"},
        "temperature": None,
        "max_tokens": 100,
        "seed_sent": True,
        "costs_of_this_run": {
            **dict.fromkeys(("requests", "prompt_tokens", "completion_tokens", "requests_with_estimated_tokens"), 0),
            "money": None,
        },
        "cells": [cell.record().to_json() for cell in cells_of(entries)],
        "described": [entry.model_dump(mode="json") for entry in entries],
        "unreadable": [],
    }
    return DescriptionsRecord.read(json.loads(json.dumps(whole | changes)))


class Tags(HTMLParser):
    """The tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_answers_stand_there_word_for_word_and_do_nothing() -> None:
    addition = addition_of(found(described(HOSTILE, error=HOSTILE), described("later", survival="jpeg-50")))
    assert addition.cases.keys() == {("a+b", "p0")}
    case, chapter = Tags(addition.cases["a+b", "p0"]), Tags(addition.chapter)
    assert case.text.count(HOSTILE) == 2 and "No answer: " in case.text and "later" not in case.text
    assert {tag for tag, _ in case.tags} == {"div", "table", "tr", "th", "td"}
    assert {tag for tag, _ in chapter.tags} == {"h2", "p", "div", "table", "tr", "th", "td"}
    assert all(name in ("class", "scope") for page in (case, chapter) for _, attrs in page.tags for name, _ in attrs)
    assert "What <is> this?" in chapter.text and "<eyes>" in chapter.text and "<eyes>" in case.text


def test_rates_have_their_denominators_and_what_is_missing_is_said() -> None:
    entries = [described("a frog"), described("a frog", image="p1"), described("a frog", survival="jpeg-50")]
    whole = Tags(addition_of(found(*entries)).chapter).text
    assert "target_keywords>=0.52 of 2 (100%, 34% to 100%)0 of 2 (0%, 0% to 66%)" in whole
    assert "samples answered4 of 6" in whole and "jpeg-50" in whole and "Not all was asked" not in whole
    cut = Tags(addition_of(found(*entries, complete=False, ended="The cap & <all> is reached.")).chapter).text
    assert "Not all was asked. The cap & <all> is reached." in cut


def test_a_long_answer_is_cut_and_the_files_have_it() -> None:
    text = "x" * LONGEST_SHOWN + "the end"
    page = addition_of(found(described(text))).cases["a+b", "p0"]
    assert "the end" not in page and "7 more characters in descriptions.json" in page
    assert "the end" in to_csv([described(text)])


def test_the_summary_has_the_sums_and_names_the_files() -> None:
    summary = summary_of(found(described("a frog"))).to_json()
    assert summary["files"] == ["descriptions.json", "descriptions.csv"] and len(summary["cells"]) == 1
    assert "described" not in summary


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_text_of_a_csv_file_is_a_formula(text: str) -> None:
    entry = described(text).model_copy(update={"image": text, "model": text})
    rows = list(csv.DictReader(io.StringIO(to_csv([entry]), newline="")))
    assert [rows[1][name] for name in ("text", "image", "model")] == ["'" + text.replace("\r", " ")] * 3
    assert inert("a=1") == "a=1" and inert(-1.0) == -1.0 and inert(None) is None and inert("") == ""


@pytest.mark.parametrize("alone", [True, False])
def test_a_batch_puts_them_into_its_report(run: Run, endpoint: Endpoint, alone: bool) -> None:
    endpoint.default = answer(f"a green frog {HOSTILE}")
    victims = ["--victim", "vlm", "--vlm-samples", "1", *([] if alone else ["--victim", "colours"])]
    assert run(*BATCH, *victims, "--quiet") == 0
    page = Tags(Path("out/report.html").read_text())
    assert page.text.count(f"a green frog {HOSTILE}") == 4  # two photos, two attacked
    assert not {tag for tag, _ in page.tags} & {"script"} and not re.search("onerror", str(page.tags))
    assert ("Which attack fools which model" in page.text) == (not alone)
    report = json.loads(Path("out/report.json").read_text())
    whole = json.loads(Path("out/descriptions.json").read_text())
    assert report["descriptions"]["cells"] == whole["cells"] and report["complete"]
    assert run(*BATCH, "--victim", "colours", "--quiet") == 0
    assert "descriptions" not in json.loads(Path("out/report.json").read_text())
