import re
from pathlib import Path
from typing import Any

import pytest
import torch

from foundation.errors import StudioError
from foundation.images.files import load_image, to_tensor
from generator.priors.operators import parse_resolutions
from generator.production.production import output_paths, produce
from generator.recipes.completion import AUTO_RESOLUTIONS, auto_kind, auto_resolutions
from generator.recipes.pictures import Pictures
from generator.recipes.presets import (
    DEFAULT_PRESET,
    PRESETS,
    PUBLISHED,
    all_presets_of,
    from_preset,
    preset_fields,
    presets_of,
)
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model
from generator.views.registry import OneOf, parse_views
from generator.views.transfer import DiverseInput, ScaleCopies, TranslationInvariance
from tests.generator.standins import Colours, Words
from tests.generator.transfer.standins import tinted

PAPERS: dict[Any, str] = {
    "pgd": "1706.06083",
    "mi-fgsm": "1710.06081",
    "apgd": "2003.01690",
    "layers": "2502.07753",
    "crops of a target": "2503.10635",
    "dynamic": "1711.02257",
    DiverseInput: "1803.06978",
    TranslationInvariance: "1904.02884",
    ScaleCopies: "1908.06281",
    OneOf: "1707.07397",
}
"""Where the parts of a recipe were published."""
TARGET = tinted(1, 5, (24, 30))


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
        "transferable": ("linf", 8 / 255),
        "turn-into": ("none", 0.0),
    }


def published(name: str, **changes: Any) -> Recipe:
    """The recipe of a preset, with the target picture that some need."""
    needed = Pictures(target=TARGET).digests() if "target_views" in all_presets_of("attack")[name].overrides else {}
    return from_preset("attack", name, **needed, **changes)


@pytest.mark.parametrize("name", PUBLISHED["attack"])
def test_a_description_names_the_papers_and_numbers_of_what_the_recipe_does(name: str) -> None:
    recipe, says = published(name), PUBLISHED["attack"][name].description
    views = parse_views(recipe.views).views
    parts = {recipe.optimiser, recipe.perturbation, recipe.weighting, *map(type, views)}
    parts |= {"crops of a target"} if recipe.target_views else set()
    assert set(re.findall(r"arXiv (\d{4}\.\d{5})", says)) == {PAPERS[part] for part in parts if part in PAPERS}
    levels = 255 * recipe.eps
    assert f"L-inf {levels:g}/255" in says and recipe.norm == "linf" and f"{recipe.steps} steps" in says
    if recipe.optimiser in ("pgd", "mi-fgsm"):
        assert f"{recipe.steps} steps of {levels * recipe.learning_rate:g}/255" in says
    assert ("pixels, L-inf" in says) == (recipe.perturbation == "pixel")
    assert ("momentum 1" in says) == (recipe.momentum == 1) and recipe.momentum in (0, 1)
    assert ("Gaussian" in says) == (recipe.start_std > 0)
    assert (f"{recipe.views_per_step} views a step" in says) == (recipe.views_per_step > 1)
    if not recipe.target_views and recipe.perturbation == "pixel":
        assert {"cross_entropy": "on the cross-entropy", "margin": "on the margin"}[recipe.objective] in says
    for view in views:
        match view:
            case DiverseInput(p=p):
                assert f"probability {p:g}" in says
            case TranslationInvariance(radius=radius) if "kernel" in says:
                assert f"kernel of {2 * radius + 1}" in says
            case ScaleCopies(copies=copies):
                assert f"{copies} copies" in says


