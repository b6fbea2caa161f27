"""Averages of weights: by hand on stored tensors, with both provenances, and refusals in words."""

import json
from pathlib import Path

import pytest
import torch

from app.jobs import Terminal
from generator.errors import StudioError
from robust_model import cli
from robust_model.calibration import fit_temperature
from robust_model.card import write_card
from robust_model.checkpoint import load_tensors, save_tensors
from robust_model.ensemble import ModelConfig, SelfEnsemble
from robust_model.registry import ExportedModel, load_model
from robust_model.soup import average
from robust_model.training import Run, TrainConfig

MODEL = ModelConfig(
    class_names=tuple(f"grating {c}" for c in range(4)), widths=(8, 16), blocks=(1, 1), readout_depths=(2,)
)


def exported(folder: Path, seed: int, **changes: object) -> Path:
    """An exported model of random weights."""
    config = ModelConfig.model_validate(MODEL.model_dump() | changes)
    state = SelfEnsemble(config, seed=seed).state_dict()
    rng = torch.Generator().manual_seed(seed)
    tensors = {n: torch.rand(t.shape, generator=rng) if t.is_floating_point() else t + seed for n, t in state.items()}
    save_tensors(folder / "model.safetensors", tensors, {})
    facts = {"command": f"train {seed}", "commit": "c", "versions": "v", "machine": "m", "data": f"data {seed}"}
    model = ExportedModel(title=f"T{seed}", description="D", model=config, training={"seed": seed}, provenance=facts)
    (folder / "config.json").write_text(model.model_dump_json())
    write_card(folder)
    return folder


def test_every_tensor_is_the_weighted_mean_and_the_card_names_both(tmp_path: Path) -> None:
    a, b = exported(tmp_path / "a", 1, temperature=0.5, aggregator="mean"), exported(tmp_path / "b", 2)
    words = ["average", str(a), str(b), str(tmp_path / "out"), "--weights", "3", "1", "--dtype", "float32"]
    assert cli.main(words, foreground=Terminal()) == 0
    one, two, found = (load_tensors(folder / "model.safetensors")[0] for folder in (a, b, tmp_path / "out"))
    assert found.keys() == one.keys()
    for name, tensor in found.items():
        expected = 0.75 * one[name] + 0.25 * two[name] if tensor.is_floating_point() else one[name]
        torch.testing.assert_close(tensor, expected)
    facts = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (facts["title"], facts["model"]["temperature"], facts["model"]["aggregator"]) == ("T1", 0.5, "mean")
    assert [(p["name"], p["weight"]) for p in facts["provenance"]["parents"]] == [("a", 0.75), ("b", 0.25)]
    assert [p["training"] for p in facts["training"]["average_of"]] == [{"seed": 1}, {"seed": 2}]
    card = (tmp_path / "out" / "README.md").read_text()
    for line in ("- Command: `python -m robust_model average a b out", "  - Command: `train 1`", "  - Data: data 2"):
        assert line in card
    assert str(tmp_path) not in card
    assert load_model(str(tmp_path / "out")).class_names == MODEL.class_names


def test_an_average_can_be_averaged_and_equal_models_stay_what_they_are(tmp_path: Path) -> None:
    a = exported(tmp_path / "a", 1)
    once = average([str(a), str(a)], tmp_path / "once", command="average", dtype="float32")
    twice = average([str(once), str(a)], tmp_path / "twice", command="again", dtype="float32", title="New")
    first, last = (load_tensors(folder / "model.safetensors")[0] for folder in (a, twice))
    torch.testing.assert_close(first, last)
    card = (twice / "README.md").read_text()
    assert card.startswith("# New") and "    - Command: `train 1`" in card


def test_what_cannot_be_averaged_is_said(tmp_path: Path) -> None:
    a, wide = exported(tmp_path / "a", 1), exported(tmp_path / "wide", 2, widths=(8, 24))
    names = [str(a), str(a)]
    with pytest.raises(StudioError, match=r"different networks \(widths\).*as an ensemble"):
        average([str(a), str(wide)], tmp_path / "out", command="")
    with pytest.raises(StudioError, match="at least two"):
        average([str(a)], tmp_path / "out", command="")
    with pytest.raises(StudioError, match="one of the models"):
        average(names, a, command="")
    for weights, words in (((1.0,), "2 models need"), ((0.0, 0.0), "not negative"), ((2.0, -1.0), "not negative")):
        with pytest.raises(StudioError, match=words):
            average(names, tmp_path / "out", weights=weights, command="")
    assert not (tmp_path / "out").exists()


def test_the_temperature_is_fitted_to_a_runs_held_out_images(tmp_path: Path) -> None:
    config = TrainConfig(model=MODEL, data="synthetic:64", epochs=1, batch=16, holdout=32, ema=0)
    run = Run(config, tmp_path / "run")
    run.run()
    for name in ("a", "b"):
        exported(tmp_path / name, 1)
        save_tensors(tmp_path / name / "model.safetensors", run.model.state_dict(), {})
    names = [str(tmp_path / "a"), str(tmp_path / "b")]
    average(names, tmp_path / "out", command="average", calibrate=tmp_path / "run", dtype="float32")
    scores, labels = run.held_out_answers(MODEL)
    expected = round(fit_temperature(scores, labels), 4)
    assert expected != 1
    assert load_model(str(tmp_path / "out")).config.temperature == expected
