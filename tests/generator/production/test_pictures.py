"""Pictures of units: from a recipe to a file, and what is refused on the way."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from foundation.errors import StudioError
from foundation.images.files import load_image, to_tensor
from generator.recipes.recipe import Recipe, RecipeError
from generator.synthesis.synthesis import synthesise
from tests.generator.production.commands import MODELS, run
from tests.generator.units.networks import Painter

QUICK = ["--size", "16", "24", "--steps", "8", "--resolutions", "1..4,8", "--learning-rate", "0.3", "--quiet"]


def recipe(**fields: Any) -> Recipe:
    quick = {"size": (16, 24), "steps": 8, "resolutions": "1..4,8", "learning_rate": 0.3, "models": ("hand",)}
    return Recipe(**{**quick, **fields})


def made(**fields: Any) -> torch.Tensor:
    """The pictures of a recipe [B, 3, H, W]."""
    wanted = recipe(**fields)
    synthesis = synthesise(wanted, {name: MODELS[name]() for name in wanted.models})
    return [step.image() for step in synthesis.steps][-1]


@pytest.mark.parametrize(("unit", "colour"), [("see:0", 0), ("see:1@centre", 1), ("see:2-0*0.5", 2)])
def test_the_picture_has_the_colour_that_the_unit_answers_to(unit: str, colour: int) -> None:
    means = made(unit=unit, steps=20)[0].mean(dim=(1, 2))
    assert means.argmax() == colour and means[colour] > means.sum() / 2


def test_a_token_changes_its_own_place_alone() -> None:
    picture = made(
        unit="tokens:0@1", models=("tokens",), views="identity", size=(64, 64), start_std=0.0, resolutions="64"
    )
    red = picture[0, 0]
    assert (red[:4, :4] > 0.6).all() and torch.allclose(red[8:, 8:], torch.full((56, 56), 0.5), atol=1e-3)


def test_deepdream_of_a_layer_raises_its_squares() -> None:
    wanted = recipe(unit="see")
    steps = list(synthesise(wanted, {"hand": Painter()}).steps)
    assert steps[-1].losses["negative activation"][0] < 2 * steps[0].losses["negative activation"][0] < 0


def test_a_unit_takes_the_place_of_classes() -> None:
    assert recipe(unit="see:0").classes == ()
    assert recipe().unit == "" and recipe().classes == ("frog",)
    again = Recipe.parse_json(recipe(unit="see:3*0.7-1*0.5@centre").to_json())
    assert again == recipe(unit="see:3*0.7-1*0.5@centre")
    old = json.loads(recipe().to_json())
    del old["unit"]
    assert Recipe.parse_json(json.dumps(old)) == recipe()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"unit": "see:0", "classes": ("red",)}, "unit 'see:0' takes the place of classes"),
        ({"unit": "see:red"}, "unit: 'red' is no channel"),
        ({"unit": "see:0", "objective": "margin"}, "objective 'margin' is about classes: leave it 'logit'"),
        ({"unit": "see:0", "readout": "final"}, "readout 'final' is about classes: leave it 'mean'"),
        ({"unit": "see:0", "task": "attack", "classes": ("red",)}, "unit is for pictures of a class"),
        ({"unit": "see:0", "task": "text", "prompt": "red"}, "unit is for pictures of a class"),
        ({"unit": "see:0", "version": 1}, "version 1 of the recipe knows no unit"),
    ],
)
def test_recipes_that_do_not_fit_have_a_sentence(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError) as refused:
        recipe(**fields)
    assert words in str(refused.value)


def test_several_models_all_need_the_unit() -> None:
    with pytest.raises(StudioError, match=r"The model 'colours': 'see' is not one of its layers. It has none\."):
        made(unit="see:0", models=("hand", "colours"))
    with pytest.raises(StudioError, match="'words' shows nothing of its layers"):
        made(unit="see:0", models=("words",))
    both = synthesise(recipe(unit="see:0", models=("hand", "also"), steps=1), {"hand": Painter(), "also": Painter()})
    (step,) = both.steps
    assert {"hand: negative activation", "also: negative activation"} < set(step.losses)


def test_the_command_draws_a_unit_and_repeats_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    loud = [flag for flag in QUICK if flag != "--quiet"]
    assert run("class", "--model", "hand", "--unit", "see:0", *loud) == 0
    out = capsys.readouterr().out
    assert out.startswith("see-0-0.png\n") and "  hand: see:0 " in out and " sd) -> " in out
    first = Path("see-0-0.png")
    assert Recipe.from_png(first).unit == "see:0"
    (facts,) = json.loads(Path("see-0-0.json").read_text())["images"]
    picture = to_tensor(load_image(first))
    red, green, blue = picture.mean(dim=(2, 3))[0].tolist()
    assert facts["unit"]["hand"]["after"] == pytest.approx(red - (green + blue) / 2, abs=1e-5)
    assert facts["unit"]["hand"]["after_deviations"] > facts["unit"]["hand"]["before_deviations"]
    assert run("class", "--from", str(first), "--out", "again.png", "--quiet") == 0
    assert first.read_bytes() == Path("again.png").read_bytes()


def test_unit_and_class_replace_each_other_beside_an_older_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("class", "--model", "hand", "--unit", "see:0", "--out", "unit.png", *QUICK) == 0
    assert run("class", "--from", "unit.png", "--class", "red", "--out", "class.png", "--quiet") == 0
    changed = Recipe.from_png(Path("class.png"))
    assert (changed.unit, changed.classes) == ("", ("red",))
    assert run("class", "--from", "class.png", "--unit", "see", "--out", "back.png", "--quiet") == 0
    changed = Recipe.from_png(Path("back.png"))
    assert (changed.unit, changed.classes) == ("see", ())


def test_the_layers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("units", "hand") == 0
    assert capsys.readouterr().out.splitlines() == [
        "layer  kind  channels  positions",
        "see    map          4  64 x 64",
        "bend   map          4  64 x 64",
        "twice  map          4  16 x 16",
    ]
    assert run("units", "colours") == 2
    assert "has no layers that units could be taken from" in capsys.readouterr().err
    assert run("class", "--model", "hand", "--unit", "sea:0", *QUICK) == 2
    assert "'sea' is not one of its layers. The nearest are 'see'" in capsys.readouterr().err
