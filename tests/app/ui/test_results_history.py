"""Results found again, told apart, and taken along: values worked out by hand."""

import csv
import io
import json
import re
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from app.ui.history.cards import cards, fingerprint
from app.ui.history.search import Search, model_choices, shown
from app.ui.history.words import budget_words, line, outcome_words
from app.ui.history.your_results import PAGE, YourResults, export_columns
from app.ui.markup.media import Media
from app.visitors.exports import Entry, export
from foundation.errors import StudioError
from foundation.jobs import JobRequest, JobService
from foundation.jobs.store.model import JobSnapshot, JobStatus
from foundation.limits import Limits
from tests.app.snapshots import NOON, job
from tests.app.ui.building import built
from tests.browser.standins import StandInMeasurements, make_studio
from tests.foundation.jobs.old_data import old_records
from tests.picture_results import picture

TITLES = {"crossmax-cifar10": "CrossMax", "lite0": "EfficientNet-Lite0"}
DAY = 86_400.0


ATTACK = {"models": ["lite0"], "classes": ["ship"], "norm": "linf", "eps": 8 / 255, "steps": 40, "size": [120, 200]}


CONFIG = {
    "model": "crossmax-cifar10",
    "data": "cifar10",
    "suites": ["adaptive"],
    "count": 200,
    "eps": 8 / 255,
    "seed": 5,
}
WORST = {"accuracy": 0.41, "correct": 82, "n": 200, "ci95": [0.344, 0.479]}
EVALUATED = job(kind="evaluate", params={"config": CONFIG}, result={"worst_case": WORST}, title="CrossMax on CIFAR-10")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (EVALUATED, "on CrossMax \u00b7 L-inf 8/255, 200 images \u00b7 worst case 41.0%"),
        (
            job(kind="evaluate", params={"config": {**CONFIG, "count": 0}, "images": [{}]}, result=None),
            "on CrossMax \u00b7 L-inf 8/255, 1 image",
        ),
        (job(), "on CrossMax and EfficientNet-Lite0 \u00b7 64 x 48 \u00b7 recognised by 1 of 2"),
        (
            job(ATTACK, kind="attack", result={"images": [picture(success={"lite0": True})]}),
            "on EfficientNet-Lite0 \u00b7 L-inf 8/255, 40 steps \u00b7 fooled 1 of 1",
        ),
        (job({**ATTACK, "norm": "l2", "eps": 1.5}, result=None), "on EfficientNet-Lite0 \u00b7 L2 1.5, 40 steps"),
        (job({"models": list("abcd")}, result=None), "on a, b and 2 more"),
        (job({"prompt": "x"}, status=JobStatus.FAILED, error="The disk is full.", result=None), "The disk is full."),
        (job(params={"folder": {}}, result={"complete": False}), "not complete"),
        (job(params={}, result=None), ""),
    ],
)
def test_a_line_tells_models_budget_and_outcome(made: JobSnapshot, said: str) -> None:
    assert line(made, TITLES) == said


