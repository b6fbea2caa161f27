"""The tab of texts without a browser: widgets to recipes and back, what follows a picture, and the markup."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image, ImageDraw
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.ui.markup import charts, gallery, markup, stage
from app.ui.markup.media import Media
from app.ui.markup.spectrum_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, spectrum_chart
from app.ui.text import actions as text_actions
from app.ui.text import results as text_results
from app.ui.text.inputs import TextInputs
from app.ui.text.tab import title_of
from app.ui.widgets.forms import FormError, RecipeFields, advanced_fields, to_widget
from app.ui.widgets.layers import EACH, ONLY, UPTO, layer_markup
from app.ui.widgets.mask import mask_of
from app.visitors.uploads import Kept, Uploads
from foundation.errors import StudioError
from foundation.images.files import load_image, pixel_digest
from foundation.jobs.store.model import JobSnapshot, JobStatus
from generator.priors.spectrum import FourierSpectrum, PowerLaw
from generator.recipes.fields import cli_fields
from generator.recipes.presets import from_preset, presets_of
from generator.recipes.recipe import Recipe
from tests.app.snapshots import EVIL, snapshot
from tests.app.ui.text_form import held, text_inputs
from tests.browser.standins import StandInMeasurements, make_studio
from tests.picture_results import picture
from tests.picture_results import result as picture_result

ANNA = "a" * 32
PHOTO = Image.linear_gradient("L").resize((40, 30)).convert("RGB")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_studio(SimpleNamespace(), tmp_path_factory.mktemp("studio"), StandInMeasurements())


@pytest.fixture(scope="module")
def inputs(studio: Any) -> TextInputs:
    return text_inputs(studio)


# Widgets and recipes


@pytest.mark.parametrize("name", sorted(presets_of("text")))
def test_the_page_and_the_command_line_mean_the_same_by_a_preset(inputs: TextInputs, name: str) -> None:
    preset = from_preset("text", name, prompt="a frog")
    changes = {inputs.prompt: " a frog ", inputs.negative: preset.negative}
    order = inputs.read(held(inputs, {**inputs.fields.updates(preset.model_dump()), **changes}))
    assert order.recipe == preset and order.pictures == {}
    assert order.params.to_json() == {"recipe": preset.model_dump(mode="json")}


def test_every_field_of_the_command_line_has_a_widget(inputs: TextInputs) -> None:
    own = {"task", "models", "classes", "weights", "seed", "images", "norm", "eps"}
    own |= {"prompt", "negative", "prompt_to", "score", "against"}
    own |= {"class_weight", "target_weight", "style_weight", "margin"}
    assert {field.name for field in advanced_fields(task="text")} | own == {field.name for field in cli_fields("text")}


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "a frog:2 | a red lemon", "negative": "text", "seed": 7, "images": 20, "tile": True},
        {"prompt_to": "a lemon", "images": 5},
        {"score": "contrastive", "against": "a toad | a leaf:2"},
        {"models": ("tiny-clip", "Large/net"), "model_weights": (2.0, 0.5)},
        {
            "models": ("tiny-clip", "crossmax-cifar10"),
            "classes": ("frog", "ship"),
            "weights": (0.7, 0.3),
            "class_weight": 0.5,
            "objective": "cross_entropy",
        },
        {"source": "PHOTO", "norm": "linf", "eps": 8 / 255, "size": (64, 96), "start_std": 0.0},
        {"source": "PHOTO", "mask": "MASK", "margin": 0.1, "start_std": 0.0},
        {"prompt": "", "target": "PHOTO", "target_weight": -0.5, "style": "PHOTO", "style_weight": 2.0},
    ],
)
def test_a_recipe_survives_the_widgets(inputs: TextInputs, studio: Any, changes: dict[str, Any]) -> None:
    mask = Image.new("RGB", PHOTO.size)
    ImageDraw.Draw(mask).rectangle((5, 6, 20, 11), fill=(255, 255, 255))
    kept = {name: studio.uploads.keep(one, ANNA).digest for name, one in (("PHOTO", PHOTO), ("MASK", mask))}
    changes = {name: kept.get(value, value) if isinstance(value, str) else value for name, value in changes.items()}
    recipe = from_preset("text", "fast", **{"prompt": "a frog", **changes})
    updates, missing = inputs.fill(recipe, ANNA)
    assert missing == []
    order = inputs.read(held(inputs, updates))
    assert order.recipe.with_changes(eps=0.0, norm="none") == recipe.with_changes(eps=0.0, norm="none")
    assert order.recipe.norm == recipe.norm and order.recipe.eps == pytest.approx(recipe.eps, abs=1e-6)
    named = ("source", "target", "style", "mask")
    assert order.pictures == {name: changes[name] for name in named if name in changes}


def test_pictures_that_are_gone_are_named(inputs: TextInputs) -> None:
    recipe = from_preset("text", prompt="a frog", source="0" * 64, style="1" * 64)
    _, missing = inputs.fill(recipe, ANNA)
    assert missing == ["the photo to start from", "the style picture"]


def test_a_recipe_of_another_tab_is_refused(inputs: TextInputs) -> None:
    with pytest.raises(FormError, match="belongs to the tab Class to image"):
        inputs.fill(Recipe(), ANNA)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", "prompt is empty"),
        ("x" * 10_000, "at most 2000 characters"),
        ("?!...", "nothing to draw"),
        ("a frog | ", "nothing follows"),
        ("a frog:99", "out of range"),
    ],
)
def test_prompts_that_cannot_be_drawn_are_sentences(inputs: TextInputs, prompt: str, words: str) -> None:
    with pytest.raises(StudioError, match=words):
        inputs.read(held(inputs, {inputs.prompt: prompt}))


@pytest.mark.parametrize("prompt", ["\U0001f438", "\u4e00\u53ea\u9752\u86d9", "\u0628\u0637\u0629"])
def test_prompts_without_a_word_that_the_model_knows_are_refused(inputs: TextInputs, prompt: str) -> None:
    """U16: at Create, before anything is queued; a model that says nothing of its vocabulary is to judge itself."""
    for said in ({inputs.prompt: prompt}, {inputs.prompt: "a frog", inputs.prompt_to: prompt}):
        with pytest.raises(StudioError, match=f"never saw any of the words in '{prompt}'"):
            inputs.read(held(inputs, said))
    assert inputs.read(held(inputs, {inputs.prompt: f"a {prompt}"})).recipe.prompt == f"a {prompt}"
    large = {inputs.prompt: prompt, inputs.models.choice: "Large/net"}
    assert inputs.read(held(inputs, large)).recipe.prompt == prompt


def test_what_is_missing_or_does_not_fit_is_said(inputs: TextInputs, studio: Any) -> None:
    frog = {inputs.prompt: "a frog"}
    for changes, words in [
        ({inputs.seed.number: None}, "Seed is empty"),
        ({inputs.models.choice: "nobody"}, "not in the list"),
        ({inputs.classes.classes: "frog"}, "choose at least one"),
        ({inputs.classes.classes: "cow", inputs.classes.classifiers: ["crossmax-cifar10"]}, "no class called"),
        ({inputs.start.photo.name: Kept(ANNA, "0" * 64)}, "no longer here"),
        ({inputs.start.photo.name: studio.uploads.keep(PHOTO, ANNA), inputs.start.margin: None}, "Margin"),
        ({inputs.fields.widgets["model_weights"]: "2 x"}, "Model weights"),
    ]:
        with pytest.raises(StudioError, match=words):
            inputs.read(held(inputs, frog | changes))


def test_a_model_that_needs_a_download_can_be_chosen(inputs: TextInputs) -> None:
    order = inputs.read(held(inputs, {inputs.prompt: "a frog", inputs.models.choice: "Large/net"}))
    assert order.recipe.models == ("Large/net",)


def test_several_numbers_in_one_widget() -> None:
    fields = [field for field in advanced_fields(task="text") if field.name == "model_weights"]
    reader = RecipeFields(fields, {"model_weights": ()}, "test")
    assert [reader.read([text])["model_weights"] for text in ("", "2 0.5", "1, 2")] == [(), (2.0, 0.5), (1.0, 2.0)]
    assert to_widget((2.0, 0.5)) == "2.0 0.5" and to_widget((96, 64)) == "96 x 64" and to_widget(()) == ""


# Masks


def test_a_mask_is_what_was_painted() -> None:
    layer = Image.new("RGBA", (40, 30), (255, 200, 0, 0))
    ImageDraw.Draw(layer).rectangle((10, 5, 19, 9), fill=(255, 200, 0, 255))
    layer.putpixel((30, 20), (255, 200, 0, 60))  # the soft rim of a brush
    mask = mask_of(layer, (40, 30))
    assert mask is not None and mask.mode == "RGB" and mask.getbbox() == (10, 5, 20, 10)
    assert mask.getpixel((12, 7)) == (255, 255, 255)
    twice = mask_of(layer.resize((80, 60), Image.Resampling.NEAREST), (40, 30))
    assert twice is not None and twice.getbbox() == (10, 5, 20, 10)
    assert mask_of(Image.new("RGBA", (40, 30)), (40, 30)) is None


# After a picture


def a_job(folder: Path, steps: int, taken: int, images: int = 1, **fields: Any) -> JobSnapshot:
    recipe = from_preset("text", "fast", **{"prompt": "a frog", "seed": 5, "steps": steps, "images": images, **fields})
    (folder / "job").mkdir()
    made = []
    for index in range(images):
        Image.new("RGB", (16, 12), (10 * index, 0, 0)).save(folder / "job" / f"image-{index + 1}.png")
        made.append(picture(f"image-{index + 1}.png"))
    result = picture_result(recipe.with_changes(steps=taken), *made)
    params = {"recipe": recipe.model_dump(mode="json")}
    params |= {name: fields[name] for name in ("source", "mask") if name in fields}
    status = JobStatus.DONE if steps == taken else JobStatus.STOPPED
    changes = {"kind": "text", "status": status, "result": result, "params": params}
    return dataclasses.replace(snapshot(folder), **changes, folder=str(folder / "job"))


@pytest.mark.parametrize(("taken", "more"), [(15, 25), (40, 40)])
def test_continue_takes_the_chosen_picture_further(tmp_path: Path, taken: int, more: int) -> None:
    job = a_job(tmp_path, 40, taken, images=3)
    order = text_actions.continued(job, 2, Uploads(tmp_path / "uploads"))
    chosen = pixel_digest(load_image(tmp_path / "job" / "image-3.png"))
    assert order.pictures == {"source": chosen} and Uploads(tmp_path / "uploads").has(chosen, job.owner)
    recipe = order.recipe
    assert (recipe.steps, recipe.images, recipe.seed, recipe.start_std) == (more, 1, 7, 0.0)
    assert recipe.source == chosen and recipe.prompt == "a frog" and recipe.colour == "rgb"


def test_continue_keeps_a_mask_and_a_limit_counts_from_the_photo(tmp_path: Path) -> None:
    photo, mask = "a" * 64, "b" * 64
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    free = a_job(tmp_path / "1", 40, 40, source=photo, mask=mask, margin=0.1, start_std=0.0)
    order = text_actions.continued(free, 0, Uploads(tmp_path / "uploads"))
    assert order.pictures["mask"] == mask and order.pictures["source"] != photo and order.recipe.margin == 0
    limited = a_job(tmp_path / "2", 40, 40, source=photo, norm="linf", eps=0.03, start_std=0.0)
    order = text_actions.continued(limited, 0, Uploads(tmp_path / "uploads"))
    assert order.pictures == {"source": photo} and (order.recipe.steps, order.recipe.eps) == (80, 0.03)


def test_a_way_between_prompts_cannot_be_continued(tmp_path: Path) -> None:
    with pytest.raises(FormError, match="cannot be continued"):
        text_actions.continued(a_job(tmp_path, 4, 4, images=2, prompt_to="a lemon"), 0, Uploads(tmp_path))


def test_vary_changes_the_seed_and_nothing_else(tmp_path: Path) -> None:
    job = a_job(tmp_path, 40, 15, source="a" * 64)
    order = text_actions.varied(job, 99)
    assert order.pictures == {"source": "a" * 64}
    assert order.recipe == Recipe(**job.params["recipe"]).with_changes(seed=99)


@pytest.mark.parametrize("index", [-1, 2])
def test_only_pictures_of_the_job_can_be_used(tmp_path: Path, index: int) -> None:
    with pytest.raises(FormError, match="no picture"):
        text_actions.picture_of(a_job(tmp_path, 4, 4, images=2), index)


def test_titles_are_short() -> None:
    assert title_of(from_preset("text", prompt="a frog", seed=3)) == "a frog, seed 3"
    assert title_of(from_preset("text", prompt="a frog", prompt_to="a lemon", images=2)) == "a frog to a lemon, seed 0"
    assert len(title_of(from_preset("text", prompt="frog " * 100))) < 80


# Markup


def shown(job: JobSnapshot, index: int = 0) -> str:
    media = SimpleNamespace(url=lambda path, _version=None: f"media/{path.name}")
    return text_results.text_view(job, media, {"m": EVIL}, index) + text_results.text_more(job, {"m": EVIL}, index)


def test_a_result_shows_the_chosen_picture_what_is_near_and_what_is_unknown(tmp_path: Path) -> None:
    job = a_job(tmp_path, 40, 40, images=2)
    assert job.result is not None
    entries = [
        {"role": "prompt", "text": EVIL, "weight": 1.0, "before": 0.1, "after": 0.347},
        {"role": "negative", "text": "text", "weight": -0.3, "before": None, "after": -0.08},
        {"role": "target", "text": None, "weight": 1.0, "before": 0.5, "after": 0.9},
    ]
    for image in job.result["images"]:
        image["cosines"] = {"m": entries}
    job.result.update(overview="overview.png", unknown_words={"m": [EVIL]})
    page = shown(job, 1)
    assert page.index("media/image-2.png") < page.index("media/image-1.png")  # the large one is the second
    assert page.count('aria-pressed="true"') == 1 and "media/overview.png" in page and "Download sheet" in page
    assert "0.35" in page and "\u22120.08" in page and "the target picture" in page and "cx-away" in page
    assert "never saw" in page and "<img src=x" not in page


def test_a_start_photo_a_video_and_an_early_end_are_shown(tmp_path: Path) -> None:
    job = a_job(tmp_path, 40, 15)
    assert job.result is not None
    job.result["images"][0].update(source="source.png", linf=0.1, l2=2.0)
    job.result["video"] = "morph.mp4"
    page = shown(job)
    assert "cx-compare" in page and "<video" in page and "Stopped at step" in page and "25.5/255" in page


def test_a_job_that_ended_before_there_was_a_picture_says_why(tmp_path: Path) -> None:
    result = {"note": "The download was stopped.", "images": []}
    job = snapshot(tmp_path, kind="text", status=JobStatus.STOPPED, result=result)
    assert "The download was stopped." in shown(job)
    assert not text_actions.has_pictures(job)


def test_counts_are_shown_by_their_unit_whatever_the_words(tmp_path: Path) -> None:
    media = SimpleNamespace(url=str)

    def shown_as(message: str, unit: str, **counts: int) -> str:
        job = snapshot(tmp_path, **{"done": 5_000_000, "total": 9_000_000, **counts}, message=message, unit=unit)
        return stage.stage(job, media, str)

    for words in ("Downloading it", "step by step", "Optimising"):
        assert f"{words}: 5 of 9 MB \u00b7 about 3 s left" in shown_as(words, "bytes")
        assert f">{words}: 5 MB" in shown_as(words, "bytes", total=0)
        assert f">{words}<" in shown_as(words, "bytes", done=0, total=0).replace(" \u00b7 about 3 s left", "")
        page = shown_as(words, "steps", done=40, total=80)
        assert "step 40/80" in page and words not in page
        page = shown_as(words, "items", done=40, total=80)
        assert f">{words} \u00b7 about 3 s left" in page and "step 40" not in page
        assert f">{words}<" in shown_as(words, "steps", done=0)


def test_the_place_of_an_error_keeps_its_form() -> None:
    page = markup.notice(f"prompt: wrong, at character 2:\n    a{EVIL}\n     ^\nMend it.", tone="bad")
    assert '<pre class="cx-place">a&lt;img' in page and "\n ^</pre><p>Mend it.</p>" in page


def test_models_say_whether_they_have_to_be_fetched(studio: Any) -> None:
    small, large = studio.encoders()
    assert gallery.encoder_title(small) == "Stand-in CLIP"
    assert gallery.encoder_title(large) == "Stand-in, large, needs a download (605 MB)"
    assert "No other model" in gallery.encoder_line(small, [small, large])
    here = dataclasses.replace(large, ready=True)
    assert "No other model" not in gallery.encoder_line(small, [small, here])
    assert "can be stopped" in gallery.encoder_line(large, [small, large])
    damaged = dataclasses.replace(small, ready=False, why_not="Its weights are damaged.")
    assert "Its weights are damaged." in gallery.encoder_line(damaged, [damaged])
    assert "not in the list" in gallery.encoder_line(None, [])
    assert "605 MB" in gallery.models([], [small, large])


def test_the_axes_of_a_spectrum_are_logarithmic() -> None:
    fit = PowerLaw(slope=-2.0, intercept=0.0, r_squared=1.0, first=2.0, last=32.0)
    own = FourierSpectrum((1.0, 2.0, 8.0, 32.0), (0.0, 1 / 4, 1 / 64, 1 / 1024), fit)
    page = spectrum_chart({"this": own, EVIL: dataclasses.replace(own, fit=None)})
    middle = f'cx="{(LEFT + WIDTH - RIGHT) / 2:.1f}" cy="{(TOP + HEIGHT - BOTTOM) / 2:.1f}"'
    assert page.count(middle) == 2  # 8 lies in the middle of 2 and 32, as 1/64 does of 1/4 and 1/1024
    assert page.count("<circle") == 6 and "slope -2.00" in page and "no line fits" in page
    assert f'points="{LEFT:.1f},{TOP:.1f} {WIDTH - RIGHT:.1f},{HEIGHT - BOTTOM:.1f}"' in page
    assert "<img src=x" not in page
    assert spectrum_chart({}) == spectrum_chart({"this": FourierSpectrum((1.0,), (0.0,), None)}) == ""


def test_curves_differ_in_more_than_their_colour() -> None:
    curves = {name: [(1, float(index)), (2, index + 1.0)] for index, name in enumerate(("total", "prompt", "negative"))}
    page = charts.loss_chart(curves, 2)
    assert page.count("<polyline") == 3 and all(f"cx-line-{i}" in page for i in range(3))
    assert "<span>3</span><span>0</span>" in page  # the ends of the axis


@pytest.mark.parametrize(("mode", "name"), [(EACH, "2-3"), (ONLY, "2-3"), (UPTO, "to 3")])
def test_layers_one_by_one_and_together(mode: str, name: str) -> None:
    page = layer_markup("data:x", [((1,), "data:1", True), ((2, 3), "data:2", False)], mode, [])
    assert f"<span>{name}</span>" in page and ("All on" in page) == (mode == EACH)
    assert page.count('aria-pressed="true"') == 2  # the mode, and the first tile


def test_videos_are_served_in_parts_to_whoever_has_their_address(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "morph.mp4").write_bytes(bytes(range(100)))
    media = Media({"data": tmp_path}, b"k" * 32)
    with TestClient(Starlette(routes=[media.route()])) as client:
        address = media.url(folder / "morph.mp4")
        part = client.get(f"/{address}", headers={"Range": "bytes=10-19"})
        assert part.status_code == 206 and part.content == bytes(range(10, 20))
        assert part.headers["content-type"] == "video/mp4"
        assert client.get("/media/data/jobs/morph.mp4?k=0").status_code == 404


def test_a_recipe_without_a_model_that_reads_texts_is_refused(inputs: TextInputs) -> None:
    """S14: a text recipe with classifiers alone ends in a sentence."""
    recipe = from_preset("text", prompt="a frog").with_changes(
        models=("crossmax-cifar10",), classes=("frog",), weights=(1.0,), objective="cross_entropy", class_weight=1.0
    )
    with pytest.raises(FormError, match="no model that reads texts"):
        inputs.fill(recipe, ANNA)
