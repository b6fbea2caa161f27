"""The kinds of jobs: from their JSON parameters to the library, and from its answers to files and JSON.

    text      `TextParams`                 a picture of a text
    image     `ImageParams`                a picture of a class
    grid      `GridParams`                 a picture of a text or a class for every pair of values of two fields
    attack    `AttackParams`               a photo changed, and what was to be found out about it
              `FolderParams`               the same of many photos
    evaluate  `EvaluateParams`
    train     {"config": {...}}            a robust_model.training.training.TrainConfig

See `app.records.params`, and for what comes out `app.records`.

Parameters come from a browser: models are taken from the list or from what is published, pictures from the uploads,
never from a path.
"""

import functools
from collections.abc import Mapping

import torch
from pydantic import JsonValue

from app.evaluation.data import load_images
from app.evaluation.service import FOLDER, take_over
from app.handlers.folders import attack_folder
from app.handlers.grids import draw_grid
from app.handlers.pictures import Workshop, make_pictures, write_result
from app.records.params import AttackParams, EvaluateParams, ImageParams, TextParams
from foundation.cluster.pool import computes_on
from foundation.command_line.program import called
from foundation.command_line.settings import validated
from foundation.errors import StudioError
from foundation.jobs import Handler, JobContext, JobRecord
from foundation.memory import OUT_OF_MEMORY, is_out_of_memory
from foundation.progress import Progress
from robust_model.jobs import evaluate_job, train_job
from robust_model.training.training import Run, TrainConfig
from robust_model.zoo.registry import KIND
from robust_model.zoo.subjects import evaluated


def make_handlers(shop: Workshop) -> dict[str, Handler]:
    """The handlers of all kinds of jobs, for the job service."""
    return {
        "text": guarded(lambda context: make_pictures(context, TextParams.asked(context.params), shop)),
        "image": guarded(lambda context: make_pictures(context, ImageParams.asked(context.params), shop)),
        "grid": guarded(lambda context: draw_grid(context, shop)),
        "attack": guarded(lambda context: attack(context, shop)),
        "evaluate": guarded(lambda context: evaluate(context, shop)),
        "train": guarded(train),
    }


def is_of_pictures(job: JobRecord) -> bool:
    """Whether a job makes pictures as one piece of work: of a text, of a class, or one attacked photo."""
    return job.kind in ("text", "image") or (job.kind == "attack" and job.params.get("folder") is None)


def attack(context: JobContext, shop: Workshop) -> dict[str, JsonValue]:
    """Attack one photo, or a folder of them."""
    if context.params.get("folder") is not None:
        return attack_folder(context, shop)
    return make_pictures(context, AttackParams.asked(context.params), shop)


def guarded(handler: Handler) -> Handler:
    """The handler with refusals in words where PyTorch has none: no such device, and no memory left."""

    @functools.wraps(handler)
    def wrapped(context: JobContext) -> Mapping[str, JsonValue]:
        if context.device.startswith("cuda") and not torch.cuda.is_available():
            raise StudioError("There is no CUDA device here (or PyTorch has no CUDA); use the device cpu.")
        try:
            return handler(context)
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise StudioError(OUT_OF_MEMORY) from error
            raise

    return wrapped


def evaluate(context: JobContext, shop: Workshop) -> dict[str, JsonValue]:
    """Evaluate a model. result.json is the whole report; the result leaves out its lists of images.

    The folder `evaluation` holds what is known at any time, and what a later job goes on from.
    """
    told = EvaluateParams.asked(context.params)
    config = told.config
    shop.catalogue.find(config.model, KIND)  # refused before anything is said
    context.progress(Progress(0, 0, "Loading the model and the data"))
    folder = context.dir / FOLDER
    with shop.pool.lent(context) as cluster:
        device = computes_on(context, cluster)
        model = evaluated(shop.catalogue.load(config.model, device, context, kind=KIND), config.model)
        side = model.config.image_size
        data = load_images(shop.data, config.data, told.images, model.class_names, side, context.owner)
        take_over(shop.data, told.continues, folder)
        report = evaluate_job(context, config, model, folder, data=data, cluster=cluster)
    write_result(context, report.to_json())
    kept: dict[str, JsonValue] = report.model_dump(mode="json", exclude={"per_image": True, "data": {"indices"}})
    return kept


def train(context: JobContext) -> dict[str, JsonValue]:
    """Train a model. The run is the folder `run`, from which a stopped one goes on and a model is exported."""
    config = validated(TrainConfig, context.params.get("config"))
    _refuse_folder(config.data)
    if config.start_from:
        command = called("robust_model")
        raise StudioError(f"A job starts from nothing; to start from other weights, use {command} train.")
    context.progress(Progress(0, 0, "Loading the data"))
    run = Run(config, context.dir / "run", device=context.device)
    done = train_job(context, run)._asdict()
    result: dict[str, JsonValue] = {"run": "run", **done, "config": config.model_dump(mode="json")}
    write_result(context, result)
    return result


def _refuse_folder(data: str) -> None:
    if data.startswith("folder:"):
        command = called("robust_model")
        raise StudioError(f"Jobs use the named data sets only; for a folder, use the command {command}.")
