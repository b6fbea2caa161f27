"""Accuracy by resolution: each is shown in all channels of the stack, and what is counted is what the network says."""

import pytest
import torch

from foundation.errors import StudioError
from robust_model.analyses import Material, Monitor
from robust_model.analyses.base import BudgetConfig
from robust_model.analyses.resolutions import measure
from robust_model.attacks import Defence
from robust_model.data.datasets import LabelledImages
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from tests.robust_model.defences import Linear

TINY = ModelConfig(
    class_names=("x", "y", "z"), widths=(8, 16), blocks=(1, 1), readout_depths=(1, 2), aggregator="crossmax-top2"
)
CONFIG = BudgetConfig(model="m", steps=2, batch=4, crossmax="crossmax-top2")


def material(defence: Defence) -> Material:
    """Six images of noise, labelled so that some are right."""
    pixels = torch.randint(256, (6, 3, 32, 32), generator=torch.Generator().manual_seed(5), dtype=torch.uint8)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    return Material((("m", defence),), data=LabelledImages(pixels, labels, TINY.class_names, "noise"), indices=range(6))


def test_one_resolution_is_shown_in_all_channels_of_the_stack() -> None:
    model = SelfEnsemble(TINY).eval().requires_grad_(False)
    subject = material(model)
    images, labels = subject.images.images.float() / 255, subject.images.labels
    stack = model.views(images).unflatten(1, (-1, 3))
    result = measure(CONFIG, subject, Monitor()).result
    assert result.resolutions == (32, 16, 8, 4)
    shown = [model, *(model.seeing(r) for r in result.resolutions)]
    right = [int((one(images).argmax(1) == labels).sum()) for one in shown]
    assert [one.correct for one in result.accuracy["clean"]] == right and 0 < sum(right) < 30
    assert set(result.accuracy) == {"clean", "attack on mean", "attack on CrossMax top-2"}
    for index, alone in enumerate(shown[1:]):
        views = alone.views(images).unflatten(1, (-1, 3))
        assert all(torch.equal(views[:, channel], stack[:, index]) for channel in range(4))


def test_a_network_of_one_resolution_has_none_to_compare() -> None:
    for model in (Linear(), SelfEnsemble(TINY).seeing(8)):
        with pytest.raises(StudioError, match="at several resolutions"):
            measure(CONFIG, material(model), Monitor())
