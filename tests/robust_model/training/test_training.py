"""Training: it learns, it resumes exactly, it freezes what it says, and its faults spoil nothing."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from foundation.errors import StudioError
from foundation.files.shipped import ASSETS
from robust_model.data.datasets import LabelledImages, synthetic, to_float
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.networks.stack import STACKS
from robust_model.training.start_from import start_folder, take_weights
from robust_model.training.training import Run, TrainConfig, TrainProgress
from robust_model.weights.checkpoint import load_tensors

MODEL = ModelConfig(
    class_names=tuple(f"grating {c}" for c in range(4)),
    stack=STACKS["clean"],
    widths=(8, 16),
    blocks=(1, 1),
    readout_depths=(1, 2),
    aggregator="crossmax-median",
)


def config(**changes: object) -> TrainConfig:
    settings: dict[str, object] = {
        "model": MODEL,
        "data": "synthetic:56",
        "epochs": 2,
        "batch": 16,
        "holdout": 8,
        "adversary": "fgsm",
        "eps": 2 / 255,
        "seed": 3,
    }
    return TrainConfig.model_validate(settings | changes)


def weights(folder: Path) -> dict[str, Tensor]:
    return load_tensors(folder / "checkpoint.safetensors")[0]


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(t, b[n]) for n, t in a.items())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A joint run of six steps in two epochs."""
    folder = tmp_path_factory.mktemp("runs") / "joint"
    assert Run(config(), folder).run()
    return folder


# --- a run


def test_a_run_is_a_folder(finished: Path) -> None:
    assert sorted(path.name for path in finished.iterdir()) == ["checkpoint.safetensors", "config.json", "log.jsonl"]
    assert TrainConfig.model_validate_json((finished / "config.json").read_text()) == config()
    log = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2]
    assert all(line.keys() == {"epoch", "loss", "holdout_clean", "holdout_pgd10_mean"} for line in log)
    _, facts = load_tensors(finished / "checkpoint.safetensors")
    assert (facts["step"], facts["steps"]) == (6, 6)


