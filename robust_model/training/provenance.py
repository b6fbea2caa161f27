"""Where weights come from: the facts that a model's card repeats."""

import json
import platform
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import torch
from pydantic import BaseModel, JsonValue

from foundation.errors import StudioError
from foundation.files.text_files import read_json, write_bytes
from foundation.record import Maybe, Record
from robust_model.networks.packaged import PACKAGED
from robust_model.training.distributed import current
from robust_model.training.run import TrainingRun
from robust_model.training.start_from import last_phase, start_folder, weights_in
from robust_model.weights.checkpoint import file_digest

_LEAD = re.compile(r"((?:[^/]*[:=])?)(.*)", re.DOTALL)
"""What stands before a path in a word, as in `folder:` or `pretrained_file=`, and the path."""


class Circumstances(TypedDict):
    """By which command, code, versions and machine something was made."""

    command: str
    commit: str
    versions: str
    machine: str


class Parent(TypedDict):
    """A model that another began with or was taught by; its own `provenance` is empty where nothing is known."""

    role: str
    name: str
    revision: str
    provenance: Mapping[str, object]


def record_provenance(run: TrainingRun, command: str, device: str, data: str) -> None:
    """Write down where a run comes from (`provenance.json`), and what was changed when it was resumed."""
    if not run.world.leads:
        return
    path = run.folder / "provenance.json"
    if not path.exists():
        facts: dict[str, object] = {**circumstances(command, device), "data": data}
        if parents := _parents(run.config):
            facts["parents"] = parents
    elif run.changed:
        kept = read_json(path)
        facts = {**kept, "changes": [*kept.get("changes", []), {"step": run.step, "command": command}]}
    else:
        return
    write_bytes(path, json.dumps(facts, indent=2).encode())
    if run.changed:
        run.save()  # from here on the checkpoint agrees, and the change is not recorded again


def circumstances(command: str, device: str) -> Circumstances:
    """By which command, code, versions and machine something is made, here and now."""
    together = f"{current().size} processes of " if current().size > 1 else ""
    return {
        "command": command,
        "commit": _commit(),
        "versions": f"torch {torch.__version__}, Python {platform.python_version()}",
        "machine": f"{device}, {together}{torch.get_num_threads()} threads, {platform.machine()}",
    }


class _Change(Record):
    """A change of a run that was resumed."""

    step: int | str  # in words where only about is known when
    command: str


class _Source(Record):
    """A model that another was made of, began with or was taught by, as it is read: averages have a weight."""

    name: str
    revision: str
    provenance: Mapping[str, JsonValue]
    role: str = "Made of"
    weight: Maybe[float] = None


class _Provenance(Record):
    """Where a model comes from, as it is read."""

    command: str
    commit: str
    versions: str
    machine: str
    data: Maybe[str] = None
    changes: tuple[_Change, ...] = ()
    parents: tuple[_Source, ...] = ()


def provenance_lines(facts: Mapping[str, object]) -> list[str]:
    """What a card says of a model's provenance, as a list in Markdown; nothing where nothing is known.

    What was made of other models, began with their weights or was taught by them ("parents") is followed by their
    provenance, indented below each.
    """
    if not facts:
        return []
    found = _Provenance.read(facts, "provenance")
    lines = [
        f"- Command: `{found.command}`",
        f"- Code: commit {found.commit}; {found.versions}; {found.machine}",
        *([] if found.data is None else [f"- Data: {found.data}"]),
        *(f"- Changed at step {change.step}: `{change.command}`" for change in found.changes),
    ]
    for parent in found.parents:
        share = "" if parent.weight is None else f", weight {parent.weight:g}"
        lines.append(f"- {parent.role} '{parent.name}' (revision {parent.revision}{share}):")
        lines += [f"  {line}" for line in provenance_lines(parent.provenance)]
    return lines


def _parents(config: BaseModel) -> list[Parent]:
    """The models that a run (or any phase of it) starts from and is taught by, as its configuration names them."""
    found = []
    for phase in getattr(config, "phases", {"": config}).values():
        start, file = getattr(phase, "start_from", ""), getattr(phase, "pretrained_file", "")
        if start and not start.startswith("phase:"):
            found.append(_parent("Started from", start_folder(start, Path())))
        if file and not start:
            found.append(_parent("Pretrained weights", Path(file)))
        found += [_teacher(teacher) for teacher in getattr(phase, "teachers", ())]
    # Phases that were taught by the same one say so once.
    return [parent for place, parent in enumerate(found) if parent not in found[:place]]


def _teacher(name: str) -> Parent:
    if name not in PACKAGED:
        return _parent("Taught by", Path(name))
    return {"role": "Taught by", "name": name, "revision": PACKAGED[name].revision, "provenance": {}}


def _parent(role: str, place: Path) -> Parent:
    """A run, an exported model or a file of weights: its name, their digest, and where it comes from itself."""
    folder, weights = (place, weights_in(last_phase(place))) if place.is_dir() else (place.parent, place)
    if not weights.exists():
        raise StudioError(f"There are no weights at '{weights}'.")
    own = folder / "provenance.json"
    # Exported models keep the same facts in their configuration (a classifier) or training.json (a CLIP).
    described = next((file for n in ("config", "training") if (file := folder / f"{n}.json").exists()), None)
    facts = {}
    if own.exists():
        facts = read_json(own)
    elif described is not None:
        facts = read_json(described).get("provenance", {})
    name = place.name if described is None else folder.name
    return {"role": role, "name": name, "revision": file_digest(weights), "provenance": facts}


def without_places(recipe: Any) -> Any:
    """A recipe (JSON) with every path shortened to its last name: where things lay on one machine is not part of it."""
    match recipe:
        case dict():
            return {key: without_places(value) for key, value in recipe.items()}
        case list():
            return [without_places(value) for value in recipe]
        case str() if "/" in recipe:
            return _shortened(recipe)
    return recipe


def _shortened(word: str) -> str:
    """`--key=kind:some/folder/name` as `--key=kind:name`, also within `key=JSON`."""
    key, equals, value = word.partition("=")
    if equals and "/" in value and value[:1] in ('"', "[", "{"):
        try:
            return f"{key}={json.dumps(without_places(json.loads(value)))}"
        except ValueError:
            pass  # no JSON: a word like any other
    head, tail = _LEAD.fullmatch(word).groups()  # type: ignore[union-attr]  # it matches every word
    return f"{head}{Path(tail).name}" if "/" in tail else word


def command_line(module: str, argv: list[str]) -> str:
    """The command as a person would type it; folders are shortened to their names."""
    return shlex.join(["python", "-m", module, *map(_shortened, argv)])


def _commit() -> str:
    try:
        folder = Path(__file__).parent
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
