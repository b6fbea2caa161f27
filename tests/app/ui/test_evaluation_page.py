"""The sidebar without a browser: from the form to an order, labels, figures and reports, and whose they are."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.evaluation.order import Cost, DataChoice, KnownReport, LabelledUpload, ReportFiles, ShippedReport, SuiteChoice
from app.records.params import EvaluateParams
from app.ui.evaluation import markup as evaluation_markup
from app.ui.evaluation import reports as evaluation_reports
from app.ui.evaluation.form import EvaluationForm, how_many
from app.ui.evaluation.pictures import LabelledPictures, check_room, drawn_for
from app.ui.evaluation.sidebar import EvaluationSidebar
from app.ui.markup.media import Media
from app.ui.widgets.forms import FormError
from app.ui.wiring.guard import Updates
from foundation.errors import StudioError
from foundation.jobs.store.model import JobStatus, UnknownJobError
from generator.recipes.recipe import Recipe
from robust_model.evaluation.record.reading import as_report
from robust_model.evaluation.record.schema import EvaluationReport
from tests.app.snapshots import EVIL, snapshot
from tests.app.ui.building import built
from tests.browser.evaluation_standins import attack_entry, compare, interval, proportion
from tests.browser.standins import MODELS, StandInMeasurements, make_studio
from tests.picture_results import picture
from tests.picture_results import result as picture_result
from tests.reports import plain_report

ANNA, BEN = "a" * 32, "b" * 32
DIGEST = "d" * 64
FULL = (MODELS[0].name, "photos", ["adaptive", "quick"], 50, 8, [], [])


class Jobs:
    """A list of jobs that remembers who wanted what stopped."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.discarded: list[tuple[str, str]] = []

    def list(self, owner: str | None = None) -> list[Any]:
        return [job for job in self.known.values() if owner in (None, job.owner)]

    def snapshot(self, job_id: str) -> Any:
        if job_id not in self.known:
            raise UnknownJobError("There is no such job.")
        return self.known[job_id]

    def discard(self, job_id: str, owner: str) -> None:
        self.discarded.append((job_id, owner))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def studio(data: Path) -> Any:
    return make_studio(Jobs(), data, StandInMeasurements())


@pytest.fixture
def folder(data: Path) -> Path:
    """A folder of its own below the data, out of which files are sent."""
    return Path(tempfile.mkdtemp(dir=data))


@pytest.fixture(scope="module")
def form(studio: Any) -> EvaluationForm:
    return built(lambda owner: EvaluationForm(studio, owner))


def plain(**changes: Any) -> dict[str, Any]:
    figures = {"clean": proportion(150, 200), "worst_case": proportion(55, 100)}
    made = plain_report(200, **figures, attacks=[attack_entry("mean/margin", proportion(60, 100))])
    return {**made, "data": {**made["data"], "source": "photos"}, **changes}


def report(**changes: Any) -> EvaluationReport:
    return as_report(plain(**changes))


def known(**changes: Any) -> KnownReport:
    return KnownReport(report(**changes), ("mean/margin", "defence/ce"))


# The form


def test_the_form_makes_an_order_with_the_suites_in_their_own_order(form: EvaluationForm) -> None:
    order = form.read(*FULL)
    assert (order.model, order.data, order.count) == (MODELS[0].name, "photos", 50)
    assert order.suites == ("quick", "adaptive") and order.eps == pytest.approx(8 / 255) and order.images == ()
    assert form.title(order) == "Stand-in, defended on Photos"
    assert form.read(*FULL[:3], 9000, *FULL[4:]).count == 5000  # no more than there are
    assert form.read(FULL[0], "drawings", *FULL[2:]).count == 2


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, "absent", "Its weights are missing"),
        (0, "/etc", "no model '/etc' in the list"),
        (0, None, "Choose the model"),
        (0, "torchvision:nothing", "torchvision has no classifier"),
        (1, None, "Choose the images"),
        (1, "/etc", "Choose the images"),
        (1, "own", "No image has a label"),
        (2, [], "at least one suite"),
        (3, None, "How many images is empty"),
        (3, 0, "from 1"),
        (4, None, "largest change is empty"),
    ],
)
def test_what_is_missing_is_said_in_words(form: EvaluationForm, place: int, value: Any, words: str) -> None:
    values = [*FULL]
    values[place] = value
    with pytest.raises(StudioError, match=words):
        form.read(*values)