def test_global_generator_is_untouched(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    Run(config(epochs=1), tmp_path).run()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.slow
def test_it_learns(tmp_path: Path) -> None:
    run = Run(config(data="synthetic:264", epochs=3, learning_rate=0.1, ema=0.9, shift=0, flip=False), tmp_path)
    run.run()
    model = run.exportable()
    test = synthetic("test", 80)
    with torch.no_grad():
        predictors = model.readouts(to_float(test.images)).argmax(2)
        answer = model(to_float(test.images)).argmax(1)
    assert float((answer == test.labels).float().mean()) > 0.7  # chance: 0.25
    assert ((predictors == test.labels[:, None]).float().mean(0) > 0.5).all()


def test_stopped_and_resumed_is_the_same_run(finished: Path, tmp_path: Path) -> None:
    stopped = Run(config(), tmp_path)
    assert not stopped.run(should_stop=lambda: stopped.step == 2)
    steps: list[TrainProgress] = []
    assert Run(config(), tmp_path).run(steps.append)
    assert same(weights(tmp_path), weights(finished))
    assert (tmp_path / "log.jsonl").read_text() == (finished / "log.jsonl").read_text()
    assert [(p.step, p.steps) for p in steps] == [(3, 6), (4, 6), (5, 6), (6, 6)]
    assert [p.epoch is not None for p in steps] == [True, False, False, True]
    assert all(math.isfinite(p.loss) and p.eta_s >= 0 for p in steps)


def test_a_finished_run_is_left_alone(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "copy")
    assert Run(config(), folder).run(lambda _: pytest.fail("a step was taken"))
    assert same(weights(folder), weights(finished))


def test_log_of_a_last_part_of_an_epoch(tmp_path: Path) -> None:
    losses: list[float] = []
    Run(config(epochs=4 / 3, holdout=0), tmp_path).run(lambda p: losses.append(p.loss))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == pytest.approx([1, 4 / 3])
    assert [line["loss"] for line in log] == pytest.approx([sum(losses[:3]) / 3, losses[3]])
    assert log[0].keys() == {"epoch", "loss"}


def test_exported_weights_are_the_average(tmp_path: Path) -> None:
    run = Run(config(ema=0.5, epochs=1), tmp_path)
    average = {n: t.clone() for n, t in run.model.state_dict().items()}
    for step in range(1, 4):
        run.train_step()
        decay = min(0.5, (1 + step) / (10 + step))
        for name, tensor in run.model.state_dict().items():
            average[name] = decay * average[name] + (1 - decay) * tensor if tensor.is_floating_point() else tensor
    exported = run.exportable()
    assert not exported.training
    assert not any(p.requires_grad for p in exported.parameters())
    assert all(torch.allclose(t, average[n], atol=1e-6) for n, t in exported.state_dict().items())
    plain = Run(config(ema=0, epochs=1), tmp_path / "plain")
    plain.train_step()
    assert same(plain.exportable().state_dict(), plain.model.state_dict())


# --- phases


def test_readouts_leave_the_backbone_bit_for_bit(finished: Path, tmp_path: Path) -> None:
    run = Run(config(phase="readouts", start_from=str(finished), epochs=1, adversary="n-fgsm"), tmp_path)
    start = {n: t.clone() for n, t in run.model.state_dict().items()}
    assert all(torch.equal(t, weights(finished)[f"average.{n}"]) for n, t in start.items())
    run.run()
    frozen = tuple(n for n in start if n.startswith(("chain.", "heads.2.")))
    for state in (run.model.state_dict(), run.exportable().state_dict()):
        assert all(torch.equal(state[n], start[n]) for n in frozen)
    trained = [n for n, p in run.model.named_parameters() if n not in frozen]
    assert trained
    assert not any(torch.equal(run.model.state_dict()[n], start[n]) for n in trained)
    assert sum("running_mean" in n for n in frozen) >= 5


def test_backbone_phase_leaves_the_readouts(tmp_path: Path) -> None:
    run = Run(config(phase="backbone", epochs=1), tmp_path)
    start = {n: p.detach().clone() for n, p in run.model.named_parameters()}
    run.run()
    moved = {n for n, p in run.model.named_parameters() if not torch.equal(p, start[n])}
    assert moved == {n for n in start if n.startswith(("chain.", "heads.2."))}


def test_readouts_learn_on_the_head_of_a_backbone_run(tmp_path: Path) -> None:
    """The paper's order: a backbone without read-outs first, whose own head must stay the final predictor."""
    bare = MODEL.model_copy(update={"readout_depths": (), "aggregator": "last"})
    Run(config(model=bare, phase="backbone", epochs=1), tmp_path / "backbone").run()
    donor = weights(tmp_path / "backbone")
    run = Run(config(phase="readouts", start_from=str(tmp_path / "backbone"), epochs=1), tmp_path / "readouts")
    run.run()
    state = run.model.state_dict()
    assert torch.equal(state["heads.2.linear.weight"], donor["average.heads.0.linear.weight"])
    assert torch.equal(state["heads.2.linear.bias"], donor["average.heads.0.linear.bias"])


@pytest.mark.slow
def test_compiling_changes_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the compiler's first half, which needs no compiler of C++."""
    plain = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: plain(self, backend="aot_eager"))
    states = []
    for compiled in (False, True):
        run = Run(config(compile=compiled), tmp_path / str(compiled))
        run.train_step()
        states.append(run.model.state_dict())
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, atol=1e-5, rtol=1e-4, msg=name)


# --- starting from other weights


