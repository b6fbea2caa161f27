"""The paper's classifier against a slow, literal transcription of its protocol; its training against plain loops."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foundation import torchvision_cure  # noqa: F401  (before torchvision is imported)
from foundation.errors import StudioError
from robust_model.data.datasets import CIFAR100_CLASSES, synthetic
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.networks.noise import FreshNoise
from robust_model.networks.stack import MultiResolutionStack, StackDraws
from robust_model.training import paper
from robust_model.training.pipeline import PipelineConfig
from robust_model.training.presets import PRESETS
from robust_model.training.train_config import TrainConfig
from robust_model.training.training import Run

DEPTHS = (1, 3, 4, 6, 8, 9, 10)
SMALL = paper.model_config(("a", "b", "c", "d", "e")).model_copy(
    update={"backbone": "torchvision:resnet18", "input_size": 64, "readout_depths": DEPTHS}
)


# --- the answer, literally: per image, per resolution, in the protocol's order


def literal_stack(image: Tensor, draws: StackDraws, i: int) -> Tensor:
    """One image [3, 32, 32] to [12, 32, 32]."""
    from torchvision.transforms.functional import adjust_contrast

    found = []
    for n, r in enumerate((32, 16, 8, 4)):
        x = adjust_contrast(image, float(draws.contrast[i, n]))
        x = torch.roll(x, (int(draws.shifts[i, n, 0]), int(draws.shifts[i, n, 1])), (1, 2))
        grey = float(draws.grey[i, n])
        x = grey * x + (1 - grey) * x.mean(0, keepdim=True)
        x = F.interpolate(x[None], size=(r, r), mode="bicubic", align_corners=False)[0]
        assert draws.low is not None and draws.high is not None
        x = x + draws.low[n][i]
        x = F.interpolate(x[None], size=(32, 32), mode="bicubic", align_corners=False)[0]
        found.append(torch.clip(x + draws.high[i, n], 0, 1))
    return torch.cat(found)


def original(model: SelfEnsemble) -> nn.Module:
    """torchvision's own ResNet18 with a stem of 12 channels and the weights of `model`, by their names there."""
    from torchvision import models

    network = models.resnet18(num_classes=len(model.class_names))
    network.conv1 = nn.Conv2d(12, 64, 7, 2, 3, bias=False)
    places = {"stages.0.0": "conv1", "stages.0.1": "bn1"}
    places |= {f"stages.{1 + 2 * layer + block}": f"layer{layer + 1}.{block}" for layer in range(4) for block in (0, 1)}
    weights = {}
    for name, tensor in model.chain.state_dict().items():
        place = max((p for p in places if name.startswith(f"{p}.")), key=len)
        weights[places[place] + name.removeprefix(place)] = tensor
    weights |= {f"fc.{name}": model.heads[-1].state_dict()[f"linear.{name}"] for name in ("weight", "bias")}
    network.load_state_dict(weights)
    return network.eval()


def literal_activations(network: nn.Module, x: Tensor) -> list[Tensor]:
    """Index 0 the input, 1 after the stem, then one per residual block, and the global pool."""
    found = [x]
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    found.append(x)
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in layer:
            x = block(x)
            found.append(x)
    found.append(network.avgpool(x))
    return found


def literal_readout(model: SelfEnsemble, n: int, activation: Tensor) -> Tensor:
    norm, linear = model.heads[n].get_submodule("norm"), model.heads[n].get_submodule("linear")
    x = activation.flatten()
    x = (x - norm.running_mean) / torch.sqrt(norm.running_var + 1e-5) * norm.weight + norm.bias
    return linear.weight @ x + linear.bias


def literal_crossmax(predictors: Sequence[Tensor]) -> list[float]:
    """The third largest of eight, per class, after both subtractions; in plain numbers."""
    z = [[float(v) for v in row] for row in predictors]
    z = [[v - max(row) for v in row] for row in z]
    columns = [[row[c] for row in z] for c in range(len(z[0]))]
    return [sorted((v - max(column) for v in column), reverse=True)[2] for column in columns]


def literal_answer(model: SelfEnsemble, image: Tensor, draws: StackDraws, again: StackDraws, i: int) -> list[float]:
    """The seven read-outs from one pass, the backbone's own head from another."""
    network = original(model)
    mean = torch.tensor([0.485, 0.456, 0.406] * 4)[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225] * 4)[:, None, None]

    def seen(which: StackDraws) -> Tensor:
        side = model.config.input_size
        x = F.interpolate(literal_stack(image, which, i)[None], (side, side), mode="bicubic", align_corners=False)
        return (x - mean) / std

    activations = literal_activations(network, seen(draws))
    predictors = [literal_readout(model, n, activations[depth][0]) for n, depth in enumerate(DEPTHS)]
    predictors.append(network(seen(again))[0])
    return literal_crossmax(predictors)


