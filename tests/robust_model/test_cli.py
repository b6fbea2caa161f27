"""The command line, from training to a model with a card."""

import json
from pathlib import Path

import pytest
import torch

from generator.errors import StudioError
from robust_model.card import command_line
from robust_model.cli import choose_device, main
from robust_model.data import synthetic
from robust_model.presets import PRESETS
from robust_model.registry import ModelPool, describe, find_model, list_models, load_model

DATA = ["--data", "synthetic:256"]
QUICK = ["--set", "epochs=1", "--set", "holdout=32"]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    assert main(["train", "--preset", "demo", *DATA, "--out", str(root / "run")]) == 0
    assert main(["export", str(root / "run"), str(root / "exported" / "demo"), "--preset", "demo"]) == 0
    return root / "exported" / "demo"


def test_trained_exported_and_loaded_it_knows_its_classes(model_folder: Path) -> None:
    info = describe(model_folder)
    assert info.ready and info.title == PRESETS["demo"].title and len(info.revision) == 16
    model = load_model(str(model_folder))
    test = synthetic("test", 64)
    right = (model(test.images.float() / 255).argmax(1) == test.labels).float().mean()
    assert right > 0.8
    assert not any(p.requires_grad for p in model.parameters()) and not model.training


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


def test_two_runs_make_the_same_weights(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert main(["train", "--preset", "demo", *DATA, *QUICK, "--out", str(tmp_path / name)]) == 0
    first, second = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in ("a", "b"))
    assert first == second


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["train", "--preset", "demo", *DATA, *QUICK, "--out", str(run)]) == 0
    before = (run / "checkpoint.safetensors").read_bytes()
    assert main(["train", "--resume", str(run)]) == 0
    assert (run / "checkpoint.safetensors").read_bytes() == before


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
        (["train", "--resume", "no/such/run"], "Cannot read the configuration"),
        (["evaluate", "no-such-model", *DATA], "There is no model 'no-such-model'"),
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
    listed = {info.name: info for info in list_models([tmp_path])}
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


def test_the_pool_shares_models_and_forgets_the_least_used(model_folder: Path) -> None:
    pool = ModelPool([model_folder.parent], capacity=1)
    assert pool.get("demo") is pool.get("demo")
    assert find_model("demo", pool.folders) in pool.list()


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