def test_only_images_with_a_label_that_the_model_knows_take_part(form: EvaluationForm) -> None:
    images = [LabelledUpload(DIGEST, "frog"), LabelledUpload("e" * 64, ""), LabelledUpload("f" * 64, "unicorn")]
    order = form.read(FULL[0], "own", *FULL[2:5], images, [LabelledUpload("9" * 64, "ship")])
    assert order.images == (images[0],) and order.count == 1


def test_costs_stand_on_the_checkboxes_and_below(form: EvaluationForm) -> None:
    found = form._measure(*FULL)
    labels = {name: label for label, name in found[form.suites].choices}
    assert labels["quick"].splitlines() == [
        "Quick",
        "One short attack: a first look, no result.",
        "7,500 passes, about 25 s at most",
    ]
    assert "20,000 forward and 10,000 backward" in found[form.estimate]
    assert "35.9 to 64.1%" in found[form.precision]
    assert "next to nothing" in form._measure(FULL[0], "drawings", *FULL[2:])[form.precision]
    assert "absent is not ready" in form._measure("absent", *FULL[1:])[form.estimate]
    assert "is empty. Give it a whole number from 1" in form._measure(*FULL[:3], None, *FULL[4:])[form.estimate]
    assert "must be a number from 0 to 255" in form._measure(*FULL[:4], 256, *FULL[5:])[form.estimate]


def test_a_published_model_is_ordered_before_it_is_here_and_says_that_it_costs_a_download(form: EvaluationForm) -> None:
    order = form.read("torchvision:net", *FULL[1:])
    assert order.model == "torchvision:net" and form.title(order) == "torchvision:net on Photos"
    found = form._measure("torchvision:net", *FULL[1:])
    assert "fetched when the evaluation starts" in found[form.estimate]
    assert not any("passes" in label for label, _ in found[form.suites].choices), "those of another model"
    assert "It is downloaded when it is first used" in form.models.describe("torchvision:net")[form.models.line]
    for typed, words in (("torchvision:nothing", "torchvision has no classifier"), (None, "Choose the model")):
        assert words in form.models.describe(typed)[form.models.line]
        assert words in form._measure(typed, *FULL[1:])[form.estimate]
    images = [LabelledUpload(DIGEST, "goldfish")]  # a class of its own
    assert form.read("torchvision:net", "own", *FULL[2:5], images, []).images == tuple(images)


def test_settings_of_an_evaluation_are_used_again(form: EvaluationForm, studio: Any) -> None:
    asked = studio.evaluations.params(form.read(*FULL))
    filled = form.fill(asked, ANNA)
    assert set(filled) <= set(form.filled)
    assert (filled[form.models.choice], filled[form.data].value) == (MODELS[0].name, "photos")
    assert (filled[form.suites], filled[form.count].value, filled[form.eps]) == (["quick", "adaptive"], 50, 8)
    assert filled[form.changed.sign] != form.fill(asked, ANNA)[form.changed.sign], "else nothing is measured anew"
    digest = studio.uploads.keep(Image.new("RGB", (9, 8)), ANNA).digest
    own = EvaluateParams.of(
        asked,
        config=asked.config.model_copy(update={"data": "own"}),
        images=[{"digest": digest, "label": "frog"}, {"digest": DIGEST, "label": "ship"}],
    )
    pictures = form.pictures["own"]
    assert form.fill(own, ANNA)[pictures.images] == [LabelledUpload(digest, "frog", ANNA)]
    assert form.fill(own, BEN)[pictures.images] == []  # somebody else's, and the one that is gone


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "torchvision:nothing"}, "torchvision has no classifier"),
        ({"data": "cifar10"}, "Choose the images"),
        ({"suites": ["adaptive", "bespoke"]}, "attacks that the form does not have"),
    ],
)
def test_settings_that_the_form_cannot_hold_are_refused(
    form: EvaluationForm, studio: Any, changes: dict[str, Any], words: str
) -> None:
    asked = studio.evaluations.params(form.read(*FULL))
    with pytest.raises(StudioError, match=words):
        form.fill(EvaluateParams.of(asked, config=asked.config.model_copy(update=changes)), ANNA)


