"""`python -m robust_model cost`: what the paper's evaluation and training take on machines of other sizes."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import torch
from pydantic import Field

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.fetching import fetch_missing
from foundation.command_line.arguments import MOST_THREADS, number, whole
from foundation.command_line.flags import AsFlag, Asked, add_flags, read_flags
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import result_file, user_path
from foundation.files.text_files import write_json
from foundation.protocols import Foreground
from robust_model.attacks import Defence
from robust_model.commands import THREADS, THREADS_FLAG, set_threads
from robust_model.cost_model import (
    TO_WEIGHTS,
    Outline,
    Scaling,
    Speed,
    Work,
    delivered,
    evaluation_totals,
    evaluation_work,
    last_model,
    shipped_reports,
    training_work,
)
from robust_model.evaluation.cost import MEASURED, duration, measure_on_grey
from robust_model.evaluation.record.reading import read_report
from robust_model.evaluation.suites import SUITES
from robust_model.networks.ensemble import SelfEnsemble
from robust_model.training.pipeline import PipelineConfig
from robust_model.training.presets import PRESETS
from robust_model.training.train_config import TrainConfig
from robust_model.zoo.registry import KIND
from robust_model.zoo.subjects import EvaluatedModel, load_subject

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
PRESET, IMAGES, COUNTS = "paper-cifar10", 10_000, (1, 8, 64)
USUAL_SUITES = ("autoattack-rand", "autoattack-standard", "adaptive")
TRAINING_IMAGES = {"cifar10": 50_000, "cifar100": 50_000}
"""Of the data sets whose size is known without reading them."""
MOST_DEVICES, MOST_IMAGES, MOST_SPEED = 1_000_000, 10**9, 1e12
_LEFT = "of the speed that is left with every doubling of the devices"


@dataclass(frozen=True)
class Row:
    """A part of the work, and the seconds that it takes on each number of devices, in their order."""

    part: str
    work: Work
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Answer:
    """What was reckoned: passes a second of one device, on how many of which `device`, and what was assumed."""

    model: str
    speed: Speed
    device: str
    counts: tuple[int, ...]
    rows: tuple[Row, ...]
    assumptions: tuple[str, ...]


class CostAsked(Asked):
    """What `cost` is told. `speed`: images that one device takes forward, and backward, in a second."""

    model: Annotated[str, AsFlag(("model",), shown="the preset's network, with fresh weights")] = Field(
        "", description="whose passes are measured here"
    )
    preset: Annotated[str, AsFlag(choices=lambda: sorted(PRESETS))] = Field(
        PRESET, description="whose training is reckoned"
    )
    data: Annotated[str, AsFlag(shown="the preset's own")] = Field(
        "", description="what it is trained on, as for train"
    )
    training_images: Annotated[int | None, AsFlag(metavar="N", shown="CIFAR's 50,000")] = Field(
        None, ge=1, le=MOST_IMAGES, description="how many images that has"
    )
    speed: Annotated[
        tuple[float, float] | None,
        AsFlag(("--passes-per-second",), metavar=("FORWARD", "BACKWARD"), read=number(1e-6, MOST_SPEED)),
    ] = Field(
        None,
        description="images that one GPU (with --cores: one core) takes forward, and backward, in a second: nothing is "
        "measured then",
    )
    batch: int = Field(MEASURED, ge=1, le=100_000, description="images that are measured at once")
    images: int = Field(IMAGES, ge=1, le=MOST_IMAGES, description="that are evaluated")
    suites: Annotated[
        tuple[str, ...],
        AsFlag(("--suite",), repeats=True, choices=lambda: sorted(SUITES), shown=", ".join(USUAL_SUITES)),
    ] = Field(USUAL_SUITES, description="a list of attacks; may be repeated")
    eps: Annotated[float, AsFlag(levels=True)] = Field(8 / 255, ge=0, le=1, description="L-inf budget")
    reports: Annotated[
        tuple[Path, ...],
        AsFlag(("--report",), repeats=True, read=user_path, metavar="REPORT.json", shown="those of the shipped models"),
    ] = Field((), description="an evaluation that says how many images break; may be repeated")
    gpus: Annotated[tuple[int, ...], AsFlag(read=whole(1, MOST_DEVICES), metavar="N", shown="1 8 64")] = Field(
        (), description="numbers of GPUs"
    )
    cores: Annotated[tuple[int, ...], AsFlag(read=whole(1, MOST_DEVICES), metavar="N", shown="1 8 64")] = Field(
        (), description="numbers of CPU cores"
    )
    evaluation_scaling: Annotated[float, AsFlag(metavar="SHARE")] = Field(
        Scaling().evaluation, ge=0.5, le=1, description=f"in evaluations, {_LEFT}"
    )
    training_scaling: Annotated[float, AsFlag(metavar="SHARE")] = Field(
        Scaling().training, ge=0.5, le=1, description=f"in training, {_LEFT}"
    )
    device: str = Field("auto", description="what is measured: auto, cpu or cuda")
    threads: Annotated[int | None, THREADS_FLAG] = Field(None, ge=1, le=MOST_THREADS, description=THREADS)
    json_file: Annotated[Path | None, AsFlag(("--json",), read=result_file, metavar="JSON")] = Field(
        None, description="write the figures here as well"
    )


def add_parser(commands: Commands) -> None:
    """Add this command to a command line's."""
    cost = commands.add_parser(
        "cost",
        help="what the paper's full evaluation and training take on 1, 8 and 64 GPUs, or on so many cores",
        description="Reckons how long a full evaluation and a training take, from passes a second.",
    )
    names = list(CostAsked.model_fields)
    first = names.index("gpus")
    add_flags(cost, CostAsked, names[:first])
    add_flags(cost.add_mutually_exclusive_group(), CostAsked, names[first : first + 2])
    add_flags(cost, CostAsked, names[first + 2 :])


