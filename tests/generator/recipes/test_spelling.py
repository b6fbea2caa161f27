"""A recipe as a command and as Python: the command's own parser reads the same recipe back, and the lines run."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.images.files import save_png
from generator.cli.main import build_parser
from generator.cli.making import read_recipe
from generator.recipes.pictures import Pictures
from generator.recipes.presets import all_presets_of, from_preset
from generator.recipes.recipe import Recipe
from generator.recipes.spelling import command_of, python_of, sayable

PHOTO = torch.arange(3 * 20 * 32).reshape(1, 3, 20, 32) % 256 / 255
OTHER = PHOTO.flip(3)
EVIL = 'it\'s "$(rm -rf /)" `x`;\n\\ | -- 50%'


def parsed(command: str, pictures: Pictures) -> Recipe:
    """What the command's own parser makes of a line, as a shell splits it."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "generator"]
    arguments = build_parser().parse_args(words[3:])
    return read_recipe(arguments, arguments.command, [], pictures)


def same(recipe: Recipe, pictures: Pictures | None = None) -> None:
    given_with = pictures or Pictures()
    whole = recipe.with_changes(**{name: digest for name, digest in given_with.digests().items() if digest})
    assert parsed(command_of(whole), given_with) == whole


AIMS: dict[str, dict[str, Any]] = {
    "text": {"prompt": "a frog"},
    "class": {},
    "attack": {"prompt": "a ship", "models": ("tiny-clip",)},
}
CASES: list[dict[str, Any]] = [
    {"task": "class", "classes": ("frog", "ship"), "weights": (0.7, 0.3), "objective": "cross_entropy"},
    {"task": "class", "classes": ("it's | a cat",), "seed": 2**53 - 3, "size": (48, 64), "images": 3},
    {"task": "class", "classes": (), "unit": "blocks.3:3*0.7-12", "models": ("a", "b"), "model_weights": (2.0, 0.5)},
    {"task": "text", "prompt": EVIL, "negative": "-text", "learning_rate": 0.1 + 0.2},
    {"task": "text", "prompt": "-a frog", "prompt_to": "a ship", "images": 5, "models": ("tiny-clip", "Large/net")},
    {"task": "text", "prompt": "a", "models": ("tiny-clip", "c"), "classes": ("frog",), "class_weight": 0.25},
    {"task": "attack", "classes": ("ship",), "objective": "margin", "eps": 0.0314},
    {"task": "attack", "classes": (), "objective": "leave", "norm": "l2", "eps": 1.5},
    {
        "task": "attack",
        "classes": ("frog",),
        "objective": "leave",
        "optimiser": "pgd",
        "perturbation": "pixel",
        "momentum": 0.0,
    },
    {"task": "attack", "models": ("tiny-clip",), "classes": (), "prompt": "a ship", "captions": "a | b"},
]


@pytest.mark.parametrize("case", CASES)
def test_the_commands_own_parser_reads_the_recipe_back(case: dict[str, Any]) -> None:
    task = case["task"]
    changes = {name: value for name, value in case.items() if name != "task"}
    same(from_preset(task, **changes), Pictures(source=PHOTO) if task == "attack" else Pictures())


@pytest.mark.parametrize("task", ["text", "class", "attack"])
def test_every_preset_is_read_back(task: str) -> None:
    for name in all_presets_of(task):
        pictures = Pictures(source=PHOTO, target=OTHER) if task == "attack" else Pictures()
        digests = {"target": pictures.digests()["target"]} if task == "attack" else {}
        same(from_preset(task, name, **AIMS[task], **digests), pictures)


def test_pictures_are_named_by_their_files() -> None:
    pictures = Pictures(source=PHOTO, target=OTHER, style=OTHER)
    recipe = from_preset("text", prompt="a frog", from_photo=True, **pictures.digests())
    same(recipe, pictures)
    assert "--start source.png" in command_of(recipe) and "--style mine.png" in command_of(
        recipe, {"source": "a.png", "target": "b.png", "style": "mine.png"}
    )


@pytest.mark.slow
@settings(deadline=None)  # whatever the machine is busy with
@given(
    prompt=st.text(min_size=1, max_size=40).filter(str.strip), seed=st.integers(0, 2**53 - 1), rate=st.floats(0.001, 1)
)
def test_any_words_and_numbers_are_read_back(prompt: str, seed: int, rate: float) -> None:
    try:
        recipe = from_preset("text", prompt=prompt, seed=seed, learning_rate=rate)
    except ValueError:  # no prompt at all
        return
    assert parsed(command_of(recipe), Pictures()) == recipe


def test_what_no_flag_says_is_known() -> None:
    recipe = from_preset("class")
    assert sayable(recipe) and sayable(recipe.with_changes(planned_steps=recipe.steps))
    assert not sayable(recipe.with_changes(planned_steps=recipe.steps + 1))


def test_the_python_runs_and_makes_the_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All of it but the work itself, which has tests of its own: what `produce` is handed is what was copied."""
    handed: dict[str, Any] = {}

    def produce(recipe: Recipe, models: Any, **others: Any) -> None:
        handed.update(others, recipe=recipe, models=models)

    class Catalogue:
        def load(self, name: str) -> str:
            return f"loaded {name}"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("generator.production.production.produce", produce)
    monkeypatch.setattr("robust_model.zoo.catalogue.open_catalogue", Catalogue)
    save_png(PHOTO, tmp_path / "source.png")
    for recipe in (
        from_preset("text", prompt=EVIL, models=("tiny-clip",)),
        from_preset("class", classes=("frog",), seed=9, images=2),
        from_preset("attack", classes=("ship",), objective="margin"),
    ):
        handed.clear()
        exec(python_of(recipe), {})
        assert handed["recipe"] == recipe
        assert handed["models"] == {name: f"loaded {name}" for name in recipe.models}
        assert len(handed["outputs"].images) == recipe.images
        if recipe.task == "attack":
            assert torch.equal(handed["pictures"].source, PHOTO)
