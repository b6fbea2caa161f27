"""Pictures of ours that are opened on the page, and choices that outlive other lists, without a browser."""

import asyncio
import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image, ImageDraw

from app.ui.attack.tab import AttackTab
from app.ui.attack.targets import LEAVE, TARGET
from app.ui.classes.tab import ClassTab
from app.ui.text.tab import TextTab
from app.ui.widgets.class_choice import FEW_CLASSES, ClassChoice, Wish, searchable
from app.ui.widgets.forms import FormError
from app.ui.widgets.mask import PREFIX, MaskInput
from app.ui.widgets.opened import Opened
from app.visitors.uploads import Kept
from foundation.errors import StudioError
from generator.classes.labels import imagenet
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe
from tests.browser.standins import CLASSES, MODELS, StandInMeasurements, make_studio

ANNA, BERT = "a" * 32, "b" * 32
DEFENDED, UNDEFENDED = (model.name for model in MODELS[:2])
PHOTO = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
OTHER = Image.linear_gradient("L").resize((30, 30)).convert("RGB")


@dataclass
class Tabs:
    text: TextTab
    classes: ClassTab
    attack: AttackTab

    @property
    def studio(self) -> Any:
        return self.text.studio


@pytest.fixture(scope="module")
def tabs(tmp_path_factory: pytest.TempPathFactory) -> Tabs:
    studio = make_studio(SimpleNamespace(), tmp_path_factory.mktemp("studio"), StandInMeasurements())

    async def build() -> Tabs:
        with gr.Blocks(analytics_enabled=False):
            owner = gr.BrowserState({})
            built = Tabs(TextTab(studio, owner), ClassTab(studio, owner), AttackTab(studio, owner))
            for tab in (built.text, built.classes, built.attack):
                tab.build()
        return built

    return asyncio.run(build())  # where no event loop runs, Gradio makes some that it never closes


def held(widgets: list[Any], updates: Mapping[Any, Any]) -> dict[Any, Any]:
    """What widgets hold after updates."""
    values = {widget: getattr(widget, "value", None) for widget in widgets}
    for widget, update in updates.items():
        if isinstance(update, gr.blocks.Block):
            if "value" in update.constructor_args:
                values[widget] = update.value
        else:
            values[widget] = update
    return values


# ---------------------------------------------------------------------- U5: pictures of ours open


def attack_recipe(tabs: Tabs, **changes: Any) -> Recipe:
    photo = tabs.studio.uploads.keep(PHOTO, ANNA)
    fields = {"classes": ("ship",), "source": photo.digest, "size": (30, 40), "planned_steps": 90, **changes}
    return from_preset("attack", "standard", **fields)


ATTACKS: list[dict[str, Any]] = [
    {"objective": "margin"},
    {"objective": "leave", "classes": ("frog",)},
    {"objective": "leave", "classes": ()},
    {"models": (DEFENDED, UNDEFENDED), "classes": ("8",), "objective": "margin", "eps": 0.0314, "seed": 7},
    {"classes": ("ship", "frog"), "weights": (0.7, 0.3), "objective": "cross_entropy"},
    {
        "models": ("tiny-clip", DEFENDED),
        "prompt": "a lemon|the frog:2",
        "captions": "a frog| a school bus",
        "class_weight": 0.5,
        "objective": "margin",
    },
    {"models": ("tiny-clip",), "classes": (), "target": "OTHER", "target_weight": 0.5},
    {
        "optimiser": "pgd",
        "perturbation": "pixel",
        "momentum": 0.0,
        "learning_rate": 0.0123456789,
        "norm": "l2",
        "eps": 1.5,
    },
]


@pytest.mark.parametrize("changes", ATTACKS)
def test_an_attack_fills_its_tab_and_one_click_is_the_same_recipe(tabs: Tabs, changes: dict[str, Any]) -> None:
    """U5: whatever an attack was made by, untouched it is made again, with what no widget holds."""
    other = tabs.studio.uploads.keep(OTHER, ANNA).digest
    recipe = attack_recipe(tabs, **{name: other if value == "OTHER" else value for name, value in changes.items()})
    tab = tabs.attack
    updates = tab.fill(recipe, ANNA)
    values = held(tab.components, updates)
    again = tab.order(values).recipe
    assert again.with_changes(source=recipe.source) == recipe
    assert updates[tab.picture.name] == Kept(ANNA, recipe.source)
    values[tab.seed.number] = 99
    changed = tab.order(values).recipe
    assert changed.seed == 99 and changed.planned_steps == 0 and changed.models == recipe.models
    said = updates[tab.panel.notice]
    assert ("No field here says all" in said) is (len(recipe.classes) > 1)


