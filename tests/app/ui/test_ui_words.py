"""What the page says where it used to be silent, and inputs that no widget can read."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.evaluation.order import KnownReport
from app.ui.attack import models as attack_models
from app.ui.blocks import PageBlocks
from app.ui.evaluation.markup import figures
from app.ui.markup import results
from app.ui.markup.media import Media
from app.ui.widgets.budget import BudgetInput
from app.ui.widgets.forms import FormError, RecipeFields, advanced_fields, number, whole
from app.ui.widgets.layers import EACH, layer_markup
from app.ui.widgets.opinions import choice_sentence
from app.ui.widgets.picture_input import PictureInput
from app.ui.wiring.guard import Unreadable, Updates, guarded
from foundation.images.files import save_png
from foundation.images.picture_notes import ANIMATED, TRANSPARENT, picture_notes
from generator.recipes.recipe import Recipe
from generator.victims.survival import SAVED, SURVIVALS
from robust_model.attacks import attack_words
from robust_model.evaluation.record.reading import as_report
from robust_model.evaluation.suites import SUITES, Budget
from tests.app.snapshots import snapshot
from tests.browser.standins import StandInMeasurements, make_studio
from tests.picture_results import answer, picture, result
from tests.reports import attack_report, plain_report

ANNA = "a" * 32

# ---------------------------------------------------------------------- U15: numbers and choices


@pytest.mark.parametrize("value", [0, 65, 1.5, -1, 1e300, float("nan"), float("inf"), True, "3", [3], None, ""])
def test_a_number_out_of_range_is_a_sentence_with_the_range(value: Any) -> None:
    """U15: whatever a field sends."""
    with pytest.raises(FormError, match=r"Pictures .*a whole number from 1 to 64"):
        whole(value, "Pictures", 1, 64)
    assert whole(64.0, "Pictures", 1, 64) == 64


def test_every_number_field_of_a_recipe_has_its_range() -> None:
    """U15: whole numbers here, fractions in the recipe's own sentences, which have it."""
    fields = [field for field in advanced_fields(task="text") if field.type is int and not field.several]
    reader = RecipeFields(fields, {field.name: field.default for field in fields}, "test")
    usual = [field.default for field in fields]
    for place, field in enumerate(fields):
        for wrong in (field.minimum - 1 if field.minimum is not None else None, 2.5, float("inf")):
            with pytest.raises(FormError, match=r"from [\d,]+ to [\d,]+"):
                reader.read([*usual[:place], wrong, *usual[place + 1 :]])
    with pytest.raises(FormError, match="is empty"):
        number(None, "Class weight", "a number, for example 1")
    budget = BudgetInput("test", "linf", 8 / 255)
    for norm, wrong in (("linf", 0), ("linf", 256), ("linf", None), ("l2", -1), ("l2", float("nan"))):
        with pytest.raises(FormError, match="above 0"):
            budget.read(norm, wrong)


@pytest.mark.slow
def test_what_a_widget_cannot_read_reaches_the_handler_as_a_sentence() -> None:
    """U15: Gradio's own refusals are answered 200, beside the widget, by its name and with no line in the console."""

    async def ask(*values: Any) -> Any:
        with PageBlocks(analytics_enabled=False) as page:
            notice = gr.HTML()
            menu = gr.Radio(["a", "b"], label="Class")
            count = gr.Number(1, label="Pictures", minimum=1, maximum=9)

            def handle(chosen: str, pictures: float) -> Updates:
                return {notice: f"{chosen} {pictures}"}

            menu.change(guarded(notice)(handle), [menu, count], [notice])
        (block_fn,) = page.fns.values()
        given = await page.preprocess_data(block_fn, list(values), None)
        return given, next(iter(guarded(notice)(handle)(*given).values()))

    given, said = asyncio.run(ask("c", 1))
    assert given == [given[0]] * 2 and isinstance(given[0], Unreadable)
    assert "Class: what was chosen is no longer in the list" in said and "cx-bad" in said
    assert "Pictures: this cannot be read" in asyncio.run(ask("a", 99))[1]
    assert "reload the page" in asyncio.run(ask("a"))[1]
    assert asyncio.run(ask("a", 3)) == (["a", 3], "a 3")


def test_a_preview_that_was_discarded_is_no_fault(tmp_path: Path) -> None:
    """U15: a page may ask for it a moment too late; an address that is not ours stays a 404."""
    media = Media({"data": tmp_path}, b"k" * 32)
    save_png(Image.new("RGB", (8, 8)), tmp_path / "preview.png")
    address = "/" + media.url(tmp_path / "preview.png")
    client = TestClient(Starlette(routes=[media.route()]))
    assert client.get(address).status_code == 200
    (tmp_path / "preview.png").unlink()
    assert client.get(address).status_code == 204
    assert client.get(address.replace("k=", "k=0")).status_code == 404


