"""The command line of the classifier: `python -m robust_model models | train | export | average | evaluate | card`.

Exit codes: 0 done, 2 refused in words, 130 stopped. What takes a while is run by what is handed to `main`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from generator.devices import choose_device
from generator.errors import StudioError
from generator.protocols import Foreground
from robust_model.card import DTYPES, export, preset_texts, write_card
from robust_model.checkpoint import write_atomically
from robust_model.commands import EXIT_ERROR, EXIT_INTERRUPTED, change_setting, read_settings, train_in_foreground
from robust_model.evaluate import EvalConfig
from robust_model.jobs import CHECKPOINT_SECONDS, evaluate_job, validated
from robust_model.presets import PRESETS
from robust_model.provenance import command_line, record_provenance
from robust_model.registry import find_model, list_models, load_model
from robust_model.soup import average
from robust_model.training import Run, TrainConfig


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m robust_model", description="The multi-resolution CrossMax classifier: train it, measure it."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    commands.add_parser("models", help="list the models and whether they are ready")

    train = commands.add_parser("train", help="train a network, or resume a run (Ctrl-C keeps it resumable)")
    source = train.add_mutually_exclusive_group(required=True)
    source.add_argument("--preset", choices=sorted(PRESETS), help="a named configuration")
    source.add_argument("--config", type=Path, help="a TrainConfig as a JSON file")
    source.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    train.add_argument(
        "--data", default="cifar10", help="cifar10, cifar100, folder:PATH or synthetic:COUNT (default: %(default)s)"
    )
    train.add_argument("--out", type=Path, help="the run's folder (default: runs/PRESET)")
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=JSON",
        help="change a setting, e.g. epochs=5 or model.blocks=[2,2,2]; of a resumed run: epochs, eps, adversary_steps",
    )
    train.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    train.add_argument(
        "--checkpoint-every", type=float, default=CHECKPOINT_SECONDS, metavar="SECONDS", help="default: %(default)s"
    )
    _add_threads(train)

    out = commands.add_parser("export", help="turn a run into a model folder: weights, configuration, card")
    out.add_argument("run", type=Path)
    out.add_argument("out", type=Path)
    out.add_argument("--preset", choices=sorted(PRESETS), help="take title and description from this preset")
    out.add_argument("--title")
    out.add_argument("--voters", type=int, help="how many of the deepest predictors take part in the answer (0: all)")
    out.add_argument(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        help="average every predictor over the image and its mirror image (twice the cost)",
    )
    out.add_argument(
        "--calibrate", action="store_true", help="fit the answer's temperature to the run's held-out images"
    )
    out.add_argument("--description", default="")
    out.add_argument(
        "--dtype", choices=sorted(DTYPES), default="float16", help="how to store it (default: %(default)s)"
    )

    soup = commands.add_parser(
        "average", help="average the weights of exported models of one architecture (a model soup) into a new one"
    )
    soup.add_argument("models", nargs="+", metavar="MODEL", help="names, or folders of exported models: two or more")
    soup.add_argument("out", type=Path)
    soup.add_argument(
        "--weights", type=float, nargs="+", default=(), help="one per model, relative to their sum (default: equal)"
    )
    soup.add_argument("--title", default="", help="default: the first model's")
    soup.add_argument("--description", default="", help="default: the first model's")
    soup.add_argument(
        "--calibrate", type=Path, metavar="RUN", help="fit the answer's temperature to this run's held-out images"
    )
    soup.add_argument(
        "--dtype", choices=sorted(DTYPES), default="float16", help="how to store it (default: %(default)s)"
    )

    evaluate = commands.add_parser("evaluate", help="clean accuracy, accuracy by layer, and the adaptive attacks")
    defaults = EvalConfig(model="", data="")
    evaluate.add_argument("model", help="a model's name, or the folder of an exported one")
    evaluate.add_argument(
        "--data", default="cifar10", help="as for train; the test split is used (default: %(default)s)"
    )
    evaluate.add_argument(
        "-n", "--count", type=int, default=defaults.count, help="images, 0 = all (default: %(default)s)"
    )
    evaluate.add_argument(
        "--eps", type=float, default=8, help="L-inf budget in grey levels of 255 (default: %(default)s)"
    )
    evaluate.add_argument("--steps", type=int, default=defaults.steps, help="default: %(default)s")
    evaluate.add_argument("--restarts", type=int, default=defaults.restarts, help="default: %(default)s")
    evaluate.add_argument("--eot", type=int, default=defaults.eot, help="passes per gradient, where noise is on")
    evaluate.add_argument("--draws", type=int, default=defaults.draws, help="votes per verdict, where noise is on")
    evaluate.add_argument("--noise", choices=("model", "off", "fresh"), default=defaults.noise)
    evaluate.add_argument("--aggregator", default="", help="combine the predictors in another way than the model's own")
    evaluate.add_argument("--batch", type=int, default=defaults.batch)
    evaluate.add_argument("--seed", type=int, default=defaults.seed)
    evaluate.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    _add_threads(evaluate)
    evaluate.add_argument("--json", type=Path, help="write the report here")
    evaluate.add_argument("--save", action="store_true", help="keep the report with the model and renew its card")

    card = commands.add_parser("card", help="renew a model's card from its recorded facts")
    card.add_argument("model")
    return parser


def _add_threads(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=int, metavar="N", help="CPU threads to compute with (default: PyTorch's)")


def _set_threads(count: int | None) -> None:
    if count is None:
        return
    if count < 1:
        raise StudioError(f"--threads must be at least 1, not {count}.")
    torch.set_num_threads(count)


def _train_config(args: argparse.Namespace) -> TrainConfig:
    if args.preset:
        settings = PRESETS[args.preset].make(args.data).model_dump(mode="json")
    else:
        settings = read_settings(args.config or args.resume / "config.json")
    for assignment in args.set:
        change_setting(settings, assignment)
    return validated(TrainConfig, settings)


def _train(args: argparse.Namespace, argv: list[str], foreground: Foreground) -> int:
    _set_threads(args.threads)
    config, device = _train_config(args), choose_device(args.device)
    folder = args.resume or args.out or Path("runs") / (args.preset or args.config.stem)
    run = Run(config, folder, device=device)
    data = f"{run.images.source}, {len(run.images)} images trained on, {len(run.held_out)} held out"
    record_provenance(run, command_line("robust_model", argv), device, data)
    return train_in_foreground(run, device, foreground, checkpoint_every_s=args.checkpoint_every)


def _evaluate(args: argparse.Namespace, argv: list[str], foreground: Foreground) -> int:
    _set_threads(args.threads)
    device = choose_device(args.device)
    flags = ("data", "count", "steps", "restarts", "eot", "draws", "noise", "aggregator", "batch", "seed")
    settings = {name: getattr(args, name) for name in flags}
    config = validated(EvalConfig, {**settings, "model": Path(args.model).name, "eps": args.eps / 255})
    model = load_model(args.model, device)
    report = foreground.run("evaluate", device, lambda context: evaluate_job(context, config, model))
    if report is None:
        print("Interrupted; nothing was kept.", file=sys.stderr)
        return EXIT_INTERRUPTED
    report["command"] = command_line("robust_model", [word for word in argv if word != "--save"])
    # A folder's place on this machine is not part of the result.
    report["config"]["data"] = report["data"]["source"]
    print(summary(report))
    text = json.dumps(report, separators=(",", ":"))
    if args.json:
        write_atomically(args.json, text.encode())
    if args.save:
        folder = find_model(args.model).folder
        write_atomically(folder / "evaluation.json", text.encode())
        write_card(folder)
    return 0 if report["complete"] else EXIT_INTERRUPTED


def summary(report: dict[str, Any]) -> str:
    """The report as a few lines of text."""

    def figure(name: str, value: dict[str, Any]) -> str:
        low, high = value["ci95"]
        return f"{name:<34} {value['accuracy']:6.1%}  ({low:.1%} to {high:.1%}, n = {value['n']})"

    lines = [figure("clean", report["clean"])]
    lines += [figure(f"  {name}", value) for name, value in report["clean_by_readout"].items()]
    lines += [figure(a["name"], a) for a in report["attacks"]]
    if report["worst_case"]:
        lines.append(figure("worst case per image", report["worst_case"]))
    if not report["complete"]:
        lines.append("Stopped early: only images that met every attack are counted.")
    return "\n".join([*lines, *report["warnings"]])


def main(argv: Sequence[str], *, foreground: Foreground) -> int:
    """Run one command and return the exit code; `foreground` runs what takes a while."""
    words = list(argv)
    args = _parser().parse_args(words)
    try:
        match args.command:
            case "models":
                for info in list_models():
                    state = "ready" if info.ready else f"not ready: {info.why_not}"
                    print(f"{info.name}  [{state}]\n  {info.title}. {info.description}")
            case "train":
                return _train(args, words, foreground)
            case "evaluate":
                return _evaluate(args, words, foreground)
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
                        mirror=args.mirror,
                    )
                )
            case "average":
                print(
                    average(
                        args.models,
                        args.out,
                        weights=args.weights,
                        command=command_line("robust_model", words),
                        title=args.title,
                        description=args.description,
                        dtype=args.dtype,
                        calibrate=args.calibrate,
                    )
                )
            case "card":
                write_card(find_model(args.model).folder)
    except StudioError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("Interrupted; what was not saved by then is lost.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0
