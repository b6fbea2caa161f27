"""A folder of photos and a vision-language model on the tab of attacks, without a browser."""

import asyncio
import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import gradio as gr
import pytest
from PIL import Image

from app.handlers.describing import offer_of, read_descriptions
from app.handlers.findings import write_folder_findings
from app.records.folders import FolderFindings
from app.ui.attack import folder as attack_folder
from app.ui.attack.describing import DescribingInput
from app.ui.attack.folder import Brought, add_files, attack_count, brought_markup, leads_to_targets
from app.ui.attack.results import folder as folder_results
from app.ui.attack.results.descriptions import descriptions_in, descriptions_view
from app.ui.attack.tab import AttackTab
from app.ui.attack.targets import TARGET
from app.ui.markup.media import Media
from app.ui.widgets.forms import FormError
from app.ui.wiring.services import Studio
from app.visitors.uploads import Uploads
from foundation.errors import StudioError
from foundation.images.files import save_png
from foundation.record import RecordError
from generator.recipes.recipe import Recipe
from generator.vlm.describing import Inquiry
from generator.vlm.record import DescriptionsRecord
from generator.vlm.report import DESCRIPTIONS_JSON
from generator.vlm.settings import VlmSettings
from generator.vlm.verdicts import Described, VlmVerdict
from tests.app.ui.attack.findings import EVIL, snapshot, values
from tests.browser.folder_standins import cell
from tests.browser.standins import StandInMeasurements, make_studio

Part = TypeVar("Part", AttackTab, DescribingInput)
ANNA = "a" * 32
KEY = "sk-never-to-be-seen-4711"
SETTINGS = VlmSettings.model_validate(
    {"url": "http://localhost:1/v1", "model": EVIL, "key": KEY, "max_requests": 50, "price_in": 1, "price_out": 1}
)


def studio_in(folder: Path, **changes: Any) -> Studio:
    return dataclasses.replace(make_studio(SimpleNamespace(), folder, StandInMeasurements()), **changes)


def built(make: Callable[[], Part]) -> Part:
    async def build() -> Part:
        with gr.Blocks(analytics_enabled=False):
            part = make()
            part.build()
        return part

    return asyncio.run(build())  # where no event loop runs, Gradio makes some that it never closes


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> AttackTab:
    studio = studio_in(tmp_path_factory.mktemp("studio"), vlm=lambda: offer_of(SETTINGS))
    return built(lambda: AttackTab(studio, gr.BrowserState({})))


def held(tab: AttackTab, **changes: Any) -> dict[Any, Any]:
    folder = tab.folder
    every = [*tab.components, *tab.describing.components, folder.brought, folder.counted, folder.first, folder.alone]
    by_id = {getattr(one, "elem_id", None): one for one in every}
    start = {one: one.value for one in every} | values(tab)
    return start | {by_id[name.replace("_", "-")]: value for name, value in changes.items()}


# ---------------------------------------------------------------------- a vision-language model


def test_what_it_costs_is_said_beforehand_and_no_key(tab: AttackTab) -> None:
    updates = tab.describing.arrive()
    line = updates[tab.describing.line]
    assert updates[tab.describing.ask].visible is True
    assert "at most 6 requests, about 10,800 tokens, 0.011 in money" in line and "cap of 50 requests" in line
    assert "&lt;img" in line and "<img" not in line and KEY not in line and "localhost" not in line


def test_nothing_is_asked_unless_it_is_wanted(tab: AttackTab) -> None:
    assert tab.describing.read(held(tab)) is None
    asked = held(tab, attack_vlm=True, attack_vlm_keywords="dog|puppy\n\n hat ", attack_vlm_judge=True)
    assert tab.describing.read(asked).keywords == ("dog|puppy", "hat")
    for changes in (
        {"attack_vlm_samples": 11},
        {"attack_vlm_samples": None},
        {"attack_vlm_question": " "},
        {"attack_vlm_keywords": "|"},
        {"attack_vlm_similarity": "/etc"},
    ):
        with pytest.raises(StudioError):
            tab.describing.read(held(tab, attack_vlm=True, **changes))


