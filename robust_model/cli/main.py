"""The command line of the classifier: `python -m robust_model COMMAND`; `--help` lists the commands.

Exit codes: 0 done, 2 refused in words, 130 stopped. What takes a while is run by what is handed to `main`.
"""

import argparse
from collections.abc import Sequence

from foundation.command_line.program import Parser, answered, called
from foundation.protocols import Foreground
from robust_model.cli import analyse, cost, evaluate, exporting, train
from robust_model.zoo.catalogue import OpenModels, open_catalogue
from robust_model.zoo.registry import KIND


def build_parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
        prog=called("robust_model"), description="The multi-resolution CrossMax classifier: train it, measure it."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("models", help="list the models and whether they are ready")
    train.add_parser(commands)
    exporting.add_parsers(commands)
    evaluate.add_parsers(commands)
    analyse.add_parser(commands)
    cost.add_parser(commands)
    exporting.add_card(commands)
    return parser


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
            return train.run(args, words, foreground)
        case "export":
            return exporting.run_export(args)
        case "average":
            return exporting.run_average(args, words, open_models())
        case "export-ensemble":
            return exporting.run_ensemble(args, words, open_models())
        case "card":
            return exporting.run_card(args, open_models())
        case "evaluate":
            return evaluate.run_evaluate(args, words, foreground, open_models())
        case "compare":
            return evaluate.run_compare(args)
        case "model-info":
            return evaluate.run_model_info(args)
        case "cost":
            return cost.run(args, foreground, open_models())
        case "analyse":
            return analyse.run(args, words, foreground, open_models())
    return 0
