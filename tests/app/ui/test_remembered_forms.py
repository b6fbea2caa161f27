"""What a browser remembers of the forms, put back without one: judged like any other text from a browser."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.ui.attack.remembering import AttackForm
from app.ui.attack.tab import AttackTab
from app.ui.attack.targets import TARGET
from app.ui.classes.remembering import ClassForm
from app.ui.classes.tab import ClassTab
from app.ui.evaluation.remembering import EvaluationMemory
from app.ui.evaluation.sidebar import EvaluationSidebar
from app.ui.text.remembering import TextForm
from app.ui.text.tab import TextTab
from app.ui.widgets.picture_input import chosen_markup
from app.ui.widgets.remembered import RememberedForm, merged
from app.visitors.uploads import Kept
from tests.browser.standins import MODELS, StandInMeasurements, make_studio

ANNA, BERT = "a" * 32, "b" * 32
DEFENDED, UNDEFENDED = (model.name for model in MODELS[:2])
PHOTO = Image.linear_gradient("L").resize((40, 30)).convert("RGB")


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    studio = make_studio(SimpleNamespace(), tmp_path_factory.mktemp("studio"), StandInMeasurements())

    async def build() -> dict[str, Any]:
        with gr.Blocks(analytics_enabled=False):
            owner = gr.BrowserState({})
            tabs = TextTab(studio, owner), ClassTab(studio, owner), AttackTab(studio, owner)
            for tab in tabs:
                tab.build()
            sidebar = EvaluationSidebar(studio, owner)
            sidebar.build()
            found = [TextForm(tabs[0]), ClassForm(tabs[1]), AttackForm(tabs[2]), EvaluationMemory(sidebar)]
            for form in found:
                form.wire(owner)
        return {form.name: form for form in found}

    return asyncio.run(build())


def held(form: RememberedForm, updates: dict[Any, Any]) -> dict[str, Any]:
    """What the widgets of a form hold after updates, by their names."""
    values = {}
    for name, widget in form.widgets.items():
        update = updates.get(widget, widget.value)
        values[name] = update.get("value", widget.value) if isinstance(update, dict) else update
    return values


def first(form: RememberedForm) -> dict[str, Any]:
    return held(form, {})


def restored(form: RememberedForm, fields: dict[str, Any], owner: str = ANNA, **pictures: str) -> dict[Any, Any]:
    return form.restore({form.name: {"fields": fields, "pictures": pictures}}, owner)


FIELDS = {
    "text": {"text-prompt": "half a fro", "text-negative": "x", "text-seed": 77, "text-steps": 33, "text-images": 4},
    "class": {
        "class-chips": "ship",
        "class-menu": "ship",
        "class-seed": 5,
        "class-mixture": "frog 6",
        "class-steps": 7,
    },
    "attack": {
        "attack-model": [DEFENDED, UNDEFENDED],
        "attack-goal": TARGET,
        "attack-chips": "ship",
        "attack-eps": 4,
        "attack-truth": "a thing",
        "attack-victims": [UNDEFENDED],
        "attack-choices": "only one yet",
        "attack-with-recipe": False,
    },
    "evaluate": {"evaluate-suites": [], "evaluate-count": 7, "evaluate-eps": 2.5},
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_form_comes_back_as_it_was_left(forms: dict[str, Any], name: str) -> None:
    """Also half-written texts, which no recipe would take yet; everything else is as in an untouched form."""
    form = forms[name]
    updates = restored(form, json.loads(json.dumps(FIELDS[name])))
    assert held(form, updates) == first(form) | FIELDS[name]
    assert updates[form.notice] == ""
    assert set(updates) <= set(form.outputs)


@pytest.mark.parametrize("name", FIELDS)
def test_reset_brings_the_defaults_back(forms: dict[str, Any], name: str) -> None:
    form = forms[name]
    updates = form.clear(ANNA)
    assert held(form, updates) == first(form)
    assert set(form.widgets.values()) <= set(updates) <= set(form.outputs)
    assert all(updates[picture.name] is None for picture in form.pictures.values())


def test_what_goes_with_the_values_comes_with_them(forms: dict[str, Any]) -> None:
    attack = forms["attack"]
    updates = restored(attack, FIELDS["attack"])
    targets = attack._tab.classes
    assert updates[targets.target_area].constructor_args["visible"] is True
    assert "attacked together" in updates[attack._tab.surrogates.line]
    text = forms["text"]
    slow = next(name for _, name in text._tab.preset.choices if name != text._tab.preset.value)
    preset = restored(text, {"text-preset": slow})[text._tab.preset]
    assert preset["value"] == slow and preset["info"]


@pytest.mark.parametrize(
    ("name", "fields", "left"),
    [
        ("text", {"text-model": "gone/net", "text-seed": 3}, {"text-model": "Model"}),
        ("text", {"text-steps": -4, "text-seed": 3}, {"text-steps": "Steps"}),
        ("text", {"text-steps": "many", "text-views": "no such view", "text-seed": 3}, {"text-steps": "Steps"}),
        ("text", {"text-seed": 1e30, "text-images": 2}, {"text-seed": "Seed"}),
        ("text", {"text-prompt": "x" * 3000, "text-seed": 3}, {"text-prompt": "Prompt"}),
        ("text", {"text-classifiers": ["gone"], "text-seed": 3}, {"text-classifiers": "Classifiers"}),
        ("class", {"class-chips": "unicorn", "class-seed": 3}, {"class-chips": "Class"}),
        ("attack", {"attack-model": ["gone"], "attack-seed": 3}, {"attack-model": "Models to attack"}),
        ("attack", {"attack-victims": ["gone"], "attack-seed": 3}, {"attack-victims": "Test on"}),
        ("attack", {"attack-eps": 9000, "attack-seed": 3}, {"attack-eps": "Budget"}),
        ("attack", {"attack-goal": "rob a bank", "attack-seed": 3}, {"attack-goal": "Make the classifiers see"}),
        ("evaluate", {"evaluate-eps": 999, "evaluate-count": 3}, {"evaluate-eps": "Largest change, of 255"}),
        ("evaluate", {"evaluate-model": "gone", "evaluate-count": 3}, {"evaluate-model": "Model"}),
        ("evaluate", {"evaluate-suites": ["gone"], "evaluate-count": 3}, {"evaluate-suites": "Attacks"}),
    ],
)
def test_what_no_longer_fits_is_as_at_first_and_is_named(
    forms: dict[str, Any], name: str, fields: dict[str, Any], left: dict[str, str]
) -> None:
    form = forms[name]
    updates = restored(form, fields)
    values = held(form, updates)
    for key, label in left.items():
        assert values[key] == first(form)[key]
        assert label in updates[form.notice] and "no longer fits" in updates[form.notice]
    kept = {key: value for key, value in fields.items() if key not in left and key != "text-views"}
    assert {key: values[key] for key in kept} == kept


def test_a_picture_is_chosen_again_by_its_owner_alone(forms: dict[str, Any]) -> None:
    form = forms["attack"]
    picture = form._tab.picture
    digest = picture.studio.uploads.keep(PHOTO, ANNA).digest
    assert f'data-digest="{digest}"' in picture.choose(Kept(ANNA, digest))[picture.chosen]
    assert "data-digest" not in chosen_markup("none")
    mine = restored(form, {"attack-truth": "ship"}, source=digest)
    assert mine[picture.name] == Kept(ANNA, digest) and held(form, mine)["attack-truth"] == "ship"
    theirs = restored(form, {"attack-seed": 3}, owner=BERT, source=digest)
    assert theirs[picture.name] is None and held(form, theirs)["attack-seed"] == 3
    assert "the picture you brought" in theirs[form.notice]
    start = restored(forms["text"], {"text-start_std": 0.25}, source=digest)
    assert start[forms["text"]._tab.inputs.start.photo.name] == Kept(ANNA, digest)
    assert held(forms["text"], start)["text-start_std"] == 0.25


def test_nothing_kept_changes_nothing(forms: dict[str, Any]) -> None:
    for form in forms.values():
        for kept in (None, {}, [], "x", {form.name: None}, {form.name: {"fields": {"gone": 1}, "pictures": 3}}):
            assert form.restore(kept, ANNA) == {}


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from([DEFENDED, "ship"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@settings(deadline=None)  # whatever the machine is busy with
@given(data=st.data())
def test_whatever_a_browser_says_is_judged_and_never_an_error(forms: dict[str, Any], data: st.DataObject) -> None:
    form = data.draw(st.sampled_from([*forms.values()]))
    names = st.lists(st.sampled_from([*form.widgets]), max_size=4, unique=True)
    fields = {name: data.draw(ANY_JSON) for name in data.draw(names)}
    pictures = {name: data.draw(ANY_JSON) for name in form.pictures}
    updates = form.restore({form.name: {"fields": fields, "pictures": pictures}}, ANNA)
    assert set(updates) <= set(form.outputs)


def test_merged_updates_say_what_both_say() -> None:
    one, two, three = (gr.Textbox(render=False) for _ in range(3))
    found = merged(
        {one: gr.Textbox(label="A", value="x"), two: "old", three: 1},
        {one: "new", two: gr.Textbox(label="B"), three: 2},
    )
    assert (found[one]["label"], found[one]["value"]) == ("A", "new")
    assert (found[two]["label"], found[two]["value"]) == ("B", "old")
    assert found[three] == 2
