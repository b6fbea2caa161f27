"""The kinds of jobs: from their JSON parameters to the library, and from its answers to files and JSON.

    image     {"recipe": {...}}                        a picture of a class
    attack    {"recipe": {...}, "source": digest}      a photo changed; it lies in the uploads under its digest
    evaluate  {"config": {...}}                        a robust_model.evaluate.EvalConfig
    train     {"config": {...}}                        a robust_model.training.TrainConfig

Parameters come from a browser: models are taken from the list, pictures from the uploads, never from a path.
"""

import functools
import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.data_dir import DataDir
from app.jobs import Handler, JobContext
from app.jobs.model import as_json
from app.jobs.outcome import NO_MEMORY
from app.jobs.store import write_atomic
from app.layers import SOURCE_NAME, save_layers
from generator.errors import StudioError
from generator.image import load_image, save_png, to_tensor
from generator.loop import DivergedError
from generator.production import Outputs, predict, produce_job
from generator.protocols import Classifier
from generator.recipe import Recipe
from robust_model.ensemble import SelfEnsemble
from robust_model.evaluate import EvalConfig
from robust_model.jobs import evaluate_job, train_job, validated
from robust_model.registry import ModelInfo, ModelPool
from robust_model.training import Run, TrainConfig

logger = logging.getLogger(__name__)

RESULT_NAME = "result.json"
ONLOOKERS = 3  # models that are asked about a picture beside those that it was made with
_ALLOCATION_FAILED = ("can't allocate memory", "out of memory", "not enough memory")


def make_handlers(pool: ModelPool, data: DataDir) -> dict[str, Handler]:
    """The handlers of all kinds of jobs, for the job service."""
    return {
        "image": guarded(lambda context: make_pictures(context, pool)),
        "attack": guarded(lambda context: make_pictures(context, pool, data)),
        "evaluate": guarded(lambda context: evaluate(context, pool)),
        "train": guarded(train),
    }


def guarded(handler: Handler) -> Handler:
    """The handler with refusals in words where PyTorch has none: no such device, and no memory left."""

    @functools.wraps(handler)
    def wrapped(context: JobContext) -> dict[str, Any]:
        if context.device.startswith("cuda") and not torch.cuda.is_available():
            raise StudioError("There is no CUDA device here (or PyTorch has no CUDA); use the device cpu.")
        try:
            return handler(context)
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise StudioError(NO_MEMORY) from error
        except RuntimeError as error:  # what PyTorch raises on the CPU has no type of its own
            if any(words in str(error).lower() for words in _ALLOCATION_FAILED):
                raise StudioError(NO_MEMORY) from error
            raise

    return wrapped


# ---------------------------------------------------------------------- pictures and attacks


def make_pictures(context: JobContext, pool: ModelPool, data: DataDir | None = None) -> dict[str, Any]:
    """Make what a recipe describes. With `data`, an attack on the upload that the parameters name.

    In the job's folder: image-1.png and so on, source.png and change-1.png for attacks, layers, result.json.
    The result is the record of `produce` without its loss curves, and what other models say as well.
    """
    recipe = _recipe(context.params, "class" if data is None else "attack")
    source = None if data is None else _source(context, data)
    context.progress(0, recipe.steps, "Loading the models")
    infos = _infos(pool)
    recipe = recipe.with_changes(revisions=tuple(_known(infos, name).revision for name in recipe.models))
    classifiers: dict[str, Classifier] = {name: pool.get(name, context.device) for name in recipe.models}
    outputs = Outputs(
        tuple(context.dir / f"image-{number}.png" for number in range(1, recipe.images + 1)),
        context.dir / RESULT_NAME,
    )
    try:
        record = produce_job(
            context,
            recipe,
            classifiers,
            outputs=outputs,
            source=source,
            on_done=lambda synthesis: save_layers(synthesis, context.dir),
        ).record
    except DivergedError:
        if not outputs.record.is_file():
            raise
        record = json.loads(outputs.record.read_text(encoding="utf-8"))  # its "error" says what happened
    record = {**record, "size": record["recipe"]["size"]}
    _add_onlookers(record, _onlookers(infos, recipe, classifiers, pool, context.device), context, source)
    if source is not None:
        for number, image in enumerate(record["images"], start=1):
            image["source"] = SOURCE_NAME
            image["perturbation"] = _save_change(source, context, image["file"], f"change-{number}.png")
    _write_result(context, record)
    return {name: value for name, value in record.items() if name != "losses"}