def test_predictors_are_taken_by_what_they_read(finished: Path) -> None:
    other = SelfEnsemble(MODEL.model_copy(update={"readout_depths": (2, 3)}), seed=9)
    fresh = other.heads[1].get_parameter("linear.weight").clone()
    assert take_weights(other, finished) == ("layer 3",)
    donor = weights(finished)
    state = other.state_dict()
    assert torch.equal(state["heads.0.linear.weight"], donor["average.heads.1.linear.weight"])
    assert torch.equal(state["heads.2.linear.weight"], donor["average.heads.2.linear.weight"])
    assert torch.equal(state["heads.1.linear.weight"], fresh)
    assert torch.equal(state["chain.stages.0.0.weight"], donor["average.chain.stages.0.0.weight"])


def test_other_classes_take_the_backbone_only(finished: Path, tmp_path: Path) -> None:
    renamed = MODEL.model_copy(update={"class_names": ("a", "b", "c", "d")})
    assert take_weights(SelfEnsemble(renamed), finished) == ("layer 1", "layer 2", "final")
    data = synthetic("train", 56)
    data = LabelledImages(data.images, data.labels, renamed.class_names, "here")
    with pytest.raises(StudioError, match="has no head for this network"):
        Run(config(model=renamed, phase="readouts", start_from=str(finished)), tmp_path, data=data)


def test_weights_that_do_not_fit_or_exist(finished: Path, tmp_path: Path) -> None:
    wide = MODEL.model_copy(update={"widths": (8, 24)})
    with pytest.raises(StudioError, match="do not fit this network"):
        Run(config(model=wide, start_from=str(finished)), tmp_path / "a")
    with pytest.raises(StudioError, match="no checkpoint at"):
        Run(config(start_from=str(tmp_path / "nowhere")), tmp_path / "b")
    lone = tmp_path / "lone"
    lone.mkdir()
    shutil.copy(finished / "checkpoint.safetensors", lone)
    with pytest.raises(StudioError, match="does not describe the network to start from"):
        Run(config(start_from=str(lone)), tmp_path / "c")


def test_a_resumed_run_does_not_need_what_it_started_from(finished: Path, tmp_path: Path) -> None:
    origin = shutil.copytree(finished, tmp_path / "origin")
    again = config(start_from=str(origin))
    first = Run(again, tmp_path / "run")
    first.run(should_stop=lambda: first.step == 1)
    shutil.rmtree(origin)
    assert Run(again, tmp_path / "run").step == 1


# --- the holdout


def test_holdout_is_disjoint_and_never_trained_on(tmp_path: Path) -> None:
    count = 56
    images = torch.arange(count, dtype=torch.uint8).view(count, 1, 1, 1).expand(count, 3, 32, 32)
    data = LabelledImages(images, torch.arange(count) % 4, MODEL.class_names, "numbered")
    run = Run(config(), tmp_path, data=data)
    held = set(run.held_out.images[:, 0, 0, 0].tolist())
    kept = set(run.images.images[:, 0, 0, 0].tolist())
    assert (len(held), len(kept)) == (8, 48)
    assert held.isdisjoint(kept)
    assert held | kept == set(range(count))
    for epoch in range(2):
        seen: list[int] = []
        for step in range(3):
            run.step = 3 * epoch + step
            batch, labels = run._batch()
            numbers = (batch[:, 0, 5, 5] * 255).round().long()
            assert torch.equal(numbers % 4, labels)
            seen += numbers.tolist()
        assert sorted(seen) == sorted(kept)  # each once per epoch


def test_an_empty_data_set_is_not_taken_for_none(tmp_path: Path) -> None:
    empty = synthetic("train", 0)
    with pytest.raises(StudioError, match="0 images are too few"):
        Run(config(), tmp_path, data=empty)


# --- faults


def test_another_configuration_in_the_folder(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "copy")
    with pytest.raises(StudioError, match=r"another configuration.*--resume"):
        Run(config(learning_rate=0.1), folder)
    assert TrainConfig.model_validate_json((folder / "config.json").read_text()) == config()
    assert same(weights(folder), weights(finished))


