"""Jobs that make pictures: of a class, of a text, and attacks on a photo.

In a job's folder: image-1.png and so on, the pictures that came with the job (source.png, mask.png...), the layers,
result.json, and where there is one: overview.png of all pictures, morph.mp4 from one prompt to another; of an attack
what `app.handlers.changes` shows of it and, if the parameters say under "explore" what is to be found out about it,
what `app.handlers.exploring` finds.
"""

import io
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue
from torch import Tensor

from app.costs.estimates import Extras
from app.costs.timings import Stopwatch, Timings
from app.handlers.describing import Describer
from app.handlers.drawing import OVERVIEW_NAME, RESULT_NAME, Drawing, Drawn
from app.handlers.exploring import PHOTO, Attacked, explore
from app.handlers.findings import read_findings
from app.handlers.onlookers import load_onlookers, names_of_onlookers, with_opinions
from app.records.params import AttackParams, DescribeWish, GridParams, MadeParams, Wish
from app.records.pictures import NothingMade, Picture, PictureResult
from app.visitors.data_dir import DataDir
from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import Kind, ModelInfo
from foundation.cluster.cluster import Cluster
from foundation.cluster.pool import Pool, Seat, computes_on
from foundation.errors import StudioError
from foundation.files.text_files import replace_whole
from foundation.images.animation import save_video
from foundation.images.files import load_image, to_tensor
from foundation.jobs import JobContext
from foundation.jobs.store.model import as_json
from foundation.progress import Progress
from generator.priors.operators import Size
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model
from generator.transfer.outcome import Question
from generator.transfer.report import Report
from generator.transfer.table import Case
from generator.vlm.asking import ReadSettings, no_settings

logger = logging.getLogger(__name__)

CARD_NAME = "card.jpg"
"""The first of a job's pictures, small, for lists of jobs."""
CARD_SIDE = 320
VIDEO_NAME = "morph.mp4"
MORPH_SECONDS = 3.0
_PICTURES: Mapping[str, tuple[str, ...]] = {
    "class": (),
    "attack": ("source", "target"),
    "text": ("source", "target", "style", "mask"),
}
"""The pictures that a job of each task may name, by their digests among the uploads."""


@dataclass(frozen=True)
class Workshop:
    """What the jobs work with.

    Attributes:
        catalogue: the models.
        data: the uploads.
        timings: where what jobs took is kept.
        read_vlm: returns the settings of the vision-language model that may be asked.
        pool: the cluster that evaluations, grids and folders of photos are done by, if there is one, and pictures if
            it has seats for that.
    """

    catalogue: Catalogue
    data: DataDir
    timings: Timings
    read_vlm: ReadSettings = no_settings
    pool: Pool = field(default_factory=Pool)