def _recipe(params: Mapping[str, Any], task: str) -> Recipe:
    recipe = Recipe.model_validate(params.get("recipe"))
    if recipe.task != task:
        raise StudioError(f"This recipe is for the task '{recipe.task}', not '{task}': submit it as that.")
    return recipe


def _source(context: JobContext, data: DataDir) -> Tensor:
    """The photo [1, 3, H, W]; a copy stays with the job, whatever becomes of the upload."""
    # Of whatever comes from a page only the name counts, and that must be a digest.
    path = data.upload(Path(str(context.params.get("source", ""))).stem)
    shutil.copyfile(path, context.dir / SOURCE_NAME)
    return to_tensor(load_image(path))


def _infos(pool: ModelPool) -> dict[str, ModelInfo]:
    return {info.name: info for info in pool.list()}


def _known(infos: Mapping[str, ModelInfo], name: str) -> ModelInfo:
    """The list's entry: nothing but the list decides which files are loaded."""
    if name not in infos:
        raise StudioError(f"There is no model '{name}'; choose from {', '.join(infos) or 'an empty list'}.")
    return infos[name]


def _onlookers(
    infos: Mapping[str, ModelInfo],
    recipe: Recipe,
    classifiers: Mapping[str, Classifier],
    pool: ModelPool,
    device: str,
) -> dict[str, Classifier]:
    """Other ready models that know the same classes."""
    classes = {classifier.class_names for classifier in classifiers.values()}
    others = [
        name for name, info in infos.items() if info.ready and name not in recipe.models and info.class_names in classes
    ]
    loaded: dict[str, Classifier] = {}
    for name in others[:ONLOOKERS]:
        try:
            loaded[name] = pool.get(name, device)
        except StudioError:  # a damaged model that nobody chose is no reason to lose the picture
            logger.warning("the model %s cannot be asked", name, exc_info=True)
    return loaded


def _add_onlookers(
    record: Mapping[str, Any], models: Mapping[str, Classifier], context: JobContext, source: Tensor | None
) -> None:
    """Add what these models say of the saved pictures, and of the photo before."""
    before = {} if source is None else _opinions(models, source.to(context.device))
    for image in record["images"]:
        saved = to_tensor(load_image(context.dir / image["file"])).to(context.device)
        image["before"].update(before)
        image["after"].update(_opinions(models, saved))


def _opinions(models: Mapping[str, Classifier], image: Tensor) -> dict[str, dict[str, Any]]:
    return {name: predict(model, image) for name, model in models.items()}


def _save_change(source: Tensor, context: JobContext, saved: str, name: str) -> dict[str, Any]:
    """Save the change of a picture round mid-grey, magnified until it fills the range; how, as JSON."""
    change = to_tensor(load_image(context.dir / saved)) - source
    largest = change.abs().max().item()
    factor = 0.5 / largest if largest > 0 else 1.0
    save_png((0.5 + factor * change).clamp(0, 1), context.dir / name)
    return {"file": name, "factor": factor}


# ---------------------------------------------------------------------- evaluation and training


def evaluate(context: JobContext, pool: ModelPool) -> dict[str, Any]:
    """Evaluate a model. result.json is the whole report; the result leaves out its lists of images."""
    config = validated(EvalConfig, context.params.get("config"))
    _refuse_folder(config.data)
    _known(_infos(pool), config.model)
    context.progress(0, 0, "Loading the model and the data")
    model: SelfEnsemble = pool.get(config.model, context.device)
    report = evaluate_job(context, config, model)
    _write_result(context, report)
    data = {name: value for name, value in report["data"].items() if name != "indices"}
    return {**{name: value for name, value in report.items() if name != "per_image"}, "data": data}


def train(context: JobContext) -> dict[str, Any]:
    """Train a model. The run is the folder `run`, from which a stopped one goes on and a model is exported."""
    config = validated(TrainConfig, context.params.get("config"))
    _refuse_folder(config.data)
    if config.start_from:
        raise StudioError("A job starts from nothing; to start from other weights, use python -m robust_model train.")
    context.progress(0, 0, "Loading the data")
    run = Run(config, context.dir / "run", device=context.device)
    result = {"run": "run", **train_job(context, run), "config": config.model_dump(mode="json")}
    _write_result(context, result)
    return result


def _refuse_folder(data: str) -> None:
    if data.startswith("folder:"):
        raise StudioError("Jobs use the named data sets only; for a folder, use the command python -m robust_model.")


def _write_result(context: JobContext, result: Mapping[str, Any]) -> None:
    write_atomic(context.dir / RESULT_NAME, json.dumps(as_json(result), indent=2).encode())
