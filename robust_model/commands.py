"""What the command lines that train share: settings from files and flags, and a run in the foreground."""

import sys

import torch
from pydantic import JsonValue

from foundation.command_line.flags import AsFlag
from foundation.command_line.program import called
from foundation.protocols import Foreground, JobContext
from robust_model.jobs import train_job
from robust_model.training.run import TrainingRun

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
MOST_SECONDS = 10_000_000
"""Between two checkpoints, at most: four months."""
THREADS, THREADS_FLAG = "CPU threads to compute with", AsFlag(metavar="N", shown="PyTorch's")
"""What the option `threads` says, and how it is written, in all commands that have it."""


def set_threads(count: int | None) -> None:
    """Compute with so many threads from here on (None: as before)."""
    if count is not None:
        torch.set_num_threads(count)


def train_in_foreground(run: TrainingRun, device: str, foreground: Foreground, *, checkpoint_every_s: float) -> int:
    """Train until the end or Ctrl-C, say how far it came, and return the exit code.

    Of several processes that train together, the first one speaks.
    """
    leads = run.world.leads

    def say(text: str) -> None:
        if leads:
            print(text, file=sys.stderr)

    say(f"Training in '{run.folder}' on {device}: step {run.step} of {run.steps}.")

    def work(context: JobContext) -> dict[str, JsonValue]:
        trained = train_job(
            context,
            run,
            checkpoint_every_s=checkpoint_every_s,
            on_epoch=lambda epoch: foreground.say(", ".join(map(_told, epoch.items()))) if leads else None,
        )
        return trained._asdict()

    result = foreground.run("train", device, work, quiet=not leads)
    if result is None:
        say("Interrupted; what came after the last checkpoint is thrown away.")
    else:
        if leads:
            print(f"{'Done' if result['complete'] else 'Stopped'} at step {result['step']} of {result['steps']}.")
        if result["complete"]:
            return 0
    say(f"Go on with: {called(run.command)} train --resume {run.folder}")
    return EXIT_INTERRUPTED


def _told(fact: tuple[str, float | str]) -> str:
    name, value = fact
    return f"{name} {value}" if isinstance(value, str) else f"{name} {value:.4g}"
