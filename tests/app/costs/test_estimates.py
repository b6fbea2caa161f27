"""U6, U7: what a job costs before it begins: every field that costs time moves the estimate, by as much as it costs."""

import math

import pytest

from app.costs.estimates import NOTHING_MORE, Extras, Network, Rates, cost_of
from foundation.errors import StudioError
from generator.recipes.presets import all_presets_of, from_preset, preset_fields, presets_of
from generator.recipes.recipe import Recipe
from generator.views.registry import VIEWS

RATES = Rates(networks={"crossmax-cifar10": Network(0.01, 0.02, 1), "tiny-clip": Network(0.01, 0.02, 1)})
AIMLESS = {"objective": "leave", "classes": (), "target_views": ""}
SMALL, LARGE = (480, 480), (3000, 4000)


def text(**fields) -> Recipe:
    return from_preset("text", prompt="a frog", **({"size": (128, 128)} | fields))


def seconds(recipe: Recipe, photo=None, extras=NOTHING_MORE) -> float:
    return cost_of(recipe, RATES, photo, extras).seconds


@pytest.mark.parametrize(
    ("cheap", "dear", "least", "most"),
    [
        (text(steps=10), text(steps=40), 3.5, 4.01),
        (text(views_per_step=2), text(views_per_step=8), 2.0, 4.0),
        (text(images=1), text(images=4), 2.5, 4.0),
        (text(size=(128, 128)), text(size=(2048, 2048)), 30, 256),
        (text(), text(models=("tiny-clip", "other")), 1.5, 4.0),
        (text(form="image_space", size=(512, 512)), text(form="layered", size=(512, 512)), 1.05, 10),
        (text(size=(1024, 1024), tolerance=0.1), text(size=(1024, 1024), tolerance=0.0), 1.05, 20),
        (text(size=(1024, 1024), resolutions="1..16"), text(size=(1024, 1024), resolutions="1..224"), 1.2, 50),
        (text(size=(512, 512), views="window:96"), text(size=(512, 512), views="identity"), 1.02, 10),
        (text(size=(512, 512), views="noise:0.1"), text(size=(512, 512), views="noise:0.1 | jpeg:75"), 1.5, 20),
        (text(size=(512, 512), views="blur:1"), text(size=(512, 512), views="blur:8"), 1.3, 20),
        (text(views="si:2"), text(views="si:5"), 1.5, 2.5),
    ],
)
def test_every_field_that_costs_time_moves_the_estimate(cheap, dear, least, most) -> None:
    """U7: steps, views, pictures, size, models, form, tolerance, resolutions and each view."""
    assert least <= seconds(dear) / seconds(cheap) <= most


def test_a_photo_costs_by_its_own_size_and_by_what_is_found_out() -> None:
    """U6: the size of the photo counts, not that of the recipe; victims and survivals come on top."""
    recipe = from_preset("attack", detail=0.0)
    small, large = cost_of(recipe, RATES, SMALL), cost_of(recipe, RATES, LARGE)
    by_copy = cost_of(from_preset("attack"), RATES, LARGE)
    assert by_copy.per_step < 2 * small.per_step and by_copy.after < large.after and by_copy.bytes < large.bytes
    assert 10 < large.per_step / small.per_step < 2 * math.prod(LARGE) / math.prod(SMALL)
    assert seconds(recipe, LARGE) == seconds(recipe.with_changes(size=(64, 64)), LARGE)
    looked = cost_of(recipe, RATES, SMALL, Extras(victims=("a", "b"), survivals=8))
    more = cost_of(recipe, RATES, SMALL, Extras(victims=("a", "b", "c"), survivals=8))
    assert small.after < looked.after < more.after and looked.steps == small.steps
    assert cost_of(recipe, RATES, SMALL, Extras(victims=("a", "b"), survivals=2)).after < looked.after


@pytest.mark.parametrize("task", ["class", "text", "attack"])
def test_every_preset_has_an_estimate_at_once(task: str) -> None:
    """U7: also the published ones, before anything was measured."""
    for name in all_presets_of(task):
        fields = preset_fields(task, name)
        aims = {"text": {"prompt": "a frog"}, "class": {}, "attack": AIMLESS}[task]
        recipe = Recipe(**{**fields, **aims})
        found = cost_of(recipe, Rates(), SMALL if task == "attack" else None)
        assert 0.5 < found.seconds < 3600 and 10**5 < found.bytes < 10**9, name
    assert presets_of(task)


def test_memory_is_known_without_being_taken() -> None:
    """S4's form, 16 pictures of 4096 x 4096: tens of gigabytes, computed in no time."""
    huge = text(size=(4096, 4096), images=16, views_per_step=1024)
    assert cost_of(huge, RATES).bytes == 16 * 16 * cost_of(text(size=(1024, 1024)), RATES).bytes > 2 * 10**10


def test_every_kind_of_view_is_counted() -> None:
    for name in VIEWS:
        assert cost_of(text(size=(512, 512), views=name), RATES).per_step > 0
    either = cost_of(text(size=(512, 512), views="jpeg:75 or identity"), RATES).per_step
    alone = [cost_of(text(size=(512, 512), views=one), RATES).per_step for one in ("identity", "jpeg:75")]
    assert alone[0] < either < alone[1]
    with pytest.raises(StudioError, match="no view"):
        cost_of(text(views="frog"), RATES)
