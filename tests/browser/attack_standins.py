"""An attack that changes every value by 8 and lets one model fall, with findings that come one after the other."""

import math
import time
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageChops

from app.handlers.findings import write_findings
from app.records.findings import AttackFindings
from app.visitors.uploads import Uploads
from foundation.images.files import save_png
from foundation.jobs.context import JobContext
from foundation.progress import Progress
from generator.recipes.recipe import Recipe
from generator.victims.survival import SURVIVALS, find_survivals
from tests.browser.holding import is_held

WAIT_SECONDS = 0.05
READOUTS = ("layer 1", "layer 2", "final")


def finding_of(context: JobContext, recipe: Recipe, titles: tuple[str, str], classes: tuple[str, ...]) -> None:
    """Write findings in three parts: the first table, the second, and what can be seen."""
    wish: Mapping[str, Any] = context.params["explore"]
    names = list(dict.fromkeys([*recipe.models, *wish["victims"]]))
    survivals = find_survivals(wish["survivals"])
    findings: dict[str, Any] = {
        "complete": False,
        "question": {"label": wish["label"], "targets": [] if recipe.objective == "leave" else list(recipe.classes)},
        "survivals": {name: SURVIVALS[name].description for name in survivals},
        "victims": [victim(name, recipe) for name in names],
        "rows": [],
        "distances": {"linf": 8 / 255, "l2": 2.5, "ssim": 0.987, "lpips": None},
    }
    parts = [["saved"], [name for name in survivals if name != "saved"]]
    for done, part in enumerate(parts):
        context.progress(Progress(done, 3, f"Measuring: part {done + 1}", unit="items"))
        findings["rows"] += [row(one["name"], name, titles) for one in findings["victims"] for name in part]
        write_findings(context.dir, AttackFindings.read(findings))
        while is_held(context, "measuring"):
            time.sleep(WAIT_SECONDS)
    (context.dir / "rows.csv").write_text("victim,outcome\n")
    findings["files"] = {"csv": "rows.csv"}
    context.progress(Progress(2, 3, "Drawing", unit="items"))
    name = findings["victims"][0]["name"]
    findings |= {"heat": [heat(name, classes)], "lines": [line(name)], "complete": True}
    with Image.open(context.dir / "source.png") as opened:
        for when in ("before", "after"):
            save_png(opened.convert("L").convert("RGB"), context.dir / f"saliency-1-{when}.png")
            save_png(opened.convert("RGB").resize((4, 4)), context.dir / f"view-1-4-{when}.png")
    files = {when: f"saliency-1-{when}.png" for when in ("before", "after")}
    views = {when: [f"view-1-4-{when}.png"] for when in ("before", "after")}
    findings["saliency"] = [{"victim": name, "label": "frog", "why_not": "", **files}]
    findings["views"] = [{"victim": name, "resolutions": [4], **views}]
    write_findings(context.dir, AttackFindings.read(findings))


def victim(name: str, recipe: Recipe) -> dict[str, Any]:
    zero_shot = name == "tiny-clip"
    return {
        "name": f"{name}=cifar10" if zero_shot else name,
        "model": name,
        "kind": "zero-shot" if zero_shot else "classifier",
        "attacked": name in recipe.models,
        "labels": 10,
        "why_not": "",
    }


def row(name: str, survival: str, titles: tuple[str, str]) -> dict[str, Any]:
    """The second model falls, unless the file is compressed; the CLIP model has no such class."""
    falls = name == titles[1] and not survival.startswith("jpeg")
    outcome = "not comparable" if "=" in name else "success" if falls else "failure"
    after = {"label": "ship" if falls else "frog", "confidence": 0.8}
    return {
        "victim": name,
        "survival": survival,
        "before": {"label": "frog", "confidence": 0.8},
        "after": after,
        "photo_after": {"label": "frog", "confidence": 0.8},
        "outcome": outcome,
        "reached": falls,
        "by_itself": survival == "blur-1",
        "share_before": 0.8,
        "share_after": 0.1 if falls else 0.8,
    }


def heat(name: str, classes: tuple[str, ...]) -> dict[str, Any]:
    def rows(best: str) -> list[dict[str, Any]]:
        shares = [0.8 if one == best else 0.2 / (len(classes) - 1) for one in classes]
        return [{"label": best, "confidence": 0.8, "shares": shares} for _ in READOUTS]

    after = [*rows("frog")[:1], *rows("ship")[1:]]
    answers = {"before": "frog", "after": "ship"}
    return {
        "victim": name,
        "classes": list(classes),
        "readouts": list(READOUTS),
        "before": rows("frog"),
        "after": after,
        "answers": answers,
    }


def line(name: str) -> dict[str, Any]:
    points = []
    for index in range(26):
        t = round(-0.5 + 0.1 * index, 6)
        now = 1 / (1 + math.exp(8 * (0.6 - t)))
        points.append({"t": t, "label": "ship" if now > 0.5 else "frog", "was": 1 - now, "now": now})
    crossings = [{"t": 0.6, "before": "frog", "after": "ship"}]
    return {"victim": name, "was": "frog", "now": "ship", "points": points, "crossings": crossings}


def save_attack(context: JobContext, source: Image.Image, recipe: Recipe) -> dict[str, Any]:
    """Save the photo, the picture and the change; return their facts."""
    after = source.point([min(255, value + 8) for value in range(256)] * 3)
    save_png(source, context.dir / "source.png")
    taken = recipe.with_changes(source=context.params["source"], size=(source.height, source.width))
    save_png(after, context.dir / "image.png", taken.png_metadata() if context.params["with_recipe"] else {})
    change = ImageChops.difference(source, after).point([min(255, 16 * value) for value in range(256)] * 3)
    save_png(change, context.dir / "change.png")
    return {
        "file": "image.png",
        "source": "source.png",
        "perturbation": {"file": "change.png", "factor": 16, "parts": parts("change.png")},
        "linf": 8 / 255,
        "l2": 2.5,
    }


def parts(file: str) -> dict[str, Any]:
    """The parts of a change, all shown by one file."""
    common = {"file": file, "factor": 62.0, "largest": 8 / 255}
    single = [{**common, "resolutions": [r], "cells": [(r + 1) // 2, r]} for r in (1, 2, 5)]
    return {"kind": "layers", "shown": [*single, {**common, "resolutions": [6, 7], "cells": [4, 7]}], "rest": 0.5 / 255}


def upload_of(uploads: Uploads, digest: str, owner: str) -> Image.Image:
    with Image.open(uploads.find(digest, owner)) as opened:
        return opened.convert("RGB")
