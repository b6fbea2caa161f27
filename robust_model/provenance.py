"""Where a training run comes from: the facts that its model's card repeats."""

import platform
import shlex
import subprocess
from pathlib import Path

import torch


def provenance(command: str, device: str, data: str) -> dict[str, object]:
    """The facts of a run that starts now: its command, the code's commit, versions, machine and data."""
    return {
        "command": command,
        "commit": _commit(),
        "versions": f"torch {torch.__version__}, Python {platform.python_version()}",
        "machine": f"{device}, {torch.get_num_threads()} threads, {platform.machine()}",
        "data": data,
    }


def command_line(module: str, argv: list[str]) -> str:
    """The command as a person would type it; folders are shortened to their names."""
    words = []
    for word in argv:
        head, colon, tail = word.rpartition(":")
        words.append(f"{head}{colon}{Path(tail).name}" if "/" in tail else word)
    return shlex.join(["python", "-m", module, *words])


def _commit() -> str:
    try:
        folder = Path(__file__).parent
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
