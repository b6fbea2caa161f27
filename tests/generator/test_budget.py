"""Whatever the method, photo, size and budget: the saved 8-bit file keeps it."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.image import quantise
from generator.optimisers import OPTIMISERS
from generator.production import output_paths, produce
from generator.recipe import Recipe
from tests.generator.standins import Colours, Words, rng

HALF_A_LEVEL = 0.5
METHODS = [
    (perturbation, rule)
    for perturbation in ("layers", "pixel")
    for rule in OPTIMISERS
    if (perturbation, rule) != ("layers", "apgd")
]
ASKED: tuple[dict[str, Any], ...] = (
    {"objective": "leave", "classes": ()},
    {"objective": "margin", "classes": ("green",), "captions": "a frog | a ship", "models": ("colours", "words")},
)


@st.composite
def budgets(draw: st.DrawFn) -> tuple[str, float]:
    """Norm and eps: from far below a grey level to all there is."""
    if draw(st.booleans()):
        return "linf", draw(st.sampled_from([0.5, 1, 4, 8, 254.9]) | st.floats(0.01, 255)) / 255
    return "l2", draw(st.floats(0.001, 0.1) | st.floats(0.1, 40))


@st.composite
def photos(draw: st.DrawFn) -> torch.Tensor:
    """Noise, black, white, or next to either end."""
    size = (draw(st.integers(8, 21)), draw(st.integers(8, 21)))
    noise = torch.rand(1, 3, *size, generator=rng(draw(st.integers(0, 99))))
    spread, level = draw(st.sampled_from([(1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (0.02, 0.0), (0.02, 0.98)]))
    return quantise(level + spread * noise)


@pytest.mark.parametrize(("perturbation", "rule"), METHODS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), photo=photos(), budget=budgets(), seed=st.integers(0, 50))
def test_the_saved_file_keeps_the_budget(
    perturbation: str, rule: str, data: st.DataObject, photo: torch.Tensor, budget: tuple[str, float], seed: int
) -> None:
    norm, eps = budget
    recipe = Recipe(
        **{
            "task": "attack",
            "models": ("colours",),
            "norm": norm,
            "eps": eps,
            "perturbation": perturbation,
            "optimiser": rule,
            "momentum": {"sgd": 0.9, "mi-fgsm": 1.0}.get(rule, 0.0),
            "learning_rate": data.draw(st.sampled_from([0.1, 3.0])),
            "start_std": data.draw(st.sampled_from([0.0, 0.1, 5.0])),
            "step_schedule": "cosine" if rule in ("pgd", "mi-fgsm") and seed % 2 else "constant",
            "views": data.draw(st.sampled_from(["identity", "ti:2 | si:2 | di:1:1.2", "jpeg:50 or blur:0-1"])),
            "resolutions": "auto",
            "steps": 3,
            "views_per_step": 1,
            "images": data.draw(st.integers(1, 2)),
            "seed": seed,
            **data.draw(st.sampled_from(ASKED)),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        outputs = output_paths(Path(folder) / "out.png", recipe.images)
        produce(recipe, {"colours": Colours(), "words": Words()}, outputs=outputs, source=photo)
        saved = [np.asarray(Image.open(path).convert("RGB")).astype(float) for path in outputs.images]
    levels = (255 * photo[0].double()).round().permute(1, 2, 0).numpy()
    for pixels in saved:
        change = pixels - levels
        length = np.abs(change).max() if norm == "linf" else np.linalg.norm(change)
        assert length <= 255 * eps + HALF_A_LEVEL
