"""The command line, from training to a model with a card."""

import json
import os
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from foundation.catalogue.memory import Memory
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.jobs import Terminal
from robust_model.attacks import run_attack
from robust_model.cli import main as cli
from robust_model.data.datasets import synthetic
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.jobs import evaluate_job
from robust_model.networks.crossmax import AGGREGATORS, crossmax
from robust_model.training.presets import PRESETS
from robust_model.training.provenance import command_line
from robust_model.training.training import Run, TrainConfig
from robust_model.zoo.catalogue import open_catalogue
from robust_model.zoo.registry import describe
from tests.loading import load_model

DATA = ["--data", "synthetic:256"]
QUICK = ["--set", "epochs=1", "--set", "holdout=32"]


def main(words: list[str]) -> int:
    return cli.main(words, foreground=Terminal())


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    assert main(["train", "--preset", "demo", *DATA, "--out", str(root / "run")]) == 0
    words = ["export", str(root / "run"), str(root / "exported" / "demo"), "--preset", "demo", "--calibrate"]
    assert main(words) == 0
    return root / "exported" / "demo"


@pytest.mark.slow
def test_trained_exported_and_loaded_it_knows_its_classes(model_folder: Path) -> None:
    info = describe(model_folder)
    assert info.ready and info.title == PRESETS["demo"].title and len(info.revision) == 16
    model = load_model(str(model_folder))
    test = synthetic("test", 64)
    right = (model(test.images.float() / 255).argmax(1) == test.labels).float().mean()
    assert right > 0.8
    assert not any(p.requires_grad for p in model.parameters()) and not model.training


@pytest.mark.slow
def test_calibration_changes_probabilities_and_no_decision(model_folder: Path) -> None:
    settings = json.loads((model_folder / "config.json").read_text())["model"]
    assert settings["temperature"] not in (0, 1)
    model = load_model(str(model_folder))
    images = synthetic("test", 16).images.float() / 255
    raw = AGGREGATORS[settings["aggregator"]](model.readouts(images))
    torch.testing.assert_close(model(images) * settings["temperature"], raw)


@pytest.mark.slow
def test_evaluate_saves_the_report_and_renews_the_card(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(model_folder), *DATA, "-n", "32", "--steps", "3", "--restarts", "1", "--save"]
    assert main(words) == 0
    assert "worst case per image" in capsys.readouterr().out
    report = json.loads((model_folder / "evaluation.json").read_text())
    card = (model_folder / "README.md").read_text()
    assert report["worst_case"]["n"] == 32
    assert f"{report['worst_case']['correct']} of 32" in card
    assert "evaluate demo" in card and str(model_folder.parent) not in card + json.dumps(report)
    assert str(model_folder.parent.parent) not in (model_folder / "config.json").read_text()


@pytest.mark.slow
def test_a_report_that_was_stopped_replaces_no_whole_one(
    model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*args: Any, **options: Any) -> EvaluationReport:
        return evaluate_job(*args, **options).model_copy(update={"complete": False})

    words = ["evaluate", str(model_folder), *DATA, "-n", "8", "--steps", "2", "--restarts", "1", "--save"]
    assert main(words) == 0
    before = (model_folder / "evaluation.json").read_bytes()
    monkeypatch.setattr("robust_model.cli.evaluate.evaluate_job", stopped)
    assert main(words) == 130
    assert (model_folder / "evaluation.json").read_bytes() == before
    assert "replaces no whole one" in capsys.readouterr().err


