"""What an evaluation has found so far, on disk: written whole or not at all, so that a kill costs one unit of work.

A folder holds `config.json` (what is evaluated, and the plan), `journal/` (a file per finished unit of work),
`report.json`, `adversarial.safetensors` and `samples/`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from torch import Tensor

from foundation.errors import StudioError
from foundation.files.text_files import FileError, read_text, write_bytes
from robust_model.attacks import AnyAttack, AttackPrecision
from robust_model.data.datasets import LabelledImages
from robust_model.evaluation.plan import PlannedAttack, extend
from robust_model.evaluation.record.config import EvalConfig
from robust_model.weights.checkpoint import discard_drafts, load_tensors, save_tensors

_Facts = TypeVar("_Facts", bound=BaseModel)
FORMAT = 1
"""The journal's own version: another one is not gone on with."""


class Identity(BaseModel):
    """What must be equal for an evaluation to go on from earlier results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    model: str
    data: str
    eps: float
    draws: int
    batch: int
    seed: int
    attack_all: bool
    precision: AttackPrecision = "float32"


class Record(BaseModel):
    """What `config.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: EvalConfig
    identity: Identity
    plan: tuple[PlannedAttack, ...]


@dataclass(frozen=True)
class Entry:
    """A finished unit of work: its tensors and its facts (JSON)."""

    tensors: dict[str, Tensor]
    facts: dict[str, JsonValue]

    def read(self, kind: type[_Facts]) -> _Facts:
        """The facts, of this kind. Raises StudioError where they are damaged."""
        try:
            return kind.model_validate(self.facts)
        except ValidationError as error:
            place = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise StudioError(
                f"A finished part of the evaluation is damaged (its '{place}' is missing or wrong): begin again in an "
                "empty folder."
            ) from error


class Journal:
    """Entries by name, in `folder/journal` or, without a folder, in memory."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._entries: dict[str, Entry] = {}
        if folder is not None:
            for place in (folder, folder / "journal", folder / "samples"):
                discard_drafts(place)

    def open(self, config: EvalConfig, identity: Identity, attacks: tuple[AnyAttack, ...]) -> tuple[PlannedAttack, ...]:
        """The plan: these attacks, after those of an earlier evaluation in the folder. StudioError if it was another.

        From here on the folder's configuration is this one.
        """
        earlier = self._record()
        if earlier is not None and earlier.identity != identity:
            theirs, ours = earlier.identity.model_dump(), identity.model_dump()
            others = ", ".join(name for name in ours if ours[name] != theirs[name])
            raise StudioError(
                f"'{self.folder}' holds an evaluation with other values of: {others}. Choose an empty folder; only "
                "more attacks can go on from earlier results."
            )
        plan = extend(earlier.plan if earlier else (), attacks, config.cascade)
        if self.folder is not None:
            record = Record(config=config, identity=identity, plan=plan)
            write_bytes(self.folder / "config.json", record.model_dump_json(indent=2).encode())
        return plan

    def _record(self) -> Record | None:
        if self.folder is None or not (self.folder / "config.json").exists():
            return None
        path = self.folder / "config.json"
        try:
            return Record.model_validate_json(read_text(path))
        except (ValidationError, FileError) as error:
            raise StudioError(f"'{path}' is no evaluation's configuration; choose an empty folder.") from error

    def get(self, name: str) -> Entry | None:
        """The entry called `name`, if that unit of work is finished."""
        if self.folder is None:
            return self._entries.get(name)
        path = self._path(self.folder, name)
        return Entry(*load_tensors(path)) if path.exists() else None

    def put(self, name: str, tensors: Mapping[str, Tensor], facts: BaseModel | None = None) -> Entry:
        """Keep a finished unit of work."""
        said = {} if facts is None else facts.model_dump(mode="json")
        entry = Entry({key: tensor.detach().cpu() for key, tensor in tensors.items()}, said)
        self.keep(name, entry)
        return entry

    def keep(self, name: str, entry: Entry) -> None:
        """Keep a unit of work that was finished elsewhere; the same one again changes nothing."""
        if self.folder is None:
            self._entries[name] = entry
        else:
            save_tensors(self._path(self.folder, name), entry.tensors, entry.facts)

    def drop(self, name: str) -> None:
        """Forget the entry called `name`."""
        self._entries.pop(name, None)
        if self.folder is not None:
            self._path(self.folder, name).unlink(missing_ok=True)

    @staticmethod
    def _path(folder: Path, name: str) -> Path:
        return folder / "journal" / f"{name}.safetensors"


def tensors_digest(tensors: Mapping[str, Tensor], facts: object = None) -> str:
    """16 hexadecimal digits that depend on every bit of the tensors, their names, and facts that are JSON."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def data_digest(data: LabelledImages) -> str:
    """16 hexadecimal digits that depend on every pixel, label and class name."""
    return tensors_digest({"images": data.images, "labels": data.labels}, list(data.class_names))
