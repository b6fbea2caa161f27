"""Backbones as chains: depths, equality with the original networks, stems and read-outs."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from foundation import torchvision_cure  # noqa: F401  (before torchvision and timm are imported)
from foundation.errors import StudioError
from robust_model.networks.networks import (
    READOUTS,
    Chain,
    LinearHead,
    ResidualBlock,
    activation_shapes,
    cifar_resnet,
    packaged_efficientnet,
    timm_resnet,
    torchvision_resnet,
)
from robust_model.networks.packaged import PACKAGED
from robust_model.weights.checkpoint import save_tensors
from robust_model.weights.weight_files import read_weights


class Counted(nn.Module):
    """Adds one, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + 1


def test_chain_runs_only_what_is_needed_and_each_stage_once() -> None:
    stages = [Counted() for _ in range(4)]
    chain = Chain(stages)
    x = torch.zeros(2, 3)
    assert chain.depth == 4
    found = chain(x, (3, 0, 1, 3))
    assert [float(f[0, 0]) for f in found] == [3, 0, 1, 3]
    assert [stage.calls for stage in stages] == [1, 1, 1, 0]
    assert chain(x, (0,))[0] is x
    assert chain(x, ()) == []
    assert [stage.calls for stage in stages] == [1, 1, 1, 0]


@pytest.mark.parametrize("depths", [(5,), (-1, 2)])
def test_chain_refuses_other_depths(depths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="depths go from 0 to 4"):
        Chain([Counted() for _ in range(4)])(torch.zeros(1, 1), depths)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "depth"), [("resnet18", 10), ("resnet50", 18), ("resnet152", 52)])
