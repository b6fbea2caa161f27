"""Evaluations behind the page: orders become jobs, costs are measured once, and stopped work is gone on with."""

import dataclasses
import json
from pathlib import Path

import pytest
from PIL import Image

from app.evaluation.data import EvaluationData
from app.evaluation.order import EvaluationOrder, LabelledUpload
from app.evaluation.service import FOLDER, REPORT, Evaluations, take_over
from app.evaluation.speeds import Speeds
from app.handlers.registry import make_handlers
from app.records.params import EvaluateParams
from app.visitors.data_dir import DataDir
from foundation.cluster.pool import Pool
from foundation.errors import StudioError
from foundation.jobs import JobRequest, JobService, JobStatus, run_foreground
from robust_model.evaluation.engine import evaluate_model
from robust_model.evaluation.suites import SUITES
from tests.app.standins import workshop
from tests.reports import plain_report
from tests.robust_model.evaluated import timeless
from tests.robust_model.published import TIMM, empty_hub, put_timm
from tests.toy_cluster import ThreadBackend

ORDER = EvaluationOrder("gratings", "synthetic", ("quick",), 6, 8 / 255)
NOBODY = "0" * 32


@pytest.fixture
def data(tmp_path):
    data = DataDir(tmp_path / "data")
    data.create()
    return data


@pytest.fixture
def shop(data):
    return workshop(data)


@pytest.fixture
def known(data, shop, tmp_path):
    images = EvaluationData(data, tmp_path / "none")
    models = shop.catalogue
    return Evaluations(models, lambda: models.list("classifier"), data, images, Speeds(data.speeds), "cpu")


def test_an_order_becomes_a_job_s_parameters(known, data):
    params = known.params(ORDER)
    assert params.at_most_seconds is not None and params.at_most_seconds > 0
    config = params.config
    assert (config.model, config.data, config.count, config.suites) == ("gratings", "synthetic", 6, ("quick",))
    assert config.eps == pytest.approx(8 / 255) and params.images == ()
    digest = data.uploads.keep(Image.new("RGB", (9, 8)), "local").digest
    brought = known.params(EvaluationOrder("gratings", "own", ("quick",), 1, 0.0, (LabelledUpload(digest, "x"),)))
    assert brought.to_json()["images"] == [{"digest": digest, "label": "x"}]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (EvaluationOrder("gratings", "dataset:/etc", ("quick",), 6, 0.03), "no longer there"),
        (EvaluationOrder("colours", "synthetic", ("quick",), 6, 0.03), "trained on it"),
        (EvaluationOrder("gratings", "synthetic", ("quick",), 6, 7.0), "'eps'"),
    ],
)
def test_an_order_that_does_not_fit_is_refused_in_words(known, order, words):
    with pytest.raises(StudioError, match=words):
        known.params(order)


def test_costs_count_passes_and_shared_attacks_once(known):
    costs, both = known.costs("gratings", ("quick", "adaptive", "quick"), 10, 8 / 255)
    assert set(costs) == set(SUITES)
    assert both is not None and both.forward < costs["quick"].forward + costs["adaptive"].forward
    assert both.backward == costs["quick"].backward + costs["adaptive"].backward
    twice, none = known.costs("gratings", (), 20, 8 / 255)
    assert none is None
    # The gradients where an attack ended are looked at for 16 images of a batch at most: two passes back each.
    assert twice["quick"].backward - 2 * 16 == 2 * (costs["quick"].backward - 2 * 10) >= 20 * 20
    assert twice["quick"].seconds == pytest.approx(2 * costs["quick"].seconds, rel=0.05)
    assert costs["square"].backward == 0 < costs["square"].seconds


def test_a_model_is_measured_once_and_remembered(data, shop):
    model = shop.catalogue.load("gratings")
    first = Speeds(data.speeds).of("gratings 1", model, "cpu")
    assert min(first) > 0 and Speeds(data.speeds).of("gratings 1", None, "cpu") == first
    with pytest.raises(AttributeError):  # other weights are measured anew
        Speeds(data.speeds).of("gratings 2", None, "cpu")
    data.speeds.write_text('{"cpu gratings 1": ["fast", 1]}')
    assert min(Speeds(data.speeds).of("gratings 1", model, "cpu")) > 0


@pytest.mark.slow
def test_a_cluster_changes_nothing_but_who_evaluates(known, shop, tmp_path):
    backend, params, reports = ThreadBackend(2), known.params(ORDER).to_json(), []
    for pool in (Pool(), Pool(lambda: backend)):
        folder = tmp_path / str(len(reports))
        run_foreground(JobRequest("evaluate", params), make_handlers(dataclasses.replace(shop, pool=pool)), folder)
        reports.append(timeless(json.loads((folder / "result.json").read_text())))
    assert reports[1] == reports[0]
    assert backend.closed and sum(handle.begun for handle in backend.hired) > 0


