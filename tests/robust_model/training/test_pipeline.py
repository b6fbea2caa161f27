"""Runs of several phases: one command from pretraining to an exported self-ensemble, killed and resumed exactly."""

import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from foundation.errors import StudioError
from foundation.jobs import Terminal
from robust_model.cli import main as cli
from robust_model.data.datasets import class_files, class_folder, class_names_of, synthetic
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.training.pipeline import Pipeline, PipelineConfig, change_phases, open_run, read_phases
from robust_model.training.presets import PRESETS
from robust_model.training.start_from import last_phase, take_weights
from robust_model.training.train_config import TrainConfig
from robust_model.training.training import Run
from robust_model.weights.checkpoint import load_tensors, save_tensors
from tests.forking import COMPILER, Forking
from tests.loading import load_model

NAMES = tuple(f"grating {c}" for c in range(4))
BARE = ModelConfig(class_names=NAMES, widths=(8, 16), blocks=(1, 1))
WHOLE = BARE.model_copy(update={"readout_depths": (1, 2), "aggregator": "crossmax-top2"})
COMMON = {"data": "synthetic:48", "epochs": 1, "batch": 16, "holdout": 0, "ema": 0, "optimiser": "adam"}


def config(**changes: object) -> PipelineConfig:
    backbone = {**COMMON, "model": BARE, "phase": "backbone", "learning_rate": 0.01, **changes}
    readouts = {**COMMON, "model": WHOLE, "phase": "readouts", "learning_rate": 0.01, "start_from": "phase:backbone"}
    return PipelineConfig.model_validate({"phases": {"backbone": backbone, "readouts": readouts}})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / "checkpoint.safetensors")[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipelines") / "run"
    assert Pipeline(config(), folder).run()
    return folder


def test_phases_run_in_order_and_progress_counts_them_all(finished: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    pipeline = Pipeline(config(), tmp_path)
    assert (pipeline.step, pipeline.steps) == (0, 6)
    assert pipeline.run(lambda p: steps.append((p.step, p.steps, p.epoch["phase"] if p.epoch else "")))
    assert steps == [(i, 6, {3: "backbone", 6: "readouts"}.get(i, "")) for i in range(1, 7)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["backbone", "config.json", "readouts"]
    first, second = weights(finished / "backbone"), weights(finished / "readouts")
    assert all(torch.equal(t, second[n]) for n, t in first.items() if n.startswith("model.chain."))
    assert torch.equal(first["model.heads.0.linear.weight"], second["model.heads.2.linear.weight"])
    assert read_phases(finished) == config() and Pipeline(config(), finished).step == 6


def test_a_stopped_pipeline_goes_on_where_it_was_even_elsewhere(finished: Path, tmp_path: Path) -> None:
    for at in (1, 4):
        folder = tmp_path / f"at-{at}"
        first = Pipeline(config(), folder)
        assert not first.run(should_stop=lambda first=first, at=at: first.step == at, checkpoint_every_s=0)
        moved = folder.rename(tmp_path / f"moved-{at}")
        again = Pipeline(config(), moved)
        assert again.step == at
        assert again.run()
        for phase in ("backbone", "readouts"):
            ours, theirs = weights(moved / phase), weights(finished / phase)
            assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_what_may_change_and_when(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"Phase 'backbone' .* another configuration"):
        Pipeline(config(batch=8), finished)
    with pytest.raises(StudioError, match="can no longer change: the next one has begun"):
        Pipeline(config(epochs=2), finished)
    Pipeline(config(), tmp_path).save()
    longer = Pipeline(config(epochs=2), tmp_path)
    assert longer.changed and longer.steps == 9
    longer.save()
    assert not Pipeline(config(epochs=2), tmp_path).changed
    with pytest.raises(StudioError, match="several phases"):
        open_run(config().phases["backbone"], tmp_path, "cpu")
    (tmp_path / "config.json").write_text(config().phases["backbone"].model_dump_json())
    with pytest.raises(StudioError, match="holds something else than these phases"):
        Pipeline(config(), tmp_path)


def test_settings_of_all_phases_of_one_and_of_the_start() -> None:
    settings = config().model_dump(mode="json")
    for assignment in ("seed=7", "readouts.batch=8", "model.mean=[0,0,0]", "start_from=x"):
        change_phases(settings, assignment)
    first, second = settings["phases"].values()
    assert (first["seed"], second["seed"], first["batch"], second["batch"]) == (7, 7, 16, 8)
    assert first["model"]["mean"] == second["model"]["mean"] == [0, 0, 0]
    assert (first["start_from"], second["start_from"]) == ("x", "phase:backbone")
    with pytest.raises(StudioError, match="no setting 'nonsense'"):
        change_phases(settings, "nonsense=1")
    plain = config().phases["backbone"].model_dump(mode="json")
    change_phases(plain, "batch=4")
    assert plain["batch"] == 4


def test_phases_that_cannot_be(tmp_path: Path) -> None:
    phases = {name: phase.model_dump() for name, phase in config().phases.items()}
    for wrong in ({"readouts": phases["readouts"]}, {"A b": phases["backbone"]}, {}):
        with pytest.raises(ValidationError):
            PipelineConfig.model_validate({"phases": wrong})
    with pytest.raises(StudioError, match="too few for a batch of 64"):  # before the first phase has begun
        bad = {**phases, "readouts": {**phases["readouts"], "batch": 64}}
        Pipeline(PipelineConfig.model_validate({"phases": bad}), tmp_path)


# --- pretraining, local weights, the presets from end to end


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A class folder of the synthetic set, at 40 x 36 pixels."""
    data, root = synthetic("train", 48, size=32), tmp_path / "pictures"
    for i, (image, label) in enumerate(zip(data.images, data.labels, strict=True)):
        folder = root / "train" / f"c{int(label)}" / "images"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).resize((40, 36)).save(folder / f"{i:03}.png")
    return root


SMALL = ["model.backbone=torchvision:resnet18", "model.input_size=32", "batch=16", "epochs=0.34"]


def told(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def main(*words: str) -> int:
    return cli.main(list(words), foreground=Terminal())


@pytest.mark.slow
def test_pretrained_on_a_folder_finetuned_as_the_paper_and_exported(pictures: Path, tmp_path: Path) -> None:
    pretrained, run, out = (str(tmp_path / name) for name in ("pretrained", "run", "out"))
    small = told(*SMALL)
    words = ["train", "--preset", "pretrain-resnet152", "--data", f"folder:{pictures}", "--out", pretrained, *small]
    assert main(*words, *told("holdout=0", "bf16=false")) == 0
    words = ["train", "--preset", "paper-cifar10-light", "--data", "synthetic:48", "--out", run, *small]
    words += told(f"start_from={pretrained}", "readouts.model.readout_depths=[2,9,10]", "readouts.batch=8")
    assert main(*words) == 0
    started = load_tensors(tmp_path / "run" / "backbone" / "checkpoint.safetensors")[1]["config"]
    assert (started["start_from"], started["adversary"]) == (pretrained, "fgsm")
    assert main("export", run, out, "--preset", "paper-cifar10-light", "--license", "mit") == 0
    model = load_model(out)
    assert model.readout_names == ("layer 2", "layer 9", "layer 10", "final") and model.random
    recipe = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (recipe["training"]["phase"], recipe["training"]["batch"]) == ("readouts", 8)
    before = recipe["training"]["phases_before"]["backbone"]
    assert (before["batch"], before["start_from"]) == (16, "pretrained")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Started from 'pretrained'" in card and "license: mit" in card and str(tmp_path) not in card
    assert main("train", "--resume", run) == 0


@pytest.mark.slow
def test_the_backbone_is_taken_over_and_stem_and_head_are_fresh(tmp_path: Path) -> None:
    donor = BARE.model_copy(update={"backbone": "torchvision:resnet18", "class_names": ("x", "y")})
    donor = donor.model_copy(update={"stack": donor.stack.model_copy(update={"resolutions": (32,)})})
    Run(TrainConfig.model_validate({**COMMON, "model": donor, "phase": "joint"}), tmp_path, data=_two_classes())
    save_tensors(tmp_path / "checkpoint.safetensors", SelfEnsemble(donor, seed=3).state_dict(), {})
    model = SelfEnsemble(BARE.model_copy(update={"backbone": "torchvision:resnet18"}), seed=4)
    own = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert take_weights(model, tmp_path) == ("stem", "final")
    theirs, state = SelfEnsemble(donor, seed=3).state_dict(), model.state_dict()
    for name in state:
        kept = name == "chain.stages.0.0.weight" or name.startswith("heads.")
        assert torch.equal(state[name], (own if kept else theirs)[name]), name


def _two_classes() -> object:
    data = synthetic("train", 48, classes=2)
    return type(data)(data.images, data.labels, ("x", "y"), "here")


def test_the_last_phase_that_has_begun_is_what_others_start_from(finished: Path, tmp_path: Path) -> None:
    assert last_phase(finished) == finished / "readouts"
    assert last_phase(finished / "backbone") == finished / "backbone"
    assert last_phase(tmp_path) == tmp_path
    assert take_weights(SelfEnsemble(WHOLE), finished) == ()


@pytest.mark.slow
def test_local_weights_of_torchvision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from torchvision import models

    network = models.resnet18(num_classes=7)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    words = ["train", "--preset", "paper-cifar10", "--data", "synthetic:48", "--out", str(tmp_path / "run")]
    words += told(*SMALL, "readouts.model.readout_depths=[9,10]")
    assert main(*words, *told(f"pretrained_file={tmp_path / 'none.pth'}")) == 2
    assert "There are no weights at" in capsys.readouterr().err
    assert main(*words, *told(f"pretrained_file={tmp_path / 'weights.pth'}", "learning_rate=1e-12")) == 0
    found = weights(tmp_path / "run" / "backbone")
    torch.testing.assert_close(
        found["model.chain.stages.7.conv1.weight"], network.layer4[0].conv1.weight.detach(), atol=1e-6, rtol=0
    )
    assert found["model.chain.stages.0.0.weight"].shape[1] == 12
    facts = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert [(p["role"], p["name"]) for p in facts["parents"]] == [("Pretrained weights", "weights.pth")]
    assert "pretrained_file=weights.pth" in facts["command"] and str(tmp_path) not in json.dumps(facts)


def test_a_preset_without_data_of_its_own_asks_for_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("train", "--preset", "pretrain-small") == 2
    assert "--data folder:PATH" in capsys.readouterr().err


def test_files_stay_on_the_disk_and_are_cut_to_their_middle(pictures: Path, tmp_path: Path) -> None:
    assert class_names_of(f"files:{pictures}") == class_names_of(f"folder:{pictures}") == ("c0", "c1", "c2", "c3")
    files, folder = class_files(pictures, "train", 32), class_folder(pictures, "train", 32)
    assert torch.equal(files.labels, folder.labels)
    wide = Image.new("RGB", (64, 32))
    wide.paste((255, 0, 0), (16, 0, 48, 32))
    wide.save(files.files[3])
    chosen = files.subset(torch.tensor([5, 3, 5]))
    pixels = chosen.pixels(torch.tensor([1, 0]))
    assert pixels.shape == (2, 3, 32, 32) and pixels.dtype == torch.uint8
    assert (pixels[0, 0] == 255).all() and (pixels[0, 1:] == 0).all()
    assert torch.equal(next(chosen.batches(2))[0][0], pixels[1] / 255)
    lazy = TrainConfig.model_validate(
        {**COMMON, "data": f"files:{pictures}", "model": BARE.model_copy(update={"class_names": files.class_names})}
    )
    assert Run(lazy, tmp_path / "run").run()


def test_every_preset_can_be_made_and_the_small_ones_fit_together(tmp_path: Path) -> None:
    made = {name: preset.make("synthetic:8") for name, preset in PRESETS.items()}
    assert all(type(config).model_validate_json(config.model_dump_json()) == config for config in made.values())
    pretrained, plain = made["pretrain-small"], made["crossmax-plain-cifar10"]
    assert isinstance(pretrained, TrainConfig) and isinstance(plain, TrainConfig)
    assert (plain.adversary, plain.model.stack.max_shift, plain.model.inference_noise) == ("none", 3, "fresh")
    save_tensors(tmp_path / "checkpoint.safetensors", SelfEnsemble(pretrained.model, seed=1).state_dict(), {})
    (tmp_path / "config.json").write_text(pretrained.model_dump_json())
    for name in ("crossmax-plain-cifar10", "crossmax-cifar10"):
        config = made[name]
        assert isinstance(config, TrainConfig)
        model = SelfEnsemble(config.model, seed=2)
        assert take_weights(model, tmp_path) == model.readout_names  # the backbone fits, every head is fresh


# --- kill -9

SCRIPT = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from robust_model.training.pipeline import Pipeline, PipelineConfig

torch.set_num_threads(int(sys.argv[4]))
config = PipelineConfig.model_validate_json(Path(sys.argv[1]).read_text())
moments, killed = random.Random(3), 0
while killed < int(sys.argv[3]):
    says, hears = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            Pipeline(config, Path(sys.argv[2])).run(lambda _: os.write(hears, b"."), checkpoint_every_s=0)
        finally:
            os._exit(0)
    os.close(hears)
    alive = all(os.read(says, 1) for _ in range(moments.randrange(1, 3)))
    time.sleep(moments.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(says)
    if not alive:
        break
    killed += 1
print(killed)
assert Pipeline(config, Path(sys.argv[2])).run(checkpoint_every_s=0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_a_killed_pipeline_ends_in_the_same_weights(forking: Forking, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "asked.json").write_text(config().model_dump_json())
    forking.need("robust_model.training.pipeline", COMPILER)
    asked, run = tmp_path / "asked.json", tmp_path / "run"
    killed = forking.run(SCRIPT, str(asked), str(run), "5", str(torch.get_num_threads()))
    assert int(killed) >= 2
    for phase in ("backbone", "readouts"):
        ours, theirs = weights(tmp_path / "run" / phase), weights(finished / phase)
        assert [name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])] == []
