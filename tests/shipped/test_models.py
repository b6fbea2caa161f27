"""The shipped models on pictures whose content is known: our own drawings. No data set is needed."""

from pathlib import Path

import pytest
import torch

from foundation.images.files import load_image, to_tensor
from generator.recipes.pictures import Pictures
from generator.recipes.presets import from_preset
from generator.synthesis.synthesis import synthesise
from tests.loading import load_model

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


@pytest.fixture(scope="module")
def robust():
    return load_model("crossmax-cifar10")


def test_the_drawings_are_recognised(robust) -> None:
    names = sorted(path.stem for path in EXAMPLES.glob("*.png"))
    seen = {n: robust.class_names[int(robust(to_tensor(load_image(EXAMPLES / f"{n}.png"))).argmax())] for n in names}
    assert len(names) >= 4
    assert sum(seen[name] == name for name in names) >= len(names) - 1, seen


@pytest.mark.parametrize("target", ["ship", "frog"])
def test_a_class_picture_is_seen_as_its_class(robust, target: str) -> None:
    recipe = from_preset("class", "quick", classes=(target,), seed=1)
    synthesis = synthesise(recipe, {"crossmax-cifar10": robust})
    for _ in synthesis.steps:
        pass
    image, wanted = synthesis.prior.render().detach(), robust.class_names.index(target)
    assert int(robust(image).argmax()) == wanted
    assert robust.readouts(image).mean(1).softmax(1)[0, wanted] > 0.5


def test_a_subtle_attack_fools_the_undefended_network_and_not_the_robust_one(robust) -> None:
    photo = to_tensor(load_image(EXAMPLES / "frog.png"))
    seen = {}
    for name, model in {"crossmax-cifar10": robust, "undefended-cifar10": load_model("undefended-cifar10")}.items():
        recipe = from_preset("attack", "subtle", objective="leave", classes=(), models=(name,), steps=30)
        synthesis = synthesise(recipe, {name: model}, pictures=Pictures(photo))
        for _ in synthesis.steps:
            pass
        attacked = synthesis.saved(synthesis.prior.render().detach())
        assert float((attacked - photo).abs().max()) <= recipe.eps + 1e-6
        assert model.class_names[int(model(photo).argmax())] == "frog"
        seen[name] = model.class_names[int(model(attacked).argmax())]
    assert seen["crossmax-cifar10"] == "frog"
    assert seen["undefended-cifar10"] != "frog"


def test_gradients_of_the_shipped_model_are_finite_and_not_zero(robust) -> None:
    image = to_tensor(load_image(EXAMPLES / "frog.png")).requires_grad_()
    robust.readouts(image).mean(1)[0, 6].backward()
    assert torch.isfinite(image.grad).all() and image.grad.abs().max() > 0
