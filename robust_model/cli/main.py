"""The command line of the classifier: `python -m robust_model COMMAND`; `--help` lists the commands.

Exit codes: 0 done, 2 refused in words, 130 stopped. What takes a while is run by what is handed to `main`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from foundation.command_line.arguments import number, whole
from foundation.command_line.program import Parser, answered, called
from foundation.command_line.settings import read_settings, validated
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import result_folder, user_path, writable_folder
from foundation.protocols import Foreground
from robust_model.cards.card import DTYPES, export, preset_texts, write_card
from robust_model.cards.soup import average, export_ensemble
from robust_model.cli import analyse as cli_analyse
from robust_model.cli import cost as cli_cost
from robust_model.cli import evaluate as cli_evaluate
from robust_model.commands import MOST_SECONDS, add_threads, set_threads, train_in_foreground
from robust_model.jobs import CHECKPOINT_SECONDS
from robust_model.networks.crossmax import AGGREGATORS
from robust_model.training.distributed import processes
from robust_model.training.pipeline import PipelineConfig, change_phases, open_run
from robust_model.training.presets import PRESETS
from robust_model.training.provenance import command_line, record_provenance
from robust_model.training.training import TrainConfig
from robust_model.zoo.catalogue import OpenModels, open_catalogue
from robust_model.zoo.registry import KIND
from robust_model.zoo.sources import find_ours


def build_parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
        prog=called("robust_model"), description="The multi-resolution CrossMax classifier: train it, measure it."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    commands.add_parser("models", help="list the models and whether they are ready")

    train = commands.add_parser("train", help="train a network, or resume a run (Ctrl-C keeps it resumable)")
    source = train.add_mutually_exclusive_group(required=True)
    source.add_argument("--preset", choices=sorted(PRESETS), help="a named configuration")
    source.add_argument("--config", type=user_path, help="a TrainConfig, or a PipelineConfig, as a JSON file")
    source.add_argument("--resume", type=user_path, metavar="RUN", help="go on with the run in this folder")
    train.add_argument(
        "--data",
        default="",
        help="cifar10, cifar100, folder:PATH, files:PATH (a class folder that stays on the disk) or synthetic:COUNT; "
        "of a folder's images of another size the shorter side is scaled to the model's, and the middle square taken "
        "(default: the preset's own)",
    )
    train.add_argument("--out", type=result_folder, help="the run's folder (default: runs/PRESET)")
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=JSON",
        help="change a setting, e.g. epochs=5 or model.blocks=[2,2,2]; in a run of several phases that changes all of "
        "them (how it starts: the first), and PHASE.KEY=JSON one; of a resumed run: epochs, eps, adversary_steps",
    )
    train.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    train.add_argument(
        "--checkpoint-every",
        type=number(0, MOST_SECONDS),
        default=CHECKPOINT_SECONDS,
        metavar="SECONDS",
        help="default: %(default)s",
    )
    add_threads(train)

    out = commands.add_parser("export", help="turn a run into a model folder: weights, configuration, card")
    out.add_argument("run", type=user_path, help="the folder of a run")
    out.add_argument("out", type=result_folder, help="the folder that the model is written to")
    out.add_argument("--preset", choices=sorted(PRESETS), help="take title and description from this preset")
    out.add_argument("--title", help="its name on its card, without --preset (default: the folder's)")
    out.add_argument(
        "--voters", type=whole(0, 1000), help="how many of the deepest predictors take part in the answer (0: all)"
    )
    out.add_argument(
        "--aggregator",
        choices=sorted(AGGREGATORS),
        help="how they are combined (those with -votes settle CrossMax's ties; see robust_model/networks/crossmax.py)",
    )
    out.add_argument(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        help="average every predictor over the image and its mirror image (twice the cost)",
    )
    out.add_argument(
        "--calibrate", action="store_true", help="fit the answer's temperature to the run's held-out images"
    )
    out.add_argument("--description", default="", help="a sentence for its card, without --preset")
    out.add_argument("--license", default="unknown", help="an identifier of the Hugging Face hub, such as mit")
    out.add_argument(
        "--dtype", choices=sorted(DTYPES), default="float16", help="how to store it (default: %(default)s)"
    )

    soup = commands.add_parser(
        "average", help="average the weights of exported models of one architecture (a model soup) into a new one"
    )
    soup.add_argument("models", nargs="+", metavar="MODEL", help="names, or folders of exported models: two or more")
    soup.add_argument("out", type=result_folder, help="the folder that the model is written to")
    soup.add_argument(
        "--weights",
        type=number(0, 1e6),
        nargs="+",
        default=(),
        help="one per model, relative to their sum (default: equal)",
    )
    soup.add_argument("--title", default="", help="default: the first model's")
    soup.add_argument("--description", default="", help="default: the first model's")
    soup.add_argument(
        "--calibrate", type=user_path, metavar="RUN", help="fit the answer's temperature to this run's held-out images"
    )
    soup.add_argument(
        "--dtype", choices=sorted(DTYPES), default="float16", help="how to store it (default: %(default)s)"
    )

    several = commands.add_parser("export-ensemble", help="make one model of several exported ones: their ensemble")
    several.add_argument("models", nargs="+", metavar="MODEL", help="names, or folders of exported models")
    several.add_argument("out", type=result_folder, help="the folder that the ensemble is written to")
    several.add_argument(
        "--aggregator",
        choices=sorted(AGGREGATORS),
        default="crossmax-median",
        help="how the members' answers are combined (default: %(default)s)",
    )
    several.add_argument("--title", default="Ensemble", help="its name on its card (default: %(default)s)")
    several.add_argument("--description", default="", help="a sentence for its card")
    several.add_argument(
        "--dtype", choices=sorted(DTYPES), default="float16", help="how to store it (default: %(default)s)"
    )

    cli_evaluate.add_parsers(commands)
    cli_analyse.add_parser(commands)
    cli_cost.add_parser(commands)

    card = commands.add_parser("card", help="renew a model's card from its recorded facts")
    card.add_argument("model", help="the model's name, or its folder")
    return parser


def _train_config(args: argparse.Namespace) -> TrainConfig | PipelineConfig:
    if args.preset:
        preset = PRESETS[args.preset]
        if not (args.data or preset.data):
            raise StudioError(f"The preset '{args.preset}' needs data of yours: --data folder:PATH.")
        settings = preset.make(args.data or preset.data).model_dump(mode="json")
    else:
        settings = read_settings(args.config or args.resume / "config.json")
    for assignment in args.set:
        change_phases(settings, assignment)
    return validated(PipelineConfig, settings) if "phases" in settings else validated(TrainConfig, settings)


def _train(args: argparse.Namespace, argv: list[str], foreground: Foreground) -> int:
    set_threads(args.threads)
    config = _train_config(args)
    folder = args.resume or args.out or Path("runs") / (args.preset or args.config.stem)
    writable_folder(folder, "run's folder")
    with processes(choose_device(args.device)) as device:
        run = open_run(config, folder, device)
        record_provenance(run, command_line("robust_model", argv), device, run.describe_data())
        return train_in_foreground(run, device, foreground, checkpoint_every_s=args.checkpoint_every)


def main(argv: Sequence[str], *, foreground: Foreground, open_models: OpenModels = open_catalogue) -> int:
    """Run one command and return the exit code; `foreground` runs what takes a while.

    `open_models` is asked for the catalogue by commands that take models.
    """
    words = list(argv)
    return answered(lambda: _run(build_parser().parse_args(words), words, foreground, open_models), label="error: ")


def _run(args: argparse.Namespace, words: list[str], foreground: Foreground, open_models: OpenModels) -> int:
    match args.command:
        case "models":
            for info in open_models().list(KIND):
                state = "ready" if info.ready else f"not ready: {info.why_not}"
                print(f"{info.name}  [{state}]\n  {info.title}. {info.description}")
        case "train":
            return _train(args, words, foreground)
        case "evaluate":
            return cli_evaluate.run_evaluate(args, words, foreground, open_models())
        case "compare":
            return cli_evaluate.run_compare(args)
        case "model-info":
            return cli_evaluate.run_model_info(args)
        case "cost":
            return cli_cost.run(args, foreground, open_models())
        case "analyse":
            return cli_analyse.run(args, words, foreground, open_models())
        case "export":
            title, description = (
                preset_texts(args.preset) if args.preset else (args.title or args.out.name, args.description)
            )
            print(
                export(
                    args.run,
                    args.out,
                    title=title,
                    description=description,
                    dtype=args.dtype,
                    calibrate=args.calibrate,
                    voters=args.voters,
                    aggregator=args.aggregator,
                    mirror=args.mirror,
                    licence=args.license,
                )
            )
        case "average":
            print(
                average(
                    args.models,
                    args.out,
                    catalogue=open_models(),
                    weights=args.weights,
                    command=command_line("robust_model", words),
                    title=args.title,
                    description=args.description,
                    dtype=args.dtype,
                    calibrate=args.calibrate,
                )
            )
        case "export-ensemble":
            print(
                export_ensemble(
                    args.models,
                    args.out,
                    catalogue=open_models(),
                    command=command_line("robust_model", words),
                    title=args.title,
                    description=args.description,
                    aggregator=args.aggregator,
                    dtype=args.dtype,
                )
            )
        case "card":
            folder = find_ours(args.model, open_models()).folder
            writable_folder(folder, "model's folder")
            write_card(folder)
    return 0
