"""How strongly pictures excite a unit, beside what it does for noise: a number by itself says nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from generator.records.pictures import UnitFound
from generator.synthesis.answers import started
from generator.synthesis.synthesis import Synthesis
from generator.units.layers import DEFAULT_SIDE
from generator.units.objective import Activation

NOISE_IMAGES = 64
_BATCH = 16


@dataclass(frozen=True)
class Baseline:
    """Mean and standard deviation of a unit's activation over `images` images of noise."""

    mean: float
    std: float
    images: int

    def compare(self, before: float, after: float) -> UnitFound:
        """Two activations, each also in standard deviations above the mean (None if noise changes nothing)."""
        above = [(value - self.mean) / self.std if self.std > 0 else None for value in (before, after)]
        return UnitFound(
            before=before,
            after=after,
            before_deviations=above[0],
            after_deviations=above[1],
            noise_mean=self.mean,
            noise_std=self.std,
            noise_images=self.images,
        )


def noise_images(count: int, side: int, *, rng: torch.Generator) -> Tensor:
    """Images [count, 3, side, side] in [0, 1] of noise at all scales, the octaves alike, as natural pictures have it.

    Noise of single pixels alone is grey to any network that has blurred it once.
    """
    layers = torch.zeros(count, 3, side, side)
    octaves = [*(2**k for k in range(1, side.bit_length()) if 2**k < side), side]
    for cells in octaves:
        drawn = torch.randn(count, 3, cells, cells, generator=rng)
        layers += functional.interpolate(drawn, size=(side, side), mode="bilinear", align_corners=False)
    return torch.sigmoid(1.2 * layers / len(octaves) ** 0.5)


@torch.no_grad()
def baseline(activation: Activation, *, device: torch.device | str = "cpu") -> Baseline:
    """What a unit does for noise of the size that its model sees: always the same images."""
    rng = torch.Generator().manual_seed(0)
    images = noise_images(NOISE_IMAGES, activation.model.observed_side or DEFAULT_SIDE, rng=rng)
    values = torch.cat([activation(batch.to(device)).cpu() for batch in images.split(_BATCH)]).double()
    return Baseline(values.mean().item(), values.std().item(), NOISE_IMAGES)


class UnitMeasure:
    """Compares pictures with what they started from, by the unit of a plan in each of its models."""

    def __init__(self, synthesis: Synthesis) -> None:
        """Take a synthesis for a unit, for which the noise is looked at once."""
        plan = synthesis.plan
        assert plan.unit is not None
        models = {name: started(model) for name, model in synthesis.classifiers.items()} | dict(plan.encoders)
        self._activations = {name: Activation.of(model, plan.unit, name) for name, model in models.items()}
        device = synthesis.start.device
        self._baselines = {name: baseline(found, device=device) for name, found in self._activations.items()}
        self._start = synthesis.start

    @torch.no_grad()
    def __call__(self, index: int, saved: Tensor) -> dict[str, UnitFound]:
        """Compare picture `index` of the batch, as it was saved [1, 3, H, W]: by the name of each model."""
        before, after = self._start[index : index + 1], saved.to(self._start)
        return {
            name: self._baselines[name].compare(activated(before).item(), activated(after).item())
            for name, activated in self._activations.items()
        }


def in_words(compared: UnitFound) -> str:
    """A comparison in a line, each activation with its distance from the mean in standard deviations (sd) of noise."""
    before = _written(compared.before, compared.before_deviations)
    after = _written(compared.after, compared.after_deviations)
    return f"{before} -> {after}; mean of {compared.noise_images} noise images {compared.noise_mean:.3g}"


def _written(value: float, deviations: float | None) -> str:
    return f"{value:.3g}" if deviations is None else f"{value:.3g} ({deviations:+.1f} sd)"
