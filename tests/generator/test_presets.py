import pytest

from generator.errors import StudioError
from generator.operators import parse_resolutions
from generator.presets import DEFAULT_PRESET, PRESETS, from_preset, preset_fields, presets_of
from generator.synthesis import AUTO_RESOLUTIONS, auto_resolutions
from generator.views import parse_views


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_recipe_of_its_task(name: str) -> None:
    preset = PRESETS[name]
    recipe = from_preset(preset.task, name)
    assert recipe.task == preset.task
    assert parse_views(recipe.views).views
    assert recipe.resolutions == AUTO_RESOLUTIONS or parse_resolutions(recipe.resolutions, recipe.size)
    assert preset.title and preset.description.endswith(".")


def test_budgets_of_the_attacks() -> None:
    budgets = {name: (PRESETS[name].overrides["norm"], PRESETS[name].overrides["eps"]) for name in presets_of("attack")}
    assert budgets == {
        "subtle": ("linf", 4 / 255),
        "standard": ("linf", 8 / 255),
        "strong": ("linf", 16 / 255),
        "turn-into": ("none", 0.0),
    }


def test_defaults_and_changes() -> None:
    assert {task: name in presets_of(task) for task, name in DEFAULT_PRESET.items()} == {"class": True, "attack": True}
    assert preset_fields("class") == preset_fields("class", "balanced")
    assert from_preset("class", "quick", seed=7, steps=3).steps == 3
    with pytest.raises(StudioError, match="Choose from subtle, standard"):
        from_preset("attack", "quick")


@pytest.mark.parametrize(
    ("task", "size", "expected"),
    [
        ("class", (160, 120), tuple(range(1, 41))),
        ("class", (16, 24), tuple(range(1, 25))),
        ("attack", (32, 24), tuple(range(1, 33))),
        ("attack", (100, 60), (*range(1, 33), 64, 100)),
        ("attack", (3000, 4000), (*range(1, 33), 64, 128)),
    ],
)
def test_auto_resolutions(task: str, size: tuple[int, int], expected: tuple[int, ...]) -> None:
    assert auto_resolutions(task, size) == expected
