"""The command line of the small CLIP: `python -m clip_model train | export | average | evaluate | card`.

Exit codes: 0 done, 2 refused in words, 130 stopped. What takes a while is run by what is handed to `main`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from clip_model.concepts import CIFAR10
from clip_model.data import all_concepts, training_images, validation_images
from clip_model.export import EVALUATION, FACTS, average, export, load_exported, write_card
from clip_model.train_config import ClipTrainConfig
from clip_model.training import ClipRun
from clip_model.zero_shot import zero_shot
from foundation.command_line.arguments import number
from foundation.command_line.flags import AsFlag, Asked, add_flags, read_flags
from foundation.command_line.program import Parser, answered, called
from foundation.command_line.settings import change_setting, read_settings, validated
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import result_folder, user_path, writable_folder
from foundation.files.text_files import read_object, write_bytes
from foundation.intervals import wilson
from foundation.protocols import Foreground
from robust_model.commands import MOST_SECONDS, train_in_foreground
from robust_model.data.datasets import load_data
from robust_model.jobs import CHECKPOINT_SECONDS
from robust_model.training.provenance import command_line, record_provenance
from robust_model.zoo.catalogue import OpenModels, open_catalogue


class TrainAsked(Asked):
    """What `train` is told. How it is trained is a `ClipTrainConfig`, of which `changes` are single settings."""

    tiny_imagenet: Annotated[Path | None, AsFlag(read=user_path)] = Field(
        None, description="its folder: train/, val/, wnids.txt, words.txt"
    )
    cifar10: str = Field("cifar10", description="cifar10 or folder:PATH")
    out: Annotated[Path, AsFlag(read=result_folder)] = Field(Path("runs/tiny-clip"), description="the run's folder")
    resume: Annotated[Path | None, AsFlag(read=user_path, metavar="RUN")] = Field(
        None, description="go on with the run in this folder"
    )
    changes: Annotated[tuple[str, ...], AsFlag(("--set",), repeats=True, metavar="KEY=JSON")] = Field(
        (), description="change a setting, e.g. steps=500"
    )
    note: str = Field("", description="what the card shall say of the data, e.g. how they were re-encoded")
    device: str = Field("auto", description="auto, cpu or cuda")
    checkpoint_every: Annotated[float, AsFlag(metavar="SECONDS")] = Field(
        CHECKPOINT_SECONDS, ge=0, le=MOST_SECONDS, description="from one checkpoint to the next"
    )


class ExportAsked(Asked):
    """What `export` is told."""

    run: Annotated[Path, AsFlag(("run",), read=user_path)] = Field(description="the folder of a run")
    out: Annotated[Path, AsFlag(("out",), read=result_folder)] = Field(
        description="the folder that the model is written to"
    )


class AverageAsked(Asked):
    """What `average` is told."""

    models: Annotated[tuple[Path, ...], AsFlag(("models",), read=user_path, metavar="MODEL")] = Field(
        description="folders, or names of shipped ones"
    )
    out: Annotated[Path, AsFlag(("out",), read=result_folder)] = Field(
        description="the folder that the model is written to"
    )
    weights: Annotated[tuple[float, ...], AsFlag(read=number(0, 1e6), shown="equally")] = Field(
        (), description="how much each counts"
    )
    tiny_imagenet: Annotated[Path | None, AsFlag(read=user_path)] = Field(
        None,
        description="measure BatchNorm's statistics anew, on its and CIFAR-10's training images (else they are "
        "averaged, too)",
    )
    cifar10: str = Field("cifar10", description="cifar10 or folder:PATH")


class EvaluateAsked(Asked):
    """What `evaluate` is told."""

    model: Annotated[Path, AsFlag(("model",), read=user_path)] = Field(
        description="the folder of an exported model, or the name of a shipped one"
    )
    tiny_imagenet: Annotated[Path, AsFlag(read=user_path)] = Field(description="the folder that Tiny-ImageNet lies in")
    cifar10: str = Field("cifar10", description="cifar10, or folder:PATH")
    count: Annotated[int, AsFlag(("-n", "--count"))] = Field(
        0, ge=0, le=10**9, description="images of each set, 0 = all"
    )
    save: bool = Field(False, description="keep the report with the model and renew its card")


class CardAsked(Asked):
    """What `card` is told."""

    model: Annotated[Path, AsFlag(("model",), read=user_path)] = Field(description="the model's folder")


COMMANDS: Mapping[str, tuple[type[Asked], str]] = {
    "train": (TrainAsked, "train from nothing, or resume a run (Ctrl-C keeps it resumable)"),
    "export": (ExportAsked, "turn a run into a folder that open_clip loads"),
    "average": (AverageAsked, "average the weights of exported models of one architecture"),
    "evaluate": (EvaluateAsked, "zero-shot accuracy on Tiny-ImageNet (val) and CIFAR-10 (test)"),
    "card": (CardAsked, "renew a model's card from the facts beside it"),
}
"""What each command is told, and what it is for."""


def build_parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
        prog=called("clip_model"), description="The small CLIP that ships: train it, export it, measure it."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (kind, words) in COMMANDS.items():
        add_flags(commands.add_parser(name, help=words), kind)
    return parser


def _config(asked: TrainAsked) -> ClipTrainConfig:
    if asked.resume is not None:
        settings = read_settings(asked.resume / "config.json")
    elif asked.tiny_imagenet is None:
        raise StudioError("Name the folder of Tiny-ImageNet with --tiny-imagenet, or a run to --resume.")
    else:
        config = ClipTrainConfig(tiny_imagenet=str(asked.tiny_imagenet), cifar10=asked.cifar10)
        settings = config.model_dump(mode="json")
    for assignment in asked.changes:
        change_setting(settings, assignment)
    return validated(ClipTrainConfig, settings)


def _train(asked: TrainAsked, argv: list[str], foreground: Foreground) -> int:
    config, device = _config(asked), choose_device(asked.device)
    folder: Path = asked.resume or asked.out
    writable_folder(folder, "run's folder")
    run = ClipRun(config, folder, device=device)
    data = f"{', '.join(run.images.sources)}; {len(run.images)} images trained on, {len(run.held_out)} held out"
    data += f". {asked.note}" if asked.note else ""
    record_provenance(run, command_line("clip_model", argv), device, data)
    return train_in_foreground(run, device, foreground, checkpoint_every_s=asked.checkpoint_every)


def _evaluate(asked: EvaluateAsked, argv: list[str], open_models: OpenModels) -> int:
    folder = _folder(asked.model, open_models)
    if asked.save:
        writable_folder(folder, "model's folder")
    model = load_exported(folder)
    recipe = read_object(folder / FACTS, needs=("recipe",))["recipe"]
    concepts = all_concepts(asked.tiny_imagenet)
    tiny = validation_images(asked.tiny_imagenet, asked.count)
    cifar = load_data(asked.cifar10, "test")
    if asked.count:
        cifar = cifar.subset(_first(len(cifar), asked.count))
    by_key = {concept.key: concept for concept in (*concepts.all, *CIFAR10)}
    found = {}
    for name, data in ((f"Tiny-ImageNet at 32 x 32 ({tiny.source})", tiny), (f"CIFAR-10 ({cifar.source})", cifar)):
        result = zero_shot(model, data, [by_key[key] for key in data.class_names], recipe["image_size"])
        low, high = wilson(round(result["top1"] * len(data)), len(data))
        found[name] = {**result, "ci95": [low, high]}
        print(
            f"{name}: top-1 {result['top1']:.1%} ({low:.1%} to {high:.1%}), top-5 {result['top5']:.1%}, n = {len(data)}"
        )
    if asked.save:
        words = [word for word in argv if word != "--save"]
        report = {"command": command_line("clip_model", words), "data": found}
        write_bytes(folder / EVALUATION, (json.dumps(report, indent=2) + "\n").encode())
        write_card(folder)
    return 0


def _folder(model: Path, open_models: OpenModels) -> Path:
    """The folder of an exported model, given as such or as the name of one in the catalogue."""
    if model.exists():
        return model
    listed = (info.folder for info in open_models().list("encoder") if info.name == str(model))
    return next(filter(None, listed), model)


def _first(total: int, count: int) -> Tensor:
    return torch.randperm(total, generator=torch.Generator().manual_seed(0))[:count]


def main(argv: Sequence[str], *, foreground: Foreground, open_models: OpenModels = open_catalogue) -> int:
    """Run one command and return the exit code; `foreground` runs what takes a while.

    `open_models` is asked for the catalogue where a model is named.
    """
    words = list(argv)
    return answered(lambda: _run(build_parser().parse_args(words), words, foreground, open_models), label="error: ")


def _run(args: argparse.Namespace, words: list[str], foreground: Foreground, open_models: OpenModels) -> int:
    match read_flags(args, COMMANDS[args.command][0]):
        case TrainAsked() as asked:
            return _train(asked, words, foreground)
        case ExportAsked() as asked:
            print(export(asked.run, asked.out))
        case AverageAsked() as asked:
            command = command_line("clip_model", words)
            folders = [_folder(model, open_models) for model in asked.models]
            images = training_images(asked.tiny_imagenet, asked.cifar10) if asked.tiny_imagenet else None
            print(average(folders, asked.out, weights=asked.weights, images=images, command=command))
        case EvaluateAsked() as asked:
            return _evaluate(asked, words, open_models)
        case CardAsked() as asked:
            folder = _folder(asked.model, open_models)
            writable_folder(folder, "model's folder")
            write_card(folder)
    return 0