@pytest.mark.slow
def test_evaluate_writes_what_is_asked_for_and_goes_on_from_its_folder(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(model_folder), *DATA, "-n", "12", "--steps", "2", "--restarts", "1", "--suite", "quick"]
    places = [
        "--json",
        str(tmp_path / "r.json"),
        "--html",
        str(tmp_path / "r.html"),
        "--markdown",
        str(tmp_path / "r.markdown"),
    ]
    assert main([*words, "--out", str(tmp_path / "run"), *places]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["command"] == (
        "python -m robust_model evaluate demo --data synthetic:256 -n 12 --steps 2 --restarts 1 --suite quick"
    )
    assert [a["name"] for a in report["attacks"]] == ["mean/margin"] and report["suites"] == ["quick"]
    assert "worst case" in (tmp_path / "r.markdown").read_text() and "<html" in (tmp_path / "r.html").read_text()
    kept = json.loads((tmp_path / "run" / "report.json").read_text())
    assert kept["worst_case"] == report["worst_case"]
    assert all((tmp_path / "run" / sample["adversarial"]).is_file() for sample in kept["samples"])
    capsys.readouterr()

    assert main([*words, "--suite", "adaptive", "--out", str(tmp_path / "run")]) == 0
    assert "defence/margin (continued)" in capsys.readouterr().out
    more = json.loads((tmp_path / "run" / "report.json").read_text())
    assert more["attacks"][0] == kept["attacks"][0] and more["attacks"][1]["cumulative"]
    assert more["worst_case"]["correct"] <= kept["worst_case"]["correct"]
    assert main([*words, "--seed", "1", "--out", str(tmp_path / "run")]) == 2
    assert "holds an evaluation with other values of" in capsys.readouterr().err

    reports = [str(tmp_path / "r.json"), str(tmp_path / "run" / "report.json")]
    assert main(["compare", *reports]) == 0
    assert "worst case" in capsys.readouterr().out


def test_the_cost_is_told_before_anything_runs(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(model_folder), *DATA, "-n", "100", "--suite", "quick", "--estimate"]
    assert main(words) == 0
    # 100 images: clean, 21 passes of 20 steps (and as many backward), the verdict on what is left. Of 16 of them the
    # point where the attack ended is looked at: 4 passes, 2 of them backward.
    assert "At most about 2,364 forward and 2,132 backward passes" in capsys.readouterr().out


def test_a_list_of_attacks_from_a_file(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attacks = [{"kind": "square", "queries": 3, "eps": 4 / 255}, {"kind": "pgd", "steps": 2, "eps": 4 / 255}]
    (tmp_path / "attacks.json").write_text(json.dumps(attacks))
    words = ["evaluate", str(model_folder), *DATA, "-n", "6", "--attacks", str(tmp_path / "attacks.json")]
    assert main([*words, "--eps", "4", "--cascade"]) == 0
    assert "Square" in capsys.readouterr().out
    assert main(words) == 2
    assert "another eps" in capsys.readouterr().err
    (tmp_path / "attacks.json").write_text('[{"kind": "magic"}]')
    assert main(words) == 2
    assert "'attacks.0' is not valid" in capsys.readouterr().err


@pytest.mark.slow
def test_two_runs_make_the_same_weights(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert main(["train", "--preset", "demo", *DATA, *QUICK, "--out", str(tmp_path / name)]) == 0
    first, second = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in ("a", "b"))
    assert first == second


@pytest.mark.slow
def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["train", "--preset", "demo", *DATA, *QUICK, "--out", str(run)]) == 0
    before = (run / "checkpoint.safetensors").read_bytes()
    assert main(["train", "--resume", str(run)]) == 0
    assert (run / "checkpoint.safetensors").read_bytes() == before


@pytest.mark.slow
def test_a_resumed_run_may_have_more_epochs_and_the_card_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", "--preset", "demo", *DATA, *QUICK, "--out", str(run)]) == 0
    first = json.loads((run / "provenance.json").read_text())
    steps = Run(_config(run), run).steps
    assert "changes" not in first and "epoch 1, loss" in capsys.readouterr().out

    assert main(["train", "--resume", str(run), "--set", "learning_rate=0.01"]) == 2
    assert "may change only epochs, eps, adversary_steps" in capsys.readouterr().err
    assert main(["train", "--resume", str(run), "--set", "epochs=0.5"]) == 2
    assert "choose more epochs" in capsys.readouterr().err
    assert json.loads((run / "provenance.json").read_text()) == first and _config(run).epochs == 1

    assert main(["train", "--resume", str(run), "--set", "epochs=2"]) == 0
    assert f"step {steps} of {2 * steps}" in capsys.readouterr().err
    assert main(["train", "--resume", str(run)]) == 0  # a finished run, and the change is not recorded again
    assert [json.loads(line)["epoch"] for line in (run / "log.jsonl").read_text().splitlines()] == [1, 2]
    command = "python -m robust_model train --resume run --set epochs=2"
    assert json.loads((run / "provenance.json").read_text()) == {
        **first,
        "changes": [{"step": steps, "command": command}],
    }
    assert _config(run).epochs == 2
    assert main(["export", str(run), str(tmp_path / "model")]) == 0
    assert f"- Changed at step {steps}: `{command}`" in (tmp_path / "model" / "README.md").read_text()


def test_how_the_answer_is_made_can_be_changed_at_export(model_folder: Path, tmp_path: Path) -> None:
    run, out = model_folder.parent.parent / "run", tmp_path / "model"
    words = ["--voters", "2", "--aggregator", "crossmax-top2-votes", "--mirror"]
    assert main(["export", str(run), str(out), *words]) == 0
    model, images = load_model(str(out)), synthetic("test", 8).images.float() / 255
    assert (model.config.voters, model.config.aggregator, model.config.mirror) == (2, "crossmax-top2-votes", True)
    torch.testing.assert_close(model(images), model(images.flip(3)))
    torch.testing.assert_close(model(images), crossmax(model.readouts(images), 2), atol=1e-6, rtol=0.0)
    assert main(["export", str(run), str(out), "--voters", "1", "--aggregator", "crossmax-top2-votes"]) == 2
    assert load_model(str(out)).config.voters == 2, "the earlier export is still there"


def _config(run: Path) -> TrainConfig:
    return TrainConfig.model_validate_json((run / "config.json").read_text())


@pytest.mark.slow
def test_ctrl_c_keeps_a_run_that_resumes_exactly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "--preset", "demo", *DATA, *QUICK, "--out"]
    assert main([*words, str(tmp_path / "whole")]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(Run, "train_step", _pressing({1: 1}, Run.train_step))
        assert main([*words, str(tmp_path / "run")]) == 130
    out, err = capsys.readouterr()
    assert "Stopped at step 1 of" in out and "Stopping" in err and f"--resume {tmp_path / 'run'}" in err
    with monkeypatch.context() as patch:
        patch.setattr(Run, "train_step", _pressing({1: 2}, Run.train_step))
        assert main(["train", "--resume", str(tmp_path / "run")]) == 130
    assert "thrown away" in capsys.readouterr().err
    assert Run(_config(tmp_path / "run"), tmp_path / "run").step == 1
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    first, second = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in ("whole", "run"))
    assert first == second


