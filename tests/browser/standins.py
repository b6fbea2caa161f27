"""Work that needs no model, and models that only have names: quick, and with faults on demand."""

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from app.costs.estimates import Cost, Rates, cost_of
from app.records.params import Wish
from app.ui.markup.media import Media, load_secret
from app.ui.wiring.services import Jobs, Studio
from app.visitors.uploads import Uploads
from app.visitors.vocabulary import Thing, Vocabulary
from foundation.catalogue.entry import Kind, ModelInfo, NoModelError
from foundation.errors import StudioError
from foundation.images.files import load_image, save_png
from foundation.jobs.context import JobContext
from foundation.jobs.store.model import Cost as JobCost
from foundation.jobs.store.model import JobRequest
from foundation.progress import Progress
from generator.priors.spectrum import FourierSpectrum, PowerLaw
from generator.recipes.recipe import Recipe
from generator.records.answers import Answers, Said
from generator.units.layers import Layer
from tests.browser.attack_standins import finding_of, save_attack, upload_of
from tests.browser.evaluation_standins import StandInEvaluations
from tests.browser.holding import Part, is_held
from tests.picture_results import picture, result

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STEP_SECONDS = 0.02
DOWNLOAD_SECONDS = 0.05
HELD_STEP = 6
"""The step at which a test can hold work back."""
SILENT_SECONDS, TICK_SECONDS = 1.0, 0.1


def model(name: str, title: str, description: str, **facts: Any) -> ModelInfo:
    """A model that knows classes, and ships unless the facts say else."""
    given = {"origin": "shipped", "ready": True, "class_names": CLASSES} | facts
    return ModelInfo(name, "classifier", title, description, **given)


MODELS = (
    model("crossmax-cifar10", "Stand-in, defended", "Answers at random speed and with no knowledge at all."),
    model("undefended-cifar10", "Stand-in, undefended", "Falls for everything."),
    model("absent", "Stand-in, absent", "Is not there.", ready=False, why_not="Its weights are missing."),
)


PUBLISHED = model(
    "torchvision:net",
    "torchvision:net",
    "Knows other things.",
    ready=False,
    why_not="It is downloaded when it is first used (5 MB).",
    class_names=("tench", "goldfish", "frog"),
    origin="download",
)


THINGS = ("goldfish", "frog", "lemon", "school bus", "lighthouse")


def encoder(name: str, title: str, description: str, origin: Any, **facts: Any) -> ModelInfo:
    """A model that reads prompts."""
    return ModelInfo(name, "encoder", title, description, origin, **{"ready": True, **facts})


WORDS = ("a", "red", "green", "of", "the", "and", *(word for thing in THINGS for word in thing.split()))
ENCODERS = (
    encoder("tiny-clip", "Stand-in CLIP", "Knows a handful of things.", "shipped", vocabulary=WORDS),
    encoder(
        "Large/net",
        "Stand-in, large",
        "Knows everything.",
        "download",
        ready=False,
        why_not="It is downloaded when it is first used (605 MB).",
        download_bytes=605_000_000,
    ),
)


class StandInModels:
    """Models that know classes; a small one that reads prompts, and a large one that is not there."""

    def list(self, kind: Kind) -> tuple[ModelInfo, ...]:
        return MODELS if kind == "classifier" else ENCODERS

    def find(self, name: str) -> ModelInfo:
        found = next((info for info in (*MODELS, *ENCODERS, PUBLISHED) if info.name == name), None)
        if found is None and name.startswith("torchvision:"):
            raise StudioError(f"torchvision has no classifier '{name}'.")
        if found is None:
            raise NoModelError(f"There is no model '{name}'.")
        return found

    def vocabulary(self, model: str) -> Vocabulary | None:
        if model != "tiny-clip":
            return None
        return Vocabulary(tuple(Thing((thing,)) for thing in THINGS), ("red", "green"))


