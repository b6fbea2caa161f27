"""Frozen networks: the same answers and gradients at every depth, for every kind of backbone, and nothing shared."""

import threading

import pytest
import torch
from torch import Tensor, nn

from robust_model.networks.ensemble import Ensemble, FrozenNoise, SelfEnsemble
from robust_model.networks.frozen import frozen_chain, traced
from robust_model.networks.networks import Chain, cifar_resnet, packaged_efficientnet, timm_resnet, torchvision_resnet
from robust_model.networks.plain import PlainConfig, PlainDefence
from robust_model.networks.winograd import WinogradConv2d, can_replace
from tests.robust_model.networks.small import pictures, small

CHAINS = {
    "cifar-resnet": lambda: cifar_resnet(12, (8, 16, 32), (1, 2, 1)),
    **{
        f"torchvision:{name}": (lambda name=name: torchvision_resnet(name, 12, pretrained=False))
        for name in ("resnet18", "resnet50")
    },
    **{
        f"timm:{name}": (lambda name=name: timm_resnet(name, 12, pretrained=False))
        for name in ("resnet18", "seresnet18", "resnetblur18", "resnext50_32x4d")
    },
    "packaged:lite0": lambda: packaged_efficientnet("lite0", 12, pretrained=False),
}


def lived(chain: Chain) -> Chain:
    """With weights and BatchNorm statistics as after training: none at its initial value."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in chain.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    assert tensor is not None
                    tensor.copy_(torch.rand(tensor.shape, generator=rng) + 0.5)
                for tensor in (module.bias, module.running_mean):
                    assert tensor is not None
                    tensor.copy_(torch.rand(tensor.shape, generator=rng) - 0.5)
    return chain.eval()


@pytest.mark.slow
@pytest.mark.parametrize("kind", CHAINS)
def test_same_activations_and_gradients_at_every_depth(kind: str) -> None:
    chain = lived(CHAINS[kind]())
    frozen = frozen_chain(chain)
    assert frozen.depth == chain.depth
    assert not any(isinstance(module, nn.BatchNorm2d) for module in frozen.modules())
    assert any(isinstance(m, WinogradConv2d) for m in frozen.modules()) == any(can_replace(m) for m in chain.modules())
    x = torch.rand(2, 12, 64, 32, generator=torch.Generator().manual_seed(1))

    def run(chain: Chain, x: Tensor) -> tuple[list[Tensor], Tensor]:
        leaf = x.clone().requires_grad_()
        found = chain(leaf, range(chain.depth + 1))
        (gradient,) = torch.autograd.grad(sum(a.pow(2).mean() for a in found), leaf)
        return [a.detach() for a in found], gradient

    with torch.no_grad():
        pairs = zip(*(network(x, range(chain.depth + 1)) for network in (chain, frozen)), strict=True)
    for depth, (a, b) in enumerate(pairs):
        assert (a - b).abs().max() <= 2e-5 * a.abs().max(), depth
    # In double precision, folding too: rounding in float32 moves numbers over ReLU's kink, and a gradient jumps there.
    exact, x = frozen_chain(chain.double()), x[:, :, :32].double()
    (expected, gradient), (found, found_gradient) = run(chain, x), run(exact, x)
    for depth, (a, b) in enumerate(zip(expected, found, strict=True)):
        assert (a - b).abs().max() <= 1e-9 * a.abs().max(), depth
    assert (gradient - found_gradient).norm() <= 1e-9 * gradient.norm()


def test_nothing_is_shared_and_nothing_moves() -> None:
    chain = lived(cifar_resnet(12, (8, 16), (1, 1)))
    before = {name: tensor.clone() for name, tensor in chain.state_dict().items()}
    frozen = frozen_chain(chain)
    x = torch.rand(2, 12, 32, 32)
    (answer,) = frozen(x, [frozen.depth])
    assert all(torch.equal(before[name], tensor) for name, tensor in chain.state_dict().items())
    assert all(parameter.requires_grad for parameter in chain.parameters())
    with torch.no_grad():
        for parameter in chain.parameters():
            parameter.zero_()
    assert torch.equal(frozen(x, [frozen.depth])[0], answer)
    assert not answer.requires_grad
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_a_chain_that_is_trained_is_refused() -> None:
    with pytest.raises(ValueError, match="eval mode"):
        frozen_chain(cifar_resnet(12, (8,), (1,)).train())


@pytest.mark.parametrize("changes", [{}, {"mirror": True}, {"separate_final_pass": True}, {"aggregator": "mean"}])
def test_a_frozen_self_ensemble_answers_as_itself(changes: dict[str, object]) -> None:
    model = small(**changes)
    lived(model.chain)
    frozen = model.frozen()
    images = pictures(3, 40, 32)
    for noise in (None, FrozenNoise(5)):
        assert torch.allclose(frozen.readouts(images, noise), model.readouts(images, noise), atol=1e-5)
        assert torch.allclose(frozen(images, noise), model(images, noise), atol=1e-5)
    assert frozen.readout_names == model.readout_names
    assert frozen.chain is not model.chain
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.chain.modules()), "the model itself is as it was"


def test_a_frozen_ensemble_answers_as_itself() -> None:
    model = Ensemble([small(0), small(1)]).eval()
    frozen = model.frozen()
    images = pictures(3)
    assert torch.allclose(frozen.readouts(images), model.readouts(images), atol=1e-5)
    assert not any(
        isinstance(m, nn.BatchNorm2d)
        for member in frozen.members
        if isinstance(member, SelfEnsemble)
        for m in member.chain.modules()
    )


def test_what_others_wrote_stays_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    defence = PlainDefence(network, PlainConfig(name="own", class_names=tuple("abcd")))
    assert defence.frozen() is defence


def test_what_another_thread_computes_meanwhile_is_not_traced() -> None:
    """Tracing exchanges the call of every module in the process, those of jobs that run beside it, too."""
    other, images, answers = nn.Conv2d(3, 2, 1), torch.ones(2, 3, 4, 5), []

    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own = nn.Conv2d(3, 2, 1)

        def forward(self, seen: Tensor) -> Tensor:
            beside = threading.Thread(target=lambda: answers.append(other(images)))
            beside.start()
            beside.join()
            return self.own(seen)

    graph = traced(Beside())
    assert len(answers) == 1 and torch.equal(answers[0], other(images))
    assert [node.target for node in graph.graph.nodes if node.op == "call_module"] == ["own"]
