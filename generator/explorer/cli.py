"""The commands `batch` (attack a folder of photos) and `transfer` (which attack fools which model)."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator.cli_making import (
    EXIT_INTERRUPTED,
    ListModels,
    LoadModel,
    add_recipe_switch,
    read_recipe,
    with_revisions,
)
from generator.devices import choose_device
from generator.errors import StudioError
from generator.explorer.aims import recipe_of_set
from generator.explorer.attacking import AttackPlan, surrogate_classes
from generator.explorer.batch import REPORT_HTML, Measuring, measure_cases, run_batch
from generator.explorer.label_files import LabelFile, read_labels
from generator.explorer.labels import LABEL_LISTS, LabelList, captions, find_label_list, read_captions
from generator.explorer.names import Names, parse_also
from generator.explorer.photos import PhotoList, find_photos, list_photos
from generator.explorer.report import Report, to_text
from generator.explorer.saved import cases_of
from generator.explorer.survival import SURVIVALS, find_survivals
from generator.explorer.victims import Victim, victim_of
from generator.guidance import Pictures
from generator.image import load_image, to_pil, to_tensor
from generator.presets import DEFAULT_PRESET, preset_fields, presets_of
from generator.protocols import Encoder, Foreground, JobContext
from generator.recipe import Recipe
from generator.recipe_fields import add_arguments
from generator.synthesis import Model
from generator.vlm import cli as vlm

COMMANDS = ("batch", "transfer")
DEFAULT_LIST = "cifar10"
_TASK = "attack"
_NOT_FLAGS = {"batch": ("task", "size", "images"), "transfer": ("task", "size", "images", "models")}


def add_parsers(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add both commands."""
    batch = commands.add_parser("batch", help="attack a folder of photos, and report what came out", allow_abbrev=False)
    transfer = commands.add_parser(
        "transfer", help="attack with some models, and see which others fall", allow_abbrev=False
    )
    transfer.add_argument(
        "--surrogate",
        action="append",
        default=[],
        metavar="MODELS",
        help="models to attack with, together: A+B; give it several times for several sets",
    )
    transfer.add_argument("--matrix", action="store_true", help="attack with each of the victims alone: all pairs")
    transfer.add_argument(
        "--attacked",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="attack nothing: measure these pictures (files or folders), which were made of the photos",
    )
    for name, command in (("batch", batch), ("transfer", transfer)):
        _add_files(command)
        _add_measuring(command)
        _add_recipe(command, name)


def _add_files(command: argparse.ArgumentParser) -> None:
    command.add_argument("photos", nargs="+", type=Path, metavar="PHOTOS", help="photos, and folders with photos")
    files = command.add_argument_group("files")
    files.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where the pictures and the report go; a run that was ended goes on there",
    )
    add_recipe_switch(files)
    files.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        help="label file with the columns ImageId,TrueLabel,TargetClass (NIPS 2017) or filename,label,targeted_label "
        "(TransferAttack). In prompts {target} and {label} stand for what it says of a photo",
    )
    files.add_argument(
        "--label-names",
        metavar="LIST",
        help=f"what its numbers count: {', '.join(LABEL_LISTS)}, or a text file; default: the surrogates' classes",
    )
    files.add_argument(
        "--first-label", type=int, metavar="N", help="the number of the first class; default: 1 in NIPS 2017, else 0"
    )