@pytest.mark.parametrize(
    "changes",
    [
        {"result": {"images": None}},
        {"result": {"images": 5}},
        {"result": {"images": [{"success": [1], "file": 5}]}},
        {"result": {"images": [{"cosines": {"a": [{"role": "prompt", "before": "x", "after": "y"}]}}]}},
        {"params": {"recipe": {"models": 5, "classes": 5, "eps": "x", "size": 5}}},
        {"params": {"recipe": None}, "result": None},
        {"kind": "evaluate", "params": {"config": {"suites": 5, "eps": "x"}}, "result": {"worst_case": 5}},
        {"kind": "evaluate", "params": {}, "result": {"worst_case": {"ci95": []}}},
        {"params": {"recipe": {"images": "x"}}, "result": None},
    ],
)
def test_a_record_of_another_form_keeps_nothing_else_from_being_seen(tmp_path, changes) -> None:
    (tmp_path / "preview.jpg").write_bytes(b"x")
    odd = job(**changes, title="odd", folder=str(tmp_path), preview=str(tmp_path / "preview.jpg"))
    html = cards([odd, job()], Media({"data": tmp_path}, b"x" * 32), TITLES, found=2, of=2)
    assert html.count("<article") == 2 and "<span>odd</span>" in html and "recognised by 1 of 2" in html
    assert [one.title for one in (odd, job()) if Search("ship").finds(one, TITLES, NOON)] == []
    assert [one.title for one in (odd, job()) if Search("odd").finds(one, TITLES, NOON)] == ["odd"]
    assert model_choices([odd, job()], TITLES)[0] == ("CrossMax", "crossmax-cifar10")
    path = export(
        [Entry(odd, export_columns(odd, TITLES)), Entry(job(), export_columns(job(), TITLES))],
        tmp_path / "e",
        "anna",
        Limits(),
    )
    with zipfile.ZipFile(path) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("results.csv").decode())))
    assert [row["title"] for row in rows] == ["odd", "frog, seed 3"]


def test_the_match_of_a_text_is_told_before_and_after() -> None:
    cosines = {
        "tiny-clip": [
            {"role": "negative", "text": "x", "weight": -1.0, "before": 0, "after": 0},
            {"role": "prompt", "text": "x", "weight": 1.0, "before": 0.1, "after": 0.4},
        ]
    }
    assert outcome_words(job(result={"images": [picture(cosines=cosines)]})) == "match 0.10 \u2192 0.40"


def test_records_of_the_version_before_have_their_line() -> None:
    lines = {}
    for record in old_records().values():
        known = {name: record[name] for name in ("title", "kind", "params", "result", "error")}
        lines[record["title"]] = line(job(**known, status=JobStatus(record["status"])), TITLES)
    assert lines["frog"] == "on CrossMax \u00b7 32 x 32, 3 steps \u00b7 recognised by 0 of 1"
    assert lines["a goldfish"].startswith("on tiny-clip \u00b7 32 x 32, 3 steps \u00b7 match 0.34 \u2192 0.37")
    assert "knows no class 'unicorn'" in lines["unicorn"] and len(outcome_words(job())) < 100
    assert budget_words(job(ATTACK)) == "L-inf 8/255, 40 steps"


SAID = job(
    {"models": ["lite0"], "prompt": "Ein Fr\u00f6schlein", "negative": ["blur"], "captions": ["a pond"]},
    note="for\nMonday",
)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", True),
        ("FR\u00d6SCH", True),
        ("fro\u0308sch", True),  # written in two signs, and folded to one
        ("monday blur pond", True),
        ("efficientnet lite0", True),
        ("seed 3", True),
        ("frog ship", False),
        ("%", False),
        ("_", False),
    ],
)
def test_every_word_has_to_be_somewhere(words: str, found: bool) -> None:
    assert Search(words=words).finds(SAID, TITLES, NOON) is found


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (Search(kind="image"), True),
        (Search(kind="text"), False),
        (Search(model="lite0"), True),
        (Search(model="lite"), False),
        (Search(favourites=True), False),
        (Search(words="frog", kind="image", model="lite0"), True),
        (Search(kind="evaluate"), False),
    ],
)
def test_filters(search: Search, found: bool) -> None:
    assert search.finds(job(), TITLES, NOON) is found
    of_evaluations = Search(words="adaptive cifar", kind="evaluate", model="crossmax-cifar10")
    assert of_evaluations.finds(EVALUATED, TITLES, NOON)
    assert Search(favourites=True).finds(job(favourite=True), TITLES, NOON)