def run(args: argparse.Namespace, foreground: Foreground, catalogue: Catalogue) -> int:
    """Measure if need be, reckon, and say it; returns the exit code. Raises StudioError."""
    asked = read_flags(args, CostAsked)
    training = _training(asked)
    answer = _answer(asked, training, foreground, catalogue)
    print(text(answer))
    if asked.json_file:
        write_json(asked.json_file, as_json(answer))
    return 0


def _training(asked: CostAsked) -> TrainConfig | PipelineConfig:
    preset = PRESETS[asked.preset]
    data = asked.data or preset.data
    if not data:
        raise StudioError(f"The preset '{asked.preset}' needs data of yours: --data folder:PATH.")
    if asked.training_images is None and data not in TRAINING_IMAGES:
        raise StudioError(f"How many images '{data}' has is not known before they are read: give --training-images N.")
    return preset.make(data)


def _answer(
    asked: CostAsked, training: TrainConfig | PipelineConfig, foreground: Foreground, catalogue: Catalogue
) -> Answer:
    reports = [read_report(path) for path in asked.reports] if asked.reports else shipped_reports()
    known = "the reports that were given" if asked.reports else "the reports of the shipped models"
    set_threads(asked.threads)
    given = asked.speed
    if given:
        if asked.model:
            raise StudioError("Either a model is measured, or --passes-per-second is given: leave one of them out.")
        defence: Defence = Outline(last_model(training))
        name, at_once, speed = asked.preset, 1, Speed(*given)
        device = "core" if asked.cores else "GPU"
        how = f"{_rate(speed)} on one {device}, as given."
    else:
        where = choose_device(asked.device)
        device, at_once = ("GPU", 1) if where.startswith("cuda") else ("core", torch.get_num_threads())
        if (asked.gpus and device == "core") or (asked.cores and device == "GPU"):
            raise StudioError(
                f"What is measured here is a {'CPU' if device == 'core' else 'GPU'}, which says nothing about "
                f"{'GPUs' if asked.gpus else 'cores'}: give their --passes-per-second."
            )
        name, model = _subject(asked, training, where, foreground, catalogue)
        defence, speed = model, _measured(model, asked.batch)
        how = f"{_rate(speed)} on {_many(at_once, device)}, measured with '{name}' in float32, {asked.batch} at once."
    counts = tuple(asked.gpus or asked.cores or COUNTS)
    scaling = Scaling(asked.evaluation_scaling, asked.training_scaling)
    images = asked.training_images or TRAINING_IMAGES.get(asked.data or PRESETS[asked.preset].data, 0)
    evaluated = [
        work for suite in asked.suites for work in evaluation_work(defence, suite, asked.eps, asked.images, reports)
    ]
    parts = (
        ("evaluation", [*evaluated, *evaluation_totals(evaluated)], scaling.evaluation),
        ("training", training_work(asked.preset, training, images), scaling.training),
    )
    rows = tuple(
        Row(part, work, tuple(speed.seconds(work.passes) / delivered(count / at_once, left) for count in counts))
        for part, works, left in parts
        for work in works
    )
    assumptions = (how, *_assumptions(defence, training, scaling, evaluated, known))
    return Answer(name, speed, device, counts, rows, assumptions)