# ---------------------------------------------------------------------- U17: what is not said


def test_what_is_done_to_a_file_is_said_where_it_was_brought(tmp_path: Path) -> None:
    """U17: the first frame of an animation, and white where it was transparent."""
    frames = [Image.new("RGB", (8, 8), (40 * n, 0, 0)) for n in range(3)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("RGBA", (8, 8), (9, 9, 9, 128)).save(tmp_path / "glass.png")
    Image.new("RGBA", (8, 8), (9, 9, 9, 255)).save(tmp_path / "opaque.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    told = {name: picture_notes(tmp_path / name) for name in ("moving.gif", "glass.png", "opaque.png", "plain.png")}
    assert told == {"moving.gif": (ANIMATED,), "glass.png": (TRANSPARENT,), "opaque.png": (), "plain.png": ()}
    field = PictureInput(make_studio(SimpleNamespace(), tmp_path, StandInMeasurements()), "test", empty="")

    async def build() -> None:
        with gr.Blocks(analytics_enabled=False):
            field.build()

    asyncio.run(build())
    shown = field.take(tmp_path / "moving.gif", ANNA)[field.chosen]
    assert f"8 x 8 pixels. {ANIMATED}" in shown


def test_classifiers_that_are_asked_say_what_they_choose_from() -> None:
    """U17: a lemon is a bird for models that know ten classes, and that is said."""
    said = choice_sentence(["A", "B"], ("airplane", "bird"))
    assert said == "A, B know 2 classes and no other (airplane, bird), and name one of them whatever the picture shows."
    many = choice_sentence(["A"], [f"thing {number}" for number in range(1000)])
    assert many.startswith("A knows 1,000 classes") and "thing 11, ...)" in many and "names one" in many


def test_what_happens_to_files_is_chosen_by_words(tmp_path: Path) -> None:
    """U17: the menu says what each does, not its inner name."""
    part = attack_models.Testing(make_studio(SimpleNamespace(), tmp_path, StandInMeasurements()))

    async def build() -> None:
        with gr.Blocks(analytics_enabled=False):
            part.build()

    asyncio.run(build())
    shown = {value: label for label, value in part.survivals.choices}
    assert set(shown) == set(SURVIVALS) - {SAVED}
    assert shown["half-and-back"] == "Scaled to half its sides and back"
    assert shown["patch-shift"].startswith("7 pixels cut off left and top")


def test_every_attack_of_the_suites_has_its_words() -> None:
    """U17: "defence/ce" and "predictor -1/margin" are said as what they are."""
    defence: Any = SimpleNamespace(readout_names=("first", "second", "third"), random=False)
    budget = Budget(eps=8 / 255, steps=10, restarts=1, eot=1)
    found = {attack.name for suite in SUITES.values() for attack in suite.make(budget, defence)}
    named = {name for name in found if "/" in name}
    assert {"defence/ce", "predictor -1/margin", "mean/targeted"} <= named
    assert {name for name in named if not attack_words(name)} == set()
    assert attack_words("defence/ce") == "PGD on the model's own answer, by cross-entropy."
    assert attack_words("predictor -1/margin (continued) #2").startswith("PGD on the deepest read-out, by the margin")
    assert attack_words("AutoAttack standard") == "" and attack_words("<b>/ce") == ""
    report = plain_report(attacks=[attack_report("defence/ce", 5, config={})])
    assert "by cross-entropy" in figures(KnownReport(as_report(report), ("defence/ce",)))


# ---------------------------------------------------------------------- U18: small ones


def test_the_answers_about_several_pictures_say_whose_they_are(tmp_path: Path) -> None:
    """U18: of each picture, under its number."""
    images = [picture(f"{n}.png", after={"m": answer(name, "cat")}) for n, name in enumerate(("frog", "dog"))]
    job = snapshot(tmp_path, result=result(Recipe(), *images))
    page = results.image_more(job, {})
    first, second = page.split("What the models see in picture 2")
    assert "What the models see in picture 1" in first and "frog" in first and "dog" in second
    assert "picture 1" not in results.image_more(snapshot(tmp_path, result=result(Recipe(), images[0])), {})


def test_the_layers_of_what_went_on_from_a_picture_are_called_so() -> None:
    """U18: it began with a picture, which need not be a photo."""
    page = layer_markup("x", [((1,), "y", True)], EACH, [], from_photo=True)
    assert "What was changed of the picture that it began with is the sum" in page and "photo" not in page
