"""Whatever the method, photo, size and budget: the saved 8-bit file keeps it."""

import tempfile
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from foundation.errors import StudioError
from foundation.images.files import quantise
from generator.optimisers.registry import OPTIMISERS
from generator.production.production import output_paths, produce
from generator.recipes.fields import cli_fields
from generator.recipes.perturbations import PERTURBATIONS
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from tests.examples import examples
from tests.generator.standins import Colours, Words, rng

HALF_A_LEVEL = 0.5
METHODS = [
    (perturbation, rule, norm)
    for perturbation in PERTURBATIONS
    for rule in OPTIMISERS
    for norm in ("linf", "l2")
    if (perturbation, rule) != ("layers", "apgd")  # which recipes refuse
]
ASKED: tuple[dict[str, Any], ...] = (
    {"objective": "leave", "classes": ()},
    {"objective": "margin", "classes": ("green",), "captions": "a frog | a ship", "models": ("colours", "words")},
)


BUDGETS = {
    "linf": (st.sampled_from([0.5, 1, 4, 8, 254.9]) | st.floats(0.01, 255)).map(lambda levels: levels / 255),
    "l2": st.floats(0.001, 0.1) | st.floats(0.1, 40),
}
"""Values of eps by norm: from far below a grey level to all there is."""


@st.composite
def photos(draw: st.DrawFn) -> torch.Tensor:
    """Noise, black, white, or next to either end."""
    size = (draw(st.integers(8, 21)), draw(st.integers(8, 21)))
    noise = torch.rand(1, 3, *size, generator=rng(draw(st.integers(0, 99))))
    spread, level = draw(st.sampled_from([(1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (0.02, 0.0), (0.02, 0.98)]))
    return quantise(level + spread * noise)


def test_the_methods_are_all_there_are() -> None:
    assert {(perturbation, rule) for perturbation, rule, _ in METHODS} | {("layers", "apgd")} == {
        *product(PERTURBATIONS, next(field.choices for field in cli_fields("attack") if field.name == "optimiser"))
    }
    norms = {*get_args(Recipe.model_fields["norm"].annotation)} - {"none"}
    assert {norm for _, _, norm in METHODS} == norms == BUDGETS.keys()
    with pytest.raises(StudioError, match="apgd"):
        Recipe(task="attack", perturbation="layers", optimiser="apgd", norm="linf", eps=0.1)


@pytest.mark.parametrize(("perturbation", "rule", "norm"), METHODS)
@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), photo=photos(), seed=st.integers(0, 50))
def test_the_saved_file_keeps_the_budget(
    perturbation: str, rule: str, norm: str, data: st.DataObject, photo: torch.Tensor, seed: int
) -> None:
    eps = data.draw(BUDGETS[norm])
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
            "form": data.draw(st.sampled_from(["auto", "layered"])),
            "steps": 3,
            "views_per_step": 1,
            "images": data.draw(st.integers(1, 2)),
            "seed": seed,
            **data.draw(st.sampled_from(ASKED)),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        outputs = output_paths(Path(folder) / "out.png", recipe.images)
        produce(recipe, {"colours": Colours(), "words": Words()}, outputs=outputs, pictures=Pictures(photo))
        saved = [np.asarray(Image.open(path).convert("RGB")).astype(float) for path in outputs.images]
    levels = (255 * photo[0].double()).round().permute(1, 2, 0).numpy()
    for pixels in saved:
        change = pixels - levels
        length = np.abs(change).max() if norm == "linf" else np.linalg.norm(change)
        assert length <= 255 * eps + HALF_A_LEVEL
