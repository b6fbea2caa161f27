"""The commands `batch` (attack a folder of photos) and `transfer` (which attack fools which model), carried out."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from foundation.cluster.asked import opened, own_device, read_cluster
from foundation.cluster.cluster import Cluster
from foundation.errors import StudioError
from foundation.images.files import to_pil
from foundation.progress import Progress
from foundation.protocols import Encoder, Foreground, JobContext
from generator.classes.labels import LabelList, find_label_list
from generator.cli import vlm
from generator.cli.making import EXIT_INTERRUPTED, ListModels, LoadModel, demand_class, with_revisions
from generator.cli.transfer_asked import Asked, VictimName, read_asked
from generator.cli.transfer_flags import add_parsers
from generator.inputs.photos import PhotoList, find_photos, fitting_photos, list_photos, passed_over
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model, demand_gradients
from generator.transfer.aims import note_on_targets, recipe_of_set, uses_targets
from generator.transfer.attacking import AttackPlan, surrogate_classes
from generator.transfer.batch import REPORT_HTML, Measuring, measure_cases, run_batch
from generator.transfer.report import Report, to_text
from generator.transfer.saved import cases_of
from generator.victims.victims import Victim, unknown_note, victim_kind, victim_of
from generator.vlm.report_html import save_described

__all__ = ["add_parsers", "run"]

DEFAULT_LIST = "cifar10"


@dataclass(frozen=True, eq=False)
class _Done:
    """What a command came to: its report, also as JSON, and what was said of the pictures, if anybody was asked."""

    report: Report
    found: dict[str, JsonValue]
    described: vlm.Answered | None = None


@dataclass
class _Models:
    """Loads each model once."""

    load: LoadModel
    context: JobContext
    loaded: dict[str, Model] = field(default_factory=dict)

    def get(self, name: str) -> Model:
        if name not in self.loaded:
            self.context.progress(Progress(0, 0, f"Loading {name}", unit="items"))
            self.loaded[name] = self.load(name, self.context.device, self.context)
        return self.loaded[name]


def run(
    arguments: argparse.Namespace,
    load_model: LoadModel,
    list_models: ListModels,
    foreground: Foreground,
    read_vlm: vlm.ReadSettings = vlm.no_settings,
) -> int:
    """Carry out a command, and return the exit code."""
    where = read_cluster(arguments)
    asked = read_asked(arguments, list_models, read_vlm)
    done: list[_Done] = []

    def work(context: JobContext) -> dict[str, JsonValue]:
        done.append(_work(asked, _Models(load_model, context), list_models, cluster))
        return done[0].found

    quiet = arguments.quiet or arguments.json_only
    for note in () if quiet else passed_over([*arguments.photos, *getattr(arguments, "attacked", [])]):
        print(f"Note: {note}", file=sys.stderr)
    with opened(where, arguments.device, quiet=quiet) as cluster:
        found = foreground.run(arguments.command, own_device(where, arguments.device), work, quiet=quiet)
    if found is None:
        print("Interrupted; the pictures that were finished are kept.", file=sys.stderr)
        return EXIT_INTERRUPTED
    if arguments.json_only:
        print(json.dumps(found, allow_nan=False))
    elif not arguments.quiet:
        _print(done[0], arguments.out)
    described = done[0].described
    if described is not None and described.record.ended:
        raise StudioError(f"The descriptions are not complete; what there is, is kept. {described.record.ended}")
    return EXIT_INTERRUPTED if found["stopped"] else 0


def _work(asked: Asked, models: _Models, list_models: ListModels, cluster: Cluster | None) -> _Done:
    used = {name: models.get(name) for names in asked.sets for name in names}
    demand_gradients(used)
    encoder = _similarity(asked, models)
    victims = [_victim(asked, name, models) for name in asked.victims]
    measured_alone = asked.arguments.command == "transfer" and bool(asked.arguments.attacked)
    attacks = {} if measured_alone else _attacks(asked, used, list_models)
    if asked.labels is None or not asked.labels.has_targets:
        for recipe in attacks.values():
            demand_class(asked.arguments, recipe, used)
    classes_of = {name: surrogate_classes({m: used[m] for m in recipe.models}) for name, recipe in attacks.items()}
    photos = _photos(asked, used, attacks, classes_of)
    notes = [note for victim in victims if (note := unknown_note(victim))]
    if asked.labels is not None and asked.labels.has_targets and attacks:
        notes += filter(None, [note_on_targets(attacks, classes_of)])
    measuring = Measuring(victims, asked.survivals, asked.names, photos.left_out, tuple(notes))
    folder: Path = asked.arguments.out
    if measured_alone:
        classes = {victim.name: victim.labels for victim in victims}
        cases = cases_of(photos.photos, find_photos(asked.arguments.attacked), classes)
        return _described(asked, models, encoder, _Done(*measure_cases(models.context, cases, folder, measuring)))
    keep = asked.arguments.with_recipe
    plan = AttackPlan(attacks, photos.photos, folder, asked.target.target, asked.names, with_recipe=keep)
    return _described(asked, models, encoder, _Done(*run_batch(models.context, plan, used, measuring, cluster)))


def _attacks(asked: Asked, used: dict[str, Model], list_models: ListModels) -> dict[str, Recipe]:
    """The recipes by the names of their sets of surrogates."""
    return {"+".join(names): with_revisions(_recipe_of_set(asked, names, used), list_models()) for names in asked.sets}


def _similarity(asked: Asked, models: _Models) -> Encoder | None:
    """The encoder that compares descriptions, if one is wanted."""
    if asked.vlm is None or not asked.vlm.similarity:
        return None
    encoder = models.get(asked.vlm.similarity)
    if not isinstance(encoder, Encoder):
        raise StudioError(f"'{asked.vlm.similarity}' reads no texts: give a CLIP model with --vlm-similarity.")
    return encoder


def _described(asked: Asked, models: _Models, encoder: Encoder | None, measured: _Done) -> _Done:
    """Have the pictures described, too, if that is wanted and the run was not stopped, and add that to the report."""
    report = measured.report
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
    save_described(report, asked.arguments.out, described.record)
    found = {**measured.found, "vlm": described.to_json(), "stopped": described.stopped}
    return _Done(report, found, described)


def _photos(
    asked: Asked, used: dict[str, Model], attacks: Mapping[str, Recipe], classes_of: Mapping[str, Sequence[str]]
) -> PhotoList:
    """The photos, with what the label file says of them as far as it means anything to the attacks."""
    classes = surrogate_classes(used) if asked.label_names is None else asked.label_names.labels
    matters = not attacks or any(uses_targets(recipe, classifiers=bool(classes_of[n])) for n, recipe in attacks.items())
    listed = list_photos(asked.paths, asked.labels, classes, use_targets=matters)
    return fitting_photos(listed) if attacks else listed


def _recipe_of_set(asked: Asked, names: Sequence[str], models: dict[str, Model]) -> Recipe:
    if asked.arguments.command == "batch":
        return asked.recipe  # for just these models
    encoders = [isinstance(models[name], Encoder) for name in names]
    return recipe_of_set(asked.recipe, names, classifiers=not all(encoders), encoders=any(encoders))


def _victim(asked: Asked, name: VictimName, models: _Models) -> Victim:
    model = models.get(name.model)
    if victim_kind(model).needs_labels:
        chosen = _label_list(asked, name.label_list)
        return victim_of(name.model, model, chosen, models.context.device)
    if name.label_list:
        raise StudioError(f"'{name.model}' has classes of its own: leave '={name.label_list}' away.")
    return victim_of(name.model, model, None, models.context.device)


def _label_list(asked: Asked, name: str) -> LabelList:
    if name:
        return find_label_list(name)
    return asked.captions or find_label_list(DEFAULT_LIST)


def _print(done: _Done, folder: Path) -> None:
    report = done.report
    print(to_text(report.cells))
    for (attack, image), why in {**report.failed, **report.comparison.unreadable}.items():
        print(f"Note: {image} ({attack}): {why}")
    for image, why in report.left_out.items():
        print(f"Note: {image} was left out. {why}")
    for why in report.skipped:
        print(f"Note: {why}")
    for note in report.notes:
        print(f"Note: {note}")
    if done.described is not None:
        print(vlm.summary(done.described))
    print(folder / REPORT_HTML)
