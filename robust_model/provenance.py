"""Where weights come from: the facts that a model's card repeats."""

import json
import platform
import shlex
import subprocess
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from robust_model.checkpoint import file_digest, write_atomically
from robust_model.run import ResumableRun
from robust_model.transfer import weights_in


def record_provenance(run: ResumableRun[Any], command: str, device: str, data: str) -> None:
    """Write down where a run comes from (`provenance.json`), and what was changed when it was resumed."""
    path = run.folder / "provenance.json"
    if not path.exists():
        facts = {**circumstances(command, device), "data": data}
        if parents := _parents(run.config):
            facts["parents"] = parents
    elif run.changed:
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts["changes"] = [*facts.get("changes", []), {"step": run.step, "command": command}]
    else:
        return
    write_atomically(path, json.dumps(facts, indent=2).encode())
    if run.changed:
        run.save()  # from here on the checkpoint agrees, and the change is not recorded again


def circumstances(command: str, device: str) -> dict[str, Any]:
    """By which command, code, versions and machine something is made, here and now."""
    return {
        "command": command,
        "commit": _commit(),
        "versions": f"torch {torch.__version__}, Python {platform.python_version()}",
        "machine": f"{device}, {torch.get_num_threads()} threads, {platform.machine()}",
    }


def provenance_lines(facts: dict[str, Any]) -> list[str]:
    """What a card says of a model's provenance, as a list in Markdown; nothing where nothing is known.

    What was made of other models, began with their weights or was taught by them ("parents") is followed by their
    provenance, indented below each.
    """
    if not facts:
        return []
    lines = [
        f"- Command: `{facts['command']}`",
        f"- Code: commit {facts['commit']}; {facts['versions']}; {facts['machine']}",
        *([f"- Data: {facts['data']}"] if "data" in facts else []),
        *(f"- Changed at step {c['step']}: `{c['command']}`" for c in facts.get("changes", [])),
    ]
    for parent in facts.get("parents", []):
        share = f", weight {parent['weight']:g}" if "weight" in parent else ""
        lines.append(f"- {parent.get('role', 'Made of')} '{parent['name']}' (revision {parent['revision']}{share}):")
        lines += [f"  {line}" for line in provenance_lines(parent["provenance"])]
    return lines


def _parents(config: BaseModel) -> list[dict[str, Any]]:
    """The models that a run starts from and is taught by, as its configuration names them."""
    start = getattr(config, "start_from", "")
    places = [("Started from", start)] if start else []
    places += [("Taught by", teacher) for teacher in getattr(config, "teachers", ())]
    return [{"role": role, **_parent(Path(place))} for role, place in places]


def _parent(place: Path) -> dict[str, Any]:
    """A run or an exported model: its name, the digest of its weights, and where it comes from itself."""
    folder, weights = (place, weights_in(place)) if place.is_dir() else (place.parent, place)
    own = folder / "provenance.json"
    if own.exists():  # a run; an exported model keeps the same facts in its configuration
        facts = json.loads(own.read_text(encoding="utf-8"))
    else:
        facts = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("provenance", {})
    return {"name": folder.name, "revision": file_digest(weights), "provenance": facts}


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