def test_how_many_images_there_are() -> None:
    assert how_many(None, 5, ()) == 0
    assert how_many(DataChoice("x", "X", "", None), 5, ()) == 5 and how_many(DataChoice("x", "X", "", 3), 5, ()) == 3
    assert how_many(DataChoice("x", "X", "", pictures="own"), 5, [LabelledUpload(DIGEST, "frog")]) == 1


def test_one_image_and_many_are_spoken_of_honestly() -> None:
    assert evaluation_markup.precision_hint(0, interval) == ""
    assert "1 image says next to nothing" in evaluation_markup.precision_hint(1, interval)
    assert "Four times as many" in evaluation_markup.precision_hint(100, interval)
    assert "Four times as many" not in evaluation_markup.precision_hint(10_000, interval)


# Labels


def test_labels_are_chosen_from_the_model_s_classes_and_results_bring_theirs(studio: Any, tmp_path: Path) -> None:
    pictures = built(lambda owner: LabelledPictures(studio, "evaluate-results", owner, bring=False))
    Image.new("RGB", (40, 30)).save(tmp_path / "image-1.png")
    result = picture_result(Recipe(classes=("frog",)), picture("image-1.png"), picture("gone.png"))
    job = snapshot(tmp_path, owner=ANNA, status=JobStatus.DONE, result=result)
    studio.jobs.known = {"a1": job}
    found = pictures._results(ANNA)
    assert [image.label for image in found] == ["frog"]
    updates = pictures._add([], found, MODELS[0].name)
    assert "<option selected>frog</option>" in updates[pictures.listed]
    assert pictures._add(found, found, MODELS[0].name)[pictures.images] == found  # the same image once
    with pytest.raises(FormError, match="no picture yet"):
        pictures._results(BEN)
    assert drawn_for(snapshot(tmp_path, kind="attack", result=result)) == ""
    assert drawn_for(snapshot(tmp_path, result={"recipe": {"classes": ["frog", "ship"]}})) == ""
    with pytest.raises(FormError, match="At most 64"):
        check_room(65)


def test_many_classes_are_typed_and_nothing_is_left_unescaped(studio: Any) -> None:
    digest = studio.uploads.keep(Image.new("RGB", (9, 8)), "local").digest
    images = [LabelledUpload(digest, EVIL), LabelledUpload(digest, "")]
    for classes in ((EVIL, "frog"), tuple(f"{EVIL}{place}" for place in range(100))):
        listed = evaluation_markup.label_list(images, classes, studio.uploads, studio.media, "own")
        assert EVIL not in listed and ("<datalist" in listed) == (len(classes) > 60)
    assert "1 of 2 have a label" in evaluation_markup.label_list(images, (EVIL,), studio.uploads, studio.media, "own")


# Figures


def test_figures_come_with_their_intervals_and_say_what_is_still_to_come() -> None:
    shown = evaluation_markup.figures(known())
    assert "<b>75.0%</b>" in shown and "45.0 to 65.0%" in shown and "55 right of 100 of 200 images" in shown
    assert shown.index("worst case") < shown.index("mean/margin") < shown.index("defence/ce")
    assert shown.count("not yet") == 1
    assert evaluation_markup.figures(known(worst_case=None, attacks=[])).count("not yet") == 3


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.DISCARDED])
def test_every_state_of_an_evaluation_has_a_view(tmp_path: Path, status: JobStatus) -> None:
    job = snapshot(tmp_path, kind="evaluate", title=EVIL, status=status, message=EVIL, error=EVIL, position=2)
    for found_so_far in (None, known(attacks=[attack_entry(EVIL, proportion(1, 2))])):
        shown = evaluation_markup.run_view(job, found_so_far)
        assert EVIL not in shown and f'data-status="{status.value}"' in shown
    assert "picture" not in evaluation_markup.run_view(job, None)
    found = [{"sign": EVIL, "verdict": verdict, "evidence": EVIL, "numbers": {}} for verdict in ("found", "not found")]
    acts = evaluation_markup.run_actions(job, known(findings=found, warnings=[EVIL]))
    assert EVIL not in acts and acts.count("cx-warn") == 2
    assert evaluation_markup.run_actions(job, None) == ""


