"""Classifiers that lead a text along, on the page: who is chosen at first, what is read, said and filled in again."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.ui.classes.tab import ClassTab
from app.ui.text.inputs import TextInputs
from app.ui.text.vocabulary import leading_hint
from generator.synthesis.drawers import LEAD
from tests.app.ui.text_form import held, text_inputs
from tests.browser.standins import StandInMeasurements, make_studio

CLASSIFIER = "crossmax-cifar10"


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A studio whose one classifier is among those that draw where nobody says."""
    for room in ("app.ui.text.classes", "app.ui.classes.tab"):
        monkeypatch.setattr(f"{room}.DRAWERS", {"text": ("tiny-clip", CLASSIFIER), "class": (CLASSIFIER,)})
    return make_studio(SimpleNamespace(), tmp_path, StandInMeasurements())


@pytest.fixture
def inputs(studio: Any) -> TextInputs:
    return text_inputs(studio)


def test_who_is_here_leads_to_what_the_prompt_names(inputs: TextInputs) -> None:
    assert inputs.classes.classifiers.value == [CLASSIFIER]
    recipe = inputs.read(held(inputs, {inputs.prompt: "two frogs"})).recipe
    assert recipe.models == ("tiny-clip", CLASSIFIER)
    assert recipe.classes == ("frog",) and recipe.class_weight == LEAD
    heavier = inputs.read(held(inputs, {inputs.prompt: "two frogs", inputs.classes.weight: 0.5})).recipe
    assert heavier.class_weight == 0.5
    assert inputs.costly(held(inputs, {})).recipe.models == ("tiny-clip", CLASSIFIER)


def test_where_the_prompt_names_no_class_the_text_is_drawn_alone(inputs: TextInputs) -> None:
    recipe = inputs.read(held(inputs, {inputs.prompt: "red"})).recipe
    assert recipe.models == ("tiny-clip",) and recipe.classes == ()


def test_classes_that_are_named_come_before_the_prompt(inputs: TextInputs) -> None:
    recipe = inputs.read(held(inputs, {inputs.prompt: "a frog", inputs.classes.classes: "ship"})).recipe
    assert recipe.classes == ("ship",)


@pytest.mark.parametrize("prompt", ["a frog", "red"])
def test_a_form_that_is_filled_in_follows_another_prompt(inputs: TextInputs, prompt: str) -> None:
    """What the prompt said of itself is not kept as if somebody had named it."""
    recipe = inputs.read(held(inputs, {inputs.prompt: prompt})).recipe
    updates, missing = inputs.fill(recipe, "a" * 32)
    assert not missing and inputs.read(held(inputs, updates)).recipe == recipe
    assert updates[inputs.classes.classes] == ""
    other = inputs.read(held(inputs, {**updates, inputs.prompt: "a ship"})).recipe
    assert other.classes == ("ship",) and other.models == ("tiny-clip", CLASSIFIER)


def test_what_somebody_named_is_filled_in_as_it_was(inputs: TextInputs) -> None:
    recipe = inputs.read(held(inputs, {inputs.prompt: "a frog", inputs.classes.classes: "ship"})).recipe
    updates, _ = inputs.fill(recipe, "a" * 32)
    assert updates[inputs.classes.classes] == "ship"
    assert inputs.read(held(inputs, updates)).recipe == recipe


def test_who_leads_to_what_is_said_while_one_types() -> None:
    names, titles = {"small": ("frog",), "large": ("beacon", "frog")}, {"small": "The small one"}
    assert "The small one and large, to \u201cfrog\u201d." in leading_hint("frogs", names, titles)
    assert "Leading along: large, to \u201cbeacon\u201d." in leading_hint("a lighthouse", names, titles)
    assert (
        leading_hint("an idea", names, titles)
        == leading_hint("", names, titles)
        == leading_hint("a:b:", names, {})
        == ""
    )


def test_the_tab_of_classes_begins_with_those_that_draw_best(studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import gradio as gr

    with gr.Blocks():
        tab = ClassTab(studio, gr.BrowserState(""))
        tab.build()
    assert (tab.models.choice.value, tab.models.others.value) == (CLASSIFIER, [])
    second = next(info.name for info in studio.classifiers() if info.ready and info.name != CLASSIFIER)
    monkeypatch.setattr("app.ui.classes.tab.DRAWERS", {"class": (CLASSIFIER, second)})
    monkeypatch.setattr("generator.synthesis.drawers.SHARES", {CLASSIFIER: 4.0})
    with gr.Blocks():
        tab = ClassTab(studio, gr.BrowserState(""))
        tab.build()
    assert (tab.models.choice.value, tab.models.others.value) == (CLASSIFIER, [second])
    assert tab.fields.widgets["model_weights"].value == "4.0 1.0"
    assert tab.at_first().recipe.models == (CLASSIFIER, second)
