"""Winograd's convolution: the identity behind it, against float64, forward and backward, and where it is not used."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robust_model.networks import winograd
from robust_model.networks.winograd import WinogradConv2d, can_replace, fits, transforms


def conv(inputs: int = 5, outputs: int = 3, bias: bool = True, **changes: object) -> nn.Conv2d:
    made = nn.Conv2d(inputs, outputs, **{"kernel_size": 3, "padding": 1, "bias": bias, **changes})  # type: ignore[arg-type]
    if made.weight.is_meta:
        return made
    rng = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng))
    return made


def maps(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def test_the_transforms_correlate() -> None:
    """Of d [6] with w [3]: sum over k of w_k d_{i + k}, for i in 0..3."""
    back, weights, data = transforms()
    d = torch.tensor([2.0, -1.0, 3.0, 0.5, 4.0, -2.0], dtype=torch.float64)
    w = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)
    by_hand = torch.tensor([2 - 10 + 300, -1 + 30 + 50, 3 + 5 + 400, 0.5 + 40 - 200], dtype=torch.float64)
    assert torch.allclose(back @ ((weights @ w) * (data @ d)), by_hand, rtol=0, atol=1e-9)


@pytest.mark.parametrize("side", [(4, 4), (8, 8), (4, 8), (8, 4)])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_is_the_convolution_and_its_gradient(side: tuple[int, int], batch: int, bias: bool) -> None:
    plain = conv(bias=bias)
    x = maps(batch, 5, *side)
    towards = maps(batch, 3, *side)

    def run(function: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        leaf = x.clone().requires_grad_()
        found = function(leaf)
        return found.detach(), torch.autograd.grad(found, leaf, towards.to(x))[0]

    found, found_back = run(WinogradConv2d(plain), x)
    expected, expected_back = run(plain.double(), x.double())
    assert found.dtype == found_back.dtype == torch.float32
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    assert (found_back - expected_back).abs().max() < 1e-5 * expected_back.abs().max()


def test_rounds_little_more_than_the_direct_sum() -> None:
    plain = conv(64, 64, bias=False)
    x = maps(4, 64, 8, 8)
    exact = F.conv2d(x.double(), plain.weight.detach().double(), padding=1)

    def error(found: Tensor) -> float:
        return float((found - exact).pow(2).mean().sqrt() / exact.pow(2).mean().sqrt())

    assert error(WinogradConv2d(plain)(x)) < 2e-6
    assert error(WinogradConv2d(plain)(x)) < 20 * error(plain(x).detach())


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, x = WinogradConv2d(conv()), maps(7, 5, 8, 8)
    whole = fast(x)
    monkeypatch.setattr(winograd, "_CHUNK_BYTES", 144 * 5 * 4 * 2)  # two images
    assert torch.allclose(fast(x), whole, atol=1e-5)
    assert fast(x[:0]).shape == (0, 3, 8, 8)


def test_takes_any_memory_format() -> None:
    fast, x = WinogradConv2d(conv()), maps(3, 5, 8, 4)
    assert torch.equal(fast(x), fast(x.contiguous(memory_format=torch.channels_last)))
    assert torch.equal(fast(x), fast(x.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)))


def test_which_maps_fit() -> None:
    assert all(fits(h, w) for h, w in [(4, 4), (8, 8), (4, 8)])
    assert not any(fits(h, w) for h, w in [(16, 16), (6, 4), (7, 7), (2, 2), (0, 4), (8, 12)])


@pytest.mark.parametrize("shape", [(2, 5, 7, 4), (2, 5, 16, 16)])
def test_maps_that_do_not_fit_are_convolved_as_ever(shape: tuple[int, ...]) -> None:
    plain, x = conv(), maps(*shape)
    assert torch.allclose(WinogradConv2d(plain)(x), plain(x), atol=1e-6)


def test_other_precisions_are_convolved_as_ever() -> None:
    """Of 8 bits the transforms would leave few."""
    plain, x = conv(), maps(2, 5, 4, 4)
    fast = WinogradConv2d(plain)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fast(x), plain(x))
    doubled = WinogradConv2d(plain).double()
    assert torch.allclose(doubled(x.double()), plain.double()(x.double()), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        {"kernel_size": 1, "padding": 0},
        {"kernel_size": 5, "padding": 1},
        {"stride": 2},
        {"dilation": 2},
        {"padding": 0},
        {"padding": "same"},
        {"padding_mode": "reflect"},
        {"inputs": 4, "outputs": 4, "groups": 2},
        {"device": "meta"},
    ],
)
def test_other_convolutions_are_not_replaced(changes: dict[str, object]) -> None:
    assert can_replace(conv())
    assert not can_replace(conv(**changes))  # type: ignore[arg-type]
    assert not can_replace(nn.Linear(3, 3))


def test_weights_are_copied_and_have_no_gradients() -> None:
    plain, x = conv(), maps(2, 5, 4, 4)
    fast = WinogradConv2d(plain)
    before = fast(x)
    with torch.no_grad():
        plain.weight.zero_()
        assert plain.bias is not None
        plain.bias.zero_()
    assert torch.equal(fast(x), before)
    assert not list(fast.parameters())
    assert not fast(x).requires_grad