def test_loss_that_is_not_finite_spoils_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(config(), tmp_path)
    run.run(should_stop=lambda: run.step == 2)
    good, state = weights(tmp_path), {n: p.detach().clone() for n, p in run.model.named_parameters()}
    real = SelfEnsemble.readouts
    monkeypatch.setattr(SelfEnsemble, "readouts", lambda *a, **k: real(*a, **k) * torch.nan)
    with pytest.raises(StudioError, match=r"diverged at step 2: the loss is nan.*learning_rate below 0\.2"):
        run.run(checkpoint_every_s=0)
    assert same(weights(tmp_path), good)
    assert all(torch.equal(p, state[n]) for n, p in run.model.named_parameters())


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finite loss can have a gradient that is not: the step spoils the weights, but never the checkpoint."""
    run = Run(config(), tmp_path)
    run.run(should_stop=lambda: run.step == 2)
    good = weights(tmp_path)
    with torch.no_grad():
        next(iter(run.model.parameters()))[0, 0, 0, 0] = torch.inf
    monkeypatch.setattr(run, "train_step", lambda: setattr(run, "step", 3) or 1.0)
    with pytest.raises(StudioError, match=r"diverged at step 3: 'model\.chain\..*' is no longer finite"):
        run.run(checkpoint_every_s=0)
    assert same(weights(tmp_path), good)


def test_classes_must_be_the_datas(tmp_path: Path) -> None:
    for names, words in (
        (("a", "b"), "4 classes, the model 2"),
        (("a", "b", "c", "d"), "no class called grating 0.*it knows a, b"),
    ):
        model = MODEL.model_copy(update={"class_names": names})
        with pytest.raises(StudioError, match=words):
            Run(config(model=model), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"adversary": "cw"}, "unknown adversary 'cw'; there are: none, fgsm"),
        ({"readout_weights": (1.0, 1.0)}, "3 predictors need as many weights"),
        ({"readout_weights": (0.0, 0.0, 0.0)}, "nor all zero"),
        ({"readout_weights": (1.0, -1.0, 1.0)}, "not be negative"),
        ({"phase": "readouts"}, "give start_from"),
        (
            {
                "phase": "readouts",
                "start_from": "x",
                "model": MODEL.model_copy(update={"readout_depths": (), "aggregator": "last"}),
            },
            "give readout_depths",
        ),
        ({"epochs": 0}, "greater than 0"),
        ({"batch": 1}, "greater than or equal to 2"),
        ({"trained_readouts": (1,)}, "belong to the phase 'readouts'"),
        ({"backbone_mode": "train"}, "belong to the phase 'readouts'"),
        ({"phase": "readouts", "start_from": "x", "trained_readouts": (3,)}, "are not all among"),
        ({"pretrained_file": "weights.pth"}, "set pretrained=true as well"),
        ({"compile": True, "checkpointing": True}, "cannot be combined"),
    ],
)
def test_configuration_errors(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        config(**changes)


def test_loss_weights_of_the_phases() -> None:
    assert config().loss_weights() == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert config(readout_weights=(0.1, 0.2, 0.3)).loss_weights() == pytest.approx((1 / 6, 1 / 3, 1 / 2))
    assert config(phase="backbone").loss_weights() == (0, 0, 1)
    assert config(phase="readouts", start_from="x").loss_weights() == (1, 1, 0)
    assert config(phase="readouts", start_from="x", trained_readouts=(2,)).loss_weights() == (0, 1, 0)


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ("phase:clean", Path("run/clean")),
        ("shipped:crossmax-tiny64", ASSETS / "crossmax-tiny64"),
        ("shipped:", Path("shipped:")),
        ("C:model", Path("C:model")),
        ("model", Path("model")),
    ],
)
def test_a_run_starts_from_a_phase_beside_it_a_shipped_model_or_a_folder(told: str, place: Path) -> None:
    assert start_folder(told, Path("run/robust")) == place
