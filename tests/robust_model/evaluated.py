"""Small models that can be evaluated, whose answers are known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from foundation.cluster.cluster import Cluster
from foundation.progress import Progress, silent
from robust_model.data.datasets import LabelledImages, LabelledSet
from robust_model.evaluation import engine
from robust_model.evaluation.record.config import EvalConfig
from robust_model.networks.noise import Noise, SilentNoise
from robust_model.networks.plain import PlainConfig
from robust_model.networks.stack import MultiResolutionStack, StackConfig
from robust_model.zoo.subjects import EvaluatedModel
from tests.robust_model.defences import Linear, standing

EPS = 0.1


class Known(Linear):
    """The linear classifier, as something that can be evaluated."""

    def __init__(self, masked: bool = False) -> None:
        super().__init__(masked)
        self.config = PlainConfig(name="linear", class_names=self.class_names)

    def with_noise(self, noise: Literal["off", "fresh"]) -> "Known":
        return self

    def with_aggregator(self, aggregator: str) -> "Known":
        raise NotImplementedError

    def frozen(self) -> "Known":
        return self


class Coin(torch.nn.Module):
    """Right with a chance that the image shows: its mean, whatever the label 1. The noise decides."""

    readout_names = ("output",)
    class_names = ("no", "yes")
    random = True

    def __init__(self) -> None:
        super().__init__()
        self.config = PlainConfig(name="coin", class_names=self.class_names)
        self.stack = MultiResolutionStack(StackConfig(size=1, resolutions=(1,), noise="uniform", noise_low=1.0))

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        draws = (noise or SilentNoise())(self.stack, len(images))
        assert draws.low is not None
        score = images.mean((1, 2, 3)) - draws.low[0][:, 0, 0, 0]
        return torch.stack([-score, score], dim=1)[:, None]

    def voting(self, logits: Tensor) -> Tensor:
        return logits

    def combine(self, logits: Tensor) -> Tensor:
        return logits[:, -1]

    def with_noise(self, noise: Literal["off", "fresh"]) -> "Coin":
        return self

    def with_aggregator(self, aggregator: str) -> "Coin":
        raise NotImplementedError

    def frozen(self) -> "Coin":
        return self


def images() -> LabelledImages:
    """Six images for the linear classifier at EPS: one wrong from the start, two that stand, three that fall.

    (The rounding to 8 bits is far finer.)
    """
    scores = (0.1, 0.8, 0.3, 0.9, 0.2, 0.15)
    pixels = torch.stack([standing(s) for s in scores]).mul(255).round().to(torch.uint8)
    return LabelledImages(pixels, torch.tensor([0, 1, 1, 1, 1, 1]), ("no", "yes"), "hand-made")


def chances(*percent: int) -> LabelledImages:
    """Images [3, 1, 2] of class "yes", which the coin gets right with these chances."""
    levels = torch.tensor(percent).mul(2.55).round().to(torch.uint8)
    pixels = levels.view(-1, 1, 1, 1).expand(-1, 3, 1, 2).contiguous()
    return LabelledImages(pixels, torch.ones(len(percent), dtype=torch.long), ("no", "yes"), "coins")


def timeless(report: dict[str, Any]) -> dict[str, Any]:
    """The report without the seconds, which no two evaluations share."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if key != "seconds"}
        return [plain(item) for item in value] if isinstance(value, list) else value

    return plain(report)  # type: ignore[no-any-return]


def evaluate_model(
    config: EvalConfig,
    model: EvaluatedModel,
    folder: Path | None = None,
    *,
    data: LabelledSet | None = None,
    on_progress: Callable[[Progress], None] = silent,
    should_stop: Callable[[], bool] = lambda: False,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """The report as it is written: plain JSON."""
    report = engine.evaluate_model(
        config, model, folder, data=data, on_progress=on_progress, should_stop=should_stop, cluster=cluster
    )
    return report.to_json()
