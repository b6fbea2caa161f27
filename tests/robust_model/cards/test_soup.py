"""Averages of weights and ensembles: by hand on stored tensors, with all provenances, and refusals in words."""

import json
from pathlib import Path

import pytest
import torch

from foundation.errors import StudioError
from foundation.jobs import Terminal
from robust_model.cards.card import write_card
from robust_model.cards.soup import average, export_ensemble
from robust_model.cli import main as cli
from robust_model.networks.crossmax import AGGREGATORS
from robust_model.networks.ensemble import Ensemble, ModelConfig, SelfEnsemble, SilentNoise
from robust_model.training.training import Run, TrainConfig
from robust_model.weights.calibration import fit_temperature
from robust_model.weights.checkpoint import load_tensors, save_tensors
from robust_model.zoo.registry import ExportedModel, describe
from tests.loading import load_model

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
    assert "license: unknown" in card
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
    assert "\n# New\n" in card and "    - Command: `train 1`" in card


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


# --- ensembles


def test_an_ensemble_is_exported_and_loads_as_one_model(tmp_path: Path) -> None:
    members = [exported(tmp_path / name, seed, temperature=seed) for seed, name in enumerate(("a", "b"), start=1)]
    members.append(exported(tmp_path / "c", 3, widths=(8, 24), stack={"noise_low": 0.3}, inference_noise="fresh"))
    out, names = str(tmp_path / "out"), [str(member) for member in members]
    words = ["export-ensemble", *names, out, "--title", "Three", "--aggregator", "crossmax-top2", "--dtype", "float32"]
    assert cli.main(words, foreground=Terminal()) == 0
    model = load_model(out)
    assert isinstance(model, Ensemble) and not any(p.requires_grad for p in model.parameters())
    assert model.readout_names == ("member 1", "member 2", "member 3")
    images = torch.rand(2, 3, 40, 24)
    answers = torch.stack([load_model(name)(images, SilentNoise()) for name in names], dim=1)
    torch.testing.assert_close(model.readouts(images, SilentNoise()), answers)
    torch.testing.assert_close(model(images, SilentNoise()), AGGREGATORS["crossmax-top2"](answers))
    assert model.voting(answers) is answers
    card = (tmp_path / "out" / "README.md").read_text()
    assert "# Three" in card and "Member 3" in card and "widths [8, 24]" in card and "Made of 'b'" in card
    info = describe(tmp_path / "out")
    assert info.ready and info.class_names == MODEL.class_names and info.revision

    assert model.random and not model.with_noise("off").random
    quiet = model.with_noise("off")
    torch.testing.assert_close(quiet(images), model(images, SilentNoise()))
    first, again, other = (model.with_seed(seed).readouts(images) for seed in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)
    torch.testing.assert_close(quiet.with_aggregator("mean")(images), answers.mean(1))


def test_ensembles_that_cannot_be_exported(tmp_path: Path) -> None:
    a, b = exported(tmp_path / "a", 1), exported(tmp_path / "b", 2, class_names=("w", "x", "y", "z"))
    with pytest.raises(StudioError, match="same classes"):
        export_ensemble([str(a), str(b)], tmp_path / "out", command="", title="")
    c = exported(tmp_path / "c", 3)
    with pytest.raises(StudioError, match="at least 3 predictors"):
        export_ensemble([str(a), str(c)], tmp_path / "out", command="", title="", aggregator="crossmax-top3")
    two = export_ensemble([str(a), str(c)], tmp_path / "two", command="", title="")
    with pytest.raises(StudioError, match="an ensemble itself"):
        export_ensemble([str(two), str(a)], tmp_path / "out", command="", title="")
    with pytest.raises(StudioError, match="Ensembles are not averaged"):
        average([str(two), str(two)], tmp_path / "out", command="")
    assert not (tmp_path / "out").exists()
