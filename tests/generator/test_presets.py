import pytest

from generator.errors import StudioError
from generator.operators import parse_resolutions
from generator.presets import DEFAULT_PRESET, PRESETS, from_preset, preset_fields, presets_of
from generator.synthesis import AUTO_RESOLUTIONS, auto_resolutions
from generator.views import parse_views


@pytest.mark.parametrize(("task", "name"), [(task, name) for task in DEFAULT_PRESET for name in presets_of(task)])
def test_every_preset_is_a_valid_recipe_of_its_task(task: str, name: str) -> None:
    preset = presets_of(task)[name]
    assert PRESETS.get(name) == preset or task == "text"
    recipe = from_preset(task, name, **({"prompt": "a frog"} if task == "text" else {}))
    assert recipe.task == preset.task == task
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
    chosen = {task: name in presets_of(task) for task, name in DEFAULT_PRESET.items()}
    assert chosen == {"class": True, "text": True, "attack": True}
    assert preset_fields("class") == preset_fields("class", "balanced")
    assert from_preset("class", "quick", seed=7, steps=3).steps == 3
    with pytest.raises(StudioError, match="Choose from subtle, standard"):
        from_preset("attack", "quick")


def test_the_published_protocol() -> None:
    recipe = from_preset("text", "das", prompt="a frog")
    assert (recipe.size, recipe.steps, recipe.views) == ((336, 336), 100, "window:224 | uniform:0.2")
    assert parse_resolutions(recipe.resolutions, recipe.size) == tuple(range(1, 337))
    assert 0.1 <= recipe.learning_rate <= 0.2 and not recipe.normalise and recipe.momentum == recipe.start_std == 0
    assert 8 <= recipe.views_per_step <= 64


@pytest.mark.parametrize(
    ("task", "size", "expected"),
    [
        ("class", (160, 120), tuple(range(1, 41))),
        ("class", (16, 24), tuple(range(1, 25))),
        ("attack", (32, 24), tuple(range(1, 33))),
        ("attack", (100, 60), (*range(1, 33), 64, 100)),
        ("attack", (3000, 4000), (*range(1, 33), 64, 128)),
        ("text", (48, 40), tuple(range(1, 49))),
        ("text", (96, 100), (*range(1, 65), 72, 80, 88, 96)),
        ("text", (1024, 300), (*range(1, 65), *range(72, 225, 8))),
    ],
)
def test_auto_resolutions(task: str, size: tuple[int, int], expected: tuple[int, ...]) -> None:
    assert auto_resolutions(task, size) == expected