@pytest.mark.parametrize(
    ("days", "periods"),
    [
        (0.4, {"day", "week", "month"}),
        (0.6, {"week", "month"}),
        (6.4, {"week", "month"}),
        (6.6, {"month"}),
        (29.6, {"older"}),
    ],
)
def test_periods_count_days_of_the_calendar(days: float, periods: set[str]) -> None:
    """Made so many days before noon: today begins half a day ago, the last 7 days six days before that."""
    made = job(created=NOON - days * DAY)
    found = {one for one in ("day", "week", "month", "older") if Search(period=one).finds(made, TITLES, NOON)}
    assert found == periods


def test_models_are_offered_once_by_their_titles() -> None:
    jobs = [job(), job({"models": ["lite0", "alone"]})]
    assert model_choices(jobs, TITLES) == [
        ("alone", "alone"),
        ("CrossMax", "crossmax-cifar10"),
        ("EfficientNet-Lite0", "lite0"),
    ]
    assert shown([job(kind="train"), job(status=JobStatus.DISCARDED), job(), EVALUATED]) == [job(), EVALUATED]
    assert model_choices([EVALUATED], TITLES) == [("CrossMax", "crossmax-cifar10")]


def test_cards_escape_what_people_wrote_and_say_how_many(tmp_path: Path) -> None:
    media = Media({"data": tmp_path}, b"s" * 32)
    html = cards([job(title="<b>x", note="<i>y")], media, TITLES, found=30, of=40)
    assert "<b>x" not in html and "<i>y" not in html and "&lt;b&gt;x" in html and "&lt;i&gt;y" in html
    assert "1 of 30 found, of 40" in html
    running = cards([job(status=JobStatus.RUNNING)], media, found=1, of=1)
    assert 'data-choose="aaaa' in running and "disabled></" not in running and " disabled><button" in running
    assert fingerprint([job()]) != fingerprint([job(favourite=True)]) != fingerprint([job(note="n")])


def test_an_evaluation_has_what_it_came_to_in_place_of_a_picture(tmp_path: Path) -> None:
    media = Media({"data": tmp_path}, b"s" * 32)
    html = cards([EVALUATED], media, TITLES, found=1, of=1)
    assert "<b>41.0%</b>" in html and "right of 200 under attack" in html and 'class="cx-range"' in html
    assert 'data-kind="evaluate"' in html and "data-look" not in html
    stopped = cards([replace(EVALUATED, status=JobStatus.STOPPED)], media, TITLES, found=1, of=1)
    assert "stopped, results kept" in stopped
    never_ran = cards([job(status=JobStatus.STOPPED, result=None)], media, TITLES, found=1, of=1)
    assert "stopped" in never_ran and "kept" not in never_ran
    early = replace(EVALUATED, status=JobStatus.RUNNING, result=None)
    assert "cx-range" not in cards([early], media, TITLES, found=1, of=1) and outcome_words(early) == ""


def result_in(folder: Path, name: str, **changes) -> JobSnapshot:
    (folder / name).mkdir(parents=True)
    (folder / name / "image-1.png").write_bytes(name.encode() * 100)
    recipe = {"seed": 3, "classes": ["frog"], "said": "\u2603"}
    result = {"recipe": recipe, "images": [{"file": "image-1.png"}, {"file": "gone.png"}, {"file": "../../secret.png"}]}
    return job(title=name, folder=str(folder / name), result=result, **changes)


