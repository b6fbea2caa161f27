"""Users' texts of any length in every place of the page, from phones to large screens: nothing lies over anything."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.evaluation.order import KnownReport, LabelledUpload
from app.handlers.findings import write_findings, write_folder_findings
from app.records.folders import FolderFindings
from app.ui.attack.folder import Brought, brought_markup
from app.ui.attack.results import folder as folder_results
from app.ui.attack.results import results as attack_results
from app.ui.evaluation import markup as evaluation_markup
from app.ui.history import cards as result_cards
from app.ui.markup import charts, gallery, markup, results, stage
from app.ui.markup.media import Media
from app.ui.markup.theme import read_style
from app.ui.text import results as text_results
from app.ui.text.vocabulary import examples_markup
from app.ui.widgets.picture_input import chosen_markup
from app.visitors.uploads import Uploads
from foundation.jobs.store.model import JobStatus
from generator.recipes.recipe import Recipe
from robust_model.evaluation.record.reading import as_report
from tests.app.ui.attack.findings import findings, snapshot
from tests.browser.evaluation_standins import attack_entry, proportion
from tests.browser.folder_standins import cell
from tests.browser.standins import model as listed_model
from tests.browser.standins import says
from tests.picture_results import picture, result
from tests.reports import plain_report

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

LONG = "n02099712_" + "Labrador_retriever" * 10 + ".jpg"  # one word, as file names and classes are
OWNER = "a" * 32
WIDTHS = (390, 860, 1280, 2560)

OVERLAPS = """() => {
  const seen = element => {
    const {display, visibility, position} = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    return display !== 'none' && display !== 'contents' && visibility !== 'hidden' && position !== 'absolute'
      && box.width > 0 && box.height > 0;
  };
  const name = element => `${element.tagName}.${element.className} "${element.textContent.slice(0, 20)}"`;
  const found = [];
  for (const parent of document.querySelectorAll('body, body *')) {
    if (parent.closest('svg, .cx-compare, .cx-bar-track, .cx-range, select, datalist')) continue;
    const {overflowX, display} = getComputedStyle(parent);
    if (overflowX === 'visible' && display !== 'inline' && parent.scrollWidth > parent.clientWidth + 1) {
      found.push(`${name(parent)} is ${parent.scrollWidth} wide in ${parent.clientWidth}`);
    }
    const children = [...parent.children].filter(seen);
    children.forEach((one, index) => {
      const a = one.getBoundingClientRect();
      for (const other of children.slice(index + 1)) {
        const b = other.getBoundingClientRect();
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        const inline = [one, other].some(each => getComputedStyle(each).display === 'inline');
        if (across > 1 && down > 1 && !inline) found.push(`${name(one)} over ${name(other)}`);
      }
    });
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways');
  return found;
}"""


def fragments(folder: Path) -> list[str]:
    """Every view of the page that shows what users, files and models are called, with names of one long word."""
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    media = Media({"data": folder}, b"k" * 32)
    kinds = {"kind": "classifier", "attacked": True, "labels": 0, "why_not": ""}
    victims = [{"name": name, "model": name, **kinds} for name in (LONG, f"{LONG}2")]
    folder_found = {
        "attacks": {LONG: [LONG]}, "total": 3, "done": 3, "targeted": False, "complete": True,
        "pictures": [{"photo": "a.png", "attacked": "a.png", "image": LONG, "attack": LONG}] * 3, "victims": victims,
        "survivals": {"saved": "the file", "jpeg-75": "JPEG."}, "missing": [{"image": LONG, "why": LONG}],
        "cells": [{**cell(LONG, "saved", 2), "attack": LONG}],
    }  # fmt: skip
    write_folder_findings(folder, FolderFindings.read(folder_found))
    job = dataclasses.replace(snapshot(folder), title=LONG)
    recipe = Recipe(task="attack", norm="none", eps=0.0, models=(LONG,))
    image = picture("a.png", source="a.png", linf=0.1, l2=1.0, before={LONG: says(LONG, f"{LONG}2")})
    image["after"] = {LONG: says(f"{LONG}2", LONG)}
    image["cosines"] = {LONG: [{"role": "prompt", "text": LONG, "weight": 1.0, "before": 0.1, "after": 0.2}]}
    made = dataclasses.replace(job, result=result(recipe, *[image] * 3))
    noted = dataclasses.replace(made, kind="image", note=LONG)
    in_folder = dataclasses.replace(
        job, params={"folder": {}}, result={"recipe": recipe.model_dump(mode="json"), "complete": True, "images": []}
    )
    parts = [folder_results.folder_view(in_folder, media) + folder_results.folder_more(in_folder, {})]
    write_findings(folder, findings())
    model = listed_model(LONG, LONG, LONG, ready=False, why_not=LONG)
    brought = Brought({LONG: "0" * 64, f"{LONG}2": "0" * 64}, {LONG: LONG})
    digest = Uploads(folder / "uploads").keep(Image.new("RGB", (8, 8)), OWNER).digest
    labelled = [LabelledUpload(digest, "", OWNER)] * 2
    half = proportion(5, 10)
    entries = plain_report(10, clean=half, worst_case=half, attacks=[attack_entry(LONG, half)])
    report = KnownReport(as_report(entries), (LONG,))
    evaluated = dataclasses.replace(job, kind="evaluate", params={"config": {"model": LONG}})
    return [
        *parts,
        result_cards.cards([noted] * 3, media, {LONG: LONG}, found=3, of=4),
        gallery.models([model, model]),
        stage.stage(dataclasses.replace(job, status=JobStatus.FAILED, error=LONG), media, lambda _job: ""),
        chosen_markup(LONG, media.url(folder / "a.png")),
        brought_markup(brought),
        markup.notice(LONG, title=LONG) + markup.facts([(LONG, LONG)] * 2),
        markup.details(LONG, markup.code_block(LONG)),
        results.image_view(made, media) + results.image_more(made, {}),
        attack_results.attack_view(made, media) + attack_results.attack_more(made, media, {}),
        text_results.text_view(made, media, {}, 0) + text_results.text_more(made, {}, 0),
        examples_markup([LONG, LONG]),
        evaluation_markup.label_list(labelled, (LONG, "b"), Uploads(folder / "uploads"), media, "own"),
        f'<div style="max-width: 396px">{evaluation_markup.figures(report)}</div>',
        evaluation_markup.run_view(evaluated, report),
        charts.bars([(LONG, 0.5), (f"{LONG}2", 0.4)]),
    ]  # fmt: skip


def test_no_text_of_any_length_lies_over_its_neighbour(browser: "sync_api.Browser", tmp_path: Path) -> None:
    """U9: from 390 to 2560 pixels; within tables, which scroll, too."""
    body = "".join(f"<section>{one}</section>" for one in fragments(tmp_path))
    page = browser.new_page()
    reset = "*, ::before, ::after { box-sizing: border-box; } body { margin: 0; } section { padding: 8px 16px; }"
    page.set_content(
        f'<meta name="viewport" content="width=device-width"><style>{reset}{read_style()}</style>'
        f'<div class="gradio-container"><main class="main fillable">{body}</main></div>'
    )
    found: dict[int, Any] = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        found[width] = page.evaluate(OVERLAPS)
    page.close()
    assert found == {width: [] for width in WIDTHS}
