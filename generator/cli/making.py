"""The commands that make pictures, from their flags to files: what `generator.cli.main` parses is carried out here."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue
from torch import Tensor

from foundation.catalogue.entry import ModelInfo
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import writable_file
from foundation.files.text_files import shown
from foundation.images.animation import save_video
from foundation.images.files import load_image, to_tensor
from foundation.progress import Progress
from foundation.protocols import Foreground, JobContext
from generator.classes.class_names import UnknownClassError, class_place, several_names
from generator.objectives.classes import leads_away
from generator.optimisers.loop import Step
from generator.priors.operators import parse_resolutions
from generator.priors.spectrum import check_spectrum
from generator.production.exports import Recorder, make_folder, save_frames, save_json, save_layers, spectrum_report
from generator.production.production import Outputs, output_paths, produce_job
from generator.production.unit_answers import in_words
from generator.recipes.completion import check_photo, fill_in
from generator.recipes.fields import given_fields, oldest_version
from generator.recipes.pictures import Pictures
from generator.recipes.presets import preset_fields, rule_fields
from generator.recipes.recipe import RECIPE_VERSION, Recipe
from generator.records.answers import Guess
from generator.records.pictures import PictureRecord
from generator.synthesis.drawers import usual_models
from generator.synthesis.models import Model
from generator.synthesis.synthesis import Synthesis

EXIT_INTERRUPTED = 130
_PICTURE_FILES = ("source_file", "target_file", "style_file", "mask_file")
_SECONDS_BETWEEN_PROMPTS = 3.0
_LONGEST_NAME = 60
_MOST_BYTES = 200


LoadModel = Callable[[str, str, JobContext], Model]
"""(name, device, context) -> the model; the context hears of downloads. StudioError if there is no such model."""
ListModels = Callable[[], Sequence[ModelInfo]]


def by_origin(
    arguments: argparse.Namespace, named: LoadModel, typed: LoadModel, *, also: Collection[str] = ()
) -> LoadModel:
    """Return what loads models by where their names come from: `typed` those of flags, `named` those of files.

    Beside those of the flags of a recipe and of victims, the names `also` are typed.
    """
    of_flags = {*getattr(arguments, "models", ()), *also}
    of_flags |= {part.strip() for text in getattr(arguments, "surrogate", ()) for part in text.split("+")}
    for text in getattr(arguments, "victim", ()):
        model, equals, _ = text.rpartition("=")
        of_flags.add(model if equals else text)
    of_flags.add(getattr(arguments, "vlm_similarity", None) or "")

    def load(name: str, device: str, context: JobContext) -> Model:
        return (typed if name in of_flags else named)(name, device, context)

    return load


def make(arguments: argparse.Namespace, load_model: LoadModel, list_models: ListModels, foreground: Foreground) -> int:
    """Make what the arguments of a command describe, and return the exit code."""
    pictures = read_pictures(arguments, arguments.command)
    compared = None if arguments.spectrum_photo is None else to_tensor(load_image(arguments.spectrum_photo))
    recipe = read_recipe(arguments, arguments.command, list_models(), pictures)
    outputs = _outputs(arguments, recipe)
    _check_extras(arguments, recipe, pictures, compared)
    recorder = Recorder() if arguments.video is not None and not recipe.prompt_to else None
    finished: list[Synthesis] = []

    def watch(step: Step) -> None:
        if arguments.frames is not None:
            save_frames(step, arguments.frames)
        if recorder is not None:
            recorder.add(step)

    def work(context: JobContext) -> dict[str, JsonValue]:
        context.progress(Progress(0, recipe.steps, "Loading the models"))
        models = {name: load_model(name, context.device, context) for name in recipe.models}
        demand_class(arguments, recipe, models)
        made = with_revisions(recipe, list_models())  # those of models that were not here before
        result = produce_job(
            context, made, models, outputs=outputs, pictures=pictures, on_step=watch, on_done=finished.append
        )
        for synthesis in finished:
            _save_extras(arguments, synthesis, recorder, compared)
        return result.record.to_json()

    quiet = arguments.quiet or arguments.json_only
    found = foreground.run(arguments.command, choose_device(arguments.device), work, quiet=quiet)
    if found is None:
        print("Interrupted; nothing was kept.", file=sys.stderr)
        return EXIT_INTERRUPTED
    record = PictureRecord.read(found)
    if arguments.json_only:
        print(json.dumps(found, allow_nan=False))
    elif not arguments.quiet:
        _print_result(outputs, record)
    return EXIT_INTERRUPTED if record.stopped else 0


def read_pictures(arguments: argparse.Namespace, task: str) -> Pictures:
    """Read the pictures that the arguments of a task name. What is transparent in a mask stays as it is."""
    if task == "attack":
        target = None if arguments.target_file is None else to_tensor(load_image(arguments.target_file))
        return Pictures(source=_photo(arguments.photo), target=target)
    if task == "class":
        return Pictures()
    source = None if arguments.source_file is None else _photo(arguments.source_file)
    target, style = (
        None if path is None else to_tensor(load_image(path)) for path in (arguments.target_file, arguments.style_file)
    )
    mask = None if arguments.mask_file is None else to_tensor(load_image(arguments.mask_file, background=(0, 0, 0)))
    return Pictures(source, target, style, mask)


def _photo(path: str) -> Tensor:
    """Read a photo to start from, whose size is that of the canvas."""
    photo = load_image(path)
    check_photo(*photo.size, name=f"The photo '{shown(Path(path).name)}'")
    return to_tensor(photo)


def read_recipe(arguments: argparse.Namespace, task: str, models: Sequence[ModelInfo], pictures: Pictures) -> Recipe:
    """Put together the picture's own recipe or the defaults, a preset, and what the flags say."""
    fields: dict[str, object] = {}
    recorded: tuple[str, ...] = ()
    version = RECIPE_VERSION
    if arguments.origin is not None:
        origin = Recipe.from_png(arguments.origin)
        if origin.task != task:
            raise StudioError(
                f"'{arguments.origin}' was made by the command '{origin.task}': use that command to repeat it."
            )
        fields = origin.model_dump(exclude={"revisions"})
        recorded, version = origin.revisions, origin.version
    if arguments.origin is None or arguments.preset is not None:
        fields |= preset_fields(task, arguments.preset, from_photo=pictures.source is not None)
    if arguments.origin is None and not hasattr(arguments, "models"):
        named = getattr(arguments, "classes", ())
        fields |= {} if hasattr(arguments, "unit") else usual_models(task, arguments.preset, named, models)
    if leads_away(getattr(arguments, "objective", None)) and arguments.origin is None:
        fields |= {"objective": arguments.objective, "classes": ()}  # unless a flag names one: the model's own first
    if getattr(arguments, "norm", None) == "none":
        fields |= {"norm": "none", "eps": 0.0}
    fields |= rule_fields(getattr(arguments, "optimiser", "sgd"))
    if task != "class":  # a picture can stand for a prompt; those of the origin are compared later
        fields = {**pictures.digests(), **{name: value for name, value in fields.items() if value != ""}}
    given = given_fields(arguments, task)
    needed = oldest_version(given)
    if (task == "attack" and needed > 1) or needed > version:
        fields["version"] = RECIPE_VERSION  # what older ones do not know
    if given.get("unit") and "classes" not in given:  # what is drawn is one or the other
        fields |= {"classes": (), "weights": ()}
    elif "unit" in given or "classes" in given:
        fields = {name: value for name, value in fields.items() if name != "unit" and (value or name != "classes")}
    if {"steps", "optimiser"} & given.keys():
        fields["planned_steps"] = 0
    recipe = Recipe.model_validate(fields | given)
    revised = with_revisions(recipe, models)
    if not hasattr(arguments, "models") and any(
        then and now and not (then.startswith(now) or now.startswith(then))
        for then, now in zip(recorded, revised.revisions, strict=False)
    ):
        _say(arguments, "Note: a model has changed since that picture was made; it will not come out the same.")
    return revised


