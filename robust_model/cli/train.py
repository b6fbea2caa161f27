"""`python -m robust_model train`: from a preset, a configuration or a run to a trained network."""

import argparse
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field

from foundation.command_line.arguments import MOST_THREADS
from foundation.command_line.flags import AsFlag, Asked, add_flags, read_flags
from foundation.command_line.settings import read_settings, validated
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import result_folder, user_path, writable_folder
from foundation.protocols import Foreground
from robust_model.commands import MOST_SECONDS, THREADS, THREADS_FLAG, set_threads, train_in_foreground
from robust_model.jobs import CHECKPOINT_SECONDS
from robust_model.training.distributed import processes
from robust_model.training.pipeline import PipelineConfig, change_phases, open_run
from robust_model.training.presets import PRESETS
from robust_model.training.provenance import command_line, record_provenance
from robust_model.training.training import TrainConfig

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_SOURCES = ("preset", "config", "resume")


class TrainAsked(Asked):
    """What `train` is told. What is trained, and how, is a `TrainConfig`, of which `changes` are single settings."""

    preset: Annotated[str, AsFlag(choices=lambda: sorted(PRESETS))] = Field("", description="a named configuration")
    config: Annotated[Path | None, AsFlag(read=user_path)] = Field(
        None, description="a TrainConfig, or a PipelineConfig, as a JSON file"
    )
    resume: Annotated[Path | None, AsFlag(read=user_path, metavar="RUN")] = Field(
        None, description="go on with the run in this folder"
    )
    data: Annotated[str, AsFlag(shown="the preset's own")] = Field(
        "",
        description="cifar10, cifar100, folder:PATH, files:PATH (a class folder that stays on the disk) or "
        "synthetic:COUNT; of a folder's images of another size the shorter side is scaled to the model's, and the "
        "middle square taken",
    )
    out: Annotated[Path | None, AsFlag(read=result_folder, shown="runs/PRESET")] = Field(
        None, description="the run's folder"
    )
    changes: Annotated[tuple[str, ...], AsFlag(("--set",), repeats=True, metavar="KEY=JSON")] = Field(
        (),
        description="change a setting, e.g. epochs=5 or model.blocks=[2,2,2]; in a run of several phases that changes "
        "all of them (how it starts: the first), and PHASE.KEY=JSON one; of a resumed run: epochs, eps, "
        "adversary_steps",
    )
    device: str = Field("auto", description="auto, cpu or cuda")
    checkpoint_every: Annotated[float, AsFlag(metavar="SECONDS")] = Field(
        CHECKPOINT_SECONDS, ge=0, le=MOST_SECONDS, description="from one checkpoint to the next"
    )
    threads: Annotated[int | None, THREADS_FLAG] = Field(None, ge=1, le=MOST_THREADS, description=THREADS)


def add_parser(commands: Commands) -> None:
    """Add this command to a command line's."""
    train = commands.add_parser("train", help="train a network, or resume a run (Ctrl-C keeps it resumable)")
    add_flags(train.add_mutually_exclusive_group(required=True), TrainAsked, _SOURCES)
    add_flags(train, TrainAsked, [name for name in TrainAsked.model_fields if name not in _SOURCES])


def configuration(asked: TrainAsked) -> TrainConfig | PipelineConfig:
    """What is to be trained. Raises StudioError."""
    if asked.preset:
        preset = PRESETS[asked.preset]
        if not (asked.data or preset.data):
            raise StudioError(f"The preset '{asked.preset}' needs data of yours: --data folder:PATH.")
        settings = preset.make(asked.data or preset.data).model_dump(mode="json")
    else:
        path = asked.config if asked.resume is None else asked.resume / "config.json"
        assert path is not None  # one of the three is demanded
        settings = read_settings(path)
    for assignment in asked.changes:
        change_phases(settings, assignment)
    return validated(PipelineConfig, settings) if "phases" in settings else validated(TrainConfig, settings)


def run(args: argparse.Namespace, argv: list[str], foreground: Foreground) -> int:
    """Train, and return the exit code. Raises StudioError."""
    asked = read_flags(args, TrainAsked)
    set_threads(asked.threads)
    config = configuration(asked)
    named = asked.preset or (asked.config.stem if asked.config else "")
    folder = asked.resume or asked.out or Path("runs") / named
    writable_folder(folder, "run's folder")
    with processes(choose_device(asked.device)) as device:
        opened = open_run(config, folder, device)
        record_provenance(opened, command_line("robust_model", argv), device, opened.describe_data())
        return train_in_foreground(opened, device, foreground, checkpoint_every_s=asked.checkpoint_every)