def _add_measuring(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("measuring")
    group.add_argument(
        "--victim",
        action="append",
        default=[],
        metavar="MODEL",
        help="a model to test on, several times for several; of a CLIP model, MODEL=LIST chooses among the labels of a "
        f"list ({', '.join(LABEL_LISTS)}) or the lines of a text file; vlm, or vlm:MODEL, is the vision-language model "
        "that this computer is set up for; default: the models attacked with, or, in a transfer, all that are here",
    )
    group.add_argument(
        "--choice", action="append", default=[], metavar="TEXT", help="a caption that CLIP victims choose among"
    )
    group.add_argument("--choices", type=Path, metavar="FILE", help="a text file of such captions, one on each line")
    group.add_argument(
        "--survival",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"what may happen to the files: all, or some of {', '.join(SURVIVALS)}",
    )
    group.add_argument(
        "--same",
        action="append",
        default=[],
        metavar="CLASS=LABEL,...",
        help="labels of victims that mean a class, too, for example dog=beagle,husky",
    )
    vlm.add_flags(command)


def _add_recipe(command: argparse.ArgumentParser, name: str) -> None:
    command.add_argument(
        "--target", dest="target_file", metavar="PHOTO", help="picture whose embedding is to be matched by CLIP models"
    )
    command.add_argument("--from", dest="origin", metavar="PNG", help="use the recipe that an attacked picture carries")
    preset = DEFAULT_PRESET[_TASK]
    command.add_argument("--preset", choices=list(presets_of(_TASK)), help=f"starting point; default: {preset}")
    command.add_argument("--device", default="auto", help="cpu, cuda, cuda:1...; default: a GPU if there is one")
    command.add_argument("--quiet", action="store_true", help="print errors only")
    command.add_argument("--json-only", action="store_true", help="print nothing but the report, as JSON")
    group = command.add_argument_group("recipe", f"Defaults are those of the preset '{preset}'.")
    add_arguments(group, _NOT_FLAGS[name], preset_fields(_TASK), task=_TASK)


@dataclass(frozen=True)
class _VictimName:
    model: str
    label_list: str


@dataclass
class _Models:
    """Loads each model once."""

    load: LoadModel
    context: JobContext
    loaded: dict[str, Model] = field(default_factory=dict)

    def get(self, name: str) -> Model:
        if name not in self.loaded:
            self.context.progress(0, 0, f"Loading {name}")
            self.loaded[name] = self.load(name, self.context.device, self.context)
        return self.loaded[name]


@dataclass(frozen=True, eq=False)
class _Asked:
    """What the arguments ask for, as far as it can be read without a model."""

    arguments: argparse.Namespace
    recipe: Recipe
    target: Pictures
    paths: tuple[Path, ...]
    labels: LabelFile | None
    label_names: LabelList | None
    victims: tuple[_VictimName, ...]
    sets: tuple[tuple[str, ...], ...]
    captions: LabelList | None
    survivals: tuple[str, ...]
    names: Names
    vlm: vlm.Wanted | None


def run(
    arguments: argparse.Namespace,
    load_model: LoadModel,
    list_models: ListModels,
    foreground: Foreground,
    read_vlm: vlm.ReadSettings = vlm.no_settings,
) -> int:
    """Carry out a command, and return the exit code."""
    asked = _read(arguments, list_models, read_vlm)
    reports: list[Report] = []

    def work(context: JobContext) -> dict[str, Any]:
        report, found = _work(asked, _Models(load_model, context), list_models)
        reports.append(report)
        return found

    quiet = arguments.quiet or arguments.json_only
    found = foreground.run(arguments.command, choose_device(arguments.device), work, quiet=quiet)
    if found is None:
        print("Interrupted; the pictures that were finished are kept.", file=sys.stderr)
        return EXIT_INTERRUPTED
    if arguments.json_only:
        print(json.dumps(found, allow_nan=False))
    elif not arguments.quiet:
        _print(reports[0], found, arguments.out)
    described = found.get("vlm")
    if described is not None and described["ended"]:
        raise StudioError(f"The descriptions are not complete; what there is, is kept. {described['ended']}")
    return EXIT_INTERRUPTED if found["stopped"] else 0


def _read(arguments: argparse.Namespace, list_models: ListModels, read_vlm: vlm.ReadSettings) -> _Asked:
    """Read what needs no model, so that mistakes are found before any work."""
    target = None if arguments.target_file is None else to_tensor(load_image(arguments.target_file))
    pictures = Pictures(target=target)
    recipe = read_recipe(arguments, _TASK, list_models(), pictures)
    recipe = recipe.with_changes(source="", images=1)  # of --from: that of another photo
    sets, victims = _sets(arguments, recipe, list_models)
    names = Names(parse_also(arguments.same))
    own = [*(read_captions(arguments.choices).labels if arguments.choices else ()), *arguments.choice]
    return _Asked(
        arguments=arguments,
        recipe=recipe,
        target=pictures,
        paths=find_photos(arguments.photos),
        labels=None if arguments.labels is None else read_labels(arguments.labels, arguments.first_label),
        label_names=None if arguments.label_names is None else find_label_list(arguments.label_names),
        victims=victims,
        sets=sets,
        captions=captions(own) if own else None,
        survivals=tuple(find_survivals(arguments.survival)),
        names=names,
        vlm=vlm.read_wanted(arguments, names, read_vlm),
    )


def _sets(
    arguments: argparse.Namespace, recipe: Recipe, list_models: ListModels
) -> tuple[tuple[tuple[str, ...], ...], tuple[_VictimName, ...]]:
    """The sets of surrogates, and the victims."""
    victims = [_victim_name(text) for text in arguments.victim if not vlm.is_vlm(text)]
    if arguments.command == "batch":
        default = () if arguments.victim else tuple(_VictimName(name, "") for name in recipe.models)
        return (recipe.models,), tuple(victims) or default
    if not arguments.victim:
        victims = [_VictimName(model.name, "") for model in list_models() if model.ready]
    sets = [tuple(part.strip() for part in text.split("+")) for text in arguments.surrogate]
    if arguments.matrix:
        sets += [(victim.model,) for victim in victims]
    if bool(sets) == bool(arguments.attacked):
        raise StudioError(
            "Say what to attack with, by --surrogate or --matrix, or give pictures with --attacked: one of the two."
        )
    return tuple(dict.fromkeys(sets)), tuple(dict.fromkeys(victims))


def _victim_name(text: str) -> _VictimName:
    model, equals, label_list = text.rpartition("=")
    return _VictimName(model, label_list) if equals else _VictimName(text, "")


def _work(asked: _Asked, models: _Models, list_models: ListModels) -> tuple[Report, dict[str, Any]]:
    used = {name: models.get(name) for names in asked.sets for name in names}
    encoder = _similarity(asked, models)
    victims = [_victim(asked, name, models) for name in asked.victims]
    photos = _photos(asked, used)
    measuring = Measuring(victims, asked.survivals, asked.names, photos.left_out)
    folder: Path = asked.arguments.out
    if asked.arguments.command == "transfer" and asked.arguments.attacked:
        classes = {victim.name: victim.labels for victim in victims}
        cases = cases_of(photos.photos, find_photos(asked.arguments.attacked), classes)
        return _described(asked, models, encoder, measure_cases(models.context, cases, folder, measuring))
    attacks = {
        "+".join(names): with_revisions(_recipe_of_set(asked, names, used), list_models()) for names in asked.sets
    }
    keep = asked.arguments.with_recipe
    plan = AttackPlan(attacks, photos.photos, folder, asked.target.target, asked.names, with_recipe=keep)
    return _described(asked, models, encoder, run_batch(models.context, plan, used, measuring))


def _similarity(asked: _Asked, models: _Models) -> Encoder | None:
    """The encoder that compares descriptions, if one is wanted."""
    if asked.vlm is None or not asked.vlm.similarity:
        return None
    encoder = models.get(asked.vlm.similarity)
    if not isinstance(encoder, Encoder):
        raise StudioError(f"'{asked.vlm.similarity}' reads no texts: give a CLIP model with --vlm-similarity.")
    return encoder


def _described(
    asked: _Asked, models: _Models, encoder: Encoder | None, measured: tuple[Report, dict[str, Any]]
) -> tuple[Report, dict[str, Any]]:
    """Have the pictures described, too, if that is wanted and the run was not stopped."""
    report, found = measured
    if asked.vlm is None or report.stopped:
        return measured
    targets = {}
    if asked.target.target is not None:
        led = {attack for attack, recipe in report.recipes.items() if recipe.target}
        if not report.recipes:  # pictures that were made elsewhere: the user says what they were led to
            led = {case.attack for case in report.cases}
        targets = dict.fromkeys(led, to_pil(asked.target.target)[0])
    described = vlm.describe_cases(
        models.context,
        asked.vlm,
        report.cases,
        asked.arguments.out,
        survivals=asked.survivals,
        names=asked.names,
        encoder=encoder,
        targets=targets,
    )
    return report, {**found, "vlm": described, "stopped": described["stopped"]}


def _photos(asked: _Asked, used: dict[str, Model]) -> PhotoList:
    classes = surrogate_classes(used) if asked.label_names is None else asked.label_names.labels
    return list_photos(asked.paths, asked.labels, classes)


def _recipe_of_set(asked: _Asked, names: Sequence[str], models: dict[str, Model]) -> Recipe:
    if asked.arguments.command == "batch":
        return asked.recipe  # for just these models
    encoders = [isinstance(models[name], Encoder) for name in names]
    return recipe_of_set(asked.recipe, names, classifiers=not all(encoders), encoders=any(encoders))


def _victim(asked: _Asked, name: _VictimName, models: _Models) -> Victim:
    model = models.get(name.model)
    if isinstance(model, Encoder):
        chosen = _label_list(asked, name.label_list)
        return victim_of(name.model, model, chosen, models.context.device)
    if name.label_list:
        raise StudioError(f"'{name.model}' has classes of its own: leave '={name.label_list}' away.")
    return victim_of(name.model, model, None, models.context.device)


def _label_list(asked: _Asked, name: str) -> LabelList:
    if name:
        return find_label_list(name)
    return asked.captions or find_label_list(DEFAULT_LIST)


def _print(report: Report, found: dict[str, Any], folder: Path) -> None:
    print(to_text(report.cells))
    for entry in found["failed"]:
        print(f"Note: {entry['image']} ({entry['attack']}): {entry['why']}")
    for image, why in report.left_out.items():
        print(f"Note: {image} was left out. {why}")
    if found.get("vlm"):
        print(vlm.summary(found["vlm"]))
    print(folder / REPORT_HTML)
