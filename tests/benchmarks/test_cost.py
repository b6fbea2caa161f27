"""The model of cost beside runs: the reckoning is that of `robust_model cost`, and what is far off is told."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.cost import checking
from benchmarks.cost.checking import Checked, evaluation, report, training
from robust_model.cost_model import Speed, evaluation_work, shipped_reports
from robust_model.data.datasets import LabelledImages
from robust_model.zoo.subjects import EvaluatedModel, load_subject

NAME, SUITE = "undefended-cifar10", "adaptive"


@pytest.fixture
def noise() -> LabelledImages:
    """Two images that the model takes for something."""
    model: EvaluatedModel = load_subject(NAME).model
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        labels = model.combine(model.readouts(pixels / 255)).argmax(1)
    return LabelledImages(pixels, labels, model.class_names, "noise")


def test_how_far_off_a_reckoning_is() -> None:
    assert Checked("a", 12.0, 10.0).off == pytest.approx(0.2)
    assert Checked("a", 5.0, 10.0).off == -0.5
    assert "+20%" in report([Checked("a", 12.0, 10.0)])


@pytest.mark.slow
def test_an_evaluation_is_reckoned_by_its_own_report_and_the_speed(
    monkeypatch: pytest.MonkeyPatch, noise: LabelledImages
) -> None:
    monkeypatch.setattr(checking, "speed_of", lambda _model: Speed(100.0, 50.0))
    found = evaluation(NAME, SUITE, noise, 2)
    model: EvaluatedModel = load_subject(NAME).model
    works = evaluation_work(model, SUITE, 8 / 255, 2, shipped_reports())
    work = next(one for one in works if one.survivors and one.survivors[0].model == NAME)
    assert found.reckoned == pytest.approx(work.passes.forward / 100 + work.passes.backward / 50)
    assert found.took > 0


def test_a_training_is_reckoned_by_its_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "speed_of", lambda _model: Speed(100.0, 50.0))
    found = training("demo", 2)
    # 2 steps of 32 images: FGSM takes 1 forward and 1 back to the image, the update 1 forward and 2 back
    assert found.reckoned == pytest.approx(64 * (2 / 100 + 3 / 50))
    assert found.took > 0


@pytest.mark.parametrize(("took", "code"), [(10.0, 0), (100.0, 1)])
def test_what_is_far_off_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, noise: LabelledImages, took: float, code: int
) -> None:
    monkeypatch.setattr(checking, "load_data", lambda _spec, _split: noise)
    monkeypatch.setattr(checking, "evaluation", lambda name, *_args: Checked(name, 11.0, took))
    monkeypatch.setattr(checking, "training", lambda preset, _steps: Checked(preset, 10.0, 10.0))
    told = tmp_path / "check.json"
    monkeypatch.setattr("sys.argv", ["cost", "--data", "folder:cifar10", "--json", str(told)])
    assert checking.main() == code
    rows = json.loads(told.read_text())["results"]
    assert [row["run"] for row in rows] == ["crossmax-cifar10", "undefended-cifar10", "crossmax-cifar10"]
    assert rows[0]["off"] == pytest.approx(11.0 / took - 1)