@pytest.mark.slow
def test_a_job_reports_as_it_goes_and_is_read_and_rendered(known, shop, data):
    with JobService(data.root, make_handlers(shop)) as jobs:
        job = jobs.submit(JobRequest("evaluate", known.params(ORDER).to_json(), owner="anna"))
        done = jobs.wait(job, 60.0)
    assert done.status is JobStatus.DONE, done.error
    folder = Path(done.folder)
    report = known.report(folder)
    assert report is not None and report.report.complete and report.report.data.n == 6
    assert report.planned == tuple(attack.name for attack in report.report.attacks)
    assert done.result["worst_case"] == report.report.worst_case.to_json() and "per_image" not in done.result
    assert "indices" not in done.result["data"] and done.result["schema"] == 2
    assert "indices" not in done.result["data"]
    assert known.compare([folder, folder]).figures["clean"][0].n == 6
    with pytest.raises(StudioError):
        known.compare([folder])
    pytest.importorskip("matplotlib")
    files = known.files(folder)
    assert files.html.read_text().lower().startswith("<!doctype html") and "<script" not in files.html.read_text()
    written = files.html.stat().st_mtime_ns
    assert known.files(folder).html.stat().st_mtime_ns == written


@pytest.mark.slow
def test_what_a_stopped_evaluation_found_is_gone_on_with(known, shop, data, monkeypatch):
    def stopping(context, config, model, folder, *, data, cluster):
        return evaluate_model(config, model, folder, data=data, should_stop=lambda: True, cluster=cluster)

    with monkeypatch.context() as patch, JobService(data.root, make_handlers(shop)) as jobs:
        patch.setattr("app.handlers.registry.evaluate_job", stopping)
        first = jobs.wait(jobs.submit(JobRequest("evaluate", known.params(ORDER).to_json())), 60.0)
    report = known.report(Path(first.folder))
    assert report is not None and not report.report.complete
    params = known.continued(first.id, EvaluateParams.asked(first.params), ("quick",))
    assert params.continues == first.id
    with JobService(data.root, make_handlers(shop)) as jobs:
        second = jobs.wait(jobs.submit(JobRequest("evaluate", params.to_json())), 60.0)
    done = known.report(Path(second.folder))
    assert done is not None and done.report.complete, second.error
    with pytest.raises(StudioError, match="all done"):
        known.continued(second.id, EvaluateParams.asked(second.params), ("quick",))
    more = known.continued(second.id, EvaluateParams.asked(second.params), ("square",))
    assert more.config.suites == ("quick", "square")


@pytest.mark.slow
def test_a_published_model_is_evaluated_on_images_of_its_classes(known, shop, data, tmp_path, monkeypatch):
    checkpoints = empty_hub(tmp_path, monkeypatch)
    digest = data.uploads.keep(Image.new("RGB", (60, 40), (200, 90, 10)), "local").digest
    order = EvaluationOrder(TIMM, "own", ("quick",), 1, 0.0, (LabelledUpload(digest, "goldfish"),))
    with pytest.raises(StudioError, match="known once it is here"):  # a page must not wait for a download
        known.costs(TIMM, ("quick",), 1, 0.0)
    params = known.params(order)
    assert "own" in [choice.name for choice in known.data(TIMM)]
    assert known.data("torchvision:nothing")  # what is wrong is said beside the model's name
    with JobService(data.root, make_handlers(shop)) as jobs:
        missing = jobs.wait(jobs.submit(JobRequest("evaluate", params.to_json())), 60.0)
        assert missing.status is JobStatus.FAILED and "could not be downloaded" in missing.error
        put_timm(checkpoints)
        done = jobs.wait(jobs.submit(JobRequest("evaluate", params.to_json())), 120.0)
    assert done.status is JobStatus.DONE, done.error
    assert done.result["data"]["n"] == 1 and len(done.result["data"]["class_names"]) == 1000
    costs, _ = known.costs(TIMM, ("quick",), 1, 0.0)
    assert costs["quick"].backward > 0


@pytest.mark.parametrize("job_id", [NOBODY, "..", "../../models", "x", "/etc"])
def test_only_jobs_are_gone_on_with(known, data, tmp_path, job_id):
    with pytest.raises(StudioError, match="no longer there"):
        take_over(data, job_id, tmp_path / "new")
    with pytest.raises(StudioError, match="no longer there"):
        known.continued(job_id, {"config": {"suites": []}}, ())
    take_over(data, None, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_journal_is_taken_over_and_the_report_is_not(data, tmp_path):
    earlier = data.root / "jobs" / NOBODY / FOLDER
    (earlier / "journal").mkdir(parents=True)
    (earlier / "journal" / "entry").write_text("work")
    for name in ("report.json", "report.html", "config.json"):
        (earlier / name).write_text(json.dumps({}))
    take_over(data, NOBODY, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").rglob("*")) == ["config.json", "entry", "journal"]


def test_a_damaged_report_is_named_with_its_field(known, tmp_path):
    place = tmp_path / FOLDER
    place.mkdir()
    damaged = {name: value for name, value in plain_report(4).items() if name != "worst_case"}
    (place / REPORT).write_text(json.dumps(damaged))
    for ask in (known.report, known.files, lambda folder: known.compare([folder, folder])):
        with pytest.raises(StudioError, match="it has no 'worst_case'") as caught:
            ask(tmp_path)
        assert str(place / REPORT) in str(caught.value)
    (place / REPORT).write_text(json.dumps(plain_report(4)))
    assert known.report(tmp_path).report.worst_case.n == 4, "read again once it is mended"


def test_before_the_first_figures_there_is_no_report(known, tmp_path):
    assert known.report(tmp_path) is None
    with pytest.raises(StudioError, match="no report yet"):
        known.files(tmp_path)
    with pytest.raises(StudioError, match="no figures yet"):
        known.compare([tmp_path, tmp_path])
