"""`python -m robust_model analyse`: its files, its words, and Ctrl-C."""

import argparse
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.command_line.program import Parser
from foundation.errors import StudioError
from foundation.jobs import Terminal
from robust_model.analyses import ANALYSES, bench
from robust_model.attacks import run_attack
from robust_model.cli.analyse import add_parser, configuration, run
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.weights.checkpoint import save_tensors
from robust_model.zoo.catalogue import open_catalogue
from robust_model.zoo.registry import ExportedModel

CONFIG = ModelConfig(
    class_names=tuple(f"grating {c}" for c in range(4)), widths=(8, 16), blocks=(1, 1), readout_depths=(1, 2),
    aggregator="crossmax-top2",
)  # fmt: skip
QUICK = ["--data", "synthetic:64", "-n", "6", "--steps", "2", "--batch", "3", "--device", "cpu"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("first", "second")):
        save_tensors(root / name / "model.safetensors", SelfEnsemble(CONFIG, seed=seed).state_dict(), {})
        exported = ExportedModel(title=name, description="", model=CONFIG)
        (root / name / "config.json").write_text(exported.model_dump_json())
    return root


def parsed(words: list[str]) -> argparse.Namespace:
    parser = Parser()
    add_parser(parser.add_subparsers(dest="command"))
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    return run(parsed(words), words, Terminal(), open_catalogue())


def test_layers_writes_report_figure_and_page(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["analyse", "layers", str(models / "first"), *QUICK, "--out", str(tmp_path / "out")]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert "read-out" in printed.out and "layer 1" in printed.out and "layers.html" in printed.err
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(files) == {"layers.html", "layers.json", "layers.svg", "layers.png"}
    report = json.loads(files["layers.json"])
    assert report["config"]["model"] == "first" and report["data"]["n"] == 6 and report["config"]["seed"] == 0
    assert report["command"].startswith("python -m robust_model analyse layers first --data synthetic:64")
    assert len(report["models"][0]["revision"]) == 16 and set(report["versions"]) == {"torch", "python", "matplotlib"}
    assert not any(str(path).encode() in content for path in (models, tmp_path) for content in files.values())
    assert b"analyse layers first" in files["layers.html"]


def test_pictures_are_kept_beside_the_sheet(models: Path, tmp_path: Path) -> None:
    words = ["analyse", "classes", str(models / "first"), "--preset", "quick", "--steps", "1", "--images", "1"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert len(list((tmp_path / "pictures").iterdir())) == 4
    assert (tmp_path / "classes.png").stat().st_size > 10_000


@pytest.mark.slow
def test_independent_networks_are_named_one_after_the_other(models: Path, tmp_path: Path) -> None:
    both = [str(models / "first"), str(models / "second")]
    assert main(["analyse", "crossmax", *both, *QUICK, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "crossmax.json").read_text())
    assert report["result"]["independent"] and report["config"]["others"] == ["second"]
    assert [row["title"] for row in report["result"]["rows"]] == ["first", "second", "mean", "CrossMax median"]
    with pytest.raises(StudioError, match="name each of them once"):
        main(["analyse", "crossmax", both[0], both[0], *QUICK])


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c(
    models: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    presses: int,
) -> None:
    attacks = 0

    def attack(*args: object, **options: object) -> Iterator[object]:
        nonlocal attacks
        attacks += 1
        for outcome in run_attack(*args, **options):  # type: ignore[arg-type]
            for _ in range(presses if attacks == 3 else 0):  # the first one of the second batch
                os.kill(os.getpid(), signal.SIGINT)
            attacks += attacks == 3
            yield outcome

    monkeypatch.setattr(bench, "run_attack", attack)
    assert main(["analyse", "layers", str(models / "first"), *QUICK, "--out", str(tmp_path / "out")]) == 130
    printed = capsys.readouterr()
    if presses == 1:
        report = json.loads((tmp_path / "out" / "layers.json").read_text())
        assert "Stopped early" in printed.out and not report["complete"] and report["data"]["n"] == 3
    else:
        assert "nothing was kept" in printed.err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["layers", "no-such-model"], "There is no model 'no-such-model'"),
        (["layers", "first", "--steps", "0"], "no whole number from 1 to 100,000"),
        (["layers", "first", "--threads", "0"], "no whole number from 1 to 256"),
        (["sweep", "first", "--budgets", "2", "1"], "budgets must rise"),
        (["sweep", "first", "--budgets", "1", "300"], "no number from 0 to 255"),
        (["transfer", "first", "--crossmax", "crossmax-top3", "--data", "folder:no/such/place"], "No images at"),
        (["gallery", "first", "--data", "nonsense"], "Unknown data"),
        (["classes", "first", "--images", "0"], "no whole number from 1 to 16"),
    ],
)
def test_mistakes_get_a_sentence(words: list[str], message: str, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models)
    with pytest.raises(StudioError, match=message):
        main(["analyse", *words])


@pytest.mark.parametrize("kind", ANALYSES)
def test_defaults_live_in_the_configuration_alone(kind: str) -> None:
    fields = ANALYSES[kind].config.model_fields
    assert {name for name, field in fields.items() if not field.description} == {"model"}, "a setting without an option"
    assert configuration(parsed(["analyse", kind, "m"])) == ANALYSES[kind].config(model="m")


def test_grey_levels_become_pixel_units() -> None:
    config = configuration(parsed(["analyse", "layers", "m", "--eps", "6"]))
    assert config.model_dump()["eps"] == pytest.approx(6 / 255)
    swept = configuration(parsed(["analyse", "sweep", "m", "--budgets", "1", "255"]))
    assert swept.model_dump()["budgets"] == pytest.approx((1 / 255, 1))