def test_an_attack_shows_what_it_led_to(tabs: Tabs) -> None:
    """U5: the class, or what is left, is where the visitor would have chosen it."""
    tab = tabs.attack
    led = held(tab.components, tab.fill(attack_recipe(tabs, objective="margin"), ANNA))
    assert led[tab.classes.goal] == TARGET and led[tab.classes.choice.chips] == "ship"
    left = held(tab.components, tab.fill(attack_recipe(tabs, objective="leave", classes=("frog",)), ANNA))
    assert left[tab.classes.goal] == LEAVE and left[tab.truth.name] == "frog"


def test_a_photo_of_somebody_else_is_asked_for(tabs: Tabs, tmp_path: Path) -> None:
    """U5, S3: knowing a picture's digest shows nobody the photo; who brings it makes the same again."""
    tab = tabs.attack
    recipe = attack_recipe(tabs, objective="leave", classes=("frog",))
    updates = tab.fill(recipe, BERT)
    assert updates[tab.picture.name] is None and "<img" not in updates[tab.picture.chosen]
    assert "Bring the photo that was attacked" in updates[tab.panel.notice]
    assert "Bring the photo that was attacked" in updates[tab.picture.notice]
    asked_for = updates[tab.picture.asked_for]
    OTHER.save(tmp_path / "other.png")
    wrong = tab.picture.take(tmp_path / "other.png", BERT, asked_for)
    assert "another picture" in wrong[tab.picture.notice] and wrong[tab.picture.asked_for] == asked_for
    PHOTO.save(tmp_path / "photo.png")
    right = tab.picture.take(tmp_path / "photo.png", BERT, asked_for)
    assert right[tab.picture.notice] == "" and right[tab.picture.name] == Kept(BERT, recipe.source)
    assert tab.order(held(tab.components, {**updates, **right})).recipe.with_changes(source=recipe.source) == recipe


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"classes": ("3",), "planned_steps": 100},
        {"classes": ("frog", "ship"), "objective": "logit", "weights": (2.0, -0.5), "images": 20},
        {"models": (UNDEFENDED, DEFENDED), "version": 1, "seed": 2**53 - 1},
    ],
)
def test_a_class_is_opened_and_made_again(tabs: Tabs, changes: dict[str, Any]) -> None:
    """U5: of a picture of a class."""
    tab = tabs.classes
    recipe = from_preset("class", **changes)
    updates = tab.fill(recipe, ANNA)
    values = held(tab.inputs, updates)
    opened = updates[tab.opened]
    assert isinstance(opened, Opened)
    assert opened.again(tab.recipe(*(values[one] for one in tab.inputs))) == recipe


def test_a_text_is_opened_and_made_again(tabs: Tabs) -> None:
    """U5: of a picture of a text, with the steps that were planned for one that was stopped."""
    inputs = tabs.text.inputs
    recipe = from_preset("text", "fast", prompt="a frog|a lemon:2", learning_rate=0.0123456789, planned_steps=500)
    updates = tabs.text.fill(recipe, ANNA)
    assert inputs.read(held(inputs.components, updates)).recipe == recipe


def test_what_cannot_be_opened_is_said(tabs: Tabs) -> None:
    """U5, S14: another tab's picture, models that are not here, a text that no model reads."""
    for tab, recipe, words in (
        (tabs.text, Recipe(), "belongs to the tab Class to image"),
        (tabs.classes, attack_recipe(tabs), "belongs to the tab Attack an image"),
        (tabs.attack, from_preset("text", prompt="a frog"), "belongs to the tab Text to image"),
        (tabs.classes, from_preset("class", models=("os:abort",)), "'os:abort', which is not in the list"),
        (tabs.attack, attack_recipe(tabs, models=("absent",)), "weights are missing"),
        (tabs.classes, from_preset("class", classes=("unicorn",)), "knows no class called 'unicorn'"),
        (
            tabs.text,
            Recipe(task="text", models=(DEFENDED,), prompt="a frog", classes=("frog",), class_weight=1),
            "no model that reads texts",
        ),
        (tabs.text, from_preset("text", prompt="a frog", models=("nobody",)), "'nobody', which is not in the list"),
    ):
        with pytest.raises(StudioError, match=words):
            tab.fill(recipe, ANNA)


# ---------------------------------------------------------------------- U3: a choice outlives other lists


