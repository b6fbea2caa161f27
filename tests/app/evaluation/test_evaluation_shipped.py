"""Reports that came with the models: found, copied, opened as pages, compared; what is no report is passed over."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.evaluation.data import EvaluationData
from app.evaluation.service import FOLDER, REPORT, Evaluations
from app.evaluation.shipped import shipped_reports
from app.evaluation.speeds import Speeds
from app.visitors.data_dir import DataDir
from foundation.files.shipped import ASSETS
from robust_model.zoo.catalogue import open_catalogue
from tests.reports import plain_report, sample

SHIPPED = [
    path.parent.name for path in sorted(ASSETS.glob("*/evaluation.json")) if (path.parent / "config.json").exists()
]
INSIDE = Path(FOLDER, REPORT)


@pytest.fixture
def data(tmp_path):
    return DataDir(tmp_path / "data")


def known(data, list_all):
    return Evaluations(None, list_all, data, EvaluationData(data, data.root / "none"), Speeds(data.speeds), "cpu")


def a_model(tmp_path, **files):
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content)
    return SimpleNamespace(name="mine", title="Mine", folder=folder)


def a_report(source="photos", **changes):
    data = {"source": source, "n": 2, "indices": [0, 1], "class_names": ["a", "b"]}
    return json.dumps(plain_report(2, data=data, samples=[sample()]) | changes)


@pytest.mark.slow
def test_every_report_in_assets_is_there_and_opens_as_a_page(data):
    evaluations = known(data, lambda: open_catalogue().list("classifier"))
    found = evaluations.shipped()
    assert SHIPPED and {one.name for one in found} >= {f"shipped:{name}/evaluation.json" for name in SHIPPED}
    for one in found:
        assert one.folder.is_relative_to(data.shipped) and one.report.worst_case.n > 0
        report = evaluations.report(one.folder)
        assert report is not None and report.planned == tuple(attack.name for attack in one.report.attacks)
        files = evaluations.files(one.folder)
        assert f"{one.report.worst_case.accuracy:.1%}" in files.html.read_text("utf-8")
        assert files.markdown.is_file() and json.loads(files.json.read_bytes())["samples"] == []
    compared = evaluations.compare([one.folder for one in found[:2]])
    worst = [figures[0].n for name, figures in compared.figures.items() if "worst" in name]
    assert worst[:1] == [found[0].report.worst_case.n]


def test_several_reports_of_a_model_are_told_apart_and_renewed(data, tmp_path):
    files = {"evaluation": a_report(), "evaluation-rand": a_report(), "config": "{}"}
    model = a_model(tmp_path, **files)
    found = shipped_reports([model], data.shipped, INSIDE)
    assert {one.title for one in found} == {"Mine on photos (rand)", "Mine on photos"}
    copy = data.shipped / "mine" / "evaluation" / INSIDE
    before = copy.stat().st_mtime_ns
    shipped_reports([model], data.shipped, INSIDE)
    assert copy.stat().st_mtime_ns == before, "what is there is not written again"
    (model.folder / "evaluation.json").write_text(a_report("drawings and more"))
    assert "Mine on drawings and more" in [one.title for one in shipped_reports([model], data.shipped, INSIDE)]
    assert json.loads(copy.read_text())["data"]["source"] == "drawings and more"


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "{}", "[" * 100_000, a_report(attacks=None).replace('"attacks"', '"raids"')),
        *(a_report(attacks=None), a_report(data=[]), a_report(clean=1)),
    ],
)
def test_what_is_no_report_is_passed_over_with_a_warning(data, tmp_path, caplog, content):
    assert shipped_reports([a_model(tmp_path, evaluation=content)], data.shipped, INSIDE) == []
    assert "evaluation.json" in caplog.text and not data.shipped.exists()


def test_one_damaged_report_ends_no_list(data, tmp_path):
    """F6: a link that leads nowhere, or a folder by a report's name, is passed over."""
    model = a_model(tmp_path, evaluation=a_report())
    (model.folder / "evaluation-link.json").symlink_to(tmp_path / "nowhere")
    (model.folder / "evaluation-folder.json").mkdir()
    (model.folder / "evaluation-utf16.json").write_bytes(a_report().encode("utf-16"))
    assert [one.title for one in shipped_reports([model], data.shipped, INSIDE)] == ["Mine on photos"]