def test_costs_and_data_are_escaped() -> None:
    choice = DataChoice("x", EVIL, EVIL, why_not=EVIL)
    assert EVIL not in evaluation_markup.data_line(choice) + evaluation_markup.data_line(None)
    assert evaluation_markup.suite_label(SuiteChoice("x", "X", "says"), None) == "X\nsays"
    assert EVIL not in evaluation_markup.estimate(Cost(1, 2, 3.0), EVIL) + evaluation_markup.waiting(EVIL)


# Past runs and reports


def test_past_runs_have_their_headline_and_only_finished_ones_can_be_removed(tmp_path: Path) -> None:
    jobs = [
        snapshot(tmp_path, id="1", title=EVIL, status=JobStatus.DONE, result=plain()),
        snapshot(tmp_path, id="2", status=JobStatus.RUNNING),
        snapshot(tmp_path, id="3", status=JobStatus.DISCARDED),
    ]
    shown = evaluation_reports.runs(jobs)
    assert EVIL not in shown and "worst case 55.0% (45.0 to 65.0%) of 100" in shown
    assert "data-remove" in shown and shown.count("data-remove") == 1 and "data-compare" in shown
    assert "data-compare" not in evaluation_reports.runs(jobs[:1]) and "None yet" in evaluation_reports.runs([])


def test_evaluations_that_came_with_a_model_stand_below_one_s_own(tmp_path: Path) -> None:
    came = ShippedReport("shipped:m/evaluation.json", EVIL, tmp_path, report())
    alone = evaluation_reports.runs([], [came])
    assert EVIL not in alone and "None yet" in alone and "data-remove" not in alone and "data-compare" not in alone
    assert "shipped with the model · worst case 55.0% (45.0 to 65.0%) of 100" in alone
    assert 'data-run="shipped:m/evaluation.json"' in alone and "disabled" not in alone
    own = snapshot(tmp_path, id="1", title="Mine", status=JobStatus.DONE, result=plain())
    both = evaluation_reports.runs([own], [came])
    assert both.index("Mine") < both.index("shipped with the model") and "None yet" not in both
    assert "data-compare" in both and both.count("data-remove") == 1


def test_a_report_is_shown_in_a_frame_where_nothing_runs(studio: Any, folder: Path) -> None:
    files = ReportFiles(*(folder / f"report.{suffix}" for suffix in ("json", "html", "md")))
    for path in (files.json, files.html, files.markdown):
        path.write_text("<script>alert(1)</script>")
    shown = evaluation_reports.report_sheet(EVIL, files, studio.media)
    assert EVIL not in shown and '<iframe sandbox=""' in shown and shown.count("download=") == 3


def test_a_comparison_names_every_difference(tmp_path: Path) -> None:
    compared = compare([report(), report(worst_case=None, data={**plain()["data"], "source": EVIL})])
    shown = evaluation_reports.comparison_sheet(["one", EVIL], compared)
    assert EVIL not in shown and "not done" in shown and "+1.5 points" in shown and "These are stand-ins" in shown


def test_reports_are_served_so_that_nothing_in_them_runs(tmp_path: Path) -> None:
    media = Media({"data": tmp_path}, b"k" * 32)
    client = TestClient(Starlette(routes=[media.route()]))
    for name in ("report.html", "report.md"):
        (tmp_path / name).write_text("<script>alert(1)</script>")
        answer = client.get(media.url(tmp_path / name))
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("sandbox;") and "default-src 'none'" in policy and "script-src" not in policy
    assert client.get(f"media/data/report.html?k={'0' * 32}").status_code == 404


