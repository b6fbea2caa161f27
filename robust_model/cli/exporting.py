"""`python -m robust_model export | average | export-ensemble | card`: model folders out of runs and of other models."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field

from foundation.catalogue.catalogue import Catalogue
from foundation.command_line.arguments import number
from foundation.command_line.flags import AsFlag, Asked, add_flags, read_flags
from foundation.files.places import result_folder, user_path, writable_folder
from robust_model.cards.card import DTYPES, export, preset_texts, write_card
from robust_model.cards.soup import average, export_ensemble
from robust_model.networks.crossmax import AGGREGATORS
from robust_model.training.presets import PRESETS
from robust_model.training.provenance import command_line
from robust_model.zoo.sources import find_ours

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_STORED = AsFlag(choices=lambda: sorted(DTYPES))


class ExportAsked(Asked):
    """What `export` is told; of the settings of the answer, None leaves those that the network was trained with."""

    run: Annotated[Path, AsFlag(("run",), read=user_path)] = Field(description="the folder of a run")
    out: Annotated[Path, AsFlag(("out",), read=result_folder)] = Field(
        description="the folder that the model is written to"
    )
    preset: Annotated[str, AsFlag(choices=lambda: sorted(PRESETS))] = Field(
        "", description="take title and description from this preset"
    )
    title: Annotated[str, AsFlag(shown="the folder's")] = Field(
        "", description="its name on its card, without --preset"
    )
    voters: int | None = Field(
        None, ge=0, le=1000, description="how many of the deepest predictors take part in the answer (0: all)"
    )
    aggregator: Annotated[str | None, AsFlag(choices=lambda: sorted(AGGREGATORS))] = Field(
        None,
        description="how they are combined (those with -votes settle CrossMax's ties; see "
        "robust_model/networks/crossmax.py)",
    )
    mirror: bool | None = Field(
        None, description="average every predictor over the image and its mirror image (twice the cost)"
    )
    calibrate: bool = Field(False, description="fit the answer's temperature to the run's held-out images")
    description: str = Field("", description="a sentence for its card, without --preset")
    license: str = Field("unknown", description="an identifier of the Hugging Face hub, such as mit")
    dtype: Annotated[str, _STORED] = Field("float16", description="how to store it")


class AverageAsked(Asked):
    """What `average` is told."""

    models: Annotated[tuple[str, ...], AsFlag(("models",), metavar="MODEL")] = Field(
        description="names, or folders of exported models: two or more"
    )
    out: Annotated[Path, AsFlag(("out",), read=result_folder)] = Field(
        description="the folder that the model is written to"
    )
    weights: Annotated[tuple[float, ...], AsFlag(read=number(0, 1e6), shown="equal")] = Field(
        (), description="one per model, relative to their sum"
    )
    title: Annotated[str, AsFlag(shown="the first model's")] = Field("", description="its name on its card")
    description: Annotated[str, AsFlag(shown="the first model's")] = Field("", description="a sentence for its card")
    calibrate: Annotated[Path | None, AsFlag(read=user_path, metavar="RUN")] = Field(
        None, description="fit the answer's temperature to this run's held-out images"
    )
    dtype: Annotated[str, _STORED] = Field("float16", description="how to store it")


class EnsembleAsked(Asked):
    """What `export-ensemble` is told."""

    models: Annotated[tuple[str, ...], AsFlag(("models",), metavar="MODEL")] = Field(
        description="names, or folders of exported models"
    )
    out: Annotated[Path, AsFlag(("out",), read=result_folder)] = Field(
        description="the folder that the ensemble is written to"
    )
    aggregator: Annotated[str, AsFlag(choices=lambda: sorted(AGGREGATORS))] = Field(
        "crossmax-median", description="how the members' answers are combined"
    )
    title: str = Field("Ensemble", description="its name on its card")
    description: str = Field("", description="a sentence for its card")
    dtype: Annotated[str, _STORED] = Field("float16", description="how to store it")


class CardAsked(Asked):
    """What `card` is told."""

    model: Annotated[str, AsFlag(("model",))] = Field(description="the model's name, or its folder")


def add_parsers(commands: Commands) -> None:
    """Add `export`, `average` and `export-ensemble` to a command line's."""
    add_flags(
        commands.add_parser("export", help="turn a run into a model folder: weights, configuration, card"), ExportAsked
    )
    soup = "average the weights of exported models of one architecture (a model soup) into a new one"
    add_flags(commands.add_parser("average", help=soup), AverageAsked)
    several = "make one model of several exported ones: their ensemble"
    add_flags(commands.add_parser("export-ensemble", help=several), EnsembleAsked)


def add_card(commands: Commands) -> None:
    """Add `card` to a command line's."""
    add_flags(commands.add_parser("card", help="renew a model's card from its recorded facts"), CardAsked)


def run_export(args: argparse.Namespace) -> int:
    """Export a run, and say where it lies; returns the exit code. Raises StudioError."""
    asked = read_flags(args, ExportAsked)
    title, description = (
        preset_texts(asked.preset) if asked.preset else (asked.title or asked.out.name, asked.description)
    )
    print(
        export(
            asked.run,
            asked.out,
            title=title,
            description=description,
            dtype=asked.dtype,
            calibrate=asked.calibrate,
            voters=asked.voters,
            aggregator=asked.aggregator,
            mirror=asked.mirror,
            licence=asked.license,
        )
    )
    return 0


def run_average(args: argparse.Namespace, words: Sequence[str], catalogue: Catalogue) -> int:
    """Average models, and say where the new one lies; returns the exit code. Raises StudioError."""
    asked = read_flags(args, AverageAsked)
    print(
        average(
            asked.models,
            asked.out,
            catalogue=catalogue,
            weights=asked.weights,
            command=command_line("robust_model", list(words)),
            title=asked.title,
            description=asked.description,
            dtype=asked.dtype,
            calibrate=asked.calibrate,
        )
    )
    return 0


def run_ensemble(args: argparse.Namespace, words: Sequence[str], catalogue: Catalogue) -> int:
    """Export an ensemble, and say where it lies; returns the exit code. Raises StudioError."""
    asked = read_flags(args, EnsembleAsked)
    print(
        export_ensemble(
            asked.models,
            asked.out,
            catalogue=catalogue,
            command=command_line("robust_model", list(words)),
            title=asked.title,
            description=asked.description,
            aggregator=asked.aggregator,
            dtype=asked.dtype,
        )
    )
    return 0


def run_card(args: argparse.Namespace, catalogue: Catalogue) -> int:
    """Renew a card; returns the exit code. Raises StudioError."""
    folder = find_ours(read_flags(args, CardAsked).model, catalogue).folder
    writable_folder(folder, "model's folder")
    write_card(folder)
    return 0