def test_an_export_has_pictures_recipes_and_a_table(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    (tmp_path / "secret.png").write_bytes(b"secret")
    entries = [
        Entry(result_in(jobs, "frog, seed 3"), {"title": "frog, seed 3", "note": "=cmd()"}),
        Entry(result_in(jobs, "\u00e4 b"), {"title": "\u00e4 b"}),
    ]
    path = export(entries, tmp_path / "exports", "anna", Limits(free_bytes=0))
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == [
            *("001 frog seed 3/image-1.png", "001 frog seed 3/recipe.json"),
            *("002 \u00e4 b/image-1.png", "002 \u00e4 b/recipe.json", "results.csv"),
        ]
        assert archive.read("001 frog seed 3/image-1.png") == b"frog, seed 3" * 100
        assert json.loads(archive.read("002 \u00e4 b/recipe.json"))["said"] == "\u2603"
        rows = list(csv.DictReader(io.StringIO(archive.read("results.csv").decode())))
    assert [(row["folder"], row["files"], row["seed"]) for row in rows] == [
        ("001 frog seed 3", "image-1.png", "3"),
        ("002 \u00e4 b", "image-1.png", "3"),
    ]
    assert rows[0]["note"] == "'=cmd()"  # no spreadsheet takes it for a formula
    assert stat.S_IMODE((tmp_path / "exports").stat().st_mode) == 0o700


def test_an_export_has_the_reports_of_evaluations(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text("<h1>Report</h1>")
    entry = Entry(EVALUATED, export_columns(EVALUATED, TITLES), (report,))
    with zipfile.ZipFile(export([entry], tmp_path / "exports", "anna", Limits(free_bytes=0))) as archive:
        (row,) = csv.DictReader(io.StringIO(archive.read("results.csv").decode()))
        assert archive.read(f"{row['folder']}/report.html") == b"<h1>Report</h1>"
        assert json.loads(archive.read(f"{row['folder']}/config.json"))["data"] == "cifar10"
        assert len(archive.namelist()) == 3
    assert (row["kind"], row["what"], row["seed"]) == ("Evaluation", "cifar10 | adaptive", "5")
    assert (row["models"], row["outcome"]) == ("CrossMax", "worst case 41.0%")


def test_one_export_is_kept_for_each_visitor(tmp_path: Path) -> None:
    entry, limits = Entry(result_in(tmp_path / "jobs", "a"), {}), Limits(free_bytes=0)
    first, second = (export([entry], tmp_path / "exports", "anna", limits) for _ in range(2))
    other = export([entry], tmp_path / "exports", "bert", limits)
    assert set((tmp_path / "exports").iterdir()) == {second, other} and first != second


@pytest.mark.parametrize(
    ("limits", "said"), [(Limits(export_bytes=50), "choose fewer"), (Limits(free_bytes=10**18), "too little room")]
)
def test_what_is_too_large_is_refused(tmp_path: Path, limits: Limits, said: str) -> None:
    with pytest.raises(StudioError, match=said):
        export([Entry(result_in(tmp_path / "jobs", "a"), {})], tmp_path / "exports", "anna", limits)
    with pytest.raises(StudioError, match="nothing to export"):
        export([], tmp_path / "exports", "anna", limits)
    assert list(tmp_path.glob("exports/*")) == []


@pytest.mark.slow
def test_all_results_are_there_page_by_page_and_nobody_elses(tmp_path: Path) -> None:
    """Beyond what was once the end of the list: by 24, newest first, down to the oldest; a search looks at all."""
    handlers = {"image": lambda context: {"images": []}}
    with JobService(tmp_path, handlers, limits=Limits(queued_per_owner=1000)) as jobs:
        made = [
            jobs.submit(JobRequest("image", {}, owner=owner, title=f"{owner} {n}")) for n in range(60) for owner in "ab"
        ]
        for one in made:
            jobs.wait(one, 20.0)
        studio = make_studio(jobs, tmp_path, StandInMeasurements())
        results = built(lambda owner: YourResults(studio, owner))

        def listed(owner: str, words: str = "", most: int = PAGE) -> tuple[list[str], bool]:
            updates = results.show(owner, words, "", "", "", False, most)
            found = re.findall(r"<span>([ab] \d+)</span>", updates[results.shelf])
            return found, updates[results.more].visible

        assert listed("a") == ([f"a {n}" for n in range(59, 35, -1)], True)
        assert listed("a", most=3 * PAGE) == ([f"a {n}" for n in range(59, -1, -1)], False)
        assert listed("b", "b 0") == (["b 50", "b 40", "b 30", "b 20", "b 10", "b 0"], False)
        assert listed("c") == ([], False)