def test_without_an_endpoint_the_page_says_how_its_owner_sets_one_up(tmp_path: Path) -> None:
    def broken() -> None:
        raise StudioError("The settings cannot be used: run chmod 600.")

    for read, words in ((lambda: None, "CROSSMAX_VLM_URL"), (broken, "chmod 600")):
        part = built(functools.partial(DescribingInput, studio_in(tmp_path, vlm=read)))
        updates = part.arrive()
        assert updates[part.ask].visible is False and words in updates[part.line]
        with pytest.raises(FormError, match=words):
            part.read({part.ask: True})


def descriptions(**changes: Any) -> dict[str, Any]:
    """What a vision-language model said, in the form that it is written in."""
    sample = VlmVerdict(sample=0, seed=0, text=EVIL, target_keywords=0.5, judge=0.3, judge_error=EVIL)
    failed = VlmVerdict(sample=1, seed=1, error=EVIL, judge=0.3, judge_error=EVIL)
    entry = Described(
        image=EVIL, attack="a", model=EVIL, survival="saved", label="", targets=(EVIL,), target_words=(EVIL,),
        label_words=(), target_texts=(EVIL,), clean=(sample, failed), attacked=(sample,),
    )  # fmt: skip
    rate = {"successes": 1, "total": 2, "rate": 0.5, "ci95": [0.1, 0.9]}
    mean = {"mean": 0.25, "pictures": 1, "ci95": None}
    costs = {"requests": 3, "prompt_tokens": 100, "completion_tokens": 10, "requests_with_estimated_tokens": 0}
    return {
        "version": 1,
        "meaning": "",
        "complete": True,
        "ended": "",
        "inquiry": {"models": [EVIL], **Inquiry().model_dump(mode="json", exclude={"models"})},
        "judge_model": EVIL,
        "temperature": None,
        "max_tokens": 100,
        "seed_sent": False,
        "costs_of_this_run": {**costs, "money": None},
        "cells": [
            {
                "attack": "a", "model": EVIL, "survival": "saved", "pictures": 1, "asked": 3, "failed": 1,
                "rates": {"target_keywords>=0.5": {"attacked": rate, "clean": rate}},
                "means": {"judge": {"attacked": mean, "clean": None}},
            }
        ],
        "described": [entry.model_dump(mode="json")],
        "unreadable": [{"attack": "a", "image": EVIL, "why": EVIL}],
        **changes,
    }  # fmt: skip


def read(**changes: Any) -> DescriptionsRecord:
    return DescriptionsRecord.read(descriptions(**changes))


def test_answers_stand_before_and_after_and_are_escaped() -> None:
    assert descriptions_view(None, "") == ""
    page = descriptions_view(read(), EVIL)
    assert "<img" not in page and page.count("&lt;img") > 8
    assert "2 of 3 answers" in page and "1 of 2<small>50%, 10% to 90%</small>" in page
    assert "at least 50% of the target&#x27;s keywords" in page and page.count("<li>") == 3
    assert "It was stopped" in descriptions_view(read(complete=False), "")
    coming = descriptions_view(read(complete=False), "", going_on=True)
    assert "added as they come" in coming and "It was stopped" not in coming


def test_what_descriptions_lack_is_said(tmp_path: Path) -> None:
    assert DescriptionsRecord.read(descriptions()).to_json() == descriptions()
    assert read_descriptions(tmp_path) is None
    for place in ("cells", "described", "costs_of_this_run", "complete"):
        written = {name: value for name, value in descriptions().items() if name != place}
        (tmp_path / DESCRIPTIONS_JSON).write_text(json.dumps(written))
        with pytest.raises(RecordError, match=f"This record of descriptions cannot be read: it lacks '{place}'"):
            read_descriptions(tmp_path)
        assert f"it lacks &#x27;{place}&#x27;" in descriptions_in(tmp_path, "")


# ---------------------------------------------------------------------- a folder


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    place = tmp_path / "brought"
    place.mkdir()
    for number in range(3):
        save_png(Image.new("RGB", (20, 16), (number, 0, 0)), place / f"p{number}.png")
    (place / "broken.jpg").write_bytes(b"no picture")
    (place / "notes.txt").write_text("x")
    (place / "labels.csv").write_text("ImageId,TrueLabel,TargetClass\np0,1,9\np1,2,2\n")
    return sorted(place.iterdir())


