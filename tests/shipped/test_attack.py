"""Attacks with what ships: the preset *Standard* on real networks and real photos."""

import tempfile
from pathlib import Path

import pytest
from torch import Tensor

from foundation.files.shipped import ASSETS
from foundation.images.files import load_image, to_tensor
from generator.production.production import output_paths, produce
from generator.recipes.pictures import Pictures
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe
from robust_model.zoo.catalogue import open_catalogue

pytestmark = pytest.mark.slow

PHOTOS = tuple(sorted((ASSETS / "photos").glob("*.png")))
PICTURES = (*PHOTOS, *sorted((ASSETS / "examples").glob("*.png")))
MODELS = open_catalogue()


def picture(path: Path, side: int) -> Tensor:
    """A picture [1, 3, H, W] whose longer side has so many pixels."""
    image = load_image(path)
    image.thumbnail((side, side))
    return to_tensor(image)


def test_the_first_click_fools_what_it_attacks(tmp_path: Path) -> None:
    """U1: the cat is no cat any more for EfficientNet-Lite0, on the saved file and within 8 of 255 levels."""
    model, photo = MODELS.load("lite0"), picture(PHOTOS[0], 224)
    before = int(model(photo).argmax())
    assert "cat" in model.class_names[before] or "tabby" in model.class_names[before]
    recipe = from_preset("attack", models=("lite0",), classes=(), objective="leave")
    made = produce(recipe, {"lite0": model}, outputs=output_paths(tmp_path / "a.png", 1), pictures=Pictures(photo))
    saved = to_tensor(load_image(made.outputs.images[0]))
    answers = model(saved).softmax(1)[0]
    assert int(answers.argmax()) != before
    assert float(answers[before]) < 0.05
    assert float((saved - photo).abs().max()) <= 8 / 255 + 1e-6
    assert made.record.to_json()["enough"] and made.recipe.steps < recipe.steps  # it ends once the model is sure


def test_lite0_is_led_to_a_class_of_ones_choice() -> None:
    """U2's kind: layers reach a class that has nothing to do with the photo."""
    model, photo = MODELS.load("lite0"), picture(PHOTOS[1], 224)
    recipe = from_preset("attack", models=("lite0",), classes=("goldfish",))
    assert model.class_names[int(model(_attacked(recipe, "lite0", photo)).argmax())] == "goldfish"
    assert model.class_names[int(model(photo).argmax())] != "goldfish"


def test_a_chosen_class_is_reached_wherever_single_pixels_reach_it() -> None:
    """U2: on the undefended model, layers come at least as far as PGD on pixels, with the same passes and budget.

    Flat drawings hold under both: 8 of 255 levels are not enough there.
    """
    name = "undefended-cifar10"
    model = MODELS.load(name)
    pixels = {"perturbation": "pixel", "optimiser": "pgd", "momentum": 0.0, "learning_rate": 0.1, "balance": 0.0}
    found: dict[str, list[float]] = {"layers": [], "pixels": []}
    for number, path in enumerate(PICTURES):
        photo = picture(path, 112)
        target = (int(model(photo).argmax()) + 1 + number) % len(model.class_names)
        fields = {"models": (name,), "classes": (model.class_names[target],), "steps": 24, "views_per_step": 1}
        for kind, changes in (("layers", {}), ("pixels", pixels)):
            saved = _attacked(from_preset("attack", **fields, **changes), name, photo)
            found[kind].append(float(model(saved).softmax(1)[0, target]))
    assert all(ours > theirs - 0.05 for ours, theirs in zip(found["layers"], found["pixels"], strict=True)), found
    assert sum(share > 0.5 for share in found["layers"]) >= 3, found


def _attacked(recipe: Recipe, name: str, photo: Tensor) -> Tensor:
    """The attacked picture as it is saved."""
    with tempfile.TemporaryDirectory() as folder:
        made = produce(
            recipe, {name: MODELS.load(name)}, outputs=output_paths(Path(folder) / "a.png", 1), pictures=Pictures(photo)
        )
        return to_tensor(load_image(made.outputs.images[0]))
