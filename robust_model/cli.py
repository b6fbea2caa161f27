"""The command line of the classifier: `python -m robust_model models | train | export | evaluate | card`."""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from generator.errors import StudioError
from robust_model.card import DTYPES, command_line, export, preset_texts, write_card
from robust_model.checkpoint import write_atomically
from robust_model.evaluate import EvalConfig, EvalProgress, evaluate_model
from robust_model.presets import PRESETS
from robust_model.registry import find_model, list_models, load_model
from robust_model.training import Run, TrainConfig, TrainProgress


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
        help="change a setting, e.g. epochs=5 or model.blocks=[2,2,2]",
    )
    train.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    train.add_argument("--checkpoint-every", type=float, default=120, metavar="SECONDS", help="default: %(default)s")

    out = commands.add_parser("export", help="turn a run into a model folder: weights, configuration, card")
    out.add_argument("run", type=Path)
    out.add_argument("out", type=Path)
    out.add_argument("--preset", choices=sorted(PRESETS), help="take title and description from this preset")
    out.add_argument("--title")
    out.add_argument("--description", default="")
    out.add_argument(
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
    evaluate.add_argument("--device", default="auto")
    evaluate.add_argument("--json", type=Path, help="write the report here")
    evaluate.add_argument("--save", action="store_true", help="keep the report with the model and renew its card")

    card = commands.add_parser("card", help="renew a model's card from its recorded facts")
    card.add_argument("model")
    return parser


def choose_device(name: str) -> str:
    """The device that `name` stands for; says so where it had to choose."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise StudioError("There is no CUDA device here (or PyTorch was installed without CUDA). Use --device cpu.")
    return name


def _change(settings: dict[str, Any], assignment: str) -> None:
    """Apply one `key.path=JSON` to the settings."""
    path, equals, text = assignment.partition("=")
    if not equals:
        raise StudioError(f"--set takes KEY=VALUE, not '{assignment}'.")
    *parents, key = path.split(".")
    place = settings
    for parent in parents:
        place = place.get(parent, {})
    if key not in place:
        raise StudioError(f"There is no setting '{path}'.")
    try:
        place[key] = json.loads(text)
    except json.JSONDecodeError:
        place[key] = text


def _train_config(args: argparse.Namespace) -> TrainConfig:
    if args.preset:
        settings = PRESETS[args.preset].make(args.data).model_dump(mode="json")
    else:
        path = args.config or args.resume / "config.json"
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise StudioError(f"Cannot read the configuration '{path}': {error}.") from error
    for assignment in args.set:
        _change(settings, assignment)
    try:
        return TrainConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StudioError(f"The setting '{place}' is not valid: {first['msg']}.") from error


def _commit() -> str:
    try:
        folder = Path(__file__).parent
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _train(args: argparse.Namespace, argv: list[str]) -> int:
    config, device = _train_config(args), choose_device(args.device)
    folder = args.resume or args.out or Path("runs") / (args.preset or args.config.stem)
    run = Run(config, folder, device=device)
    if not (folder / "provenance.json").exists():
        facts = {
            "command": command_line("robust_model", argv),
            "commit": _commit(),
            "versions": f"torch {torch.__version__}, Python {platform.python_version()}",
            "machine": f"{device}, {torch.get_num_threads()} threads, {platform.machine()}",
            "data": f"{run.images.source}, {len(run.images)} images trained on, {len(run.held_out)} held out",
        }
        write_atomically(folder / "provenance.json", json.dumps(facts, indent=2).encode())
    print(f"Training in '{folder}' on {device}: step {run.step} of {run.steps}.", file=sys.stderr)
    line = _Line()

    def show(progress: TrainProgress) -> None:
        if progress.epoch:
            figures = ", ".join(f"{k} {v:.4g}" for k, v in progress.epoch.items())
            line.print(figures)
        line.update(
            f"step {progress.step}/{progress.steps}, loss {progress.loss:.3f}, {_duration(progress.eta_s)} left"
        )

    complete = _stoppable(lambda stop: run.run(show, stop, checkpoint_every_s=args.checkpoint_every))
    line.print(f"{'Done' if complete else 'Stopped'} at step {run.step} of {run.steps}.")
    if not complete:
        print(f"Go on with: python -m robust_model train --resume {folder}", file=sys.stderr)
    return 0 if complete else 130


def _evaluate(args: argparse.Namespace, argv: list[str]) -> int:
    model = load_model(args.model, choose_device(args.device))
    try:
        config = EvalConfig(
            model=Path(args.model).name,
            data=args.data,
            eps=args.eps / 255,
            **{
                key: getattr(args, key)
                for key in ("count", "steps", "restarts", "eot", "draws", "noise", "aggregator", "batch", "seed")
            },
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise StudioError(f"--{first['loc'][0]} is not valid: {first['msg']}.") from error
    line, started = _Line(), time.monotonic()

    def show(progress: EvalProgress) -> None:
        elapsed = time.monotonic() - started
        left = _duration(elapsed / progress.done * (progress.total - progress.done)) if progress.done else "?"
        line.update(f"{progress.done / progress.total:4.0%}, at most {left} left: {progress.message}")

    report = _stoppable(lambda stop: evaluate_model(config, model, on_progress=show, should_stop=stop))
    report["command"] = command_line("robust_model", [word for word in argv if word != "--save"])
    # A folder's place on this machine is not part of the result.
    report["config"]["data"] = report["data"]["source"]
    line.print(summary(report))
    text = json.dumps(report, separators=(",", ":"))
    if args.json:
        write_atomically(args.json, text.encode())
    if args.save:
        folder = find_model(args.model).folder
        write_atomically(folder / "evaluation.json", text.encode())
        write_card(folder)
    return 0 if report["complete"] else 130


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


class _Line:
    """One line of progress: rewritten in a terminal; in a log, written every ten seconds."""

    def __init__(self) -> None:
        self.live, self.last = sys.stderr.isatty(), -60.0

    def update(self, text: str) -> None:
        now = time.monotonic()
        if now - self.last < (0.1 if self.live else 10):
            return
        self.last = now
        print(f"\r{text}\x1b[K" if self.live else text, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def print(self, text: str) -> None:
        if self.live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        print(text, flush=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _stoppable(work: Callable[[Callable[[], bool]], Any]) -> Any:
    """Run `work(should_stop)`: the first Ctrl-C asks it to stop within a step, a second one interrupts."""
    import signal

    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        print("\nStopping after this step (Ctrl-C again: at once)...", file=sys.stderr)

    previous = signal.signal(signal.SIGINT, ask)
    try:
        return work(lambda: asked)
    finally:
        signal.signal(signal.SIGINT, previous)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 done, 2 refused in words, 130 stopped)."""
    words = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(words)
    try:
        if args.command == "models":
            for info in list_models():
                state = "ready" if info.ready else f"not ready: {info.why_not}"
                print(f"{info.name}  [{state}]\n  {info.title}. {info.description}")
            return 0
        if args.command == "train":
            return _train(args, words)
        if args.command == "evaluate":
            return _evaluate(args, words)
        if args.command == "card":
            write_card(find_model(args.model).folder)
            return 0
        title, description = (
            preset_texts(args.preset) if args.preset else (args.title or args.out.name, args.description)
        )
        print(export(args.run, args.out, title=title, description=description, dtype=args.dtype))
        return 0
    except StudioError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
