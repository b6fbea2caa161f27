"""Training: backbone, read-outs over a frozen backbone in one pass, or both together.

A run is a folder: `config.json`, `checkpoint.safetensors` (everything needed to go on), `log.jsonl` (one line
per epoch). Every random number of step i comes from a generator seeded by (seed, i), so a run that is killed and
resumed repeats the undisturbed one exactly.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from generator.errors import StudioError
from robust_model.adversary import ADVERSARIES
from robust_model.checkpoint import (
    discard_drafts,
    load_tensors,
    load_weights,
    pack_optimiser,
    save_tensors,
    unpack_optimiser,
    write_atomically,
)
from robust_model.data import LabelledImages, load_data, to_float
from robust_model.ensemble import FreshNoise, ModelConfig, SelfEnsemble
from robust_model.train_config import CHANGEABLE, TrainConfig
from robust_model.train_parts import augment, one_cycle, still_statistics
from robust_model.transfer import take_weights

__all__ = ["Run", "TrainConfig", "TrainProgress"]


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
    epoch: dict[str, Any] | None = None


class Run:
    """One training run in `folder`; made anew, or continued from the folder's checkpoint.

    `data` is what `config.data` names, for a caller who already holds it. One process at a time works in a folder.
    """

    def __init__(self, config: TrainConfig, folder: Path, *, device: str = "cpu", data: LabelledImages | None = None):
        self.config, self.folder, self.device = config, folder, torch.device(device)
        images = load_data(config.data, "train") if data is None else data
        if images.class_names != config.model.class_names:
            raise StudioError(
                f"The data has {len(images.class_names)} classes, the model {len(config.model.class_names)}: they must "
                f"be the same, in the same order. The data's are {_few(images.class_names)}; the model's are "
                f"{_few(config.model.class_names)}."
            )
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(config.seed))
        if len(images) - config.holdout < config.batch:
            raise StudioError(
                f"{len(images)} images are too few for a batch of {config.batch} and a holdout of {config.holdout}; "
                "lower one of the two."
            )
        self.held_out = images.subset(order[: config.holdout])
        self.images = images.subset(order[config.holdout :])
        self.steps_per_epoch = len(self.images) // config.batch
        self.steps = max(1, round(config.epochs * self.steps_per_epoch))
        self.step = 0
        self.changed = False  # whether it goes on with other settings than its checkpoint was made with
        self.epoch_loss = (0.0, 0)  # the sum of this epoch's losses so far, and their number

        # A run that goes on has its own weights: whatever it began with need not be there any more.
        checkpoint = folder / "checkpoint.safetensors"
        begins = not checkpoint.exists()
        self.model = SelfEnsemble(config.model, pretrained=config.pretrained and begins, seed=config.seed)
        if config.start_from and begins:
            self._start_from(Path(config.start_from))
        self.model.place(self.device)
        self.average = {k: v.clone() for k, v in self.model.state_dict().items()} if config.ema else None
        self.optimiser = self._make_optimiser()
        if begins:
            write_atomically(folder / "config.json", config.model_dump_json(indent=2).encode())
        else:
            self._restore(checkpoint)

    def _start_from(self, place: Path) -> None:
        """Take over the weights at `place` (see `transfer`)."""
        fresh = take_weights(self.model, place)
        if self.config.phase == "readouts" and "final" in fresh:
            raise StudioError(
                f"'{place}' has no head for these classes, and the phase 'readouts' does not train one: start from a "
                "run on the same classes."
            )

    def _make_optimiser(self) -> torch.optim.Optimizer:
        config = self.config
        chain = list(self.model.chain.parameters())
        readouts = [p for head in self.model.heads[:-1] for p in head.parameters()]
        own = list(self.model.heads[-1].parameters())
        chosen = {"joint": chain + readouts + own, "backbone": chain + own, "readouts": readouts}[config.phase]
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        for parameter in chosen:
            parameter.requires_grad_(True)
        # Decay shrinks weights only: a norm's scale and a bias have no use for it.
        groups = [
            {"params": [p for p in chosen if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in chosen if p.ndim <= 1], "weight_decay": 0.0},
        ]
        if config.optimiser == "adam":
            return torch.optim.Adam(groups, lr=config.learning_rate)
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0)

    def _restore(self, path: Path) -> None:
        tensors, facts = load_tensors(path)
        try:
            theirs = TrainConfig.model_validate(facts.get("config"))
        except ValidationError:
            theirs = None
        changes = {name: getattr(self.config, name) for name in CHANGEABLE}
        if theirs is None or theirs.model_copy(update=changes) != self.config:
            raise StudioError(
                f"'{self.folder}' holds a run with another configuration, and a run that goes on may change only "
                f"{', '.join(CHANGEABLE)}. Choose an empty folder, or resume that run with: "
                f"python -m robust_model train --resume {self.folder}"
            )
        if self.steps < facts["step"]:
            raise StudioError(
                f"The run in '{self.folder}' has done {facts['step']} steps already, and {self.config.epochs:g} epochs "
                f"are only {self.steps}: choose more epochs."
            )

        def part(prefix: str) -> dict[str, Tensor]:
            return {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}

        load_weights(self.model, part("model."), str(path))
        unpack_optimiser(self.optimiser, part("optimiser."))
        if self.average is not None:
            for name, tensor in part("average.").items():
                self.average[name].copy_(tensor)
        self.step = facts["step"]
        self.epoch_loss = tuple(facts.get("epoch_loss", self.epoch_loss))
        self.changed = theirs != self.config
        if self.changed:
            write_atomically(self.folder / "config.json", self.config.model_dump_json(indent=2).encode())

    def save(self) -> None:
        """Write the checkpoint; weights that are not finite are an error, and the old checkpoint stays."""
        tensors = {f"model.{n}": t for n, t in self.model.state_dict().items()}
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
        save_tensors(self.folder / "checkpoint.safetensors", tensors, facts)

    def _diverged(self, what: str) -> StudioError:
        return StudioError(
            f"Training diverged at step {self.step}: {what}. The same run would do so again: start a new one, in "
            f"another folder, with a learning_rate below {self.config.learning_rate:g}. What '{self.folder}' holds is "
            "left as it is."
        )

    def _generator(self, *place: int) -> torch.Generator:
        """The generator of one place in the run: (epoch,) for the order, (step, purpose) for the draws."""
        seed = self.config.seed
        for number in (len(place), *place):
            seed = (seed * 1_000_003 + number + 1) % (2**63)
        return torch.Generator().manual_seed(seed)

    def _batch(self) -> tuple[Tensor, Tensor]:
        epoch, at = divmod(self.step, self.steps_per_epoch)
        order = torch.randperm(len(self.images), generator=self._generator(epoch))
        indices = order[at * self.config.batch : (at + 1) * self.config.batch]
        pixels = augment(
            self.images.images[indices], self.config.shift, self.config.flip, self._generator(self.step, 0)
        )
        return to_float(pixels).to(self.device), self.images.labels[indices].to(self.device)

    def train_step(self) -> float:
        """One step; returns its mean loss. A loss that is not finite is an error; the weights then stay as they are."""
        config, model = self.config, self.model
        images, labels = self._batch()
        weights = config.loss_weights()
        noise = FreshNoise(self._generator(self.step, 1))
        model.train()
        if config.phase == "readouts":
            model.chain.eval()

        def loss(x: Tensor) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
                logits = model.readouts(x, noise)
            terms = [
                w * F.cross_entropy(logits[:, n], labels, label_smoothing=config.label_smoothing, reduction="none")
                for n, w in enumerate(weights)
                if w
            ]
            return torch.stack(terms).sum(0) / sum(weights)

        with still_statistics(model):
            adversary = ADVERSARIES[config.adversary]
            images = adversary(loss, images, config.eps, config.adversary_steps, self._generator(self.step, 2))
        rate = one_cycle(self.step, self.steps, config.learning_rate, config.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        total = loss(images).mean()
        value = float(total.detach())
        if not math.isfinite(value):
            raise self._diverged(f"the loss is {value}")
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        self.optimiser.step()
        self.step += 1
        self._update_average()
        return value

    def _update_average(self) -> None:
        if self.average is None:
            return
        # A young average forgets its random start fast: the usual (1 + t) / (10 + t) ramp.
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, tensor in self.model.state_dict().items():
                if tensor.is_floating_point():
                    self.average[name].lerp_(tensor, 1 - decay)
                else:
                    self.average[name].copy_(tensor)

    def exportable(self) -> SelfEnsemble:
        """A copy of the network with the averaged weights (the current ones without an average), in eval mode."""
        model = SelfEnsemble(self.config.model, seed=self.config.seed)
        load_weights(model, self.average or self.model.state_dict(), str(self.folder))
        return model.eval().requires_grad_(False)

    @torch.no_grad()
    def held_out_answers(self, config: ModelConfig) -> tuple[Tensor, Tensor]:
        """The exported network's answers [n, C] on the holdout, combined as `config` says, and the labels [n].

        Before any temperature.
        """
        model = self.exportable().place(self.device).combined_as(config)
        answers = [
            model.combine(model.readouts(images.to(self.device))).cpu() for images, _ in self.held_out.batches(250)
        ]
        if not answers:
            return torch.zeros(0, len(self.config.model.class_names)), self.held_out.labels
        return torch.cat(answers), self.held_out.labels

    def held_out_accuracy(self) -> dict[str, float]:
        """Accuracy on the holdout, clean and under a quick transfer of PGD-10 from the predictors' mean logits."""
        if not len(self.held_out):
            return {}
        model = self.exportable().place(self.device)
        clean = robust = 0
        for number, (images, labels) in enumerate(self.held_out.batches(250)):
            x, y = images.to(self.device), labels.to(self.device)

            def loss(z: Tensor, y: Tensor = y) -> Tensor:
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16):
                    logits = model.readouts(z)
                return F.cross_entropy(logits.mean(1), y, reduction="none")

            attacked = ADVERSARIES["pgd"](loss, x, 8 / 255, 10, self._generator(number, 3))
            with torch.no_grad():
                clean += int((model(x).argmax(1) == y).sum())
                robust += int((model(attacked).argmax(1) == y).sum())
        total = len(self.held_out)
        return {"holdout_clean": clean / total, "holdout_pgd10_mean": robust / total}

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
        discard_drafts(self.folder)
        started, first, saved_at, saved_step = time.monotonic(), self.step, time.monotonic(), -1
        while self.step < self.steps and not should_stop():
            value = self.train_step()
            self.epoch_loss = (self.epoch_loss[0] + value, self.epoch_loss[1] + 1)
            epoch = None
            if self.step % self.steps_per_epoch == 0 or self.step == self.steps:
                epoch = self._end_epoch()
            if epoch is not None or time.monotonic() - saved_at >= checkpoint_every_s:
                self.save()
                saved_at, saved_step = time.monotonic(), self.step
            rate = one_cycle(self.step, self.steps, self.config.learning_rate, self.config.warmup)
            eta = (time.monotonic() - started) / (self.step - first) * (self.steps - self.step)
            on_progress(TrainProgress(self.step, self.steps, value, rate, eta, epoch))
        if saved_step != self.step:
            self.save()
        return self.step >= self.steps

    def _end_epoch(self) -> dict[str, Any]:
        """Measure and log the epoch that ends here, and begin the next."""
        total, count = self.epoch_loss
        epoch = {"epoch": self.step / self.steps_per_epoch, "loss": total / count, **self.held_out_accuracy()}
        self._log(epoch)  # before the checkpoint: a run killed between the two writes the line again
        self.epoch_loss = (0.0, 0)
        return epoch

    def _log(self, epoch: dict[str, Any]) -> None:
        """Rewrite the log with this epoch's line: a resumed run may repeat an epoch that is already there."""
        path = self.folder / "log.jsonl"
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
        lines = [line for line in lines if line["epoch"] < epoch["epoch"]] + [epoch]
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in lines).encode())


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
