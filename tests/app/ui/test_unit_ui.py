"""Units on the page: the menu of what to draw, and what of it becomes a recipe, without a browser."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from torch import nn

from app.handlers.units import UnitLayers
from app.ui.classes.tab import ClassTab, title_of
from app.ui.classes.unit_choice import CLASS, UNIT, first_of, line_of
from app.ui.markup.results import of_unit
from foundation.catalogue.catalogue import Catalogue
from foundation.errors import StudioError
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe
from generator.records.pictures import PictureFacts
from generator.units.layers import Layer
from robust_model.networks.plain import PlainConfig, PlainDefence
from tests.browser.standins import MODELS, StandInMeasurements, find_layers, make_studio
from tests.picture_results import picture
from tests.toy_models import Toys

ANNA = "a" * 32
FIRST, SECOND = (model.name for model in MODELS[:2])


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> ClassTab:
    studio = make_studio(SimpleNamespace(), tmp_path_factory.mktemp("studio"), StandInMeasurements())

    async def build() -> ClassTab:
        with gr.Blocks(analytics_enabled=False):
            built = ClassTab(studio, gr.BrowserState({}))
            built.build()
        return built

    return asyncio.run(build())  # where no event loop runs, Gradio makes some that it never closes


def read(tab: ClassTab, **changes: Any) -> Recipe:
    """What the widgets say as they are at first, but for these, by what they are called in the tab."""
    named = {"what": tab.unit.what, "layer": tab.unit.layer, "channel": tab.unit.channel, "others": tab.models.others}
    values: dict[Any, Any] = {widget: widget.value for widget in tab.inputs}
    values |= {tab.models.choice: FIRST} | {named[name]: value for name, value in changes.items()}
    return tab.recipe(*(values[widget] for widget in tab.inputs))


def visible(update: Any) -> bool:
    return bool(update.constructor_args["visible"])


def test_a_class_is_drawn_at_first(tab: ClassTab) -> None:
    assert (tab.unit.what.value, read(tab).unit) == (CLASS, "")
    assert read(tab, layer="stem", channel="3").classes  # a layer that was looked at does not count


@pytest.mark.parametrize(
    ("layer", "channel", "unit"),
    [
        ("stem", "3", "stem:3"),
        ("stem", " 3@centre ", "stem:3@centre"),
        ("stem", "", "stem"),
        ("stem", None, "stem"),
        ("blocks.3", "5*0.5-1@16", "blocks.3:5*0.5-1@16"),
        ("head", "9", "head:9"),
    ],
)
def test_layer_and_channel_make_the_unit_of_the_command_line(
    tab: ClassTab, layer: str, channel: str | None, unit: str
) -> None:
    made = read(tab, what=UNIT, layer=layer, channel=channel)
    start = from_preset("class")
    assert made == Recipe(**start.model_dump(exclude={"classes", "models"}) | {"unit": unit, "models": (FIRST,)})
    assert title_of(made) == f"{unit}, seed {made.seed}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layer": None}, "Choose the layer"),
        ({"layer": "stem", "channel": "red"}, "'red' is no channel of a layer"),
        ({"layer": "stem", "channel": "8"}, "has no channel 8: it has 8, numbered from 0 to 7"),
        ({"layer": "stem", "channel": "1@16,0"}, "has 16 x 16 positions"),
        ({"layer": "head", "channel": "1@centre"}, "is a vector, without positions"),
        ({"layer": "gone"}, "has no layer 'gone'"),
        ({"layer": "blocks.3", "others": [SECOND]}, "has no layer 'blocks.3': leave that model out"),
    ],
)
def test_what_is_no_unit_of_all_models_is_refused_before_the_job(
    tab: ClassTab, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(StudioError) as refused:
        read(tab, what=UNIT, **changes)
    assert words in str(refused.value)


def test_the_menu_follows_the_model_and_keeps_the_layer(tab: ClassTab) -> None:
    unit = tab.unit
    assert not visible(unit.follow(FIRST, CLASS, None)[unit.area])
    chosen = unit.follow(FIRST, UNIT, None)
    assert visible(chosen[unit.area])
    assert [name for name, _ in chosen[unit.layer].choices] == ["stem", "head", "blocks.3"]
    assert chosen[unit.layer].value == "blocks.3" and "sequence of 17 tokens" in chosen[unit.line]
    assert unit.follow(SECOND, UNIT, "head")[unit.layer].value == "head"
    assert unit.follow(SECOND, UNIT, "blocks.3")[unit.layer].value == "stem"
    with pytest.raises(StudioError, match="known once it is here"):
        unit.follow("torchvision:resnet50", UNIT, None)


def test_a_picture_of_a_unit_opens_and_is_made_again(tab: ClassTab) -> None:
    recipe = from_preset("class", "quick", models=(FIRST,), unit="blocks.3:5*0.5-1@16", seed=3)
    updates = tab.fill(recipe, ANNA)
    held = held_after(tab, updates)
    assert held[tab.unit.what] == UNIT and held[tab.unit.layer] == "blocks.3"
    assert not visible(updates[tab.of_class]) and visible(updates[tab.unit.area])
    assert tab.recipe(*(held[widget] for widget in tab.inputs)) == recipe
    back = tab.fill(from_preset("class", "quick", models=(FIRST,), classes=("ship",)), ANNA)
    held = held_after(tab, {**updates, **back})
    assert tab.recipe(*(held[widget] for widget in tab.inputs)).classes == ("ship",)
    assert visible(back[tab.of_class]) and not visible(back[tab.unit.area])


def held_after(tab: ClassTab, updates: Mapping[Any, Any]) -> dict[Any, Any]:
    values = {widget: widget.value for widget in tab.inputs}
    for widget, update in updates.items():
        if not isinstance(update, gr.blocks.Block):
            values[widget] = update
        elif "value" in update.constructor_args:
            values[widget] = update.value
    return values


def test_the_result_says_how_strongly() -> None:
    facts = {
        "before": 0.0, "after": 2.0, "before_deviations": 0.0, "after_deviations": 4.0,
        "noise_mean": 0.0, "noise_std": 0.5, "noise_images": 64,
    }  # fmt: skip
    recipe = Recipe(task="class", models=("net",), classes=(), unit="a<b:1")
    said = of_unit(PictureFacts.read(picture(unit={"net": facts})), recipe, {"net": "A net"})
    assert "a&lt;b:1 of A net" in said and "2 (+4.0 sd)" in said
    assert of_unit(PictureFacts.read(picture()), Recipe(), {}) == ""


def test_layers_are_described_and_one_is_chosen() -> None:
    layers = [Layer(str(i), "map", 4, (8, 8), (0, 1)) for i in range(6)] + [Layer("end", "vector", 3, (), (0, 1))]
    assert first_of(layers) == "4" and first_of(layers[-1:]) == "end"
    nested = [Layer(name, "map", 4, (8, 8), (0, 1)) for name in ("a.0", "a.1", "a.2", "a", "b.0", "b")]
    assert first_of([*nested, *layers]) == "a"
    assert "Channels 0 to 3, a map of 8 x 8 positions." in line_of(layers[0])
    assert "Channels 0 to 2, a vector." in line_of(layers[-1]) and line_of(None) == ""
    assert len(find_layers(FIRST)) == 3


def test_a_model_is_asked_once_and_not_before_it_is_here() -> None:
    parts = OrderedDict(stem=nn.Conv2d(3, 2, 3), end=nn.Flatten())
    network = PlainDefence(nn.Sequential(parts), PlainConfig(name="net", class_names=("a", "b"), image_size=3))
    here, far = Toys({"here": network}), Toys({"far": network}, ready=False)
    layers = UnitLayers(Catalogue([here, far]), "cpu")
    assert [one.name for one in layers("here")] == ["stem", "end"] == [one.name for one in layers("here")]
    assert here.asked == ["here"]
    with pytest.raises(StudioError, match=r"known once it is here\."):
        layers("far")