def test_bad_files_are_a_sentence_each_and_the_rest_goes_on(files: list[Path], tmp_path: Path) -> None:
    brought = add_files(Brought(), files, Uploads(tmp_path / "uploads"), ANNA)
    assert list(brought.photos) == ["p0.png", "p1.png", "p2.png"] and set(brought.left_out) == {
        "broken.jpg",
        "notes.txt",
    }
    page = brought_markup(brought)
    assert "3 photos: p0.png" in page and "NIPS 2017" in page and "2 left out." in page
    again = add_files(brought, files, Uploads(tmp_path / "uploads"), ANNA)
    assert again == brought
    other = tmp_path / "p0.png"
    save_png(Image.new("RGB", (20, 16), (99, 0, 0)), other)
    clash = add_files(brought, [other], Uploads(tmp_path / "uploads"), ANNA)
    assert clash.photos == brought.photos and "another photo of the name" in " ".join(clash.left_out.values())
    with pytest.raises(FormError, match=r"labels\.csv") as caught:
        files[-1].with_name("labels.csv").write_text("what\n1\n")
        add_files(Brought(), [files[-1].with_name("labels.csv")], Uploads(tmp_path / "uploads"), ANNA)
    assert str(tmp_path) not in str(caught.value)


def test_more_photos_than_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack_folder, "MOST_PHOTOS", 2)
    with pytest.raises(FormError, match="At most 2"):
        add_files(Brought(), [tmp_path / f"{number}.png" for number in range(3)], Uploads(tmp_path), ANNA)


def test_labels_are_named_and_targets_count_only_where_they_are_led_to(
    tab: AttackTab, files: list[Path], tmp_path: Path
) -> None:
    asked = held(tab)
    asked[tab.folder.brought] = add_files(Brought(), files, Uploads(tmp_path / "uploads"), ANNA)
    folder = tab.folder.read(asked, tab.order(asked, one_photo=False).recipe)
    assert [(one.name, one.label, one.target) for one in folder.photos] == [
        ("p0", "airplane", ""), ("p1", "automobile", ""),
    ]  # fmt: skip
    assert set(folder.left_out) == {"broken.jpg", "notes.txt", "p2"}
    asked |= held(tab, attack_goal=TARGET, attack_chips="frog") | {tab.folder.brought: asked[tab.folder.brought]}
    folder = tab.folder.read(asked, tab.order(asked, one_photo=False).recipe)
    assert [(one.name, one.target) for one in folder.photos] == [("p0", "ship")]
    assert "own class" in folder.left_out["p1"]
    asked[tab.folder.first] = "0"
    folder = tab.folder.read(asked, tab.order(asked, one_photo=False).recipe)
    assert [(one.label, one.target) for one in folder.photos] == [("automobile", "truck")]
    asked[tab.folder.brought] = Brought()
    with pytest.raises(FormError, match="Bring the photos first"):
        tab.folder.read(asked, tab.order(asked, one_photo=False).recipe)


def test_what_one_photo_shows_is_not_said_of_a_folder(tab: AttackTab) -> None:
    asked = held(tab, attack_truth="frog")
    assert tab.order(asked).recipe != tab.order(held(tab)).recipe
    assert tab.order(asked, one_photo=False).recipe == tab.order(held(tab)).recipe
    assert tab.params(tab.order(asked), held(tab, attack_with_recipe=False)).with_recipe is False


def test_a_clip_model_needs_to_know_what_numbers_count(tab: AttackTab, files: list[Path], tmp_path: Path) -> None:
    asked = held(tab, attack_model=["tiny-clip"], attack_prompt="a photo of a {target}")
    asked[tab.folder.brought] = add_files(Brought(), files, Uploads(tmp_path / "uploads"), ANNA)
    recipe = tab.order(asked, one_photo=False).recipe
    assert leads_to_targets(recipe)
    with pytest.raises(FormError, match="say what they count"):
        tab.folder.read(asked, recipe)
    asked[tab.folder.counted] = "cifar10"
    assert tab.folder.read(asked, recipe).photos[0].target == "ship"