def make_pictures(context: JobContext, told: MadeParams, shop: Workshop) -> dict[str, JsonValue]:
    """Make what a recipe describes, from the uploads that the parameters name.

    The result is a `PictureResult` without its loss curves, or `NothingMade`.
    """
    recipe, task, with_recipe = told.recipe, told.task, told.with_recipe
    wish = told.explore if isinstance(told, AttackParams) else None
    if wish is not None:
        wish.label_list()  # before anything is computed
    pictures = bring_pictures(context, told, shop.data, task)
    asked = told.describe if isinstance(told, AttackParams) and wish is not None else None
    context.progress(Progress(0, recipe.steps, "Loading the models"))
    infos = {info.name: info for info in shop.catalogue.list("classifier")}
    photo = None if pictures.source is None else (pictures.source.shape[2], pictures.source.shape[3])
    extras = extras_of(recipe, wish, infos)
    watch = Stopwatch()
    with shop.pool.seat(context) as seat:
        try:
            models, revisions = load_models(recipe, shop, context, seat)
        except StudioError as error:
            if not context.stop_requested:
                raise
            return NothingMade(note=str(error), images=()).to_json()  # a download that was stopped, for example
        drawing = Drawing(recipe.with_changes(revisions=revisions), photo, with_recipe, watched=wish is not None)
        drawn: Drawn | None
        if seat is None:
            drawn = drawing.draw(context, context.dir, models, pictures, watch.step)
        else:
            drawn = drawing.have_drawn(context, seat, models, _files_of(pictures, context.dir))
    if drawn is None:
        return NothingMade(note="It was stopped before a worker of the cluster began.", images=()).to_json()
    record, outputs = drawn.record, drawing.outputs(context.dir)
    began = None if pictures.source is None else _file_of("source")
    images = tuple(Picture.of(image, source=began) for image in record.images)
    beside: dict[str, str] = {}
    save_small(outputs.images[0], context.dir / CARD_NAME)
    if wish is not None and not context.stop_requested:  # first what everybody waits for: who falls
        source, picture = context.dir / _file_of("source"), outputs.images[0]
        if context.device != computes_on(context, seat):
            models, _ = load_models(recipe, shop, context)
        attacked = Attacked(record.recipe, models, source, picture, drawn.frames)
        report, beside = _explore(context, shop, wish, attacked)
        if asked is not None and not context.stop_requested:
            beside |= _describe(context, shop, asked, attacked, pictures, report)
    if task == "text":
        beside |= _text_extras(images, recipe, context)
    elif not drawing.is_hurried(context):
        onlookers = load_onlookers(infos, models, shop.catalogue, context.device)
        images = with_opinions(images, onlookers, context, pictures.source)
    if task == "attack" and pictures.source is not None and not drawing.is_hurried(context):
        shown = drawn.saved_changes(drawing, context.dir, pictures.source)
        images = tuple(Picture.of(image, perturbation=change) for image, change in zip(images, shown, strict=True))
    result = PictureResult.of(record, images=images, size=record.recipe.size, with_recipe=with_recipe, **beside)
    write_result(context, result.to_json())
    if not record.stopped and not record.error and not context.stop_requested:
        _learn(context, shop.timings, recipe, watch, photo, extras)
    return result.to_json(without=("losses",))


def save_small(picture: Path, small_picture: Path, side: int = CARD_SIDE) -> None:
    """Save a picture as a JPEG, as small as lists show it."""
    small = load_image(picture)
    small.thumbnail((side, side))
    data = io.BytesIO()
    small.save(data, format="JPEG", quality=90, subsampling=0)
    replace_whole(small_picture, data.getvalue(), durable=False)


def extras_of(recipe: Recipe, wish: Wish | None, infos: Mapping[str, ModelInfo]) -> Extras:
    """What will be found out about pictures once they are there."""
    onlookers = () if recipe.task == "text" else names_of_onlookers(infos, recipe.models)
    return Extras.of(wish, onlookers)


def _learn(
    context: JobContext, timings: Timings, recipe: Recipe, watch: Stopwatch, photo: Size | None, extras: Extras
) -> None:
    """Keep what a job took, for those who ask what the next one will take."""
    took = watch.took()
    if took is None:
        return
    try:
        timings.note(recipe, context.device, took, photo, extras)
    except OSError:  # it is measured again the next time
        logger.warning("the time of job %s cannot be kept", context.id, exc_info=True)


def write_result(context: JobContext, result: Mapping[str, JsonValue]) -> None:
    """Keep a job's whole result as result.json in its folder."""
    replace_whole(context.dir / RESULT_NAME, json.dumps(as_json(result), indent=2).encode())


def bring_pictures(context: JobContext, told: MadeParams | GridParams, data: DataDir, task: str) -> Pictures:
    """The pictures that the job names; copies stay with the job, whatever becomes of the uploads."""
    named = {name: getattr(told, name) for name in _PICTURES[task]}
    needed = {"source"} if task == "attack" else set()
    found: dict[str, Tensor] = {}
    for name, digest in named.items():
        if not digest and name not in needed:
            continue
        path = data.upload(digest, context.owner)
        shutil.copyfile(path, context.dir / _file_of(name))
        found[name] = to_tensor(load_image(path))
    return Pictures(**found)


