"""The command line of the small CLIP: `python -m clip_model train | export | average | evaluate | card`.

Exit codes: 0 done, 2 refused in words, 130 stopped. What takes a while is run by what is handed to `main`.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from clip_model.concepts import CIFAR10
from clip_model.data import all_concepts, training_images, validation_images
from clip_model.export import EVALUATION, FACTS, average, export, load_exported, write_card
from clip_model.train_config import ClipTrainConfig
from clip_model.training import ClipRun
from clip_model.zero_shot import zero_shot
from foundation.command_line.arguments import number, whole
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


def build_parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
        prog=called("clip_model"), description="The small CLIP that ships: train it, export it, measure it."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train from nothing, or resume a run (Ctrl-C keeps it resumable)")
    train.add_argument("--tiny-imagenet", type=user_path, help="its folder: train/, val/, wnids.txt, words.txt")
    train.add_argument("--cifar10", default="cifar10", help="cifar10 or folder:PATH (default: %(default)s)")
    train.add_argument("--out", type=result_folder, default=Path("runs/tiny-clip"), help="default: %(default)s")
    train.add_argument("--resume", type=user_path, metavar="RUN", help="go on with the run in this folder")
    train.add_argument(
        "--set", action="append", default=[], metavar="KEY=JSON", help="change a setting, e.g. steps=500"
    )
    train.add_argument("--note", default="", help="what the card shall say of the data, e.g. how they were re-encoded")
    train.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    train.add_argument(
        "--checkpoint-every",
        type=number(0, MOST_SECONDS),
        default=CHECKPOINT_SECONDS,
        metavar="SECONDS",
        help="default: %(default)s",
    )
    out = commands.add_parser("export", help="turn a run into a folder that open_clip loads")
    out.add_argument("run", type=user_path, help="the folder of a run")
    out.add_argument("out", type=result_folder, help="the folder that the model is written to")
    mean = commands.add_parser("average", help="average the weights of exported models of one architecture")
    mean.add_argument("models", nargs="+", type=user_path, metavar="MODEL", help="folders, or names of shipped ones")
    mean.add_argument("out", type=result_folder, help="the folder that the model is written to")
    mean.add_argument(
        "--weights", type=number(0, 1e6), nargs="+", default=[], help="how much each counts (default: equally)"
    )
    mean.add_argument(
        "--tiny-imagenet",
        type=user_path,
        help="measure BatchNorm's statistics anew, on its and CIFAR-10's training images (else they are averaged, too)",
    )
    mean.add_argument("--cifar10", default="cifar10", help="cifar10 or folder:PATH (default: %(default)s)")
    evaluate = commands.add_parser("evaluate", help="zero-shot accuracy on Tiny-ImageNet (val) and CIFAR-10 (test)")
    evaluate.add_argument("model", type=user_path, help="the folder of an exported model, or the name of a shipped one")
    evaluate.add_argument(
        "--tiny-imagenet", type=user_path, required=True, help="the folder that Tiny-ImageNet lies in"
    )
    evaluate.add_argument("--cifar10", default="cifar10", help="cifar10, or folder:PATH (default: %(default)s)")
    evaluate.add_argument(
        "-n", "--count", type=whole(0, 10**9), default=0, help="images of each set, 0 = all (default: %(default)s)"
    )
    evaluate.add_argument("--save", action="store_true", help="keep the report with the model and renew its card")
    card = commands.add_parser("card", help="renew a model's card from the facts beside it")
    card.add_argument("model", type=user_path, help="the model's folder")
    return parser


def _config(args: argparse.Namespace) -> ClipTrainConfig:
    if args.resume is not None:
        settings = read_settings(args.resume / "config.json")
    elif args.tiny_imagenet is None:
        raise StudioError("Name the folder of Tiny-ImageNet with --tiny-imagenet, or a run to --resume.")
    else:
        config = ClipTrainConfig(tiny_imagenet=str(args.tiny_imagenet), cifar10=args.cifar10)
        settings = config.model_dump(mode="json")
    for assignment in args.set:
        change_setting(settings, assignment)
    return validated(ClipTrainConfig, settings)


def _train(args: argparse.Namespace, argv: list[str], foreground: Foreground) -> int:
    config, device = _config(args), choose_device(args.device)
    folder: Path = args.resume or args.out
    writable_folder(folder, "run's folder")
    run = ClipRun(config, folder, device=device)
    data = f"{', '.join(run.images.sources)}; {len(run.images)} images trained on, {len(run.held_out)} held out"
    data += f". {args.note}" if args.note else ""
    record_provenance(run, command_line("clip_model", argv), device, data)
    return train_in_foreground(run, device, foreground, checkpoint_every_s=args.checkpoint_every)


def _evaluate(args: argparse.Namespace, argv: list[str], open_models: OpenModels) -> int:
    folder = _folder(args.model, open_models)
    if args.save:
        writable_folder(folder, "model's folder")
    model = load_exported(folder)
    recipe = read_object(folder / FACTS, needs=("recipe",))["recipe"]
    concepts = all_concepts(args.tiny_imagenet)
    tiny = validation_images(args.tiny_imagenet, args.count)
    cifar = load_data(args.cifar10, "test")
    if args.count:
        cifar = cifar.subset(_first(len(cifar), args.count))
    by_key = {concept.key: concept for concept in (*concepts.all, *CIFAR10)}
    found = {}
    for name, data in ((f"Tiny-ImageNet at 32 x 32 ({tiny.source})", tiny), (f"CIFAR-10 ({cifar.source})", cifar)):
        result = zero_shot(model, data, [by_key[key] for key in data.class_names], recipe["image_size"])
        low, high = wilson(round(result["top1"] * len(data)), len(data))
        found[name] = {**result, "ci95": [low, high]}
        print(
            f"{name}: top-1 {result['top1']:.1%} ({low:.1%} to {high:.1%}), top-5 {result['top5']:.1%}, n = {len(data)}"
        )
    if args.save:
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
    match args.command:
        case "train":
            return _train(args, words, foreground)
        case "export":
            print(export(args.run, args.out))
        case "average":
            command = command_line("clip_model", words)
            folders = [_folder(model, open_models) for model in args.models]
            images = training_images(args.tiny_imagenet, args.cifar10) if args.tiny_imagenet else None
            print(average(folders, args.out, weights=args.weights, images=images, command=command))
        case "evaluate":
            return _evaluate(args, words, open_models)
        case "card":
            folder = _folder(args.model, open_models)
            writable_folder(folder, "model's folder")
            write_card(folder)
    return 0