def _pressing(presses: dict[int, int], train_step: Callable[[Run], float]) -> Callable[[Run], float]:
    """Press Ctrl-C in the n-th step, so many times."""
    count = 0

    def step(run: Run) -> float:
        nonlocal count
        count += 1
        for _ in range(presses.get(count, 0)):
            os.kill(os.getpid(), signal.SIGINT)
        return train_step(run)

    return step


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_in_an_evaluation(
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    presses: int,
) -> None:
    def attack(*args: object, **options: object) -> Iterator[object]:
        for number, outcome in enumerate(run_attack(*args, **options)):  # type: ignore[arg-type]
            for _ in range(presses if number == 1 else 0):
                os.kill(os.getpid(), signal.SIGINT)
            yield outcome

    monkeypatch.setattr("robust_model.evaluation.units.run_attack", attack)
    report = tmp_path / "report.json"
    words = ["evaluate", str(model_folder), *DATA, "-n", "16", "--steps", "3", "--restarts", "1", "--json", str(report)]
    assert main(words) == 130
    out, err = capsys.readouterr()
    assert "Stopping" in err
    if presses == 1:
        assert "Stopped early" in out and not json.loads(report.read_text())["complete"]
    else:
        assert "nothing was kept" in err and out == "" and not report.exists()


@pytest.mark.slow
def test_threads_are_set(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert main(["train", "--preset", "demo", *DATA, *QUICK, "--out", str(tmp_path), "--threads", "3"]) == 0
    assert asked == [3]
    assert main(["evaluate", "nothing", "--threads", "0"]) == 2
    assert "no whole number from 1 to 256" in capsys.readouterr().err
    assert asked == [3]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--preset", "demo", "--data", "nonsense"], "Unknown data 'nonsense'"),
        (["train", "--preset", "demo", "--data", "folder:no/such/place"], "No images at"),
        (["train", "--preset", "demo", *DATA, "--set", "nonsense=1"], "no setting 'nonsense'"),
        (["train", "--preset", "demo", *DATA, "--set", "epochs"], "KEY=VALUE"),
        (["train", "--preset", "demo", *DATA, "--set", "epochs=-1"], "'epochs' is not valid"),
        (["train", "--preset", "demo", *DATA, "--set", "batch=4096"], "too few for a batch"),
        (["train", "--preset", "crossmax-cifar10", *DATA], "The data has 4 classes, the model 10"),
        (
            ["train", "--resume", "no/such/run"],
            "configuration 'no/such/run/config.json' cannot be read: it is not there",
        ),
        (["evaluate", "no-such-model", *DATA], "There is no model 'no-such-model'"),
        (["evaluate", "no_such_module:f", *DATA], "no module 'no_such_module'"),
        (["evaluate", "ensemble:crossmax-cifar10+undefended-cifar10", *DATA, "--save"], "no exported model"),
        (
            ["compare", "no-such-report.json", "other.json"],
            "The report 'no-such-report.json' cannot be read: it is not there",
        ),
        (["export", "no/such/run", "out"], "no checkpoint"),
    ],
)
def test_mistakes_get_a_sentence(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_a_broken_model_folder_is_listed_with_the_reason(model_folder: Path, tmp_path: Path) -> None:
    config = (model_folder / "config.json").read_text()
    for name, text in {"bare": config, "torn": config[: len(config) // 2]}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    (tmp_path / "corrupt").mkdir()
    (tmp_path / "corrupt" / "config.json").write_text(config)
    (tmp_path / "corrupt" / "model.safetensors").write_bytes(b"nonsense")
    listed = {info.name: info for info in open_catalogue([tmp_path]).list()}
    assert not listed["bare"].ready and "weights are missing" in listed["bare"].why_not
    assert not listed["torn"].ready and "not valid" in listed["torn"].why_not
    with pytest.raises(StudioError, match="not ready"):
        load_model("bare", folders=[tmp_path])
    with pytest.raises(StudioError, match="cannot be read"):
        load_model("corrupt", folders=[tmp_path])


def test_weights_of_another_network_are_refused(model_folder: Path, tmp_path: Path) -> None:
    settings = json.loads((model_folder / "config.json").read_text())
    settings["model"]["widths"] = [8, 24]
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "model.safetensors").write_bytes((model_folder / "model.safetensors").read_bytes())
    with pytest.raises(StudioError, match="do not fit this network"):
        load_model(str(tmp_path))


def test_models_are_shared_and_the_least_used_is_forgotten(model_folder: Path) -> None:
    catalogue = open_catalogue([model_folder.parent], memory=Memory(1))
    first = catalogue.load("demo")
    assert catalogue.load("demo") is first, "the one that is needed stays, however large"
    assert catalogue.load(str(model_folder), typed=True) is first, "by whatever name"
    catalogue.load("undefended-cifar10")
    assert catalogue.load("demo") is not first
    assert catalogue.find("demo") in catalogue.list()


def test_there_is_room_for_all_that_ship() -> None:
    """A model that leaves before its turn comes again would be loaded for every attack."""
    catalogue = open_catalogue()
    weights = sum(info.size or 0 for info in catalogue.list() if info.ready)
    assert 50e6 < 2 * weights < catalogue.memory.budget_bytes


def test_no_cuda_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(StudioError, match="no CUDA device"):
        choose_device("cuda")


def test_recorded_commands_name_no_folders_of_the_machine() -> None:
    words = ["train", "--data", "folder:/some/where/cifar10", "--out", "/else/where/run", "--set", "epochs=5"]
    assert command_line("robust_model", words) == (
        "python -m robust_model train --data folder:cifar10 --out run --set epochs=5"
    )


def test_paths_within_json_are_shortened_and_it_stays_json() -> None:
    words = ["train", "--set", 'start_from="/home/me/runs/a"', "--set", 'teachers=["x/b", "c"]', "--set", "eps=0.1"]
    told = shlex.split(command_line("robust_model", words))
    assert told[4:] == ["--set", 'start_from="a"', "--set", 'teachers=["b", "c"]', "--set", "eps=0.1"]
    assert command_line("robust_model", ["key=[odd/word"]).endswith("key=word")