# Whose they are


@pytest.fixture(scope="module")
def sidebar(studio: Any) -> EvaluationSidebar:
    return built(lambda owner: EvaluationSidebar(studio, owner))


def test_the_sidebar_is_closed_at_first(sidebar: EvaluationSidebar) -> None:
    assert sidebar.bar.open is False


def test_somebody_else_s_evaluations_do_not_exist(sidebar: EvaluationSidebar, studio: Any, tmp_path: Path) -> None:
    studio.jobs.known = {
        name: snapshot(tmp_path, id=name, kind="evaluate", owner=owner, title=name, status=JobStatus.DONE)
        for name, owner in (("ours", ANNA), ("theirs", BEN))
    }
    assert "theirs" not in sidebar._runs(ANNA) and "ours" in sidebar._runs(ANNA)
    updates: Updates = sidebar.arrive(ANNA)
    assert updates[sidebar.panel.job] == "ours"
    with pytest.raises(StudioError, match="no longer there"):
        sidebar._comparison(["ours", "theirs"], {"owner": ANNA})
    for wrong in ("ours", ["ours"], ["ours"] * 9, None):
        with pytest.raises(FormError, match="2 to 8"):
            sidebar._comparison(wrong, {"owner": ANNA})


def test_what_came_with_a_model_is_read_and_compared_with_one_s_own(
    sidebar: EvaluationSidebar, studio: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {name: folder / name for name in ("ours", "came")}
    for place in folders.values():
        place.mkdir()
        (place / "report.json").write_text(json.dumps(plain()))
    came = ShippedReport("shipped:m/evaluation.json", "Came with it", folders["came"], report())
    monkeypatch.setattr(type(studio.evaluations), "shipped", lambda _self: (came,))
    job = snapshot(folders["ours"], id="ours", kind="evaluate", owner=ANNA, title="Mine", status=JobStatus.DONE)
    studio.jobs.known = {"ours": job}
    for owner in (ANNA, BEN):  # it is everybody's
        assert "Came with it" in sidebar._runs(owner)
        title, past = sidebar._past(came.name, {"owner": owner})
        assert "Came with it" in sidebar._report(title, past) and (past / "report.html").is_file()
    compared = sidebar._comparison(["ours", came.name], {"owner": ANNA})
    assert "Mine" in compared and "Came with it" in compared and "+1.5 points" in compared
    for name in ("shipped:m/../../secret", "shipped:other/evaluation.json"):
        with pytest.raises(StudioError, match="no longer there"):
            sidebar._past(name, {"owner": ANNA})


def test_what_can_be_gone_on_with_is_offered_only_once_it_has_figures(
    sidebar: EvaluationSidebar, tmp_path: Path
) -> None:
    job = snapshot(tmp_path, kind="evaluate", status=JobStatus.STOPPED)
    assert not sidebar._offer(None)[sidebar.go_on].visible and not sidebar._offer(job)[sidebar.go_on].visible
    (tmp_path / "report.json").write_text(json.dumps(plain()))
    assert sidebar._offer(job)[sidebar.go_on].visible


def test_a_damaged_report_is_said_and_the_page_works_on(
    sidebar: EvaluationSidebar, studio: Any, tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_text(json.dumps({**plain(), "clean": EVIL}))
    job = snapshot(tmp_path, id="ours", kind="evaluate", owner=ANNA, title="Mine", status=JobStatus.DONE)
    studio.jobs.known = {"ours": job}
    shown = sidebar.arrive(ANNA)
    assert "&#x27;clean&#x27; is wrong" in shown[sidebar.panel.stage] and shown[sidebar.panel.more] == ""
    assert EVIL not in shown[sidebar.panel.stage] and "Mine" in shown[sidebar.runs]
    assert not sidebar._offer(job)[sidebar.go_on].visible and not sidebar._readable(job)
    with pytest.raises(StudioError, match="'clean' is wrong"):
        sidebar._comparison(["ours", "ours"], {"owner": ANNA})