def test_depths_of_torchvision_networks(name: str, depth: int) -> None:
    with torch.device("meta"):
        chain = torchvision_resnet(name, 12, pretrained=False)
        shapes = [activation.shape for activation in chain(torch.zeros(2, 12, 224, 224), (1, depth - 1, depth))]
    wide = 512 if name == "resnet18" else 2048
    assert chain.depth == depth
    assert shapes == [(2, 64, 56, 56), (2, wide, 7, 7), (2, wide)]


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_chain_computes_what_the_original_computes(library: str) -> None:
    import timm
    from torchvision import models

    original = models.resnet18() if library == "torchvision" else timm.create_model("resnet18", pretrained=False)
    chain = (torchvision_resnet if library == "torchvision" else timm_resnet)("resnet18", 3, pretrained=False)
    weights = [tensor for name, tensor in original.state_dict().items() if not name.startswith("fc.")]
    # The chain lists the same tensors in the same order.
    chain.load_state_dict(dict(zip(chain.state_dict(), weights, strict=True)))
    original.fc = nn.Identity()
    original.eval()
    chain.eval()
    x = torch.randn(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(chain(x, (10,))[0], original(x))
        assert torch.equal(chain(x, (3,))[0], original.layer1(_stem(original, x)))


def _stem(network: nn.Module, x: Tensor) -> Tensor:
    for name in ("conv1", "bn1", "relu" if hasattr(network, "relu") else "act1", "maxpool"):
        x = network.get_submodule(name)(x)
    return x


@pytest.mark.parametrize("make", [torchvision_resnet, timm_resnet])
def test_stem_takes_the_stack(make: object) -> None:
    assert callable(make)
    chain = make("resnet18", 12, pretrained=False)
    stem = chain.stages[0][0]
    assert (stem.in_channels, stem.out_channels, stem.kernel_size, stem.stride) == (12, 64, (7, 7), (2, 2))
    assert (stem.padding, stem.bias) == ((3, 3), None)
    assert chain(torch.randn(2, 12, 33, 40), (10,))[0].shape == (2, 512)


@pytest.mark.slow
def test_a_packaged_backbone_computes_what_the_classifier_computes(tmp_path: Path) -> None:
    original = PACKAGED["lite0"].network()
    original.set_submodule("classifier", nn.Identity())
    chain = packaged_efficientnet("lite0", 3, pretrained=True)
    original.eval()
    chain.eval()
    x = torch.rand(2, 3, 65, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert chain.depth == 18 and torch.equal(chain(x, (18,))[0], original(x))
        wide = packaged_efficientnet("lite0", 12, pretrained=True)
        assert wide(torch.cat([x] * 4, 1), (18,))[0].shape == (2, 1280)
    assert torch.equal(wide.stages[5].conv_dw.weight, chain.stages[5].conv_dw.weight)  # all but the stem's convolution
    file = tmp_path / "weights.safetensors"
    save_tensors(file, PACKAGED["lite0"].network().state_dict(), {})
    again = packaged_efficientnet("lite0", 3, pretrained=True, file=str(file))
    assert torch.equal(again.stages[0][0].weight, chain.stages[0][0].weight)
    with pytest.raises(StudioError, match="do not fit the network"):
        packaged_efficientnet("lite1", 3, pretrained=True, file=str(file))
    with pytest.raises(StudioError, match="called 'lite9'; there are: lite0"):
        packaged_efficientnet("lite9", 12, pretrained=False)


def test_mistaken_names_get_a_sentence() -> None:
    with pytest.raises(StudioError, match="no ResNet called 'vgg11'"):
        torchvision_resnet("vgg11", 12, pretrained=False)
    with pytest.raises(StudioError, match="no model called 'resnet7'"):
        timm_resnet("resnet7", 12, pretrained=False)
    with pytest.raises(StudioError, match="is no ResNet"):
        timm_resnet("vit_tiny_patch16_224", 12, pretrained=False)
    with pytest.raises(StudioError, match="single stem convolution"):
        timm_resnet("resnet18d", 12, pretrained=False)


def test_missing_pretrained_weights_get_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    asked = []

    def fail(name: str, weights: object) -> nn.Module:
        asked.append(models.get_model_weights(name)[weights])  # type: ignore[index]
        raise OSError("no route to host")

    monkeypatch.setattr(models, "get_model", fail)
    for name, version in (("resnet18", "V1"), ("resnet152", "V2")):
        with pytest.raises(StudioError, match=f"weights of '{name}' .*no route to host.*without pretrained"):
            torchvision_resnet(name, 12, pretrained=True)
        assert asked.pop() == models.get_model_weights(name)[f"IMAGENET1K_{version}"]


@pytest.mark.slow
def test_weights_from_a_file_must_be_of_that_network(tmp_path: Path) -> None:
    from torchvision import models

    network = models.resnet18(num_classes=5)
    file = tmp_path / "weights.safetensors"
    save_tensors(file, network.state_dict(), {})
    chain = torchvision_resnet("resnet18", 3, pretrained=True, file=str(file))
    assert torch.equal(chain.get_parameter("stages.0.0.weight"), network.conv1.weight)
    assert torch.equal(chain.get_parameter("stages.8.conv2.weight"), network.layer4[1].conv2.weight)
    assert torch.equal(
        timm_resnet("resnet18", 3, pretrained=True, file=str(file)).stages[8].conv2.weight,
        network.layer4[1].conv2.weight,
    )
    with pytest.raises(StudioError, match=r"does not hold the weights of 'resnet34': \d+ of \d+ do not fit"):
        torchvision_resnet("resnet34", 3, pretrained=True, file=str(file))


@pytest.mark.parametrize("content", [b"nonsense", b""])
def test_files_that_hold_no_weights_get_a_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(StudioError, match="cannot be read"):
        read_weights(tmp_path / "weights.pth")


def test_checkpointing_changes_no_number() -> None:
    """Neither outputs, nor gradients, nor running statistics, which the second computation must not move again."""
    found = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        chain = cifar_resnet(3, (8, 16), (1, 1)).train()
        chain.checkpointing = checkpointing
        x = torch.rand(4, 3, 16, 12, generator=torch.Generator().manual_seed(1)).requires_grad_()
        outputs = chain(x, (1, 3, 4))
        sum(output.square().mean() for output in outputs).backward()
        found.append([*outputs, x.grad, *(p.grad for p in chain.parameters()), *chain.buffers()])
    for plain, cheap in zip(*found, strict=True):
        assert torch.equal(plain, cheap)


# --- the small network


def test_cifar_resnet_shapes() -> None:
    chain = cifar_resnet(12, (8, 16, 24), (1, 2, 1))
    assert chain.depth == 6
    shapes = activation_shapes(chain, 12, 32, range(7))
    expected = [(12, 32, 32), (8, 16, 16), (8, 16, 16), (16, 8, 8), (16, 8, 8), (24, 4, 4), (24,)]
    assert [tuple(s) for s in shapes] == expected
    assert [tuple(a.shape[1:]) for a in chain(torch.zeros(2, 12, 32, 24), (5, 6))] == [(24, 4, 3), (24,)]


def test_cifar_resnet_wants_pairs() -> None:
    with pytest.raises(ValueError, match="equally long"):
        cifar_resnet(12, (8, 16), (1,))


def test_residual_block_by_hand() -> None:
    """With every convolution zero, only the shortcut is left: silu(x)."""
    block = ResidualBlock(2, 2, 1).eval()
    for convolution in (block.conv1, block.conv2):
        nn.init.zeros_(convolution.weight)
    x = torch.randn(2, 2, 3, 4)
    assert torch.allclose(block(x), x * torch.sigmoid(x))
    assert ResidualBlock(2, 5, 2)(torch.randn(2, 2, 6, 4)).shape == (2, 5, 3, 2)


def test_measuring_shapes_leaves_no_trace() -> None:
    chain = cifar_resnet(3, (8, 16), (1, 1)).train()
    before = {name: tensor.clone() for name, tensor in chain.state_dict().items()}
    activation_shapes(chain, 3, 16, (1, 2, 3))
    assert all(module.training for module in chain.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in chain.state_dict().items())


# --- read-outs


@pytest.mark.parametrize("kind", READOUTS)
@pytest.mark.parametrize("shape", [(6, 3, 4), (6,), (6, 1, 1)])
def test_readouts_normalise_and_project(kind: str, shape: tuple[int, ...]) -> None:
    head = READOUTS[kind](shape, 5)
    features = math.prod(shape) if kind == "flattened" else shape[0]
    assert head.get_submodule("linear").weight.shape == (5, features)
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    head.eval()
    flat = x.flatten(1) if kind == "flattened" else x.flatten(2).mean(2) if len(shape) > 1 else x
    norm, linear = head.get_submodule("norm"), head.get_submodule("linear")
    expected = flat / (1 + norm.eps) ** 0.5 @ linear.weight.T + linear.bias
    assert torch.allclose(head(x), expected, atol=1e-5)


def test_linear_head_is_linear() -> None:
    head = LinearHead((6,), 5)
    x = torch.randn(2, 6)
    assert torch.allclose(head(x), x @ head.linear.weight.T + head.linear.bias, atol=1e-6)