class Given:
    """The draws of each pass, in order."""

    def __init__(self, *draws: StackDraws) -> None:
        self.draws = list(draws)

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws:
        return self.draws.pop(0)


def lively(config: ModelConfig) -> SelfEnsemble:
    """A network whose norms are no identities, neither in their statistics nor in their weights."""
    model = SelfEnsemble(config, seed=1).eval()
    rng = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for tensor, low in ((module.running_mean, -0.2), (module.running_var, 0.8), (module.weight.data, 0.8)):
                assert tensor is not None
                tensor.copy_(low + 0.4 * torch.rand(tensor.shape, generator=rng))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("separate", [False, True])
@torch.no_grad()
def test_the_answer_equals_the_literal_protocol(separate: bool) -> None:
    model = lively(SMALL.model_copy(update={"separate_final_pass": separate}))
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    rng = torch.Generator().manual_seed(6)
    first, second = model.stack.sample(3, rng), model.stack.sample(3, rng)
    noise = Given(first, second)
    found = model(images, noise)
    assert len(noise.draws) == (0 if separate else 1)
    again = second if separate else first
    expected = torch.tensor([literal_answer(model, image, first, again, i) for i, image in enumerate(images)])
    assert expected.std() > 0.01  # something to compare
    assert (found - expected).abs().max() < 1e-5
    other = torch.tensor(literal_answer(model, images[0], second, again, 0))
    assert (found[0] - other).abs().max() > 1e-3  # other draws, another answer


# --- what the presets say


@pytest.mark.parametrize("name", ["paper-cifar10", "paper-cifar100"])
def test_the_presets_are_the_protocol(name: str) -> None:
    config = PRESETS[name].make(PRESETS[name].data)
    assert isinstance(config, PipelineConfig)
    first, second = config.phases["backbone"], config.phases["readouts"]
    assert (first.phase, second.phase, second.start_from) == ("backbone", "readouts", "phase:backbone")
    assert (first.pretrained, first.epochs, first.batch) == (True, 6, 128)
    assert (second.epochs, second.batch) == (1, 64)
    for phase in (first, second):
        assert (phase.optimiser, phase.learning_rate, phase.warmup, phase.weight_decay) == ("adam", 3.3e-5, -1, 0)
        assert (phase.flip, phase.shift, phase.ema, phase.holdout, phase.label_smoothing) == (False, 0, 0, 0, 0)
        assert (phase.model.backbone, phase.model.input_size) == ("torchvision:resnet152", 224)
        assert phase.adversary == "none" and not phase.bf16
        assert len(phase.model.class_names) == (10 if name == "paper-cifar10" else 100)
    model = second.model
    assert model.readout_depths == (20, 30, 35, 40, 45, 50, 52)
    assert (model.readout, model.aggregator, model.voters, model.inference_noise) == (
        "flattened",
        "crossmax-top3",
        0,
        "fresh",
    )
    light = PRESETS[f"{name}-light"].make(PRESETS[name].data)
    assert isinstance(light, PipelineConfig)
    assert (light.phases["backbone"].adversary, light.phases["readouts"].adversary) == ("fgsm", "none")
    assert PRESETS[f"{name}-light"].data == PRESETS[name].data == name.removeprefix("paper-")
    lite = PRESETS[name.replace("paper", "paper-lite")].make(PRESETS[name].data)
    assert isinstance(lite, PipelineConfig)
    own = ("backbone", "input_size", "readout_depths", "mean", "std")
    for phase in ("backbone", "readouts"):  # one thing differs: the network, and what is its own
        small, large = (pipeline.phases[phase].model_dump() for pipeline in (lite, config))
        assert {key for key in large["model"] if small["model"][key] != large["model"][key]} <= set(own)
        assert small | {"model": None} == large | {"model": None}
    shares = [depth / 52 for depth in model.readout_depths]
    assert [depth / 18 for depth in paper.LITE_READOUT_DEPTHS] == pytest.approx(shares, abs=0.5 / 18)
    assert len(CIFAR100_CLASSES) == 100 and list(CIFAR100_CLASSES) == sorted(set(CIFAR100_CLASSES))


def test_the_imagenet_setting() -> None:
    config = PRESETS["paper-imagenet"].make("synthetic:8")
    assert isinstance(config, PipelineConfig)
    stack = config.phases["readouts"].model.stack
    assert (stack.size, stack.resolutions, stack.channels) == (224, (224, 112, 56, 28, 14, 7), 18)
    assert (stack.noise, stack.noise_low, stack.noise_high, stack.max_shift) == ("uniform", 0.5, 0.5, 42)


