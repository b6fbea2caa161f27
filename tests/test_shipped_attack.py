"""Attacks with what ships: the preset *Standard* on real networks and real photos."""

import pytest
import torch
from torch import Tensor

from generator.image import load_image, quantise_within, to_tensor
from generator.presets import from_preset
from generator.production import output_paths, produce
from robust_model.registry import ASSETS, ModelPool

PHOTOS = tuple(sorted((ASSETS / "photos").glob("*.png")))
PICTURES = (*PHOTOS, *sorted((ASSETS / "examples").glob("*.png")))
POOL = ModelPool()


def picture(path: object, side: int) -> Tensor:
    """A picture [1, 3, H, W] whose longer side has so many pixels."""
    image = load_image(path)  # type: ignore[arg-type]
    image.thumbnail((side, side))
    return to_tensor(image)


def test_the_first_click_fools_what_it_attacks(tmp_path: object) -> None:
    """U1: the cat is no cat any more for EfficientNet-Lite0, on the saved file and within 8 of 255 levels."""
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    model, photo = POOL.get("lite0"), picture(PHOTOS[0], 224)
    before = int(model(photo).argmax())
    assert "cat" in model.class_names[before] or "tabby" in model.class_names[before]
    recipe = from_preset("attack", models=("lite0",), classes=(), objective="leave", steps=16, views_per_step=1)
    made = produce(recipe, {"lite0": model}, outputs=output_paths(tmp_path / "a.png", 1), source=photo)
    saved = to_tensor(load_image(made.outputs.images[0]))
    answers = model(saved).softmax(1)[0]
    assert int(answers.argmax()) != before
    assert float(answers[before]) < 0.05
    assert float((saved - photo).abs().max()) <= 8 / 255 + 1e-6


def test_lite0_is_led_to_a_class_of_ones_choice(tmp_path: object) -> None:
    """U2's kind: layers reach a class that has nothing to do with the photo."""
    model, photo = POOL.get("lite0"), picture(PHOTOS[1], 224)
    recipe = from_preset("attack", models=("lite0",), classes=("goldfish",), steps=24, views_per_step=1)
    assert _reached(recipe, "lite0", photo)
    assert model.class_names[int(model(photo).argmax())] != "goldfish"


@pytest.mark.parametrize("name", ["undefended-cifar10"])
def test_a_chosen_class_is_reached_on_undefended_models(name: str) -> None:
    """U2: at least all but one of the photos and drawings reach their target within 8 of 255 levels."""
    model = POOL.get(name)
    reached = []
    for number, path in enumerate(PICTURES):
        photo = picture(path, 224)
        target = (int(model(photo).argmax()) + 1 + number) % len(model.class_names)
        recipe = from_preset("attack", models=(name,), classes=(model.class_names[target],), steps=40)
        reached.append(_reached(recipe, name, photo))
    assert sum(reached) >= len(PICTURES) - 1, reached


def _reached(recipe: object, name: str, photo: Tensor) -> bool:
    from generator.production import _Progress, _run
    from generator.recipe import Recipe
    from generator.synthesis import synthesise

    assert isinstance(recipe, Recipe)
    model = POOL.get(name)
    synthesis = synthesise(recipe, {name: model}, source=photo)
    progress = _Progress(synthesis.start)
    _run(synthesis, progress, lambda _step: None, lambda: False)
    saved = quantise_within(progress.images, photo, recipe.eps, norm="linf")
    with torch.no_grad():
        return model.class_names[int(model(saved).argmax())] == recipe.classes[0]
