"""The page's pure functions: markup, charts, forms, signed addresses, and errors that become sentences."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from app.records.pictures import PictureResult
from app.ui.head.header import header
from app.ui.markup import charts, markup, results, stage
from app.ui.markup.media import Media, load_secret
from app.ui.markup.theme import read_style
from app.ui.widgets.budget import real_eps, shown_eps
from app.ui.widgets.forms import (
    FormError,
    RecipeFields,
    advanced_fields,
    from_widget,
    parse_mixture,
    to_widget,
    write_mixture,
)
from app.ui.widgets.layers import band_name, bands
from app.ui.wiring.guard import guarded
from app.ui.wiring.owner import owner_token
from foundation.errors import StudioError
from foundation.jobs.store.model import JobStatus
from generator.recipes.fields import cli_fields
from generator.recipes.presets import PRESETS, from_preset
from generator.recipes.recipe import Recipe
from generator.records.pictures import PictureFacts
from tests import picture_results
from tests.app.snapshots import EVIL, snapshot

KEY = b"k" * 32


@pytest.fixture
def media(tmp_path: Path) -> Media:
    return Media({"data": tmp_path}, KEY)


def test_every_text_is_escaped() -> None:
    made = [
        markup.notice(EVIL, title=EVIL),
        markup.picture(EVIL, EVIL),
        markup.download_link(EVIL, EVIL, EVIL),
        markup.facts({EVIL: EVIL}),
        markup.progress_bar(1, 2, EVIL),
        markup.compare(EVIL, EVIL),
        markup.details(EVIL, ""),
        markup.code_block(EVIL),
        charts.bars([(EVIL, 0.5)], marks={EVIL: "was"}),
        charts.loss_chart({EVIL: [(1, 2.0)]}, 3),
    ]
    assert not [one for one in made if "<img src=x" in one]


def test_what_became_of_a_picture_is_told_and_escaped() -> None:
    told = {"image": 1, "seed": 0, "why": EVIL, "anew": None, "sentence": f"Picture 1 ran away: {EVIL}."}
    taken_for = {"a": {"puma": "cougar"}, "b": {"puma": "cougar", EVIL: "tabby"}}
    whole = picture_results.result(Recipe(), picture_results.picture())
    result = PictureResult.read({**whole, "ran_away": [told], "taken_for": taken_for})
    assert "Picture 1 ran away" in results.runaway_words(result)
    taken = results.taken_words(result)
    assert taken.count("cougar") == 1 and "tabby" in taken  # once, whichever models took it so
    assert EVIL not in taken + results.runaway_words(result)
    plain = PictureResult.read(whole)
    assert results.taken_words(plain) == results.runaway_words(plain) == ""


def test_progress_in_words() -> None:
    assert markup.progress_words(40, 80, 2.4) == "step 40/80 · about 3 s left"
    assert markup.progress_words(80, 80, 0.0) == "step 80/80"
    assert markup.progress_words(0, 0, None) == "starting"
    assert markup.duration(119.5) == "about 2 min"


def test_loss_chart_goes_down_when_the_loss_does_and_leaves_out_what_is_not_finite() -> None:
    chart = charts.loss_chart({"total": [(0, 4.0), (5, float("nan")), (10, 2.0)]}, 10)
    points = re.search(r'points="([^"]*)"', chart)
    assert points is not None
    assert points[1] == "0.0,4.0 600.0,116.0"
    assert "total <b>2</b>" in chart
    assert charts.loss_chart({"total": [(1, float("inf"))]}, 10) == ""


def test_a_single_term_is_not_drawn_twice() -> None:
    assert charts.loss_chart({"total": [(1, 2.0)], "class": [(1, 2.0)]}, 4).count("<polyline") == 1


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "0%"), (0.001, "<1%"), (0.5, "50%"), (0.999, ">99%"), (1.0, "100%"), (float("nan"), "?")]
)
def test_percent_claims_no_more_than_there_is(share: float, words: str) -> None:
    assert charts.percent(share) == words


def test_the_stage_of_every_state(tmp_path: Path, media: Media) -> None:
    for status in JobStatus:
        shown = stage.stage(snapshot(tmp_path, status=status, error=EVIL), media, lambda _job: "the result")
        assert f'data-status="{status.value}"' in shown
        assert EVIL not in shown
    failed = stage.stage(snapshot(tmp_path, status=JobStatus.FAILED, error="No memory."), media, lambda _job: "")
    assert "No memory." in failed and 'role="alert"' in failed


def test_fingerprint_changes_when_the_stage_does(tmp_path: Path) -> None:
    same, other = snapshot(tmp_path), snapshot(tmp_path, done=41)
    assert stage.fingerprint(same) == stage.fingerprint(snapshot(tmp_path)) != stage.fingerprint(other)


def test_attack_result_says_who_falls_and_by_how_much(tmp_path: Path, media: Media) -> None:
    says = picture_results.answer
    image = picture_results.picture(
        source="source.png",
        linf=8 / 255,
        l2=1.5,
        before={"a": says("frog"), "b": says("frog")},
        after={"a": says("frog"), "b": says("ship")},
        perturbation={"file": "change-1.png", "factor": 15.94},
    )
    recipe = Recipe(task="attack", models=("a",), norm="linf", eps=8 / 255, objective="leave", size=(40, 60))
    result = picture_results.result(recipe, image)
    job = snapshot(tmp_path, kind="attack", status=JobStatus.DONE, result=result)
    above, below = results.attack_view(job, media), results.attack_more(job, media, {"a": "Model A"})
    assert "8.0/255" in above and "1.50" in above and "8/255 per value" in above
    assert "Model A" in below and "holds: still frog" in below and "fooled: frog became ship" in below
    assert "15.94 times as strong" in below


def test_file_names_hold_nothing_odd() -> None:
    assert results.file_stem("frog 60, ../ship; seed 3") == "crossmax-frog-60-ship-seed-3"


def test_mixtures_are_read_and_written() -> None:
    names = ("frog", "ship", "fire truck", "class 3")
    assert parse_mixture("frog 60, fire truck: 40%", names) == (("frog", "fire truck"), (60.0, 40.0))
    assert parse_mixture("class 3", names) == (("class 3",), ())
    assert parse_mixture(" frog , ship", names) == (("frog", "ship"), ())
    assert parse_mixture("", names) == ((), ())
    assert parse_mixture(write_mixture(("frog", "ship"), (0.7, 0.3)), names) == (("frog", "ship"), (0.7, 0.3))
    for wrong in ("cow", "frog 60, ship"):
        with pytest.raises(FormError):
            parse_mixture(wrong, names)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_widgets_hold_every_preset_without_loss(name: str) -> None:
    recipe = from_preset(PRESETS[name].task, name)
    fields = RecipeFields(advanced_fields(), recipe.model_dump(), "test")
    raw = [to_widget(recipe.model_dump()[field.name]) for field in fields.fields]
    assert recipe.with_changes(**fields.read(raw)) == recipe
    eps = real_eps(recipe.norm, shown_eps(recipe.norm, recipe.eps))
    assert eps == pytest.approx(recipe.eps, abs=1e-9)


def test_the_page_asks_for_every_field_that_the_command_line_has() -> None:
    own = {"task", "models", "classes", "weights", "unit", "seed", "images", "norm", "eps"}
    assert {field.name for field in advanced_fields()} | own == {field.name for field in cli_fields()}


def test_empty_and_odd_widgets_are_refused_in_words() -> None:
    fields = {field.name: field for field in cli_fields()}
    with pytest.raises(FormError, match="Steps is empty"):
        from_widget(fields["steps"], None)
    with pytest.raises(FormError, match="Size"):
        from_widget(fields["size"], "big")
    assert from_widget(fields["size"], "120 x 80") == (120, 80)
    assert from_widget(fields["size"], "96") == (96, 96)
    assert Recipe(size=from_widget(fields["size"], "120×80")).size == (120, 80)


def test_bands_cover_every_resolution_once() -> None:
    assert bands((1, 2, 4)) == [(1,), (2,), (4,)]
    many = bands(range(1, 41))
    assert [r for band in many for r in band] == list(range(1, 41))
    assert [band_name(band) for band in many] == ["1", "2-3", "4-7", "8-15", "16-31", "32-40"]


def test_addresses_open_only_what_was_signed(tmp_path: Path, media: Media) -> None:
    picture = tmp_path / "jobs" / "a" / "image 1.png"
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (3, 2)).save(picture)
    (tmp_path / "secret").write_bytes(KEY)
    address = media.url(picture, 3)
    assert address.startswith("media/data/jobs/a/image%201.png?k=") and address.endswith("&v=3")
    signature = address.split("k=")[1].split("&")[0]
    assert media.find("data/jobs/a/image 1.png", signature) == picture.resolve()
    assert media.find("data/jobs/a/image 1.png", "0" * 32) is None
    later = 2**40
    assert media.find("data/secret", media._sign("data/secret", later)) is None
    assert media.find("data/../../etc/x.png", media._sign("data/../../etc/x.png", later)) is None
    assert Media({"data": tmp_path}, b"other" * 8).find("data/jobs/a/image 1.png", signature) is None
    with pytest.raises(ValueError, match="outside"):
        media.url(tmp_path.parent / "elsewhere.png")


def test_addresses_end(tmp_path: Path) -> None:
    """S15: an address opens its file for a day or two, and cannot be made to last longer."""
    picture = tmp_path / "a.png"
    Image.new("RGB", (3, 2)).save(picture)
    time = [1_000_000.0]
    media = Media({"data": tmp_path}, KEY, seconds=100, now=lambda: time[0])
    signature = media.url(picture).split("k=")[1]
    assert media.url(picture).endswith(signature)  # the same for a while: browsers keep what they have
    time[0] += 100
    assert media.find("data/a.png", signature) == picture.resolve()
    assert media.url(picture).split("k=")[1] != signature
    time[0] += 101
    assert media.find("data/a.png", signature) is None
    for forged in (signature[:32] + f"{2**40:x}", signature[:32], signature + "0", "x" * 40, "\u0663" * 40, "", "-1"):
        assert media.find("data/a.png", forged) is None
    assert media.find("data/a.png", media.url(picture).split("k=")[1]) == picture.resolve()


def test_the_secret_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    key = load_secret(path)
    assert len(key) == 32 and load_secret(path) == key
    assert path.stat().st_mode & 0o077 == 0


def test_errors_become_sentences(caplog: pytest.LogCaptureFixture) -> None:
    area = "area"

    def act(error: Exception | None) -> dict[Any, Any]:
        if error:
            raise error
        return {}

    safe = guarded(area)(act)
    assert safe(None) == {area: ""}
    assert "Choose &lt;b&gt;." in safe(StudioError("Choose <b>."))[area]
    unexpected = safe(RuntimeError("secret path"))[area]
    assert "secret path" not in unexpected
    reference = re.search(r"under ([0-9a-f]{6})", unexpected)
    assert reference is not None and reference[1] in caplog.text
    assert guarded(area, keep=True)(act)(None) == {area: gr.skip()}


@pytest.mark.parametrize("state", [None, {}, {"owner": "short"}, {"owner": 3}, {"owner": "../" * 15}, "x" * 32])
def test_an_owner_is_a_token_of_ours(state: Any) -> None:
    with pytest.raises(StudioError):
        owner_token(state)


def test_the_style_sheet_loads_nothing() -> None:
    assert "@import" not in read_style() and "url(" not in read_style() and "http" not in read_style()


def test_the_head_is_small() -> None:
    head = header("1.0")
    assert len(head) < 20_000
    data = re.search(r"base64,([^\"]+)", head)
    assert data is not None
    with Image.open(io.BytesIO(base64.b64decode(data[1]))) as tile:
        assert tile.size == (1, 1)


def test_every_readout_shows_its_top_classes_and_a_damaged_one_is_no_fault() -> None:
    def says(first: str, share: float | None) -> dict[str, Any]:
        return picture_results.answer(first, "truck", share=share, readouts=("layer 3", "final"))

    image = picture_results.picture(before={"m": says("ship", 0.9)}, after={"m": says("frog", None)})
    page = results.verdicts(PictureFacts.read(image), Recipe(task="attack", models=("m",), classes=("frog",)), {})
    assert "Each of its 2 read-outs" in page
    # Two classes before and after: once for the answer, once for each of two read-outs.
    assert page.count('<li class="cx-bar') == 2 * 2 * 3
    assert "layer 3" in page and "ship became frog" in page
