"""What every training run shares: its folder, its checkpoint, the moving average of its weights, and its log.

A run is a folder: `config.json`, `checkpoint.safetensors` (everything needed to go on), `log.jsonl` (one line
per epoch). Every random number of step i comes from generators seeded by (seed, i), so a run that is killed and
resumed repeats the undisturbed one exactly. Of several processes that train together (see `distributed`) the first
one writes.
"""

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn

from foundation.command_line.program import called
from foundation.errors import StudioError
from foundation.files.text_files import read_text, write_bytes
from robust_model.networks.train_parts import one_cycle
from robust_model.training.distributed import World, current
from robust_model.weights.checkpoint import (
    discard_drafts,
    load_tensors,
    load_weights,
    pack_optimiser,
    save_tensors,
    unpack_optimiser,
)

Config = TypeVar("Config", bound=BaseModel)


EpochLine: TypeAlias = dict[str, float | str]
"""What the log says of one epoch: losses and accuracies by name, and of a run of several phases which it was."""


@dataclass(frozen=True)
class TrainProgress:
    """Where a run is: `step` of `steps` done, the last loss, the next learning rate and the seconds left.

    `epoch` is the line of the log where an epoch (or the run) has just ended.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    eta_s: float
    epoch: EpochLine | None = None


class TrainingRun(Protocol):
    """What can be trained in the foreground or as a job: one run, or several one after another."""

    command: str
    """The command that resumes it, for messages: the package whose `train --resume ...` it is."""
    folder: Path
    changed: bool
    world: World

    @property
    def config(self) -> BaseModel:
        """What it was told."""

    @property
    def step(self) -> int:
        """How many of the `steps` are done."""

    @property
    def steps(self) -> int: ...

    def save(self) -> None:
        """Write down where it is."""

    def run(
        self,
        on_progress: Callable[[TrainProgress], None] = ...,
        should_stop: Callable[[], bool] = ...,
        *,
        checkpoint_every_s: float = ...,
    ) -> bool:
        """Train to the end or until `should_stop`; True if it is complete."""


@dataclass(frozen=True)
class Schedule:
    """One cycle of the learning rate (see `one_cycle`) and the decay of the weights' moving average (0: none)."""

    learning_rate: float
    warmup: float
    ema: float


