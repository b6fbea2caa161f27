"""Pictures that ran away are noticed, told, and drawn anew with the next seed where the recipe says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from foundation.images.files import load_image, to_tensor
from generator.production import redrawing
from generator.production.production import Result, output_paths, produce
from generator.production.redrawing import why_ran_away
from generator.recipes.recipe import Recipe, RecipeError
from tests.generator.standins import Colours, rng


def recipe(**fields: Any) -> Recipe:
    own = {"models": ("colours",), "classes": ("red",), "size": (16, 24), "resolutions": "1..4", "steps": 3}
    return Recipe(**(own | {"learning_rate": 0.05} | fields))


def make(made: Recipe, folder: Path, **more: Any) -> Result:
    return produce(made, {"colours": Colours()}, outputs=output_paths(folder / "x.png", made.images), **more)


def pixels(result: Result, index: int = 0) -> Tensor:
    return to_tensor(load_image(result.outputs.images[index]))


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Lets the pictures of some seeds count as run away."""

    def spoil(*seeds: int, **fields: Any) -> None:
        bad = [pixels(make(recipe(seed=seed, **fields), tmp_path / f"bad{seed}")) for seed in seeds]

        def judge(image: Tensor) -> str:
            return "odd" if any((image - one[0]).abs().max() < 1 / 255 for one in bad) else ""

        monkeypatch.setattr(redrawing, "why_ran_away", judge)

    return spoil


def noise(spread: float) -> Tensor:
    return 0.5 + spread * torch.randn(3, 40, 60, generator=rng())


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.ones(3, 8, 12), "all white"),
        (torch.zeros(3, 8, 12), "all black"),
        (torch.tensor([1.0, 0.0, 0.2])[:, None, None].expand(3, 8, 12), "all one colour"),
        (noise(0.02), "all one colour"),
        ((noise(1.0) > 0.5).float(), "saturated (100% of its values are black or white)"),
        (noise(0.1).clamp(0, 1), ""),
        (torch.stack([noise(0.001)[0], noise(0.001)[1], noise(0.2)[2]]).clamp(0, 1), ""),  # one channel says enough
        (torch.cat([torch.ones(3, 8, 7), noise(0.2)[:, :8, :3].clamp(0, 1)], dim=2), ""),  # a thing on white
    ],
)
def test_how_it_shows(image: Tensor, words: str) -> None:
    assert why_ran_away(image) == words


def test_it_is_told_and_nothing_else_changes_by_default(tmp_path: Path, spoilt: Callable[..., None]) -> None:
    before = make(recipe(), tmp_path / "a")
    assert before.record.to_json()["ran_away"] == []
    spoilt(0)
    after = make(recipe(), tmp_path / "b")
    assert after.outputs.images[0].read_bytes() == before.outputs.images[0].read_bytes()
    (told,) = after.record.to_json()["ran_away"]
    assert (told["image"], told["seed"], told["anew"]) == (1, 0, None)
    assert told["sentence"].startswith("Picture 1 (seed 0) ran away: it is odd. Try another seed")


def test_the_next_seed_is_drawn_and_its_recipe_makes_it_again(tmp_path: Path, spoilt: Callable[..., None]) -> None:
    spoilt(0, 1)
    heard: list[tuple[int, int]] = []
    result = make(recipe(redraw=2), tmp_path / "a", on_anew=lambda step, seed: heard.append((seed, step.index)))
    assert [(one["seed"], one["anew"]) for one in result.record.to_json()["ran_away"]] == [(0, 1), (1, 2)]
    assert heard == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
    assert (result.recipe.seed, result.recipe.redraw) == (2, 0)
    assert result.record.to_json()["images"][0]["seed"] == 2
    assert torch.equal(pixels(result), pixels(make(recipe(seed=2), tmp_path / "b")))
    again = make(result.recipe, tmp_path / "c")
    assert again.outputs.images[0].read_bytes() == result.outputs.images[0].read_bytes()


def test_after_two_tries_the_last_one_is_kept(tmp_path: Path, spoilt: Callable[..., None]) -> None:
    spoilt(0, 1, 2, 3)
    result = make(recipe(redraw=2), tmp_path / "a")
    assert [(one["seed"], one["anew"]) for one in result.record.to_json()["ran_away"]] == [(0, 1), (1, 2), (2, None)]
    assert (result.recipe.seed, result.recipe.redraw) == (2, 0)
    again = make(result.recipe, tmp_path / "b")
    assert again.outputs.images[0].read_bytes() == result.outputs.images[0].read_bytes()


def test_of_a_batch_the_seeds_behind_it_are_taken(tmp_path: Path, spoilt: Callable[..., None]) -> None:
    spoilt(1, 3)
    ended: list[Any] = []
    result = make(recipe(redraw=2, images=3), tmp_path / "a", on_done=ended.append)
    assert [(one["image"], one["seed"], one["anew"]) for one in result.record.to_json()["ran_away"]] == [
        (2, 1, 3),
        (2, 3, 4),
    ]
    assert [image["seed"] for image in result.record.to_json()["images"]] == [0, 4, 2]
    assert torch.equal(pixels(result, 1), pixels(make(recipe(seed=4), tmp_path / "b")))
    assert torch.allclose(ended[0].prior.render()[1:2], pixels(result, 1), atol=1 / 255)  # its layers are those shown
    again = make(result.recipe, tmp_path / "c")
    for one, other in zip(again.outputs.images, result.outputs.images, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_what_is_stopped_on_the_way_leaves_the_last_whole_picture(tmp_path: Path, spoilt: Callable[..., None]) -> None:
    spoilt(0)
    anew: list[int] = []
    result = make(
        recipe(redraw=2),
        tmp_path / "a",
        on_anew=lambda _step, seed: anew.append(seed),
        should_stop=lambda: bool(anew),
    )
    assert anew == [1], "after the first step of the second drawing"
    assert result.stopped and (result.recipe.seed, result.recipe.redraw) == (0, 0)
    assert torch.equal(pixels(result), pixels(make(recipe(), tmp_path / "b")))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"redraw": 3}, "redraw must be at least 0 and at most 2"),
        ({"redraw": 1, "task": "attack", "norm": "linf", "eps": 0.1}, "redraw is for pictures of a class or a text"),
        ({"redraw": 1, "version": 3}, "version 3 of the recipe knows no redraw: make it version 4"),
        ({"redraw": 2, "images": 4, "seed": 2**53 - 5}, "has no 11 seeds behind it"),
        ({"redraw": 1, "source": "ab" * 32, "task": "text", "prompt": "a", "classes": ()}, "pictures from nothing"),
    ],
)
def test_what_cannot_be_drawn_anew_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        recipe(**fields)
