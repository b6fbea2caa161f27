"""Runs of several phases, one after another in one folder: pretraining, a backbone, then its read-outs.

Each phase is a run of its own, in a subfolder of its name, and starts from the one before it where its `start_from` is
"phase:NAME". A phase that is killed resumes exactly; phases that are done are left alone. The folder's `config.json`
holds all of them, and its `provenance.json` where they come from; its last phase is what is exported.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from foundation.command_line.program import called
from foundation.command_line.settings import change_setting
from foundation.errors import StudioError
from foundation.files.text_files import FileError, read_json, read_text, write_bytes
from robust_model.data.datasets import LabelledSet, training_data
from robust_model.training.distributed import current
from robust_model.training.run import TrainProgress
from robust_model.training.train_config import CHANGEABLE, TrainConfig
from robust_model.training.training import Run, batch_sizes, describe_data, steps_of
from robust_model.weights.checkpoint import load_facts

START_SETTINGS = ("pretrained", "pretrained_file", "start_from")
"""What says how a run starts: of several phases it is the first one's."""


class PipelineConfig(BaseModel):
    """The phases by name, in their order. Frozen, validated, JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phases: dict[str, TrainConfig] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "PipelineConfig":
        earlier: list[str] = []
        for name, phase in self.phases.items():
            if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
                raise ValueError(f"a phase's name is made of small letters, digits and hyphens, not '{name}'")
            kind, _, source = phase.start_from.partition(":")
            if kind == "phase" and source not in earlier:
                raise ValueError(f"phase '{name}' starts from '{source}', which is no phase before it")
            earlier.append(name)
        return self


def change_phases(settings: dict[str, Any], assignment: str) -> None:
    """Apply one `key.path=JSON` to the settings of a run or of several phases. Raises StudioError.

    Of several phases `PHASE.key.path` changes one, and a plain key all of them, but for how a run starts, which is
    changed in the first.
    """
    if "phases" not in settings:
        return change_setting(settings, assignment)
    phases = settings["phases"]
    path, _, _value = assignment.partition("=")
    first, dot, _rest = path.partition(".")
    if dot and first in phases:
        return change_setting(phases[first], assignment.removeprefix(f"{first}."))
    chosen = list(phases.values())
    for phase in chosen[:1] if path in START_SETTINGS else chosen:
        change_setting(phase, assignment)
    return None


class Pipeline:
    """The phases of `config` in `folder`: made anew, or continued from where they are.

    `data` may hold data sets already, by what the phases call them. A phase's settings may change when the run is
    resumed as those of a run may, until the next phase has begun.
    """

    command = "robust_model"

    def __init__(
        self,
        config: PipelineConfig,
        folder: Path,
        *,
        device: str = "cpu",
        data: Mapping[str, LabelledSet] | None = None,
    ) -> None:
        self.config, self.folder, self.device = config, folder, device
        self.world = current()
        self.changed = self._compare()
        self._data: dict[tuple[str, int], LabelledSet] = {}
        for phase in config.phases.values():
            key = (phase.data, phase.model.stack.size)
            if key not in self._data:
                found = (data or {}).get(phase.data)
                self._data[key] = training_data(*key) if found is None else found
        self._steps = {name: steps_of(phase, len(self._images(phase))) for name, phase in config.phases.items()}
        # A phase that does not fit its data is refused now, not when the phases before it are done.
        for phase in config.phases.values():
            Run.check_data(phase, self._images(phase))
            for size in set(batch_sizes(phase, len(self._images(phase)))):
                self.world.part(size)

    def _images(self, phase: TrainConfig) -> LabelledSet:
        return self._data[phase.data, phase.model.stack.size]

    def _taught_on(self, phase: TrainConfig) -> LabelledSet:
        """The images of a phase as its teachers see them: as large as any phase has them."""
        return self._data[phase.data, max(side for data, side in self._data if data == phase.data)]

    def _soft_labels(self, phase: TrainConfig) -> Path:
        """Where what its teachers say is kept: one file for all phases that they tell the same."""
        told = [phase.data, phase.teachers, phase.teacher_side, phase.teacher_temperature, phase.seed, phase.holdout]
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]
        return self.folder / f"soft_labels-{digest}.safetensors"

    @property
    def steps(self) -> int:
        """The steps of all phases."""
        return sum(self._steps.values())

    @property
    def step(self) -> int:
        """How many of them are done, as the phases' checkpoints say."""
        return sum(self._done(name) for name in self.config.phases)

    def _checkpoint(self, name: str) -> Path:
        return self.folder / name / "checkpoint.safetensors"

    def _done(self, name: str) -> int:
        path = self._checkpoint(name)
        return int(load_facts(path)["step"]) if path.exists() else 0

    def describe_data(self) -> str:
        """The images that each phase is trained on, for the card."""
        parts = ((name, phase, self._images(phase)) for name, phase in self.config.phases.items())
        return "; ".join(f"{name}: {describe_data(phase, len(i), i.source)}" for name, phase, i in parts)

    def _compare(self) -> bool:
        """Whether the configuration is another than the folder's; a StudioError if it may not be."""
        path = self.folder / "config.json"
        if not path.exists():
            return False
        try:
            theirs = PipelineConfig.model_validate_json(read_text(path))
        except ValidationError:
            raise StudioError(
                f"'{self.folder}' holds something else than these phases: choose an empty folder."
            ) from None
        if list(theirs.phases) != list(self.config.phases):
            raise StudioError(f"'{self.folder}' holds a run with other phases: choose an empty folder.")
        names = list(self.config.phases)
        for place, (name, phase) in enumerate(self.config.phases.items()):
            before = theirs.phases[name]
            allowed = before.model_copy(update={key: getattr(phase, key) for key in CHANGEABLE})
            if allowed != phase:
                raise StudioError(
                    f"Phase '{name}' in '{self.folder}' has another configuration, and a run that goes on may change "
                    f"only {', '.join(CHANGEABLE)}. Choose an empty folder, or resume that run with: "
                    f"{called(self.command)} train --resume {self.folder}"
                )
            if before != phase and any(self._checkpoint(later).exists() for later in names[place + 1 :]):
                raise StudioError(
                    f"Phase '{name}' in '{self.folder}' can no longer change: the next one has begun. Start a new run."
                )
        return theirs != self.config

    def save(self) -> None:
        """Write down the configuration; where each phase is, it writes down itself."""
        if self.world.leads:
            write_bytes(self.folder / "config.json", self.config.model_dump_json(indent=2).encode())

    def run(
        self,
        on_progress: Callable[[TrainProgress], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        checkpoint_every_s: float = 120,
    ) -> bool:
        """Train every phase that is not done, in order, to the end or until `should_stop`; True if all are done.

        Progress counts the steps of all phases; the seconds left are taken to be alike in each image of any phase. The
        line of an epoch says which "phase" it ends.
        """
        self.save()
        before = 0
        for name, phase in self.config.phases.items():
            after = sum(self._steps.values()) - before - self._steps[name]
            if self._done(name) < self._steps[name]:
                run = Run(
                    phase,
                    self.folder / name,
                    device=self.device,
                    data=self._images(phase),
                    taught_on=self._taught_on(phase),
                    soft_labels=self._soft_labels(phase),
                )

                def report(progress: TrainProgress, name: str = name, before: int = before, after: int = after) -> None:
                    left = progress.steps - progress.step
                    seconds = progress.eta_s * (1 + after / left) if left else 0.0
                    on_progress(
                        replace(
                            progress,
                            step=before + progress.step,
                            steps=self.steps,
                            eta_s=seconds,
                            epoch=None if progress.epoch is None else {"phase": name, **progress.epoch},
                        )
                    )

                if not run.run(report, should_stop, checkpoint_every_s=checkpoint_every_s):
                    return False
            before += self._steps[name]
        return True


def read_phases(folder: Path) -> PipelineConfig | None:
    """The phases of the run in `folder`; None if it is no run of several phases."""
    try:
        settings = read_json(folder / "config.json")
    except FileError:
        return None
    return PipelineConfig.model_validate(settings) if isinstance(settings, dict) and "phases" in settings else None


def open_run(config: TrainConfig | PipelineConfig, folder: Path, device: str) -> Run | Pipeline:
    """The run that `config` describes, in `folder`. Raises StudioError."""
    if isinstance(config, PipelineConfig):
        return Pipeline(config, folder, device=device)
    if read_phases(folder) is not None:
        raise StudioError(f"'{folder}' holds a run of several phases: choose an empty folder.")
    return Run(config, folder, device=device)