def demand_class(arguments: argparse.Namespace, recipe: Recipe, models: Mapping[str, Model]) -> None:
    """Raise StudioError where nobody named a class, and a model does not know the one that is taken then."""
    if hasattr(arguments, "classes") or getattr(arguments, "origin", None) is not None:
        return
    for name in recipe.classes:
        for model in recipe.models:
            known = getattr(models[model], "class_names", ())
            try:
                if known:
                    class_place(known, name, recipe.version)
            except UnknownClassError as error:
                away = "" if recipe.task == "class" else ", or lead away from whatever it sees, with --objective leave"
                raise StudioError(
                    f"Name a class, with --class{away}: where none is named, '{name}' is taken, of which '{model}' "
                    "knows nothing."
                ) from error


def with_revisions(recipe: Recipe, models: Sequence[ModelInfo]) -> Recipe:
    """Return the recipe with the revisions of its models, as far as they are known."""
    by_name = {model.name: model.revision for model in models}
    revisions = tuple(by_name.get(name, "") for name in recipe.models)
    return recipe.with_changes(revisions=revisions) if any(revisions) else recipe


def _outputs(arguments: argparse.Namespace, recipe: Recipe) -> Outputs:
    outputs = output_paths(arguments.out or _default_name(arguments, recipe), recipe.images)
    outputs = replace(outputs, with_recipe=arguments.with_recipe)
    if recipe.task == "text" and recipe.images > 1:
        record = outputs.record
        outputs = replace(outputs, overview=record.with_name(f"{record.stem}-all.png"))
    given = [getattr(arguments, name, None) for name in ("photo", *_PICTURE_FILES)]
    written = [path for path in (*outputs.images, outputs.record, outputs.overview) if path is not None]
    read = {os.path.realpath(path) for path in given if path is not None}
    if any(os.path.realpath(path) in read for path in written):
        raise StudioError("The result would overwrite the photo: give another name with --out.")
    for path in written:
        writable_file(path, "result")
    if arguments.video is not None and arguments.video.suffix.lower() != ".mp4":
        raise StudioError(f"Videos are saved as MP4: give a name that ends in .mp4, not '{arguments.video.name}'.")
    return outputs