def test_the_tables_of_a_folder_have_denominators_and_are_escaped(tmp_path: Path) -> None:
    victim = {"name": EVIL, "model": EVIL, "kind": "zero-shot", "attacked": False, "labels": 10, "why_not": ""}
    found = {
        "attacks": {"a": [EVIL]}, "total": 4, "done": 3, "targeted": True, "complete": False, "pictures": [],
        "victims": [victim, {**victim, "name": "b", "why_not": EVIL}], "survivals": {"saved": EVIL, "half": EVIL},
        "cells": [cell(EVIL, "saved", 2)], "missing": [{"image": EVIL, "why": EVIL}],
    }  # fmt: skip
    write_folder_findings(tmp_path, FolderFindings.read(found))
    recipe = Recipe(task="attack", classes=("ship",), norm="linf", eps=0.1).model_dump(mode="json")
    job = snapshot(tmp_path, params={"folder": {}}, result={"recipe": recipe, "complete": False, "images": []})
    page = folder_results.folder_view(job, Media({"data": tmp_path}, b"k" * 32))
    page += folder_results.folder_more(job, {})
    assert "<img" not in page and page.count("&lt;img") >= 7
    assert "2 of 3</span><small>67%, 21% to 94%" in page and "After 3 of 4 photos" in page
    assert "1 wrong before" in page and page.count("to come") == 1 and "It is not complete" in page


def test_all_pairs_are_a_matrix_and_a_table_for_each_attack(tmp_path: Path) -> None:
    kinds = {"kind": "classifier", "attacked": True, "labels": 0, "why_not": ""}
    names = ("a", "b", EVIL)
    found = {
        "attacks": {"a+b": ["a", "b"], "a": ["a"], "b": ["b"]}, "total": 3, "done": 3, "targeted": False,
        "complete": True, "pictures": [], "victims": [{"name": name, "model": name, **kinds} for name in names],
        "survivals": {"saved": "the file"}, "missing": [],
        "cells": [
            {**cell(name, "saved", number), "attack": attack}
            for number, attack in enumerate(("a+b", "a", "b"))
            for name in names if (attack, name) != ("b", EVIL)
        ],
    }  # fmt: skip
    write_folder_findings(tmp_path, FolderFindings.read(found))
    job = snapshot(tmp_path, params={"folder": {}}, result={"complete": True, "images": []})
    page = folder_results.folder_tables(job, {"a": "Model A"})
    matrix = page[page.index('id="attack-matrix"') : page.index("</table>")]
    rows = [row for row in matrix.split("<tr>") if 'scope="row"' in row]
    assert [row.partition(">")[2].partition("<")[0] for row in rows] == ["Model A and b", "Model A", "b"]
    assert [row.count("attacked itself") for row in rows] == [2, 1, 1]
    assert ["0 of 1" in rows[0], "1 of 2" in rows[1], "2 of 3" in rows[2]] == [True] * 3
    assert "to come" in rows[2] and "to come" not in rows[0] + rows[1]
    assert page.count("<details") == 3 and "From Model A and b" in page and EVIL not in page
    assert page.count("held out") == 1 + 2 + 2


def test_all_pairs_ask_for_as_many_answers_more(tab: AttackTab, files: list[Path], tmp_path: Path) -> None:
    asked = held(tab, attack_model=["crossmax-cifar10", "undefended-cifar10"], attack_folder_alone=True)
    asked[tab.folder.brought] = add_files(Brought(), files, Uploads(tmp_path / "uploads"), ANNA)
    recipe = tab.order(asked, one_photo=False).recipe
    assert tab.folder.read(asked, recipe).alone is True
    assert tab.folder.read(asked, recipe.with_changes(models=("undefended-cifar10",))).alone is False
    assert [attack_count(3, alone=True), attack_count(3, alone=False), attack_count(1, alone=True)] == [4, 1, 1]


def test_label_files_have_so_many_rows_and_no_more(tmp_path: Path) -> None:
    """S6: 10,001 rows are refused before they are taken apart; 10,000 are taken."""
    file = tmp_path / "labels.csv"
    rows = [f"photo{number}.png,{number % 10}," for number in range(10_000)]
    file.write_text("\n".join(["filename,label,targeted_label", *rows]), encoding="utf-8")
    uploads = Uploads(tmp_path / "uploads")
    brought = add_files(Brought(), [file], uploads, ANNA)
    assert brought.labels is not None and len(brought.labels.entries) == 10_000
    for more in ("\n", "\r"):
        lines = ["filename,label,targeted_label", *rows, "one.png,1,", ""]
        file.write_text(more.join(lines), encoding="utf-8", newline="")
        with pytest.raises(FormError, match="more than the 10,000 rows"):
            add_files(Brought(), [file], uploads, ANNA)
    file.write_bytes(b"filename,label,targeted_label\n" + b"x" * 11_000_000)
    with pytest.raises(FormError, match="rows"):
        add_files(Brought(), [file], uploads, ANNA)
