"""The benchmark counts every pass, and compares attacks that do the same."""

import json
from pathlib import Path

import pytest

from benchmarks import apgd_passes
from benchmarks.apgd_passes import OURS, THEIRS, Result, agree, attack, compare, pass_ratio, verdict
from robust_model.attacks import ApgdConfig, PassCount
from robust_model.networks.ensemble import SelfEnsemble
from robust_model.networks.model_config import ModelConfig
from robust_model.networks.stack import StackConfig
from robust_model.zoo.subjects import Subject
from tests.robust_model.defences import picture, trained


def test_the_ratio_by_hand() -> None:
    ours = Result(standing=3, n=4, steps=PassCount(10, 10), others=4, seconds=1.0)
    theirs = Result(standing=2, n=4, steps=PassCount(20, 20), others=9, seconds=1.0)
    assert pass_ratio({OURS: ours, THEIRS: theirs}) == pytest.approx(24 / 40)
    assert ours.accuracy == 0.75


@pytest.mark.parametrize(("ours", "same"), [(470, True), (530, True), (531, False), (469, False)])
def test_agreement_is_within_the_noise_of_so_many_images(ours: int, same: bool) -> None:
    """500 of 1,000: Wilson's interval is 46.9 to 53.1 %."""

    def result(standing: int, passes: int) -> Result:
        return Result(standing, n=1000, steps=PassCount(passes, passes), others=0, seconds=1.0)

    found = {OURS: result(ours, 59), THEIRS: result(500, 100)}
    assert found[THEIRS].noise == pytest.approx(0.0309, abs=1e-4)
    assert agree(found) == same
    said = verdict(3, "ce", found)
    assert ("within the noise" in said) == same and "59.0% of the passes (at most 60%)" in said
    assert "50.0% of the images stand" in said
    assert "(MORE THAN 60%)" in verdict(3, "ce", {**found, OURS: result(500, 61)})


@pytest.mark.slow
def test_every_pass_is_counted() -> None:
    model = trained(conv=True)
    images, labels = picture(10, 5)
    config = ApgdConfig(eps=0.0, source="defence", steps=3)
    result = attack(model, images, labels, config, batch=4, seed=0)
    assert (result.standing, result.steps, result.others) == (10, PassCount(40, 40), 0)
    broken = attack(model, images, labels, config.model_copy(update={"eps": 0.3}), batch=4, seed=0)
    assert broken.standing == 0
    assert broken.others >= 10, "each break was confirmed by a pass"


@pytest.mark.slow
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
    monkeypatch.setattr(apgd_passes, "load_subject", lambda name, device: Subject(name, model))
    out = tmp_path / "apgd.json"
    words = ["-n", "6", "--steps", "3", "--loss", "ce", "--eps", "0", "80", "--device", "cpu", "--json", str(out)]
    apgd_passes.main(["--data", "synthetic", *words])
    report = json.loads(out.read_text("utf-8"))
    assert report["drawn"] == 6
    for figures, eps in zip(report["results"], (0, 80), strict=True):
        assert (figures["eps"], figures["loss"]) == (eps, "ce")
        assert figures[THEIRS]["n"] == 6, "the model's own answers are the labels of foreign classes"
        assert figures["pass_ratio"] > 0
        assert figures["standing_difference"] == figures[OURS]["standing"] - figures[THEIRS]["standing"]
    assert report["results"][0][OURS]["standing"] == 6, "nothing may change at a budget of 0"
    said = capsys.readouterr().out
    assert "80/255 ce, package" in said and "3 steps, 1 restart(s)" in said and "the noise of 6 images" in said