def _check_extras(arguments: argparse.Namespace, recipe: Recipe, pictures: Pictures, compared: Tensor | None) -> None:
    """Raise StudioError for what else was asked for and could not be made in the end."""
    if compared is not None and arguments.spectrum is None:
        raise StudioError("--spectrum-photo is put beside the spectrum: say where that goes, with --spectrum FILE.")
    if recipe.redraw and (arguments.frames or arguments.video):
        raise StudioError("--frames and --video show one picture forming: leave them out, or set --redraw to 0.")
    if arguments.spectrum is not None:
        whole = fill_in(recipe, pictures)
        check_spectrum(whole.size, parse_resolutions(whole.resolutions, whole.size), compared)


def _default_name(arguments: argparse.Namespace, recipe: Recipe) -> Path:
    if arguments.command == "attack":
        return Path(f"{_cut(Path(arguments.photo).stem)}-attack.png")
    classes = "-".join(_one_word(name) for name in recipe.classes)
    name = recipe.prompt if recipe.task == "text" else recipe.unit or classes
    kept = "".join(c if c.isalnum() or c == "-" else "-" for c in name)
    if recipe.task == "text":
        kept = "-".join(part for part in kept.split("-") if part)[:_LONGEST_NAME].strip("-") or "picture"
    return Path(f"{_cut(kept)}-{recipe.seed}.png")


def _one_word(name: str) -> str:
    """The names that models have for one class, as a part of a file name."""
    return "-".join(several_names(name))


def _cut(name: str) -> str:
    """The start of a name, in bytes, such that all that is added to it here fits a file system."""
    while len(os.fsencode(name)) > _MOST_BYTES:
        name = name[:-1]
    return name


def _save_extras(
    arguments: argparse.Namespace, synthesis: Synthesis, recorder: Recorder | None, compared: Tensor | None
) -> None:
    """Save what else was asked for, once the pictures themselves are safe."""
    if arguments.layers is not None:
        save_layers(synthesis.prior, arguments.layers)
    if arguments.spectrum is not None:
        save_json(spectrum_report(synthesis.prior, compared), arguments.spectrum)
    if recorder is not None:
        recorder.save(arguments.video)
    elif arguments.video is not None:
        make_folder(arguments.video.parent)
        images = synthesis.prior.render().detach()
        rate = min(60, max(1, round(len(images) / _SECONDS_BETWEEN_PROMPTS)))
        save_video(images, arguments.video, frames_per_second=rate, back_and_forth=True)


def _say(arguments: argparse.Namespace, text: str) -> None:
    if not (arguments.quiet or arguments.json_only):
        print(text, file=sys.stderr)


def _print_result(outputs: Outputs, record: PictureRecord) -> None:
    for path, facts in zip(outputs.images, record.images, strict=True):
        print(path)
        for model, after in facts.after.items():
            before, now = facts.before[model].top[0], after.top[0]
            print(f"  {model}: {before.name} {_sure(before)} -> {now.name} {_sure(now)}")
        for model, unit in (facts.unit or {}).items():
            print(f"  {model}: {record.recipe.unit} {in_words(unit)}")
        for model, entries in (facts.cosines or {}).items():
            for entry in entries:
                what = entry.role if entry.text is None else f"{entry.role} '{entry.text[:60]}'"
                print(f"  {model}: {what}: cosine {_shown(entry.before)} -> {_shown(entry.after)}")
        if facts.linf is not None and facts.l2 is not None:
            print(f"  largest change {facts.linf * 255:.0f}/255, length of the change {facts.l2:.2f}")
    if outputs.overview is not None:
        print(outputs.overview)
    for model, words in record.unknown_words.items():
        named = ", ".join(f"'{word}'" for word in words)
        print(f"Note: {model} never saw {named} in training, which can hardly lead the picture.")
    for model, sentences in record.warnings.items():
        for sentence in sentences:
            print(f"Note: {model}: {sentence}")
    for runaway in record.ran_away:
        print(f"Note: {runaway.sentence}")
    for model, taken in record.taken_for.items():
        for written, own in taken.items():
            print(f"Note: {model} has no class called '{written}'; that was taken for its class '{own}'.")


def _sure(guess: Guess) -> str:
    """How probable it is; of a damaged model, whose numbers are none, "?"."""
    return "?" if guess.probability is None else f"{guess.probability:.0%}"


def _shown(cosine: float | None) -> str:
    return "?" if cosine is None else f"{cosine:.3f}"
