"""The benchmark compares steps that do the same."""

import torch
from torch import Tensor

from benchmarks.clip_step import ENCODER, OURS, our_step, plain_step, report
from generator.views.registry import parse_views


class PooledEncoder:
    """A fixed linear map of what an image looks like at 4 x 4 pixels."""

    device = "cpu"

    def __init__(self) -> None:
        self._matrix = torch.randn(48, 5, generator=torch.Generator().manual_seed(0))

    def encode_images(self, images: Tensor) -> Tensor:
        pooled = torch.nn.functional.adaptive_avg_pool2d(images, 4).flatten(1) - 0.5
        return torch.nn.functional.normalize(0.1 + pooled @ self._matrix, dim=1)

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.nn.functional.normalize(torch.arange(5.0) - 1.5, dim=0).expand(len(texts), 5)


def test_both_ways_take_the_same_steps():
    encoder, view = PooledEncoder(), parse_views("shift:3 | uniform:0.2")
    resolutions = tuple(range(1, 17))
    ours = our_step([encoder], 2, view, resolutions, 16, tolerance=0.0, normalise=False)
    plain = plain_step([encoder], 2, view, resolutions, 16)
    before = plain()
    for _ in range(4):
        made = ours().image()
        torch.testing.assert_close(plain(), made, rtol=0, atol=1e-4)
    assert float((made - before).abs().max()) > 1e-2


def test_ratios_by_hand():
    figures = report({ENCODER: [1.0, 2.0, 4.0], OURS: [1.5, 2.0, 5.0]})[OURS]
    assert figures["ratio_of_medians"] == 1.0
    assert figures["ratio_of_minima"] == 1.5
    assert figures["median_of_ratios"] == 1.25