class ResumableRun(ABC, Generic[Config]):
    """One run in `folder`. A subclass makes model and optimiser, calls `_begin`, and says what a step is.

    Attributes: `step` of `steps` are done; `steps_per_epoch` of them make a line of the log; `changed` says whether
    the run goes on with other settings than its checkpoint was made with; `average` holds the averaged weights.
    """

    changeable: tuple[str, ...] = ()
    """The settings that may be other ones when the run is resumed."""
    command = ""
    """The command that resumes a run, for messages: the package whose `train --resume ...` it is."""

    model: Any
    optimiser: torch.optim.Optimizer
    step: int
    steps: int
    steps_per_epoch: int
    device: torch.device

    def __init__(self, config: Config, folder: Path, schedule: Schedule, seed: int) -> None:
        self.config, self.folder, self.schedule, self.seed = config, folder, schedule, seed
        self.step = 0
        self.world = current()
        self.changed = False
        self.average: dict[str, Tensor] | None = None
        self.epoch_loss = (0.0, 0)  # the sum of this epoch's losses so far, and their number

    @property
    def checkpoint(self) -> Path:
        """The file that holds everything needed to go on."""
        return self.folder / "checkpoint.safetensors"

    @abstractmethod
    def train_step(self) -> float:
        """One step (ending with `_update`); returns its loss. A loss that is no number is an error, see `_finite`."""

    @abstractmethod
    def measure(self) -> dict[str, float]:
        """What the log says of the held-out images."""

    def _begin(self) -> None:
        """Start the average, and write the configuration or continue from the checkpoint."""
        self.average = {k: v.detach().clone() for k, v in self._weights().items()} if self.schedule.ema else None
        if self.checkpoint.exists():
            self._restore()
        elif self.world.leads:
            write_bytes(self.folder / "config.json", self.config.model_dump_json(indent=2).encode())

    def _weights(self) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = self.model.state_dict()
        return weights

    def _restore(self) -> None:
        tensors, facts = load_tensors(self.checkpoint)
        theirs: Config | None
        try:
            theirs = type(self.config).model_validate(facts.get("config"))
        except ValidationError:
            theirs = None
        changes = {name: getattr(self.config, name) for name in self.changeable}
        if theirs is None or theirs.model_copy(update=changes) != self.config:
            allowed = (
                f", and a run that goes on may change only {', '.join(self.changeable)}" if self.changeable else ""
            )
            raise StudioError(
                f"'{self.folder}' holds a run with another configuration{allowed}. Choose an empty folder, or resume "
                f"that run with: {called(self.command)} train --resume {self.folder}"
            )
        if self.steps < facts["step"]:
            raise StudioError(
                f"The run in '{self.folder}' has done {facts['step']} steps already, and it now asks for only "
                f"{self.steps}: choose more{' epochs' if 'epochs' in self.changeable else ''}."
            )

        def part(prefix: str) -> dict[str, Tensor]:
            return {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}

        load_weights(self.model, part("model."), str(self.checkpoint))
        unpack_optimiser(self.optimiser, part("optimiser."))
        if self.average is not None:
            for name, tensor in part("average.").items():
                self.average[name].copy_(tensor)
        self.step = facts["step"]
        total, count = facts.get("epoch_loss", self.epoch_loss)
        self.epoch_loss = (total, count)
        self.changed = theirs != self.config
        if self.changed and self.world.leads:
            write_bytes(self.folder / "config.json", self.config.model_dump_json(indent=2).encode())

    def save(self) -> None:
        """Write the checkpoint; weights that are not finite are an error, and the old checkpoint stays."""
        tensors = {f"model.{n}": t for n, t in self._weights().items()}
        tensors |= {f"optimiser.{n}": t for n, t in pack_optimiser(self.optimiser).items()}
        tensors |= {f"average.{n}": t for n, t in (self.average or {}).items()}
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                raise self._diverged(f"'{name}' is no longer finite")
        facts = {
            "config": json.loads(self.config.model_dump_json()),
            "step": self.step,
            "steps": self.steps,
            "epoch_loss": self.epoch_loss,
        }
        save_tensors(self.checkpoint, tensors, facts)

    def _diverged(self, what: str) -> StudioError:
        rate = self.schedule.learning_rate
        return StudioError(
            f"Training diverged at step {self.step}: {what}. The same run would do so again: start a new one, in "
            f"another folder, with a learning_rate below {rate:g}. What '{self.folder}' holds is left as it is."
        )

    def _generator(self, *place: int) -> torch.Generator:
        """The generator of one place in the run: (epoch,) for an order, (step, purpose) for the draws."""
        seed = self.seed
        for number in (len(place), *place):
            seed = (seed * 1_000_003 + number + 1) % (2**63)
        return torch.Generator().manual_seed(seed)

    def _finite(self, loss: Tensor) -> float:
        """The loss as a number, the mean over all processes; anything else is an error."""
        value = float(self.world.mean(loss))
        if not math.isfinite(value):
            raise self._diverged(f"the loss is {value}")
        return value

    def _set_rate(self) -> None:
        rate = self._rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def _rate(self) -> float:
        return one_cycle(self.step, self.steps, self.schedule.learning_rate, self.schedule.warmup)

    def _update(self, loss: Tensor, clip: float = 0.0) -> None:
        """Move the weights down the loss's gradient (whose norm is at most `clip`, if given), and the average along."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.world.average_gradients([p for group in self.optimiser.param_groups for p in group["params"]])
        if clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        self.optimiser.step()
        self.step += 1
        self._update_average()

    @torch.no_grad()
    def _update_average(self) -> None:
        if self.average is None:
            return
        # A young average forgets its random start fast: the usual (1 + t) / (10 + t) ramp.
        decay = min(self.schedule.ema, (1 + self.step) / (10 + self.step))
        for name, tensor in self._weights().items():
            if tensor.is_floating_point():
                self.average[name].lerp_(tensor, 1 - decay)
            else:
                self.average[name].copy_(tensor)

    def run(
        self,
        on_progress: Callable[[TrainProgress], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        checkpoint_every_s: float = 120,
    ) -> bool:
        """Train to the end or until `should_stop`; True if the run is complete.

        The checkpoint is written at every epoch's end, after `checkpoint_every_s` seconds, and on return.
        """
        leads = self.world.leads
        if leads:
            discard_drafts(self.folder)
        started, first, saved_at, saved_step = time.monotonic(), self.step, time.monotonic(), -1
        while self.step < self.steps and not self.world.any(should_stop(), self.device):
            value = self.train_step()
            self.epoch_loss = (self.epoch_loss[0] + value, self.epoch_loss[1] + 1)
            epoch = None
            if self.step % self.steps_per_epoch == 0 or self.step == self.steps:
                epoch = self._end_epoch()
            if leads and (epoch is not None or time.monotonic() - saved_at >= checkpoint_every_s):
                self.save()
                saved_at, saved_step = time.monotonic(), self.step
            eta = (time.monotonic() - started) / (self.step - first) * (self.steps - self.step)
            on_progress(TrainProgress(self.step, self.steps, value, self._rate(), eta, epoch))
        if leads and saved_step != self.step:
            self.save()
        self.world.wait()  # what is written is there for all, and for what comes next
        return self.step >= self.steps

    def _end_epoch(self) -> EpochLine:
        """Measure and log the epoch that ends here (the first process does), and begin the next."""
        total, count = self.epoch_loss
        epoch = {"epoch": self.step / self.steps_per_epoch, "loss": total / count}
        if self.world.leads:
            epoch |= self.measure()
            self._log(epoch)  # before the checkpoint: a run killed between the two writes the line again
        self.epoch_loss = (0.0, 0)
        return dict(epoch)

    def _log(self, epoch: Mapping[str, float]) -> None:
        """Rewrite the log with this epoch's line: a resumed run may repeat an epoch that is already there."""
        path = self.folder / "log.jsonl"
        lines = [json.loads(line) for line in read_text(path).splitlines()] if path.exists() else []
        lines = [line for line in lines if line["epoch"] < epoch["epoch"]] + [epoch]
        write_bytes(path, "".join(json.dumps(line) + "\n" for line in lines).encode())
