"""Attacks on folders without a model, and a real endpoint whose answers are asked for after every attack."""

import time
import zipfile
from collections.abc import Callable
from typing import Any

from app.handlers.describing import Describer
from app.handlers.findings import write_folder_findings
from app.handlers.folders import ARCHIVE, FOLDER
from app.records.folders import FolderFindings
from app.records.params import AttackedParams
from app.visitors.uploads import Uploads
from foundation.images.files import save_png
from foundation.intervals import Rate
from foundation.jobs.context import JobContext
from foundation.progress import Progress
from generator.recipes.recipe import Recipe
from generator.transfer.outcome import Question
from generator.transfer.table import Case
from generator.victims.survival import SURVIVALS
from generator.vlm.asking import ReadSettings
from tests.browser.attack_standins import upload_of, victim
from tests.browser.holding import is_held

Handler = Callable[[JobContext], dict[str, Any]]


class MoreAttacks:
    """The stand-in for attacks on one photo, and beside it folders and a vision-language model."""

    def __init__(self, one: Handler, uploads: Uploads, read: ReadSettings) -> None:
        self._one, self._uploads = one, uploads
        self._describer = Describer(read, catalogue=None)  # type: ignore[arg-type]  # no test compares by one

    def __call__(self, context: JobContext) -> dict[str, Any]:
        if "folder" in context.params:
            return attack_folder(context, self._uploads)
        result = self._one(context)
        wish = AttackedParams.asked(context.params).describe
        if wish is None or context.stop_requested:
            return result
        case = Case("photo", "a", context.dir / "source.png", context.dir / "image.png", Question("", ("ship",)))
        why = self._describer.describe(context, wish, [case], context.dir)
        return {**result, "descriptions_error": why} if why else result


def attack_folder(context: JobContext, uploads: Uploads) -> dict[str, Any]:
    """Brighten photo after photo, the second for as long as a test wants; the first is no success."""
    recipe = Recipe(**context.params["recipe"])
    order, wish = context.params["folder"], context.params["explore"]
    victims = [victim(name, recipe) for name in dict.fromkeys([*recipe.models, *wish["victims"]])]
    folder = context.dir / FOLDER
    found: dict[str, Any] = {
        "attacks": {"a": list(recipe.models)},
        "total": len(order["photos"]), "done": 0, "targeted": False, "victims": victims, "cells": [],
        "survivals": {name: SURVIVALS[name].description for name in ("saved", "half")}, "pictures": [],
        "missing": [{"image": name, "why": why} for name, why in order.get("left_out", {}).items()], "complete": False,
    }  # fmt: skip
    for number, photo in enumerate(order["photos"]):
        total = len(order["photos"])
        context.progress(Progress(number, total, f"Attacking {number + 1} of {total}: {photo['name']}", unit="items"))
        while number == 1 and is_held(context):
            time.sleep(0.05)
        if context.stop_requested:
            break
        source = upload_of(uploads, photo["digest"], context.owner)
        folder.mkdir(exist_ok=True)
        save_png(source.point([min(255, value + 8) for value in range(256)] * 3), folder / f"{number}.png")
        save_png(source, folder / f"photo-{number}.png")
        place = f"{FOLDER}/{number}.png"
        shown = {"photo": f"{FOLDER}/photo-{number}.png", "attacked": place}
        found["pictures"].append({"image": photo["name"], "attack": "a", **shown})
        found["done"] = number + 1
        found["cells"] = [cell(one["name"], name, number) for one in victims for name in ("saved", "half")]
        write_folder_findings(context.dir, FolderFindings.read(found))
    else:
        found["complete"] = True
    write_folder_findings(context.dir, FolderFindings.read(found))
    with zipfile.ZipFile(context.dir / ARCHIVE, "w") as packed:
        for path in sorted(folder.glob("*.png")):
            packed.write(path, path.name)
    return {"recipe": recipe.model_dump(mode="json"), "images": [], "complete": found["complete"], "archive": ARCHIVE}


def cell(name: str, survival: str, successes: int) -> dict[str, Any]:
    rate, nothing = Rate(successes, successes + 1).to_json(), Rate(0, successes + 1).to_json()
    return {
        "attack": "a", "victim": name, "survival": survival, "rate": rate, "of_all": rate, "control": nothing,
        "left_out": {"wrong before": 1}, "total": successes + 2, "confidence_before": 0.5, "confidence_after": 0.5,
    }  # fmt: skip
