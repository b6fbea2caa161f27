"""The benchmark counts every pass, and compares attacks that do the same."""

import json
from pathlib import Path

import pytest

from benchmarks import apgd_passes
from benchmarks.apgd_passes import OURS, THEIRS, Result, attack, compare, pass_ratio
from robust_model.attacks import ApgdConfig, PassCount
from robust_model.ensemble import SelfEnsemble
from robust_model.model_config import ModelConfig
from robust_model.stack import StackConfig
from tests.robust_model.defences import picture, trained


def test_the_ratio_by_hand() -> None:
    ours = Result(standing=3, n=4, steps=PassCount(10, 10), others=4, seconds=1.0)
    theirs = Result(standing=2, n=4, steps=PassCount(20, 20), others=9, seconds=1.0)
    assert pass_ratio({OURS: ours, THEIRS: theirs}) == pytest.approx(24 / 40)
    assert ours.accuracy == 0.75


def test_every_pass_is_counted() -> None:
    model = trained(conv=True)
    images, labels = picture(10, 5)
    config = ApgdConfig(eps=0.0, source="defence", steps=3)
    result = attack(model, images, labels, config, batch=4, seed=0)
    assert (result.standing, result.steps, result.others) == (10, PassCount(40, 40), 0)
    broken = attack(model, images, labels, config.model_copy(update={"eps": 0.3}), batch=4, seed=0)
    assert broken.standing == 0
    assert broken.others >= 10, "each break was confirmed by a pass"


def test_both_leave_the_same_and_ours_needs_fewer_passes() -> None:
    images, labels = picture(20, 5)
    settings = {"eps": 0.07, "steps": 20, "restarts": 1, "targets": 4, "batch": 10, "seed": 0}
    found = compare(trained(conv=True), images, labels, losses=("ce",), **settings)["ce"]
    assert 0 < found[THEIRS].standing < 20
    assert abs(found[OURS].standing - found[THEIRS].standing) <= 2
    assert pass_ratio(found) < 1
    assert found[THEIRS].steps == PassCount(20 * 21, 20 * 21), "the package attacks broken images to the end"


def test_a_run_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ModelConfig(
        class_names=tuple("abcde"),
        widths=(8, 16),
        blocks=(1, 1),
        input_size=8,
        stack=StackConfig(size=8, resolutions=(8, 4)),
    )
    model = SelfEnsemble(config).eval().requires_grad_(False)
    monkeypatch.setattr(apgd_passes, "load_model", lambda name, device: model)
    out = tmp_path / "apgd.json"
    apgd_passes.main(["-n", "6", "--steps", "3", "--loss", "ce", "--device", "cpu", "--json", str(out)])
    report = json.loads(out.read_text("utf-8"))
    assert report["drawn"] == 6
    figures = report["results"]["ce"]
    assert figures[THEIRS]["n"] == 6, "the model's own answers are the labels of foreign classes"
    assert figures["pass_ratio"] > 0
    assert figures["standing_difference"] == figures[OURS]["standing"] - figures[THEIRS]["standing"]
    assert "ce, package" in capsys.readouterr().out