def test_the_literal_preset_changes_everything_back() -> None:
    config = PRESETS["paper-cifar100-literal"].make("cifar100")
    assert isinstance(config, PipelineConfig)
    names = list(config.phases)
    assert names == ["backbone", *(f"readout-{depth}" for depth in paper.READOUT_DEPTHS)]
    for (before, name), depth in zip(pairwise(names), paper.READOUT_DEPTHS, strict=True):
        phase = config.phases[name]
        assert (phase.trained_readouts, phase.start_from, phase.backbone_mode) == ((depth,), f"phase:{before}", "train")
        assert phase.model.separate_final_pass
    assert all(phase.keep_last for phase in config.phases.values())


# --- training, by hand

TINY = ModelConfig(
    class_names=tuple(f"grating {c}" for c in range(4)), widths=(8, 16), blocks=(1, 1), readout_depths=(1, 3),
    readout="flattened",
)  # fmt: skip


def tiny_phase(**changes: object) -> TrainConfig:
    made = paper.cifar("synthetic:48").phases["backbone"].model_dump() | {"model": TINY, "pretrained": False}
    return TrainConfig.model_validate(made | {"epochs": 1, "batch": 16} | changes)


def test_the_backbone_is_trained_as_in_a_plain_loop(tmp_path: Path) -> None:
    stack = paper.cifar("synthetic:48").phases["backbone"].model.stack
    config = tiny_phase(model=TINY.model_copy(update={"stack": stack}), learning_rate=1e-3)
    run = Run(config, tmp_path)
    model = SelfEnsemble(config.model, seed=config.seed).train()
    parameters = [*model.chain.parameters(), *model.heads[-1].parameters()]
    optimiser = torch.optim.Adam(parameters, lr=1e-3)
    data = synthetic("train", 48)
    order = torch.randperm(48, generator=torch.Generator().manual_seed(config.seed))
    images, labels = data.images[order] / 255.0, data.labels[order]
    for step in range(3):
        batch = torch.randperm(48, generator=run._generator(0))[16 * step : 16 * step + 16]
        logits = model.readouts(images[batch], FreshNoise(run._generator(step, 1)))[:, -1]
        optimiser.zero_grad()
        F.cross_entropy(logits, labels[batch]).backward()
        optimiser.step()
    assert run.run()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(run.model.state_dict()[name], tensor, atol=1e-5, rtol=1e-4, msg=name)


def test_the_last_incomplete_batch_is_trained_on_if_told(tmp_path: Path) -> None:
    """Of 48 images in batches of 20, eight are left: once an epoch, they are those that the others leave."""
    seen: list[Tensor] = []

    def steps(folder: str, **changes: object) -> int:
        run = Run(tiny_phase(batch=20, epochs=2, **changes), tmp_path / folder)
        real = run._targets
        run._targets = lambda indices: (seen.append(indices), real(indices))[1]  # type: ignore[func-returns-value]
        run.run()
        return run.steps

    assert steps("dropped") == 4
    seen.clear()
    assert steps("kept", keep_last=True) == 6
    assert [len(indices) for indices in seen] == [20, 20, 8] * 2
    for epoch in (seen[:3], seen[3:]):
        assert torch.cat(epoch).sort().values.tolist() == list(range(48))
    with pytest.raises(StudioError, match="would be one image"):
        Run(tiny_phase(batch=47, keep_last=True), tmp_path / "one")


def test_one_pass_for_all_readouts_is_a_pass_for_each(tmp_path: Path) -> None:
    Run(tiny_phase(), tmp_path / "backbone").run()
    common = {"phase": "readouts", "start_from": "phase:backbone", "learning_rate": 1e-3}
    together = Run(tiny_phase(**common), tmp_path / "together")
    together.run()
    for depth, head in ((1, "heads.0."), (3, "heads.1.")):
        alone = Run(tiny_phase(**common, trained_readouts=(depth,)), tmp_path / f"alone-{depth}")
        start = {name: tensor.clone() for name, tensor in alone.model.state_dict().items()}
        alone.run()
        for name, tensor in alone.model.state_dict().items():
            if name.startswith(head):
                assert name.endswith("tracked") or not torch.equal(tensor, start[name]), name
                torch.testing.assert_close(together.model.state_dict()[name], tensor, msg=name)
            else:
                assert torch.equal(tensor, start[name]), name


def test_statistics_of_the_frozen_backbone_move_if_told(tmp_path: Path) -> None:
    Run(tiny_phase(), tmp_path / "backbone").run()
    common = {"phase": "readouts", "start_from": "phase:backbone"}
    for mode, moves in (("eval", False), ("train", True)):
        run = Run(tiny_phase(**common, backbone_mode=mode), tmp_path / mode)
        start = {name: tensor.clone() for name, tensor in run.model.chain.state_dict().items()}
        run.run()
        changed = {
            name for name, tensor in run.model.chain.state_dict().items() if not torch.equal(tensor, start[name])
        }
        assert bool(changed) == moves
        assert all("running" in name or "tracked" in name for name in changed)