class StandInMeasurements:
    """What was measured, and what is made up."""

    def cost(
        self,
        recipe: Recipe,
        photo: Path | None = None,
        explore: Wish | None = None,
        *,
        size: tuple[int, int] | None = None,
    ) -> Cost:
        if photo is not None and size is None:
            size = load_image(photo).size[::-1]
        return cost_of(recipe, Rates(), size)

    def opinions(self, picture: Path) -> Answers:
        return {MODELS[0].name: Said.read(says("frog", "cat"))}

    def spectrum(self, picture: Path) -> FourierSpectrum:
        if load_image(picture).width == 40:
            raise StudioError("The photo is too small: choose a larger one.")
        return spectrum(-1.5 if "uploads" in picture.parts else -2.0)


def spectrum(slope: float) -> FourierSpectrum:
    """A spectrum exactly on its line."""
    frequencies = (2.0, 4.0, 8.0, 16.0, 32.0)
    fit = PowerLaw(slope=slope, intercept=0.0, r_squared=1.0, first=2.0, last=32.0)
    return FourierSpectrum(frequencies, tuple(f**slope for f in frequencies), fit)


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


def is_short(recipe: Recipe) -> bool:
    """Whether a picture is one that is known to be quick: those of birds."""
    return recipe.classes[:1] == ("bird",)


def tell_cost(request: JobRequest) -> JobCost:
    """What the queue is told of a job: of birds that they are quick, of all others nothing."""
    recipe = request.params.get("recipe")
    short = isinstance(recipe, Mapping) and is_short(Recipe(**recipe))
    return JobCost(hours=5 / 3600) if short else JobCost()


def wait_while_held(context: JobContext, report: Callable[[int], None], part: Part = "steps") -> None:
    """Go no further while a test holds the work back: show nothing new for a while, then ever new frames."""
    tick = 0
    if is_held(context, part):
        time.sleep(SILENT_SECONDS)
    while is_held(context, part):
        tick += 1
        report(tick)
        time.sleep(TICK_SECONDS)


def work(context: JobContext, recipe: Recipe, size: tuple[int, int], term: str = "class") -> int:
    """Take the steps of a recipe, and say how many were taken."""
    step = 0

    def report(tick: int = 0) -> None:
        losses = {"total": -float(step), term: -float(step)}
        frame = partial(fade, step, recipe.steps, size, recipe.seed + tick)
        context.progress(Progress(step, recipe.steps, losses=losses, preview=frame))

    for step in range(1, recipe.steps + 1):
        time.sleep(STEP_SECONDS)
        report()
        if step == HELD_STEP:
            wait_while_held(context, report, "short" if is_short(recipe) else "steps")
        if context.stop_requested:
            break
    return step


def make_images(context: JobContext) -> dict[str, Any]:
    recipe = Recipe(**context.params["recipe"])
    if recipe.classes[:1] == ("truck",):
        raise RuntimeError("a fault of the program")
    step = work(context, recipe, recipe.size)
    images = []
    for index in range(recipe.images):
        name = f"image-{index + 1}.png"
        frame = fade(step, recipe.steps, recipe.size, recipe.seed + index)
        save_png(frame, context.dir / name, recipe.png_metadata())
        said = {model.name: says(*recipe.classes[:1] or ("frog",), "cat") for model in MODELS[:2]}
        images.append(picture(name, seed=recipe.seed + index, before=said, after=said))
    return result(recipe, *images)


