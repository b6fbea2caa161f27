"""Descriptions of saved files, their scores and sums, and what is left of a run that ended early."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from foundation.errors import StudioError
from foundation.images.files import load_image, save_png
from foundation.intervals import Rate
from generator.transfer.outcome import Question
from generator.transfer.table import Case
from generator.vlm.asking import SpareTime
from generator.vlm.client import VlmClient
from generator.vlm.describing import Descriptions, Inquiry, describe
from generator.vlm.journal import Journal
from generator.vlm.record import DescriptionsRecord
from generator.vlm.report import cells_of, record_of, to_csv, to_text
from tests.generator.transfer.standins import Context, save_photos, tinted
from tests.generator.vlm.server import KEY, Endpoint, answer, look, silence, status


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    """A red and a blue photo; of the attacked files, one is green, one still blue."""
    photos = save_photos(tmp_path / "photos", (0, 2))
    question = Question("", ("a photo of a frog",))
    found = []
    for number, colour in enumerate((1, 2)):
        path = tmp_path / f"a{number}.png"
        save_png(tinted(colour, 10 + number, (20 + 2 * number, 32)), path)
        found.append(Case(f"p{number}", "clip", photos[number], path, question))
    return found


def run(endpoint: Endpoint, cases: list[Case], **more: Any) -> Descriptions:
    settings = endpoint.settings(**more.pop("settings", {}))
    inquiry = Inquiry(**more.pop("inquiry", {"samples": 2}))
    with VlmClient(settings) as client:
        return describe(more.pop("context", Context()), cases, client, inquiry, **more)


def test_the_saved_pixels_are_described_and_scored(endpoint: Endpoint, cases: list[Case]) -> None:
    endpoint.default = look
    found = run(endpoint, cases, inquiry={"samples": 2, "seed": 5})
    sent = [seen.picture.tobytes() for seen in endpoint.seen]
    files = [load_image(path).tobytes() for case in cases for path in (case.photo, case.attacked)]
    assert sent == [pixels for pixels in files for _ in range(2)]
    assert [seen.body["seed"] for seen in endpoint.seen] == [5, 6] * 4
    fooled, other = found.described
    assert [v.text for v in fooled.clean + fooled.attacked] == ["a red bus"] * 2 + ["a green frog"] * 2
    verdict = fooled.attacked[1]
    assert (verdict.target_keywords, verdict.target_overlap, verdict.clean_overlap) == (1.0, 2 / 3, 0.0)
    assert (fooled.clean[0].target_keywords, fooled.clean[0].clean_overlap) == (0.0, 1.0)
    assert verdict.label_keywords is None and verdict.target_cosine is None and verdict.judge is None
    assert (verdict.prompt_tokens, verdict.completion_tokens, verdict.estimated) == (100, 10, False)
    assert other.attacked[0].target_keywords == 0.0 and fooled.target_words == ("frog",)
    (cell,) = cells_of(found.described)
    assert cell.rates["target_keywords>=1"] == (Rate(1, 2), Rate(0, 2)) and "label_keywords<1" not in cell.rates
    attacked, clean = cell.means["target_overlap"]
    assert attacked is not None and attacked.value == pytest.approx(1 / 3) and attacked.interval == (0.0, 2 / 3)
    assert clean is not None and (clean.value, clean.pictures) == (0.0, 2)
    assert "target_keywords>=0.5: 1 of 2 (50%, 9% to 91%) (clean: 0 of 2 (0%, 0% to 66%))" in to_text([cell])


def test_answers_are_heard_one_by_one(endpoint: Endpoint, cases: list[Case]) -> None:
    endpoint.default = look
    heard: list[list[tuple[int, int]]] = []

    def hear(found: Descriptions) -> None:
        heard.append([(len(entry.clean), len(entry.attacked)) for entry in found.described])
        last = (found.described[-1].attacked or found.described[-1].clean)[-1]
        assert last.answered and last.target_keywords is not None

    found = run(endpoint, cases, on_answer=hear)
    one = [(1, 0), (2, 0), (2, 1), (2, 2)]
    assert heard == [[counts] for counts in one] + [[(2, 2), counts] for counts in one]
    assert len(found.described) == 2


def test_what_is_done_beside_takes_its_share_of_the_time() -> None:
    now = [0.0]
    spare = SpareTime(0.1, clock=lambda: now[0])
    assert spare.due
    with spare:
        now[0] += 2
    now[0] += 19.9
    assert not spare.due
    now[0] += 0.2
    assert spare.due


def test_leaving_a_label_counts_when_it_is_no_longer_mentioned(endpoint: Endpoint, cases: list[Case]) -> None:
    endpoint.default = look
    left = [
        Case(case.image, case.attack, case.photo, case.attacked, Question(label))
        for case, label in zip(cases, ("bus", "whale"), strict=True)
    ]
    found = run(endpoint, left, inquiry={"samples": 1, "judge": True})
    (cell,) = cells_of(found.described)
    assert cell.rates["label_keywords<0.25"] == (Rate(1, 2), Rate(0, 2))
    assert "target_keywords>=1" not in cell.rates and "judge>=0.3" not in cell.rates
    assert [entry.attacked[0].judge for entry in found.described] == [0.4, 0.4]
    assert found.described[0].clean[0].judge is None  # it would be compared with itself


def test_a_judge_compares_with_the_target(endpoint: Endpoint, cases: list[Case]) -> None:
    endpoint.default = look
    found = run(endpoint, cases[:1], inquiry={"samples": 1, "judge": True}, settings={"judge_model": "judge"})
    asked = [seen for seen in endpoint.seen if not seen.uri]
    assert {seen.body["model"] for seen in asked} == {"judge"} and asked[0].body["temperature"] == 0
    assert ['"first": "a photo of a frog"' in seen.text for seen in asked] == [True, True]
    (cell,) = cells_of(found.described)
    assert cell.rates["judge>=0.3"] == (Rate(1, 1), Rate(1, 1)) and cell.rates["judge>=0.5"][0] == Rate(0, 1)


def test_a_judge_that_chats_is_no_judge(endpoint: Endpoint, cases: list[Case]) -> None:
    endpoint.default = answer("I would say 0.9")
    (entry,) = run(endpoint, cases[:1], inquiry={"samples": 1, "judge": True}).described
    assert entry.attacked[0].judge is None and "I would say" in entry.attacked[0].judge_error


def test_a_target_picture_is_described_where_no_words_say_what_was_wanted(
    endpoint: Endpoint, cases: list[Case]
) -> None:
    endpoint.default = look
    wordless = [Case(case.image, case.attack, case.photo, case.attacked, Question()) for case in cases]
    green = Image.new("RGB", (8, 9), (0, 200, 0))
    found = run(endpoint, wordless, targets={"clip": green}, inquiry={"samples": 1, "keywords": ("frog|toad",)})
    assert [entry.target_texts for entry in found.described] == [("a green frog",)] * 2
    assert [entry.attacked[0].target_overlap for entry in found.described] == [1.0, 0.0]
    assert found.described[0].attacked[0].target_keywords == 1.0
    assert len(endpoint.seen) == 5  # the target once
    assert run(endpoint, wordless, targets={"other": green}).described[0].target_texts == ()


def test_survivals_and_models_multiply(endpoint: Endpoint, cases: list[Case]) -> None:
    endpoint.default = look
    inquiry = {"samples": 1, "models": ("one", "two")}
    found = run(endpoint, cases[:1], inquiry=inquiry, survivals=("saved", "half"))
    assert [(e.model, e.survival) for e in found.described] == [
        *(("one", "saved"), ("one", "half"), ("two", "saved"), ("two", "half"))
    ]
    assert [seen.picture.size for seen in endpoint.seen[:4]] == [(32, 20), (32, 20), (16, 10), (16, 10)]
    assert [seen.body["model"] for seen in endpoint.seen] == ["one"] * 4 + ["two"] * 4


def test_nothing_is_asked_twice(endpoint: Endpoint, cases: list[Case], tmp_path: Path) -> None:
    endpoint.default = look
    path = tmp_path / "out" / "descriptions.jsonl"
    first = run(endpoint, cases, journal=Journal(path))
    with path.open("ab") as file:
        file.write(b'{"question": "cut o')
    again = run(endpoint, cases, journal=Journal(path))
    assert len(endpoint.seen) == 8 and len(path.read_text().splitlines()) == 8
    assert [e.attacked[0].text for e in again.described] == [e.attacked[0].text for e in first.described]
    assert again.described[0].clean[0].remembered and not first.described[0].clean[0].remembered
    run(endpoint, cases, journal=Journal(path), inquiry={"samples": 3})
    assert len(endpoint.seen) == 12  # the third samples alone
    run(endpoint, cases, journal=Journal(path), inquiry={"samples": 1, "question": "What?"})
    assert len(endpoint.seen) == 16


def test_a_damaged_journal_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text("[]\n")
    with pytest.raises(StudioError, match="Line 1"):
        Journal(path)


def test_a_failed_sample_is_a_sentence_and_asked_again_by_the_next_run(
    endpoint: Endpoint, cases: list[Case], tmp_path: Path
) -> None:
    endpoint.default, endpoint.behaviours = look, [status(400)]
    found = run(endpoint, cases, journal=Journal(tmp_path / "j.jsonl"))
    assert "HTTP 400" in found.described[0].clean[0].error and not found.ended
    (cell,) = cells_of(found.described)
    assert (cell.asked, cell.failed, cell.rates["target_keywords>=1"]) == (8, 1, (Rate(1, 2), Rate(0, 2)))
    again = run(endpoint, cases, journal=Journal(tmp_path / "j.jsonl"))
    assert again.described[0].clean[0].text == "a red bus" and len(endpoint.seen) == 9


@pytest.mark.parametrize(
    ("behaviour", "settings", "says", "requests"),
    [
        (status(401), {}, "does not accept the key", 3),
        (status(400), {}, "5 questions in a row", 7),
        (look, {"max_requests": 3}, "cap of 3 requests", 3),
    ],
)
def test_a_run_that_makes_no_sense_ends_and_keeps_what_there_is(
    endpoint: Endpoint, cases: list[Case], behaviour: Any, settings: dict[str, Any], says: str, requests: int
) -> None:
    endpoint.behaviours, endpoint.default = [look, look], behaviour
    found = run(endpoint, cases, settings=settings, inquiry={"samples": 4})
    assert says in found.ended and not found.stopped and len(endpoint.seen) == requests
    assert [v.text for v in found.described[0].clean[:2]] == ["a red bus"] * 2
    assert found.described[0].clean[0].target_keywords == 0.0
    assert [*found.described[-1].clean, *found.described[-1].attacked][-1].error


def test_asked_to_stop_it_returns_what_there_is(endpoint: Endpoint, cases: list[Case]) -> None:
    endpoint.behaviours, endpoint.default = [look, look, look], silence

    class Stopping(Context):
        @property
        def stop_requested(self) -> bool:
            return len(endpoint.seen) >= 4

    context = Stopping()
    found = run(endpoint, cases, context=context)
    assert found.stopped and not found.ended
    (entry,) = found.described
    assert [v.text for v in entry.clean] == ["a red bus"] * 2 and [v.text for v in entry.attacked] == ["a green frog"]
    assert entry.attacked[0].target_keywords == 1.0
    assert context.told[0] == (0, 8, "eyes looks at p0")


def test_a_file_that_cannot_be_read_is_named(endpoint: Endpoint, cases: list[Case]) -> None:
    endpoint.default = look
    cases[0].attacked.write_bytes(b"nothing")
    found = run(endpoint, cases)
    assert [entry.image for entry in found.described] == ["p1"] and list(found.unreadable) == [("clip", "p0")]


def test_reports_have_everything_but_the_address_and_the_key(endpoint: Endpoint, cases: list[Case]) -> None:
    endpoint.default = answer(f"=HYPERLINK(1) said {KEY}")
    settings, inquiry = endpoint.settings(price_in=1.0, price_out=1.0), Inquiry(samples=1)
    with VlmClient(settings) as client:
        found = describe(Context(), cases, client, inquiry)
        report = record_of(found, inquiry, settings, client.ledger).to_json()
    assert DescriptionsRecord.read(report).to_json() == report
    assert report["described"] == [entry.model_dump(mode="json") for entry in found.described]
    text = json.dumps(report, allow_nan=False)
    assert report["complete"] and report["inquiry"]["models"] == ["eyes"] and report["seed_sent"] is True
    assert report["costs_of_this_run"]["money"] == pytest.approx(4 * 110 / 1e6)
    assert KEY not in text and endpoint.url not in text
    rows = list(csv.DictReader(io.StringIO(to_csv(found.described))))
    assert [row["picture"] for row in rows] == ["clean", "attacked"] * 2
    assert rows[0]["text"] == "'=HYPERLINK(1) said [key]"
