import json
from pathlib import Path

import open_clip
import pytest
import torch
from pydantic import ValidationError

from clip_model import export as exporting
from clip_model.export import export, load_exported
from clip_model.training import ClipRun, zoomed
from clip_model.zero_shot import class_embeddings, zero_shot
from foundation.errors import StudioError
from robust_model.data.datasets import LabelledImages
from robust_model.training.provenance import record_provenance
from tests.clip_model.standins import CONCEPTS, config, data


@pytest.mark.slow
def test_an_interrupted_run_repeats_the_undisturbed_one(tmp_path: Path) -> None:
    whole = ClipRun(config(), tmp_path / "whole", data=data())
    assert whole.run()
    first = ClipRun(config(), tmp_path / "parts", data=data())
    assert not first.run(should_stop=lambda: first.step >= 3)
    second = ClipRun(config(), tmp_path / "parts", data=data())
    assert second.step == 3 and second.run()
    for name, tensor in whole.average.items():
        assert torch.equal(tensor, second.average[name]), name
    assert (tmp_path / "whole/log.jsonl").read_text() == (tmp_path / "parts/log.jsonl").read_text()


@pytest.mark.slow
def test_it_learns_what_the_colour_tells(tmp_path: Path) -> None:
    run = ClipRun(config(steps=60, ema=0.5, eps=0.01), tmp_path, data=data())
    run.run()
    line = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert line["holdout_tiny"] > 0.9


def test_the_adversary_starts_when_it_should() -> None:
    settings = config(
        steps=100, clean_until=0.2, full_from=0.6, eps=0.02, small_size=32, image_size=64, small_until=0.5
    )
    assert settings.eps_at(19) == 0 and settings.eps_at(60) == 0.02
    assert settings.eps_at(39) == pytest.approx(0.02 * (0.395 - 0.2) / 0.4)
    assert [settings.size_at(s) for s in (49, 50)] == [32, 64]


@pytest.mark.slow
def test_another_configuration_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    run = ClipRun(config(), tmp_path, data=data())
    run.run(should_stop=lambda: run.step >= 1)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(StudioError, match="another configuration"):
        ClipRun(config(batch=11), tmp_path, data=data())
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


@pytest.mark.slow
def test_a_resumed_run_may_be_longer_and_against_another_budget(tmp_path: Path) -> None:
    run = ClipRun(config(), tmp_path, data=data())
    run.run()
    longer = ClipRun(config(steps=8, eps=0.001), tmp_path, data=data())
    assert longer.changed and longer.step == 6 and longer.run() and longer.step == 8


@pytest.mark.slow
def test_a_run_begins_with_exported_weights_and_goes_on_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "all_concepts", lambda _folder: CONCEPTS)
    first = ClipRun(config(), tmp_path / "first", data=data())
    first.run()
    (first.folder / "provenance.json").write_text(
        '{"command": "how it began", "commit": "c", "versions": "v", "machine": "m"}'
    )
    out = export(first.folder, tmp_path / "out")
    told = config(start_from=str(out))
    second = ClipRun(told, tmp_path / "second", data=data())
    begun = second.averaged().state_dict()
    for name, tensor in first.averaged().state_dict().items():
        assert torch.allclose(begun[name].float(), tensor.float(), rtol=1e-3, atol=1e-3), name
    record_provenance(second, "goes on", "cpu", "data")
    parents = json.loads((second.folder / "provenance.json").read_text())["parents"]
    assert [(p["role"], p["name"], p["provenance"]["command"]) for p in parents] == [
        ("Started from", "out", "how it began")
    ]
    second.run(should_stop=lambda: second.step >= 2)
    out.rename(tmp_path / "elsewhere")
    assert ClipRun(told, tmp_path / "second", data=data()).step == 2
    with pytest.raises(StudioError, match="no checkpoint"):
        ClipRun(told, tmp_path / "third", data=data())


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    run = ClipRun(config(), tmp_path, data=data())
    run.run(should_stop=lambda: run.step >= 1)
    with torch.no_grad():
        run.model.logit_scale.fill_(float("nan"))
    with pytest.raises(StudioError, match="diverged"):
        run.run()
    assert ClipRun(config(), tmp_path, data=data()).step == 1


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match="captions"):
        config(captions=13)
    with pytest.raises(ValidationError, match="adversary"):
        config(adversary="magic")


def test_windows_are_parts_of_the_image() -> None:
    rng = torch.Generator().manual_seed(3)
    ramp = torch.linspace(0, 1, 32).expand(4, 3, 32, 32)
    seen = zoomed(ramp, 48, 0.5, rng)
    assert seen.shape == (4, 3, 48, 48)
    slopes = (seen[:, 0, 24, 40] - seen[:, 0, 24, 8]) / (32 / 48)  # share of the side that a window covers, or minus it
    assert ((slopes.abs() > 0.45) & (slopes.abs() < 1.1)).all()
    assert torch.equal(seen, zoomed(ramp, 48, 0.5, torch.Generator().manual_seed(3)))


@pytest.mark.slow
def test_an_export_is_a_folder_of_open_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "all_concepts", lambda _folder: CONCEPTS)
    run = ClipRun(config(), tmp_path / "run", data=data())
    run.run()
    folder = export(tmp_path / "run", tmp_path / "model")
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(["a poodle"])
    mine = run.averaged()
    with torch.no_grad():
        torch.testing.assert_close(model.eval().encode_text(tokens), mine.encode_text(tokens), atol=2e-3, rtol=2e-2)
    assert list(preprocess.transforms[-1].mean) == run.open_clip_config["preprocess_cfg"]["mean"]
    card = (folder / "README.md").read_text()
    assert "golden retriever" in card and "6 of 6 steps" in card
    assert "poodle" in json.loads((folder / "vocabulary.json").read_text())["words"]
    assert load_exported(folder)(torch.zeros(1, 3, 32, 32))


@pytest.mark.slow
def test_zero_shot_counts_by_hand(tmp_path: Path) -> None:
    run = ClipRun(config(steps=60, ema=0.5, eps=0.0), tmp_path, data=data())
    run.run()
    model = run.averaged()
    three = [CONCEPTS.all[i] for i in range(3)]
    assert class_embeddings(model, three).shape == (3, 16)
    images = LabelledImages(
        data().images[:6], torch.tensor([0, 1, 2, 0, 1, 0]), ("a", "b", "c"), "stand-in"
    )  # one wrong
    many = [*three, *(CONCEPTS.all[i] for i in (3, 4))]
    found = zero_shot(model, images, many, 32)
    assert found["top1"] <= 5 / 6 and found["top5"] == 1.0 and found["images"] == 6
    with pytest.raises(StudioError, match="no exported model"):
        load_exported(tmp_path / "nothing")
