"""What an evaluation and a training take on other machines, by numbers worked out by hand."""

import itertools
import json
import math
from pathlib import Path

import pytest
import torch

from foundation.errors import StudioError
from foundation.files.shipped import ASSETS
from foundation.jobs import Terminal
from robust_model import cost_model
from robust_model.attacks import PassCount
from robust_model.cli import cost
from robust_model.cli import main as cli
from robust_model.cost_model import (
    Outline,
    Speed,
    delivered,
    evaluation_totals,
    evaluation_work,
    shipped_reports,
    training_passes,
)
from robust_model.evaluation.cost import measure_on_grey
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.training import paper
from robust_model.training.training import TrainConfig

EPS = 8 / 255


def main(*words: str) -> int:
    return cli.main(["cost", *words], foreground=Terminal())


@pytest.fixture(scope="module")
def reports() -> list[cost_model.EvaluationReport]:
    return shipped_reports()


def outline(*, random: bool) -> Outline:
    config = paper.cifar("cifar10").phases["readouts"].model
    return Outline(config if random else config.model_copy(update={"inference_noise": "off"}))


def test_many_devices_lose_a_share_with_every_doubling() -> None:
    assert delivered(1, 0.9) == 1 and delivered(0.5, 0.9) == 0.5
    assert delivered(8, 0.9) == pytest.approx(8 * 0.729) and delivered(64, 1) == 64


def test_seconds_are_those_of_both_ways() -> None:
    assert Speed(forward=100, backward=50).seconds(PassCount(1000, 200)) == 10 + 4


def test_passes_of_the_papers_training() -> None:
    """50,000 images: 390 batches of 128 for 6 epochs, then 781 of 64 over a frozen backbone."""
    phases = paper.cifar("cifar10").phases
    assert training_passes(phases["backbone"], 50_000) == PassCount(299_520, 599_040)
    assert training_passes(phases["readouts"], 50_000) == PassCount(49_984, 0)
    light = paper.cifar_light("cifar10").phases["backbone"]  # a pass more there and back, to the image
    assert training_passes(light, 50_000) == PassCount(2 * 299_520, 3 * 299_520)


def test_passes_of_training_against_many_steps() -> None:
    model = ModelConfig(class_names=("a", "b"))
    config = TrainConfig(model=model, data="x", epochs=2, batch=4, holdout=2, adversary="pgd", adversary_steps=10)
    assert training_passes(config, 10) == PassCount(16 * 11, 16 * 12)
    with pytest.raises(StudioError, match="5 images are too few for a batch of 4"):
        training_passes(config, 5)


def test_autoattack_rand_by_hand(reports: list[cost_model.EvaluationReport]) -> None:
    """Two attacks of 101 gradients of 20 passes, 2 looks each, 3 for the checks; 9 draws before and 9 after."""
    most, like = evaluation_work(outline(random=True), "autoattack-rand", EPS, 10_000, reports)
    assert most.passes == PassCount(10_000 * (3 + 2 * (2020 + 2) + 18), 10_000 * 4040)
    report = json.loads((ASSETS / "crossmax-plain-cifar10/evaluation-autoattack.json").read_text())
    (rand,) = (attack for attack in report["attacks"] if attack["name"] == "AutoAttack rand")
    assert like.supposing == "images break as those of crossmax-plain-cifar10"
    assert like.passes.forward == pytest.approx(rand["passes"]["forward"] * 10_000 / 256 + 90_000, abs=1)
    assert like.passes.backward == pytest.approx(rand["passes"]["backward"] * 10_000 / 256, abs=1)
    assert like.survivors[0].standing == rand["accuracy"]


def test_reports_of_other_budgets_and_attacks_say_nothing(reports: list[cost_model.EvaluationReport]) -> None:
    deterministic = evaluation_work(outline(random=False), "adaptive", EPS, 100, reports)
    assert [work.supposing for work in deterministic] == [
        "no image breaks",
        "images break as those of crossmax-cifar10",
        "images break as those of undefended-cifar10",
    ]
    assert all(sum(work.passes) < sum(deterministic[0].passes) for work in deterministic[1:])
    small = evaluation_work(outline(random=False), "adaptive", 4 / 255, 100, reports)[1:]
    assert [work.supposing.split()[-1] for work in small] == ["crossmax-imagenet64", "crossmax-tiny64"]
    assert len(evaluation_work(outline(random=False), "thorough", EPS, 100, reports)) == 1
    stopped = [report.model_copy(update={"complete": False}) for report in reports]
    assert len(evaluation_work(outline(random=False), "adaptive", EPS, 100, stopped)) == 1