@pytest.mark.parametrize("name", PUBLISHED["attack"])
def test_every_published_attack_runs_and_its_file_keeps_the_budget(name: str, tmp_path: Path) -> None:
    matched = "target_views" in PUBLISHED["attack"][name].overrides
    asked: dict[str, Any] = {"models": ("one", "two")} if matched else {"models": ("colours",), "classes": ("green",)}
    recipe = published(name, steps=2, **asked)
    models: dict[str, Model] = {"colours": Colours(), "one": Words(), "two": Words(seed=1)}
    photo = torch.round(255 * tinted(0, 1)) / 255
    pictures = Pictures(source=photo, target=TARGET if matched else None)
    outputs = output_paths(tmp_path / "x.png", 1)
    made = produce(recipe, models, outputs=outputs, pictures=pictures)
    assert made.record.to_json()["recipe"]["steps"] == 2
    change = to_tensor(load_image(outputs.images[0])) - photo
    assert 0 < change.abs().max() <= recipe.eps + 0.5 / 255
    assert {name for name in ("target_views", "weighting") if getattr(recipe, name) not in ("", "fixed")} == (
        {"target_views", "weighting"} if name == "m-attack-dynamic" else {"target_views"} if matched else set()
    )


def test_published_presets_have_names_of_their_own_and_say_what_they_need() -> None:
    for task, presets in PUBLISHED.items():
        assert not presets.keys() & presets_of(task).keys()
        assert list(all_presets_of(task)) == [*presets_of(task), *presets]
        assert all(preset.task == task and preset.description.endswith(".") for preset in presets.values())
    with pytest.raises(StudioError, match="target_views are of the target picture: give one"):
        from_preset("attack", "m-attack")


def test_defaults_and_changes() -> None:
    chosen = {task: name in presets_of(task) for task, name in DEFAULT_PRESET.items()}
    assert chosen == {"class": True, "text": True, "attack": True}
    assert preset_fields("class") == preset_fields("class", "balanced")
    assert from_preset("class", "quick", seed=7, steps=3).steps == 3
    with pytest.raises(StudioError, match="Choose from subtle, standard"):
        from_preset("attack", "quick")


def test_the_published_protocol() -> None:
    """H3: the mean over three texts, clipped views, 64 of them; the description says what is kept."""
    recipe = from_preset("text", "das", prompt="a frog")
    assert (recipe.size, recipe.steps, recipe.views) == ((336, 336), 100, "window:224 | uniform:0.2 | clip")
    assert parse_resolutions(recipe.resolutions, recipe.size) == tuple(range(1, 337))
    assert recipe.learning_rate == 0.2 / 3 and not recipe.normalise and recipe.momentum == recipe.start_std == 0
    assert recipe.views_per_step == 64
    described = presets_of("text")["das"].description
    assert all(word in described for word in ("mean over", "clipped", "64 windows", "whole canvas", "middle of 224"))


@pytest.mark.parametrize(
    ("task", "size", "expected"),
    [
        ("class", (160, 120), tuple(range(1, 41))),
        ("class", (16, 24), tuple(range(1, 25))),
        ("photo", (32, 24), tuple(range(1, 33))),
        ("photo", (100, 60), (*range(1, 33), 64, 100)),
        ("photo", (3000, 4000), (*range(1, 33), 64, 128)),
        ("octaves", (32, 24), (1, 2, 4, 8, 16, 32)),
        ("octaves", (100, 60), (1, 2, 4, 8, 16, 32, 64, 100)),
        ("octaves", (3000, 4000), tuple(2**k for k in range(10))),
        ("text", (48, 40), tuple(range(1, 49))),
        ("text", (96, 100), (*range(1, 65), 72, 80, 88, 96)),
        ("text", (1024, 300), (*range(1, 65), *range(72, 225, 8))),
    ],
)
def test_auto_resolutions(task: str, size: tuple[int, int], expected: tuple[int, ...]) -> None:
    assert auto_resolutions(task, size) == expected


def test_what_auto_stands_for_is_known_before_there_is_a_photo() -> None:
    assert auto_kind(from_preset("attack"), from_photo=False) == "octaves"
    assert auto_kind(from_preset("attack", "pgd"), from_photo=True) == "photo"
    text = from_preset("text", prompt="a frog")
    assert [auto_kind(text, from_photo=one) for one in (False, True)] == ["text", "photo"]
    assert auto_kind(from_preset("class"), from_photo=False) == "class"
