"""Our loop against Direct Ascent Synthesis (arXiv 2502.07753) as one would first write it, in float64."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from foundation.seeds import stream
from generator.optimisers.loop import Step
from generator.recipes.recipe import Recipe
from generator.synthesis.synthesis import synthesise
from tests.generator.standins import Words

SIZE = (30, 36)
WINDOW = 24
RESOLUTIONS = (1, 2, 3, 5, 8, 13, 21, 36)
STEPS, VIEWS, IMAGES, RATE, SEED = 20, 3, 2, 0.3, 7
WEIGHTS = {"a frog": 1.0, "a good photo": 0.3, "text": -0.3, "double exposure": -0.3}
MODELS = {"one": Words(1), "two": Words(2)}


def published(start: dict[int, Tensor], draws: torch.Generator) -> list[Tensor]:
    """The images [B, 3, H, W] after each step, from layers r -> [B, 3, rh, rw] and the generator of the views."""
    layers = {
        r: start[r].double() if r in start else torch.zeros(IMAGES, 3, *cells(r), dtype=torch.float64)
        for r in RESOLUTIONS
    }
    found = []
    for _ in range(STEPS):
        for layer in layers.values():
            layer.requires_grad_()
        image = picture(layers)
        loss = torch.zeros((), dtype=torch.float64)
        for model in MODELS.values():
            with torch.no_grad():
                texts = {text: model.encode_text([text])[0].double() for text in WEIGHTS}
            for _view in range(VIEWS):
                tops = torch.randint(0, SIZE[0] - WINDOW + 1, (IMAGES,), generator=draws).tolist()
                lefts = torch.randint(0, SIZE[1] - WINDOW + 1, (IMAGES,), generator=draws).tolist()
                places = zip(image, tops, lefts, strict=True)
                seen = torch.stack([one[:, t : t + WINDOW, k : k + WINDOW] for one, t, k in places])
                seen = seen + 0.2 * torch.rand(seen.shape, generator=draws).double()
                embeddings = model.encode_images(seen)
                cosines = sum(weight * (embeddings @ texts[text]) for text, weight in WEIGHTS.items())
                loss = loss - cosines.sum() / VIEWS / len(MODELS)
        gradients = torch.autograd.grad(loss, list(layers.values()))
        with torch.no_grad():
            layers = {r: layer - RATE * slope for (r, layer), slope in zip(layers.items(), gradients, strict=True)}
            found.append(picture(layers))
    return found


def cells(r: int) -> tuple[int, int]:
    return max(1, round(r * SIZE[0] / max(SIZE))), max(1, round(r * SIZE[1] / max(SIZE)))


def picture(layers: dict[int, Tensor]) -> Tensor:
    total = torch.zeros(IMAGES, 3, *SIZE, dtype=torch.float64)
    for layer in layers.values():
        total = total + F.interpolate(layer, size=SIZE, mode="bicubic", align_corners=False)
    return (1 + total.tanh()) / 2


@pytest.mark.parametrize("form", ["layered", "image_space"])
def test_the_loop_follows_the_published_procedure(form: str) -> None:
    recipe = Recipe(
        task="text",
        models=tuple(MODELS),
        prompt="a frog | a good photo:0.3",
        negative="text | double exposure",
        size=SIZE,
        resolutions=",".join(map(str, RESOLUTIONS)),
        form=form,
        normalise=False,
        learning_rate=RATE,
        steps=STEPS,
        views=f"window:{WINDOW} | uniform:0.2",
        views_per_step=VIEWS,
        start_std=0.1,
        images=IMAGES,
        seed=SEED,
        version=3,  # whose pictures share the draws of their views, as here
    )
    synthesis = synthesise(recipe, MODELS)
    start = synthesis.prior.layers()
    expected = published(start, stream(SEED, "views"))
    steps: list[Step] = []
    for step, image in zip(synthesis.steps, expected, strict=True):
        assert (step.image().double() - image).abs().max() < 1e-4
        steps.append(step)
    assert len(steps) == STEPS
    assert (expected[-1] - synthesis.start).abs().max() > 0.1  # there was something to follow
    first, last = steps[0].losses["total"], steps[-1].losses["total"]
    assert all(math.isfinite(after) and after < before for before, after in zip(first, last, strict=True))
