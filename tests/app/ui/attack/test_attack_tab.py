"""The tab of attacks without a browser: what its widgets hold becomes a recipe."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from app.ui.attack.change import rule_fields
from app.ui.attack.models import SURVIVING
from app.ui.attack.tab import AttackTab, title_of
from app.ui.attack.targets import CAPTION, PICTURE, TARGET, TEXT
from app.ui.widgets.forms import FormError, advanced_fields
from foundation.errors import StudioError
from foundation.images.files import save_png
from generator.recipes.fields import cli_fields
from generator.recipes.presets import PUBLISHED, from_preset
from generator.views.registry import parse_views
from tests.app.ui.attack.findings import DEFENDED, UNDEFENDED, values
from tests.browser.standins import StandInMeasurements, fade, make_studio


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> AttackTab:
    """A tab that no test changes: what follows from what is chosen are updates."""
    studio = make_studio(SimpleNamespace(), tmp_path_factory.mktemp("tab"), StandInMeasurements())

    async def build() -> AttackTab:
        with gr.Blocks(analytics_enabled=False):
            tab = AttackTab(studio, gr.BrowserState({}))
            tab.build()
            tab.wire()
        return tab

    return asyncio.run(build())  # where no event loop runs, Gradio makes some that it never closes


def test_the_tab_starts_with_the_preset(tab: AttackTab) -> None:
    made = tab.order(values(tab))
    assert made.recipe == from_preset("attack", "standard", objective="leave", classes=()) and made.pictures == {}
    wish = tab.testing.read(values(tab))
    assert wish.victims == (DEFENDED, UNDEFENDED, "tiny-clip") and wish.labels == "cifar10"


@pytest.mark.parametrize("name", sorted(PUBLISHED["attack"]))
def test_a_published_attack_fills_in_all_that_it_is(tab: AttackTab, name: str) -> None:
    preset = PUBLISHED["attack"][name]
    updates = tab.presets.choose_published(name)
    assert updates[tab.presets.paper].info == preset.description and updates[tab.presets.choice].value is None
    filled = {one: getattr(update, "value", update) for one, update in updates.items()}
    wanted = values(tab, attack_goal=TARGET, attack_chips="frog")
    held = wanted | {one: value for one, value in filled.items() if one in wanted}
    if "target_views" in preset.overrides:
        with pytest.raises(StudioError, match="target picture"):
            tab.order(held)
        return
    recipe = tab.order(held).recipe
    for field, value in preset.overrides.items():
        assert getattr(recipe, field) == (pytest.approx(value, abs=1e-6) if field == "eps" else value), field
    back = tab.presets.choose("standard")
    again = held | {one: getattr(v, "value", v) for one, v in back.items() if one in held}
    assert tab.order(again).recipe == tab.order(wanted).recipe


def test_what_the_photo_shows_is_what_an_attack_leaves(tab: AttackTab) -> None:
    assert tab.truth.read(values(tab)) == ""
    told = values(tab, attack_truth=" Frog ")
    recipe = tab.order(told).recipe
    assert recipe.classes == ("frog",) and recipe.objective == "leave" and tab.truth.read(told) == "Frog"
    assert title_of(recipe) == "attack away from frog"
    towards = tab.order(values(tab, attack_truth="unicorn", attack_goal=TARGET, attack_chips="ship")).recipe
    assert towards.classes == ("ship",) and title_of(towards) == "attack towards ship"
    clip = values(tab, attack_model=["tiny-clip"], attack_truth="unicorn", attack_prompt="a {label}")
    assert tab.order(clip).recipe.prompt == "a unicorn"
    assert tab.truth.forget(None) == {tab.truth.name: None}
    assert tab.truth.follow(["tiny-clip"])[tab.truth.name].choices == []


def test_classifiers_and_clip_models_are_led_together(tab: AttackTab) -> None:
    kept = tab.picture.take(_picture(tab.studio.uploads.root.parent), "a" * 32)[tab.picture.name]
    mixed = values(
        tab,
        attack_model=[UNDEFENDED, "tiny-clip"],
        attack_goal=TARGET,
        attack_chips="ship",
        attack_class_weight=0.5,
        attack_aims=[TEXT, PICTURE, CAPTION],
        attack_prompt=" a ship:2 ",
        attack_captions="a frog\n\n a toad ",
        attack_target_weight=0.25,
    )
    mixed[tab.texts.picture.name] = kept
    order = tab.order(mixed)
    recipe = order.recipe
    assert recipe.models == (UNDEFENDED, "tiny-clip") and recipe.classes == ("ship",) and recipe.class_weight == 0.5
    assert recipe.prompt == "a ship:2" and recipe.captions == "a frog | a toad" and recipe.target_weight == 0.25
    assert order.pictures == {"target": kept.digest} and recipe.target == kept.digest
    assert title_of(recipe) == "attack towards ship and a ship:2 and another picture"


def test_what_is_hidden_counts_for_nothing(tab: AttackTab) -> None:
    alone = tab.order(values(tab, attack_prompt="a ship", attack_captions="a frog")).recipe
    assert alone.prompt == alone.captions == ""
    clip = tab.order(values(tab, attack_model=["tiny-clip"], attack_goal=TARGET, attack_prompt="a ship")).recipe
    assert clip.classes == () and clip.class_weight == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attack_model": []}, "at least one"),
        ({"attack_model": ["absent"]}, "weights are missing"),
        ({"attack_model": ["../x"]}, "no model '../x' in the list"),
        ({"attack_model": ["torchvision:nothing"]}, "torchvision has no classifier"),
        ({"attack_model": ["tiny-clip"]}, "Say in Text"),
        ({"attack_model": ["tiny-clip"], "attack_aims": []}, "Choose what"),
        ({"attack_model": ["tiny-clip"], "attack_aims": [PICTURE]}, "Bring the picture"),
        ({"attack_model": ["tiny-clip"], "attack_aims": [CAPTION]}, "Give captions"),
        ({"attack_goal": TARGET, "attack_chips": "cow"}, "Choose a class"),
        ({"attack_rule": "apgd"}, "apgd"),
        ({"attack_truth": "unicorn"}, "no class 'unicorn'"),
        ({"attack_truth": "a" * 201}, "at most 200"),
    ],
)
def test_what_is_missing_is_said(tab: AttackTab, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(StudioError, match=words):
        tab.order(values(tab, **changes))


def test_a_published_model_is_called_by_its_name(tab: AttackTab) -> None:
    name = "torchvision:net"
    told = tab.surrogates.describe([name])[tab.surrogates.line]
    assert "Knows other things. It is downloaded when it is first used (5 MB)." in told and "cx-notice" not in told
    assert "no classifier" in tab.surrogates.describe(["torchvision:x"])[tab.surrogates.line]
    assert "not in the list" in tab.surrogates.describe(["somebody"])[tab.surrogates.line]
    followed = tab.classes.follow([name])
    assert followed[tab.classes.area].visible is True and followed[tab.classes.choice.chips].choices[0][0] == "tench"
    assert tab.truth.follow([name])[tab.truth.name].choices[2][0] == "frog"
    order = tab.order(values(tab, attack_model=[name], attack_goal=TARGET, attack_chips="tench"))
    assert (order.recipe.models, order.recipe.classes) == ((name,), ("tench",))
    assert tab.testing.read(values(tab, attack_victims=[name])).victims == (name,)


def test_victims_and_captions_are_checked(tab: AttackTab) -> None:
    for changes in ({"attack_victims": ["absent"]}, {"attack_victims": ["/etc"]}, {"attack_choices": "one"}):
        with pytest.raises(FormError):
            tab.testing.read(values(tab, **changes))
    wish = tab.testing.read(values(tab, attack_victims=["Large/net"], attack_choices="a\n b \na"))
    assert wish.victims == ("Large/net",) and wish.captions == ("a", "b")


def test_an_attack_can_learn_to_survive(tab: AttackTab) -> None:
    recipe = tab.order(values(tab, attack_through=True)).recipe
    assert recipe.views == f"{from_preset('attack').views} | {SURVIVING}"
    assert len(parse_views(recipe.views).views) == 3


@pytest.mark.parametrize("rule", ["sgd", "adam", "pgd", "mi-fgsm", "apgd"])
@pytest.mark.parametrize("kind", ["layers", "pixel"])
def test_the_step_sizes_of_every_rule_make_a_recipe(rule: str, kind: str) -> None:
    usual = from_preset("attack", "standard")
    kind = "pixel" if rule == "apgd" else kind
    fields = rule_fields(rule, kind, 50, usual)
    recipe = usual.with_changes(optimiser=rule, perturbation=kind, **fields)
    if (rule, kind) == ("pgd", "pixel"):
        assert recipe.learning_rate == 0.05  # 2.5 eps in 50 steps
    if (rule, kind) == ("mi-fgsm", "pixel"):
        assert recipe.learning_rate == 0.02 and recipe.momentum == 1
    if rule == "sgd":
        assert recipe == usual.with_changes(perturbation=kind)


def test_the_tab_asks_for_every_field_that_the_command_line_has() -> None:
    own = {"task", "models", "classes", "weights", "seed", "images", "norm", "eps", "prompt", "negative", "captions"}
    own |= {"class_weight", "target_weight", "caption_weight", "perturbation", "optimiser"}
    assert {field.name for field in advanced_fields(task="attack")} | own == {one.name for one in cli_fields("attack")}


def test_models_decide_which_targets_are_shown(tab: AttackTab) -> None:
    for models, classes, texts in (([DEFENDED], True, False), (["tiny-clip"], False, True), ([], False, False)):
        updates = {**tab.classes.follow(models), **tab.texts.follow(models)}
        assert updates[tab.classes.area].visible is classes and updates[tab.texts.area].visible is texts
    both = tab.classes.follow([DEFENDED, "tiny-clip"])
    assert both[tab.classes.weight].visible is True


def _picture(folder: Path) -> Path:
    save_png(fade(3, 8, (8, 12), 1), folder / "other.png")
    return folder / "other.png"
