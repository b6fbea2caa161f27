"""The benchmark of attacks on photos: what it compares."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks.photo_attack import STEPS, alternated, bare, parse, photo_of, recipes
from foundation.images.files import save_png
from generator.recipes.recipe import RECIPE_VERSION


def test_ours_take_all_steps_and_the_way_of_before_is_that_of_old_recipes() -> None:
    found = recipes("lite0", "5")
    assert all(recipe.steps == STEPS for recipe in found.values())
    assert (found["standard"].version, found["standard, before"].version) == (RECIPE_VERSION, 4)
    assert found["standard"].detail > 0 and found["standard, before"].detail == 0


def test_the_bare_network_is_passed_through_as_often_as_an_attack_does() -> None:
    seen: list[tuple[int, ...]] = []
    layer = torch.nn.Linear(3, 7)

    def network(images: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(images.shape))
        return layer(images.mean((2, 3)))

    network.class_names = ("a",) * 7  # type: ignore[attr-defined]
    bare(network, 9)()  # type: ignore[arg-type]
    assert seen == [(1, 3, 9, 9)] * STEPS


def test_cases_take_turns() -> None:
    order: list[str] = []
    cases: dict[str, Callable[[], object]] = {name: lambda name=name: order.append(name) for name in ("bare", "b")}
    seconds = alternated(cases, 2)
    assert order == ["bare", "bare", "b", "bare", "b"] and [len(runs) for runs in seconds.values()] == [2, 2]


def test_sizes_are_sides_or_width_by_height(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    save_png(torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0)), tmp_path / "x.png")
    monkeypatch.setattr(sys, "argv", ["x", "--photo", str(tmp_path / "x.png"), "--sizes", "24", "40x30"])
    options = parse()
    assert options.sizes == [(24, 24), (40, 30)]
    assert photo_of(options.photo, (40, 30)).shape == (1, 3, 30, 40)
