"""Image towers in low precision: the same answers by plain products, and what may differ is left as it was."""

from pathlib import Path

import pytest
import torch
from torch import nn

from generator.encoders.encoder import OpenClipEncoder
from generator.encoders.towers import hold_in
from generator.production.making import make
from generator.recipes.presets import from_preset
from robust_model.zoo.catalogue import open_catalogue


def drawn(module: nn.Module, seed: int = 0) -> nn.Module:
    rng = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=rng) / 4
    return module.eval().requires_grad_(False)


class Tower(nn.Module):
    """Patches, attention with or without a mask, and a product."""

    def __init__(self, **patches: object) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, **{"kernel_size": 4, "stride": 4, **patches})  # type: ignore[arg-type]
        self.attn = nn.MultiheadAttention(32, 4, batch_first=True)
        self.proj = nn.Linear(32, 8)

    def forward(self, images: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        tokens = self.conv(images).flatten(2).mT
        return self.proj(self.attn(tokens, tokens, tokens, need_weights=False, attn_mask=mask)[0])


@pytest.mark.parametrize("size", [(16, 16), (16, 23), (9, 4)])
@pytest.mark.parametrize("masked", [False, True])
def test_in_float32_the_products_are_the_modules_own(size: tuple[int, int], masked: bool) -> None:
    tower, plain = drawn(Tower()), drawn(Tower())
    hold_in(tower, torch.float32)
    assert type(tower.attn) is not nn.MultiheadAttention and isinstance(tower.attn, nn.MultiheadAttention)
    assert {*tower.state_dict()} == {*plain.state_dict()}
    images = torch.randn(3, 3, *size, generator=torch.Generator().manual_seed(1), requires_grad=True)
    length = (size[0] // 4) * (size[1] // 4)
    mask = torch.full((length, length), -torch.inf).triu(1) if masked else None
    ways = [way(images, mask) for way in (tower, plain)]
    torch.testing.assert_close(*ways, rtol=1e-4, atol=1e-4)
    weights = torch.randn(ways[0].shape, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        *(torch.autograd.grad((way * weights).sum(), images)[0] for way in ways), rtol=1e-3, atol=1e-4
    )


def test_weights_of_products_are_kept_in_the_type_and_answers_stay_near() -> None:
    tower, plain = drawn(Tower()), drawn(Tower())
    hold_in(tower, torch.bfloat16)
    assert {parameter.dtype for parameter in tower.parameters()} == {torch.bfloat16}
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        low = tower(images).float()
    assert torch.cosine_similarity(low.flatten(), plain(images).flatten(), dim=0) > 0.9995


@pytest.mark.parametrize(
    "patches", [{"stride": 2}, {"padding": 1}, {"padding": "same", "stride": 1}, {"dilation": 2, "stride": 4}]
)
def test_windows_that_overlap_or_have_a_border_stay_a_convolution(patches: dict[str, object]) -> None:
    tower = drawn(Tower(**patches))
    hold_in(tower, torch.float32)
    assert type(tower.conv) is nn.Conv2d


def test_attention_that_is_more_than_self_attention_is_left_to_pytorch() -> None:
    other = nn.MultiheadAttention(32, 4)  # tokens first
    biased = nn.MultiheadAttention(32, 4, batch_first=True, add_bias_kv=True)
    apart = nn.MultiheadAttention(32, 4, batch_first=True, kdim=16, vdim=16)
    kept = nn.ModuleList([other, biased, apart])
    hold_in(kept, torch.float32)
    assert all(type(module) is nn.MultiheadAttention for module in kept)

    own, plain = (drawn(nn.MultiheadAttention(32, 4, batch_first=True)) for _ in range(2))
    hold_in(own, torch.float32)
    tokens, others = torch.randn(2, 5, 32), torch.randn(2, 7, 32)
    calls: list[dict[str, object]] = [
        {"key": others, "value": others},
        {"key": tokens, "value": tokens},  # asks for the weights, too
        {"key": tokens, "value": tokens, "need_weights": False, "key_padding_mask": torch.zeros(2, 5).bool()},
        {"key": tokens, "value": tokens, "need_weights": False, "attn_mask": torch.zeros(8, 5, 5)},
    ]
    for call in calls:
        (found, weights), (expected, known) = own(tokens, **call), plain(tokens, **call)
        torch.testing.assert_close(found, expected)
        assert (weights is None) == (known is None)


@pytest.mark.slow
def test_a_picture_drawn_in_bf16_is_as_near_to_its_prompt(tmp_path: Path) -> None:
    """Within 1 % of the score, asked of the encoder in fp32."""
    models = [open_catalogue((), tmp_path, precision=precision).load("tiny-clip") for precision in ("fp32", "bf16")]
    judge = models[0]
    assert isinstance(judge, OpenClipEncoder)
    recipe = from_preset("text", "fast", models=("tiny-clip",), prompt="a goldfish", seed=2, steps=30)
    scores = []
    for model in models:
        picture = make(recipe, {"tiny-clip": model}).images
        scores.append(float((judge.encode_images(picture) @ judge.encode_text(["a goldfish"]).mT).mean()))
    exact, low = scores
    assert exact > 0.3
    assert abs(low - exact) < 0.01 * exact
