"""The settings of results used again: by buttons, cards and copies, without a browser."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import gradio as gr
import pytest

from app.ui.attack.tab import AttackTab
from app.ui.classes.tab import ClassTab
from app.ui.history.cards import cards
from app.ui.markup.copying import LINK_START
from app.ui.markup.media import Media
from app.ui.text.actions import varied
from app.ui.text.tab import TextTab
from app.ui.widgets.reuse import AGAIN, USE, USE_BUT_SEED, copies_of, offers, params_again, settings_of, words_of
from foundation.errors import StudioError
from foundation.jobs.store.model import JobSnapshot, JobStatus
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe
from tests.app.snapshots import job
from tests.browser.standins import MODELS, StandInMeasurements, make_studio

RECIPE = from_preset("class", classes=("ship",), seed=3)
SOURCE = "1" * 64
BOTH = (USE, USE_BUT_SEED)


def made(**changes: Any) -> JobSnapshot:
    return replace(job(), params={"recipe": RECIPE.model_dump(mode="json")}, result=None, **changes)


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        (JobStatus.QUEUED, ()),
        (JobStatus.RUNNING, ()),
        (JobStatus.DONE, BOTH),
        (JobStatus.STOPPED, BOTH),
        (JobStatus.FAILED, (*BOTH, AGAIN)),
        (JobStatus.INTERRUPTED, (*BOTH, AGAIN)),
        (JobStatus.DISCARDED, ()),
    ],
)
def test_what_a_result_offers_is_on_its_card(status: JobStatus, offered: tuple[str, ...]) -> None:
    snapshot = made(status=status)
    assert offers(snapshot) == offered
    card = cards([snapshot], Media({}, b"x" * 32), found=1, of=1)
    assert [act for act in (*BOTH, AGAIN) if f'data-act="{act}"' in card] == list(offered)
    assert offers(replace(snapshot, params={})) == tuple(act for act in offered if act == AGAIN)


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        (JobStatus.RUNNING, ()),
        (JobStatus.DONE, (USE,)),
        (JobStatus.STOPPED, (USE, AGAIN)),
        (JobStatus.INTERRUPTED, (USE, AGAIN)),
    ],
)
def test_an_evaluation_offers_its_settings_and_goes_on_with_what_there_is_of_it(
    status: JobStatus, offered: tuple[str, ...], tmp_path: Path
) -> None:
    snapshot = replace(job(), kind="evaluate", params={"config": {"model": "m"}}, status=status, folder=str(tmp_path))
    assert offers(snapshot) == offered
    assert words_of(AGAIN, snapshot) == "Run again" and params_again(snapshot) == snapshot.params
    (tmp_path / "evaluation").mkdir()
    assert words_of(AGAIN, snapshot) == "Go on with the rest"
    assert params_again(snapshot) == {**snapshot.params, "continues": snapshot.id}


def test_the_recipe_is_that_of_the_picture_and_names_its_photos() -> None:
    assert settings_of(made()) == RECIPE
    carried_out = RECIPE.with_changes(steps=7)
    assert settings_of(replace(made(), result={"recipe": carried_out.model_dump(mode="json")})) == carried_out
    attack = from_preset("attack", "standard", classes=("ship",), objective="margin")
    params = {"recipe": attack.model_dump(mode="json"), "source": SOURCE}
    assert settings_of(replace(made(), params=params)) == attack.with_changes(source=SOURCE)
    for recipe in (None, "x", {"task": "class", "steps": -1}):
        with pytest.raises(StudioError):
            settings_of(replace(made(), params={"recipe": recipe}))


def test_what_is_copied_is_what_was_asked_for() -> None:
    done = replace(made(), result={"recipe": RECIPE.with_changes(steps=7).model_dump(mode="json")})
    markup = copies_of(done)
    assert "python -m generator class " in markup and "--classes ship" in markup and "--seed 3" in markup
    assert "--from" not in markup
    link = unquote(markup.split('data-link="')[1].split('"')[0].removeprefix(LINK_START))
    assert Recipe.parse_json(link) == RECIPE and len(link) < len(RECIPE.to_json())
    assert "--from FILE.png" in copies_of(replace(done, status=JobStatus.STOPPED))
    evil = RECIPE.with_changes(classes=("<b>x</b>",))
    said = copies_of(replace(done, params={"recipe": evil.model_dump(mode="json")}))
    assert "<b>" not in said and "&lt;b&gt;x" in said
    for nothing in (
        replace(done, status=JobStatus.FAILED),
        replace(done, params={"recipe": {"steps": -1}}),
        replace(done, params={**done.params, "folder": {}}),
    ):
        assert copies_of(nothing) == ""


@pytest.fixture(scope="module")
def tabs(tmp_path_factory: pytest.TempPathFactory) -> tuple[TextTab, ClassTab, AttackTab]:
    studio = make_studio(SimpleNamespace(), tmp_path_factory.mktemp("studio"), StandInMeasurements())

    async def build() -> tuple[TextTab, ClassTab, AttackTab]:
        with gr.Blocks(analytics_enabled=False):
            owner = gr.BrowserState({})
            built = TextTab(studio, owner), ClassTab(studio, owner), AttackTab(studio, owner)
            for tab in built:
                tab.build()
        return built

    return asyncio.run(build())


def test_texts_are_saved_without_their_recipe_where_that_is_asked_for(tabs: Any) -> None:
    inputs = tabs[0].inputs
    values = {one: getattr(one, "value", None) for one in inputs.components} | {inputs.prompt: "a frog"}
    assert "with_recipe" not in inputs.read(values).params.to_json()
    order = inputs.read(values | {inputs.with_recipe: False})
    assert order.params.with_recipe is False
    again = varied(replace(made(), params=order.params.to_json()), 5)
    assert again.params.with_recipe is False and again.recipe.seed == 5
    assert inputs.fill(order.recipe, "a" * 32)[0][inputs.with_recipe] is True


def test_what_was_found_out_about_an_attack_is_asked_again(tabs: Any) -> None:
    testing = tabs[2].testing
    found = {"victims": [MODELS[0].name, "gone"], "captions": ["a", "b"], "survivals": ["half", "x"]}
    assert testing.updates({**found, "labels": "imagenet"}) == {
        testing.victims: [MODELS[0].name],
        testing.labels: "imagenet",
        testing.captions: "a\nb",
        testing.survivals: ["half"],
    }


def test_the_buttons_follow_the_result_on_the_stage(tabs: Any) -> None:
    reuse = tabs[1].panel.reuse
    shown = reuse.follow(made(status=JobStatus.INTERRUPTED))
    assert {act: shown[one].constructor_args["visible"] for act, one in reuse.buttons.items()} == dict.fromkeys(
        (*BOTH, AGAIN), True
    )
    hidden = reuse.follow(None)
    assert not any(hidden[one].constructor_args["visible"] for one in reuse.buttons.values())
    assert set(shown) == set(hidden) == set(reuse.outputs) <= set(tabs[1].panel.outputs)