def choice(names: tuple[str, ...], value: str) -> ClassChoice:
    async def build() -> ClassChoice:
        made = ClassChoice(names, value, chips_id="chips", menu_id="menu")
        with gr.Blocks(analytics_enabled=False):
            made.build()
        return made

    return asyncio.run(build())


def test_a_class_stays_where_the_new_list_has_it_and_else_the_page_says_so() -> None:
    """U3: also over lists in between that lack it, lists of other lengths, and none at all."""
    made = choice(CLASSES, "airplane")
    many = (*(f"thing {number}" for number in range(FEW_CLASSES)), "frog", "ship")
    state: tuple[str | None, str | None, Wish] = ("ship", None, Wish())
    for names, chosen, said in (
        (CLASSES[::-1], "ship", ""),
        (("tench", "goldfish"), "tench", "\u201cship\u201d: tench was chosen instead"),
        ((), None, ""),
        (many, "ship", ""),
        (CLASSES, "ship", ""),
    ):
        updates = made.follow(names, *state)
        few = len(names) <= FEW_CLASSES
        shown, hidden = (made.chips, made.menu) if few else (made.menu, made.chips)
        assert updates[shown].value == chosen and updates[shown].visible and not updates[hidden].visible
        assert said in updates[made.line] and bool(updates[made.line]) is bool(said)
        state = (updates[made.chips].value, updates[made.menu].value, updates[made.wish])
    took = made.follow(("tench",), "ship", None, Wish())
    dog = made.follow(CLASSES, "dog", None, took[made.wish])  # chosen since: that counts, and no older wish
    assert dog[made.chips].value == "dog"


def test_a_model_more_does_not_change_the_target(tabs: Tabs) -> None:
    """U3: the list is of the classes that all models attacked know, and the choice stays."""
    classes = tabs.attack.classes
    more = classes.follow([UNDEFENDED, DEFENDED], "ship", "airplane", Wish())
    assert more[classes.choice.chips].value == "ship"
    net = classes.follow([DEFENDED, "torchvision:net"], "ship", None, Wish())
    assert [name for name, _ in net[classes.choice.chips].choices] == ["frog"]
    assert net[classes.choice.chips].value == "frog" and "frog was chosen instead" in net[classes.choice.line]


def test_what_a_picture_puts_into_the_widgets_outlives_an_event_that_tells_of_them_as_they_were() -> None:
    """U5: opening changes the models too, and that event may carry the class of before."""
    made = choice(CLASSES, "airplane")
    opened = made.choose(CLASSES, "ship")
    late = made.follow(CLASSES, "airplane", None, opened[made.wish])
    assert late[made.chips].value == "ship" and late[made.line] == ""
    assert made.follow(CLASSES, "cat", None, late[made.wish])[made.chips].value == "cat"  # from then on, the widgets
    mixture = made.choose(CLASSES, "ship", mixed=True)
    late = made.follow(CLASSES, "airplane", None, mixture[made.wish], mixed=True)
    assert late[made.chips].value is None
    assert made.follow(CLASSES, None, None, late[made.wish])[made.chips].value == "ship"


def test_a_class_that_one_of_the_models_does_not_know_is_refused(tabs: Tabs) -> None:
    """U3: at Create, before anything is loaded."""
    tab = tabs.classes
    values = held(tab.inputs, {tab.models.choice: DEFENDED, tab.mixture: "horse", tab.choice.chips: None})
    assert tab.recipe(*(values[one] for one in tab.inputs)).classes == ("horse",)
    values[tab.choice.chips], values[tab.mixture] = "cow", ""
    with pytest.raises(FormError, match="Choose a class"):
        tab.recipe(*(values[one] for one in tab.inputs))


# ---------------------------------------------------------------------- names of several models, and synonyms


def test_long_lists_are_searched_by_synonyms() -> None:
    entries = {value: shown for shown, value in searchable(imagenet().labels)}
    assert len(entries) == 1000 and "puma" in entries["cougar"] and entries["goldfinch"].startswith("goldfinch")
    assert [value for value, shown in entries.items() if "mountain lion" in shown.lower()] == ["cougar"]
    assert searchable(CLASSES) == [(name, name) for name in CLASSES]  # chips show them all