def test_suites_add_up(reports: list[cost_model.EvaluationReport]) -> None:
    """Of a deterministic model no report has "thorough": its bound counts; of "adaptive" the longer report's."""
    works = [
        work
        for suite in ("adaptive", "thorough")
        for work in evaluation_work(outline(random=False), suite, EPS, 100, reports)
    ]
    bound, like = evaluation_totals(works)
    assert bound.passes == works[0].passes + works[3].passes
    assert like.passes == works[1].passes + works[3].passes and works[1].supposing.endswith("crossmax-cifar10")
    assert evaluation_totals(works[:3]) == []


def test_the_command_with_given_speeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "cost.json"
    words = ["--passes-per-second", "1000", "500", "--suite", "autoattack-rand", "--json", str(target)]
    assert main(*words, "--gpus", "1", "8", "--evaluation-scaling", "0.9", "--training-scaling", "0.8") == 0
    found = json.loads(target.read_text())
    first, *_, backbone, readouts, both = found["rows"]
    whole = 40_650_000 / 1000 + 40_400_000 / 500
    assert first["seconds"] == {"1": pytest.approx(whole), "8": pytest.approx(whole / (8 * 0.729))}
    trained = 299_520 / 1000 + 599_040 / 500
    assert (backbone["forward"], backbone["backward"]) == (299_520, 599_040)
    assert backbone["seconds"] == {"1": pytest.approx(trained), "8": pytest.approx(trained / (8 * 0.512))}
    assert readouts["seconds"]["1"] == pytest.approx(49.984)
    assert both["seconds"]["1"] == pytest.approx(trained + 49.984) and both["supposing"] == "all phases"
    said = capsys.readouterr().out
    assert "33.7 hours" in said and "| 1 GPU | 8 GPUs |" in said and "on one GPU, as given." in said
    assert "AutoAttack rand 26.6%" in said and "0.9 to the power of log2 N" in said


def test_what_is_measured_here_counts_for_as_many_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured on 4 cores: one core takes four times as long, and 8 are two of what was measured."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(cost, "measure_on_grey", lambda model, batch: (0.01 * batch, 0.02 * len(model.class_names)))
    target = tmp_path / "cost.json"
    words = ["--preset", "demo", "--data", "synthetic:8", "--training-images", "96", "--batch", "2", "--suite", "quick"]
    assert main(*words, "--device", "cpu", "--cores", "1", "4", "8", "--json", str(target)) == 0
    found = json.loads(target.read_text())
    assert found["passes_per_second"] == {"forward": pytest.approx(50), "backward": pytest.approx(12.5)}
    last = found["rows"][-1]  # 4 epochs of 32 images against one step: 2 passes there, 3 back
    assert (last["forward"], last["backward"]) == (256, 384)
    seconds = 256 / 50 + 384 / 12.5
    assert last["seconds"]["1"] == pytest.approx(4 * seconds) and last["seconds"]["4"] == pytest.approx(seconds)
    assert last["seconds"]["8"] == pytest.approx(seconds / (2 * 0.95))
    assert "on 4 cores, measured with 'demo'" in capsys.readouterr().out


def test_a_network_is_really_measured(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--preset", "demo", "--data", "synthetic:8", "--training-images", "96", "--batch", "2", "--suite", "quick"]
    assert main(*words, "--device", "cpu", "--images", "10") == 0
    said = capsys.readouterr().out
    assert "| evaluation: quick | no image breaks | 10 |" in said and "a twentieth" not in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--gpus", "8", "--device", "cpu"], "a CPU, which says nothing about GPUs"),
        (["crossmax-cifar10", "--passes-per-second", "1", "1"], "leave one of them out"),
        (["--preset", "paper-imagenet"], "--data folder:PATH"),
        (["--preset", "demo", "--data", "synthetic:64"], "--training-images N"),
        (["--passes-per-second", "0", "1"], "no number from"),
        (["--passes-per-second", "1", "1", "--suite", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(*words) == 2
    said = capsys.readouterr()
    assert why in said.err and said.out == ""


def test_speeds_are_numbers_where_a_pass_back_takes_no_time_that_could_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still, or by which the pass there and back is the shorter one, as noise may have it."""
    model = SelfEnsemble(ModelConfig(class_names=("x", "y"), widths=(4,), blocks=(1,))).eval()
    for ticks in (itertools.repeat(1.0), itertools.cycle([0.0, 3.0, 3.0, 4.0])):
        monkeypatch.setattr("robust_model.evaluation.cost.time.perf_counter", lambda ticks=ticks: next(ticks))
        forward, backward = measure_on_grey(model, 2)
        assert 0 < forward < 10 and 0 < backward < 10 and math.isfinite(1 / backward)