def _file_of(name: str) -> str:
    return f"{name}.png"


def _files_of(pictures: Pictures, folder: Path) -> dict[str, bytes]:
    """The job's copies of the pictures that there are, as they are sent."""
    return {
        name: (folder / _file_of(name)).read_bytes() for name, picture in vars(pictures).items() if picture is not None
    }


def load_models(
    recipe: Recipe, shop: Workshop, context: JobContext, cluster: Cluster | Seat | None = None
) -> tuple[dict[str, Model], tuple[str, ...]]:
    """The recipe's models by name, and their revisions. All but classes may have encoders; some may be fetched."""
    kind: Kind | None = "classifier" if recipe.task == "class" else None
    models: dict[str, Model] = {}
    revisions: list[str] = []
    for name in recipe.models:
        models[name] = shop.catalogue.load(name, computes_on(context, cluster), context, kind=kind)
        revisions.append(shop.catalogue.find(name, kind).revision)  # it may have been fetched just now
    return models, tuple(revisions)


# ---------------------------------------------------------------------- texts


def _text_extras(images: Sequence[Picture], recipe: Recipe, context: JobContext) -> dict[str, str]:
    """What a text has beside its record: files of all images together."""
    extras = {"overview": OVERVIEW_NAME} if recipe.images > 1 else {}
    if recipe.prompt_to and _save_morph(images, context.dir):
        extras["video"] = VIDEO_NAME
    return extras


def _save_morph(images: Sequence[Picture], folder: Path) -> bool:
    """Save the pictures on the way from one prompt to another as a video; False where that is not possible."""
    rate = min(60, max(1, round(len(images) / MORPH_SECONDS)))
    frames = (to_tensor(load_image(folder / image.file)) for image in images)
    try:
        save_video(frames, folder / VIDEO_NAME, frames_per_second=rate, back_and_forth=True)
    except StudioError:  # the pictures themselves are there
        logger.warning("the video in %s cannot be made", folder, exc_info=True)
        return False
    return True


# ---------------------------------------------------------------------- attacks


def _explore(
    context: JobContext, shop: Workshop, wish: Wish, attacked: Attacked
) -> tuple[Report | None, dict[str, str]]:
    """Find out what the attack did; the report, if there is one, and what goes into the result.

    The picture is there already: what goes wrong now is a sentence beside it.
    """
    steps = attacked.recipe.steps
    try:
        return explore(context, shop.catalogue, wish, attacked), {}
    except StudioError as error:
        return None, {"findings_error": str(error)}
    except OSError:
        logger.warning("the findings of job %s cannot be kept", context.id, exc_info=True)
        return None, {"findings_error": "The findings could not be written: make room on the disk."}
    finally:
        context.progress(Progress(steps, steps, "Measured"))


def _describe(
    context: JobContext,
    shop: Workshop,
    wish: DescribeWish,
    attacked: Attacked,
    pictures: Pictures,
    report: Report | None,
) -> dict[str, str]:
    """Have the saved files described, about the question whose answer was just found out, also in the report."""
    recipe = attacked.recipe
    known = read_findings(context.dir)  # None where nothing could be found out: it is described all the same
    question = Question() if known is None else Question(known.question.label, known.question.targets)
    case = Case(PHOTO, "+".join(recipe.models), attacked.source, attacked.picture, question)
    targets = {} if pictures.target is None else {case.attack: pictures.target}
    try:
        why = Describer(shop.read_vlm, shop.catalogue).describe(
            context, wish, [case], context.dir, targets=targets, report=report
        )
    finally:
        context.progress(Progress(recipe.steps, recipe.steps, "Measured"))
    return {"descriptions_error": why} if why else {}