def _subject(
    asked: CostAsked,
    training: TrainConfig | PipelineConfig,
    device: str,
    foreground: Foreground,
    catalogue: Catalogue,
) -> tuple[str, EvaluatedModel]:
    """What is measured: the model that was named, or the network that the training ends with, untrained."""
    if asked.model:
        fetch_missing(catalogue, [asked.model], device, foreground, KIND)
        subject = load_subject(asked.model, device, catalogue)
        return subject.name, subject.model
    return asked.preset, SelfEnsemble(last_model(training)).place(device).eval().requires_grad_(False)


def _measured(model: EvaluatedModel, batch: int) -> Speed:
    print("Measuring passes...", file=sys.stderr)
    forward, backward = measure_on_grey(model, batch)
    return Speed(1 / forward, 1 / backward)


def _assumptions(
    defence: Defence,
    training: TrainConfig | PipelineConfig,
    scaling: Scaling,
    evaluated: Sequence[Work],
    known: str,
) -> list[str]:
    phases = list(training.phases.values()) if isinstance(training, PipelineConfig) else [training]
    found = [
        f"N devices are N times {scaling.evaluation:g} to the power of log2 N as fast in evaluations, whose images are "
        f"divided among them, and with {scaling.training:g} in training. Nothing waits for data.",
        f"How many images break is taken from {known}, whose models are others; where no report has all attacks of a "
        "suite at this budget, only the bound is known.",
        f"A training pass back to the weights counts as {TO_WEIGHTS} back to the image, of the network that attacks "
        "compute with (its norms folded); read-outs over a frozen backbone take forward passes alone. Checkpoints and "
        "looks at held-out images are left out.",
    ]
    if not defence.random and any(work.name == "autoattack-rand" for work in evaluated):
        found.append("AutoAttack rand is reckoned as for a random model; one that is not takes a twentieth of it.")
    if any(phase.bf16 for phase in phases):
        found.append("The preset trains in bfloat16, which may be faster than the passes in float32.")
    if any(phase.teachers for phase in phases):
        found.append("What its teachers say of the images is left out.")
    for work in evaluated:
        if work.survivors:
            left = ", ".join(f"{one.attack} {one.standing:.1%}" for one in work.survivors)
            found.append(f"{work.name}, {work.supposing}: of all images stand after each attack: {left}.")
    return found


def _rate(speed: Speed) -> str:
    return f"{speed.forward:,.4g} images forward and {speed.backward:,.4g} backward a second"


def _many(count: int, device: str) -> str:
    return f"{count:,} {device}{'' if count == 1 else 's'}"


def text(answer: Answer) -> str:
    """The answer as a table in Markdown, and what was assumed."""
    heading = ("work", "supposing", "images", "forward", "backward", *(_many(n, answer.device) for n in answer.counts))
    lines = [heading, ("---",) * len(heading)]
    for row in answer.rows:
        work = row.work
        counted = (f"{number:,}" for number in (work.images, *work.passes))
        lines.append((f"{row.part}: {work.name}", work.supposing, *counted, *map(long, row.seconds)))
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\nAssumed:\n" + "\n".join(f"- {one}" for one in answer.assumptions)


def long(seconds: float) -> str:
    """Seconds in words; in days where that is shorter."""
    days = seconds / 86_400
    if seconds < 1:
        return "under a second"
    return f"{days:,.1f} days" if days >= 2 else duration(seconds)


def as_json(answer: Answer) -> dict[str, object]:
    """The answer as JSON: rows with their passes, and seconds by the number of devices."""
    rows = [
        {
            "part": row.part,
            **{name: value for name, value in asdict(row.work).items() if name != "passes"},
            **row.work.passes._asdict(),
            "seconds": {str(count): seconds for count, seconds in zip(answer.counts, row.seconds, strict=True)},
        }
        for row in answer.rows
    ]
    return {
        "model": answer.model,
        "device": answer.device,
        "passes_per_second": answer.speed._asdict(),
        "rows": rows,
        "assumptions": list(answer.assumptions),
    }
