"""What the command lines that train share: settings from files and flags, and a run in the foreground."""

import json
import sys
from pathlib import Path
from typing import Any

from generator.errors import StudioError
from generator.protocols import Foreground, JobContext
from robust_model.jobs import train_job
from robust_model.run import ResumableRun

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a JSON file. Raises StudioError."""
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise StudioError(f"Cannot read the configuration '{path}': {error}.") from error
    return settings


def change_setting(settings: dict[str, Any], assignment: str) -> None:
    """Apply one `key.path=JSON` (or plain text) to all the settings there are. Raises StudioError."""
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


def train_in_foreground(
    run: ResumableRun[Any], device: str, foreground: Foreground, *, checkpoint_every_s: float
) -> int:
    """Train until the end or Ctrl-C, say how far it came, and return the exit code."""
    print(f"Training in '{run.folder}' on {device}: step {run.step} of {run.steps}.", file=sys.stderr)

    def work(context: JobContext) -> dict[str, Any]:
        return train_job(
            context,
            run,
            checkpoint_every_s=checkpoint_every_s,
            on_epoch=lambda epoch: foreground.say(", ".join(f"{name} {value:.4g}" for name, value in epoch.items())),
        )

    result = foreground.run("train", device, work)
    if result is None:
        print("Interrupted; what came after the last checkpoint is thrown away.", file=sys.stderr)
    else:
        print(f"{'Done' if result['complete'] else 'Stopped'} at step {result['step']} of {result['steps']}.")
        if result["complete"]:
            return 0
    print(f"Go on with: python -m {run.command} train --resume {run.folder}", file=sys.stderr)
    return EXIT_INTERRUPTED