def test_models_with_other_lists_are_asked_by_their_own_names() -> None:
    """The line for other names is there while lists differ, is read with the class, and is emptied as it goes."""
    made = choice(CLASSES, "airplane")
    assert made.choose(CLASSES, "frog")[made.elsewhere].visible is False
    opened = made.choose(CLASSES, "tailed frog | frog | toad", differing=True)
    assert opened[made.chips].value == "frog" and opened[made.elsewhere].value == "tailed frog | toad"
    kept = made.follow(CLASSES, "frog", None, Wish(), differing=True)[made.elsewhere]
    assert kept.visible and "value" not in kept.constructor_args
    gone = made.follow(CLASSES, "frog", None, Wish())[made.elsewhere]
    assert gone.value == "" and gone.visible is False
    assert made.read(CLASSES, "frog", None, " tailed frog|toad") == "frog | tailed frog | toad"
    assert made.read(CLASSES, "frog", None, None) == "frog"


def test_a_recipe_with_names_of_several_models_opens_and_is_made_again(tabs: Tabs) -> None:
    tab = tabs.classes
    recipe = from_preset(
        "class", models=(DEFENDED, UNDEFENDED), classes=("automobile | frog",), model_weights=(1.0, 4.0), redraw=2
    )
    values = held(tab.inputs, tab.fill(recipe, ANNA))
    made = tab.recipe(*(values[one] for one in tab.inputs))
    assert (made.classes, made.model_weights, made.redraw) == (recipe.classes, (1.0, 4.0), 2)
    values[tab.mixture] = "tailed frog | frog 60, car 40"
    assert tab.recipe(*(values[one] for one in tab.inputs)).classes == ("tailed frog | frog", "car")
    values[tab.mixture] = "tailed frog"
    with pytest.raises(FormError, match="knows no class called 'tailed frog'"):
        tab.recipe(*(values[one] for one in tab.inputs))


def test_no_chip_is_lit_beside_a_mixture() -> None:
    """U18: the mixture counts, and the page says so; without it, the class of before is chosen again."""
    made = choice(CLASSES, "frog")
    mixed = made.follow(CLASSES, "frog", None, Wish(), mixed=True)
    assert mixed[made.chips].value is None and "mixture" in mixed[made.line]
    back = made.follow(CLASSES, None, None, mixed[made.wish])
    assert back[made.chips].value == "frog" and back[made.line] == ""


# ---------------------------------------------------------------------- U4: what is painted


def canvas(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (40, 30)) -> str:
    layer = Image.new("RGBA", size)
    for box in boxes:
        ImageDraw.Draw(layer).rectangle(box, fill=(242, 183, 5, 255))
    data = io.BytesIO()
    layer.save(data, "PNG")
    return PREFIX + base64.b64encode(data.getvalue()).decode()


def test_a_restored_mask_is_itself_until_somebody_paints(tabs: Tabs) -> None:
    """U4: its digest goes back and forth, whatever the canvas's resolution; paint takes its place."""
    uploads, mask = tabs.studio.uploads, tabs.text.inputs.start.mask
    assert isinstance(mask, MaskInput)
    photo = uploads.keep(PHOTO.resize((2000, 1500)), ANNA)
    painted = Image.new("RGB", (2000, 1500))
    ImageDraw.Draw(painted).rectangle((101, 101, 333, 555), fill=(255, 255, 255))
    kept = uploads.keep(painted, ANNA)
    value = mask.paint(photo, kept)[mask.editor]
    assert (value["width"], value["height"]) == (1024, 768) and value["mask"] and not value["painted"]
    assert mask.read(value, (2000, 1500), ANNA) == kept.digest
    drawn = {**value, "mask": "", "kept": "", "painted": canvas((10, 5, 19, 9))}
    found = mask.read(drawn, (40, 30), ANNA)
    with Image.open(uploads.find(found, ANNA)) as opened:
        assert opened.getbbox() == (10, 5, 20, 10)
    assert mask.read({**value, "mask": "", "kept": ""}, (40, 30), ANNA) == ""
    for nothing in (None, "x", {}, {"painted": canvas()}):
        assert mask.read(nothing, (40, 30), ANNA) == ""


@pytest.mark.parametrize(
    "painted", ["x", PREFIX, PREFIX + "AAAA", PREFIX + "!" * 8, canvas((0, 0, 9, 9), size=(2000, 9)), 7, ["x"]]
)
def test_paint_that_no_painter_sends_is_a_sentence(tabs: Tabs, painted: Any) -> None:
    """U4: and a digest that is not the visitor's is no mask."""
    mask = tabs.text.inputs.start.mask
    with pytest.raises(FormError, match="What was painted cannot be read"):
        mask.read({"painted": painted}, (40, 30), ANNA)
    theirs = tabs.studio.uploads.keep(OTHER.rotate(90), BERT).digest
    for digest in (theirs, "../../secret", 7):
        with pytest.raises(StudioError, match="no longer here"):
            mask.read({"kept": digest}, (40, 30), ANNA)