class Texts:
    """A stand-in for texts: fades, in the shade of a photo where there is one, and marks where a mask lies."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def __call__(self, context: JobContext) -> dict[str, Any]:
        recipe = Recipe(**context.params["recipe"])
        if recipe.models[0] == "Large/net":
            return self._download(context)
        photos = {name: self._upload(context, name) for name in ("source", "mask") if context.params.get(name)}
        size = recipe.size if "source" not in photos else photos["source"].size[::-1]
        step = work(context, recipe, size, "prompt")
        images = [self._save(context, recipe, step, size, photos, index) for index in range(recipe.images)]
        taken = recipe.with_changes(steps=step, size=size)
        return result(taken, *images)

    def _upload(self, context: JobContext, name: str) -> Image.Image:
        picture = load_image(self._uploads.find(context.params[name], context.owner))
        save_png(picture, context.dir / f"{name}.png")
        return picture

    def _save(
        self,
        context: JobContext,
        recipe: Recipe,
        step: int,
        size: tuple[int, int],
        photos: Mapping[str, Image.Image],
        index: int,
    ) -> dict[str, Any]:
        frame = fade(step, recipe.steps, size, recipe.seed + index)
        if "mask" in photos:
            frame = Image.composite(frame, photos["source"], photos["mask"].convert("L"))
        name = f"image-{index + 1}.png"
        save_png(frame, context.dir / name, recipe.with_changes(steps=step).png_metadata())
        cosines = [{"role": "prompt", "text": recipe.prompt, "weight": 1.0, "before": 0.1, "after": 0.4}]
        facts = picture(name)
        if "source" in photos:
            facts |= {"source": "source.png", "linf": 0.1, "l2": 1.0}
        return {**facts, "seed": recipe.seed + index, "cosines": {recipe.models[0]: cosines}}

    def _download(self, context: JobContext) -> dict[str, Any]:
        for done in range(0, 605, 5):
            context.progress(Progress(done * 10**6, 605 * 10**6, "Downloading Large/net", unit="bytes"))
            if context.stop_requested:
                return {"note": "The download was stopped. What has arrived is kept.", "images": []}
            time.sleep(DOWNLOAD_SECONDS)
        raise StudioError("The download of Large/net failed. Without a network there are: 'tiny-clip'.")


class Attack:
    """A stand-in for the attack that lets one model fall, and measures and draws what was asked for."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def __call__(self, context: JobContext) -> dict[str, Any]:
        recipe = Recipe(**context.params["recipe"])
        source = upload_of(self._uploads, context.params["source"], context.owner)
        step = work(context, recipe, (source.height, source.width))
        facts = save_attack(context, source, recipe)
        defended, undefended = (model.name for model in MODELS[:2])
        if not context.stop_requested:
            finding_of(context, recipe, (defended, undefended), CLASSES)
        context.progress(Progress(step, recipe.steps, "Measured"))
        facts |= {
            "before": {defended: says("frog", "cat"), undefended: says("frog", "cat")},
            "after": {defended: says("frog", "cat"), undefended: says("ship", "frog")},
        }
        taken = recipe.with_changes(size=(source.height, source.width))
        return result(taken, picture(**facts), with_recipe=context.params["with_recipe"])


class StandInLayers:
    """Layers that darken the picture when they are switched off."""

    def resolutions(self, folder: Path, index: int) -> tuple[int, ...]:
        return (1, 2, 4, 8) if (folder / f"image-{index + 1}.png").is_file() else ()

    def render(self, folder: Path, index: int, keep: Collection[int], *, on_grey: bool = False) -> Image.Image:
        with Image.open(folder / f"image-{index + 1}.png") as opened:
            picture = opened.convert("RGB")
        return picture.point([value * len(keep) // 4 for value in range(256)] * 3)


def find_layers(model: str) -> tuple[Layer, ...]:
    """Layers of the listed models alone: the first has one more."""
    if model not in [one.name for one in MODELS]:
        raise StudioError(f"The layers of '{model}' are known once it is here.")
    found = (Layer("stem", "map", 8, (16, 16), (0, 1)), Layer("head", "vector", 10, (), (0, 1)))
    return (*found, Layer("blocks.3", "tokens", 6, (17,), (0, 2))) if model == MODELS[0].name else found


def make_studio(jobs: Jobs, data_dir: Path, measurements: StandInMeasurements) -> Studio:
    """What the page works with; uploads and examples lie in the data directory."""
    examples = data_dir / "examples"
    return Studio(
        jobs=jobs,
        models=StandInModels(),
        measurements=measurements,
        layers=StandInLayers(),
        evaluations=StandInEvaluations(),
        media=Media({"data": data_dir, "examples": examples}, load_secret(data_dir / "secret")),
        uploads=Uploads(data_dir / "uploads"),
        examples=examples,
        device="cpu",
        device_note="this is a test.",
        version="test",
        unit_layers=find_layers,
    )
