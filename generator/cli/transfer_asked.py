"""What the arguments of `batch` and `transfer` ask for, as far as it can be read without a model."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import StudioError
from foundation.images.files import load_image, to_tensor
from generator.classes.labels import LabelList, captions, find_label_list, read_captions
from generator.classes.names import Names, parse_also
from generator.cli import vlm
from generator.cli.making import ListModels, read_recipe
from generator.cli.transfer_flags import TASK
from generator.inputs.label_files import LabelFile, read_labels
from generator.inputs.photos import find_photos
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.victims.survival import find_survivals


@dataclass(frozen=True)
class VictimName:
    """A victim as it is named on the command line: a model, and the list that a CLIP model chooses from ("": none)."""

    model: str
    label_list: str


@dataclass(frozen=True, eq=False)
class Asked:
    """What the arguments ask for, as far as it can be read without a model."""

    arguments: argparse.Namespace
    recipe: Recipe
    target: Pictures
    paths: tuple[Path, ...]
    labels: LabelFile | None
    label_names: LabelList | None
    victims: tuple[VictimName, ...]
    sets: tuple[tuple[str, ...], ...]
    captions: LabelList | None
    survivals: tuple[str, ...]
    names: Names
    vlm: vlm.Wanted | None


def read_asked(arguments: argparse.Namespace, list_models: ListModels, read_vlm: vlm.ReadSettings) -> Asked:
    """Read what needs no model, so that mistakes are found before any work."""
    target = None if arguments.target_file is None else to_tensor(load_image(arguments.target_file))
    pictures = Pictures(target=target)
    if getattr(arguments, "attacked", None):
        find_photos(arguments.attacked)
    recipe = read_recipe(arguments, TASK, list_models(), pictures)
    recipe = recipe.with_changes(source="", images=1)  # of --from: that of another photo
    sets, victims = _sets(arguments, recipe, list_models)
    names = Names(parse_also(arguments.same))
    own = [*(read_captions(arguments.choices).labels if arguments.choices else ()), *arguments.choice]
    return Asked(
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
) -> tuple[tuple[tuple[str, ...], ...], tuple[VictimName, ...]]:
    """The sets of surrogates, and the victims."""
    victims = [_victim_name(text) for text in arguments.victim if not vlm.is_vlm(text)]
    if arguments.command == "batch":
        default = () if arguments.victim else tuple(VictimName(name, "") for name in recipe.models)
        return (recipe.models,), tuple(victims) or default
    if not arguments.victim:
        victims = [VictimName(model.name, "") for model in list_models() if model.ready]
    sets = [tuple(part.strip() for part in text.split("+")) for text in arguments.surrogate]
    if arguments.matrix:
        sets += [(victim.model,) for victim in victims]
    if bool(sets) == bool(arguments.attacked):
        raise StudioError(
            "Say what to attack with, by --surrogate or --matrix, or give pictures with --attacked: one of the two."
        )
    return tuple(dict.fromkeys(sets)), tuple(dict.fromkeys(victims))


def _victim_name(text: str) -> VictimName:
    model, equals, label_list = text.rpartition("=")
    return VictimName(model, label_list) if equals else VictimName(text, "")
