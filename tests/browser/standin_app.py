"""Starts the page with the real server and job service, but with work that needs no model: for browser tests.

Usage: python standin_app.py DATA_DIR PORT. Prints the page's address once it answers.
"""

import os
import sys
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_TEMP_DIR"] = str(Path(sys.argv[1]) / "cache")

from PIL import Image, ImageChops

from app.jobs.context import JobContext
from app.jobs.service import JobService
from app.server import build_app, serve
from app.ui.media import Media, load_secret
from app.ui.services import Studio
from generator.image import save_png
from generator.recipe import Recipe

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STEP_SECONDS = 0.05
SLOW_STEP_SECONDS = 1.0


@dataclass(frozen=True)
class StandInModel:
    name: str
    title: str
    description: str
    ready: bool = True
    why_not: str = ""
    class_names: tuple[str, ...] = CLASSES


MODELS = (
    StandInModel("crossmax-cifar10", "Stand-in, defended", "Answers at random speed and with no knowledge at all."),
    StandInModel("undefended-cifar10", "Stand-in, undefended", "Falls for everything."),
    StandInModel("absent", "Stand-in, absent", "Is not there.", ready=False, why_not="Its weights are missing."),
)


def says(first: str, second: str) -> dict[str, Any]:
    """A prediction in the form of a production's record."""
    top = [{"class": first, "probability": 0.8}, {"class": second, "probability": 0.2}]
    readouts = [{"readout": name, "top": top} for name in ("layer 1", "layer 2", "final")]
    return {"top": top, "agreement": 1.0, "draws": 1, "readouts": readouts}


def fade(step: int, steps: int, size: tuple[int, int], seed: int) -> Image.Image:
    """A frame that differs at every step: a gradient that grows finer."""
    cells = max(2, round(16 * step / steps))
    ramp = Image.linear_gradient("L").resize((cells, cells)).rotate(90 * (seed % 4))
    frame = Image.merge("RGB", (ramp, ImageChops.invert(ramp), ramp.transpose(Image.Transpose.FLIP_TOP_BOTTOM)))
    return frame.resize((size[1], size[0]), Image.Resampling.NEAREST)


def work(context: JobContext, recipe: Recipe, size: tuple[int, int]) -> int:
    """Take the steps of a recipe, and say how many were taken."""
    step = 0
    for step in range(1, recipe.steps + 1):
        # One slow step: the page polls several times and finds nothing new.
        time.sleep(SLOW_STEP_SECONDS if step == 5 else STEP_SECONDS)
        losses = {"total": -float(step), "class": -float(step)}
        context.progress(
            step, recipe.steps, losses=losses, preview=lambda n=step: fade(n, recipe.steps, size, recipe.seed)
        )
        if context.stop_requested:
            break
    return step


def make_images(context: JobContext) -> dict[str, Any]:
    recipe = Recipe(**context.params["recipe"])
    if recipe.classes[0] == "truck":
        raise RuntimeError("a fault of the program")
    step = work(context, recipe, recipe.size)
    images = []
    for index in range(recipe.images):
        name = f"image-{index + 1}.png"
        frame = fade(step, recipe.steps, recipe.size, recipe.seed + index)
        save_png(frame, context.dir / name, recipe.png_metadata())
        said = {model.name: says(recipe.classes[0], "cat") for model in MODELS[:2]}
        images.append({"file": name, "seed": recipe.seed + index, "before": said, "after": said})
    return {"recipe": recipe.model_dump(mode="json"), "images": images}


class Attack:
    """A stand-in for the attack that changes every value by 8 and lets one model fall."""

    def __init__(self, uploads: Path) -> None:
        self._uploads = uploads

    def __call__(self, context: JobContext) -> dict[str, Any]:
        recipe = Recipe(**context.params["recipe"])
        with Image.open(self._uploads / f"{context.params['source']}.png") as opened:
            source = opened.convert("RGB")
        work(context, recipe, (source.height, source.width))
        after = source.point([min(255, value + 8) for value in range(256)] * 3)
        save_png(source, context.dir / "source.png")
        save_png(after, context.dir / "image.png", recipe.png_metadata())
        change = ImageChops.difference(source, after).point([min(255, 16 * value) for value in range(256)] * 3)
        save_png(change, context.dir / "change.png")
        defended, undefended = (model.name for model in MODELS[:2])
        return {
            "recipe": recipe.model_dump(mode="json"),
            "images": [
                {
                    "file": "image.png",
                    "source": "source.png",
                    "perturbation": {"file": "change.png", "factor": 16},
                    "linf": 8 / 255,
                    "l2": 2.5,
                    "before": {defended: says("frog", "cat"), undefended: says("frog", "cat")},
                    "after": {defended: says("frog", "cat"), undefended: says("ship", "frog")},
                }
            ],
        }


class StandInLayers:
    """Layers that darken the picture when they are switched off."""

    def resolutions(self, folder: Path, index: int) -> tuple[int, ...]:
        return (1, 2, 4, 8) if (folder / f"image-{index + 1}.png").is_file() else ()

    def render(self, folder: Path, index: int, keep: Collection[int]) -> Image.Image:
        with Image.open(folder / f"image-{index + 1}.png") as opened:
            picture = opened.convert("RGB")
        return picture.point([value * len(keep) // 4 for value in range(256)] * 3)


def main() -> None:
    data_dir, port = Path(sys.argv[1]), int(sys.argv[2])
    uploads, examples = data_dir / "uploads", data_dir / "examples"
    uploads.mkdir(parents=True, exist_ok=True)
    examples.mkdir(exist_ok=True)
    save_png(fade(3, 8, (48, 64), 1), examples / "stripes.png")
    with JobService(data_dir, {"image": make_images, "attack": Attack(uploads)}) as jobs:
        media = Media({"data": data_dir, "examples": examples}, load_secret(data_dir / "secret"))
        studio = Studio(
            jobs=jobs,
            list_models=lambda: MODELS,
            layers=StandInLayers(),
            media=media,
            uploads=uploads,
            examples=examples,
            device="cpu",
            device_note="this is a test.",
            version="test",
        )
        page = build_app(studio)
        print(serve(page, studio, host="127.0.0.1", port=port, data_dir=data_dir), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
