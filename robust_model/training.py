"""Training: backbone, read-outs over a frozen backbone in one pass, or both together.

A run is a folder: `config.json`, `checkpoint.safetensors` (everything needed to go on), `log.jsonl` (one line
per epoch). Every random number of step i comes from a generator seeded by (seed, i), so a run that is killed and
resumed repeats the undisturbed one exactly.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from generator.errors import StudioError
from robust_model.adversary import ADVERSARIES
from robust_model.checkpoint import (
    load_tensors,
    load_weights,
    pack_optimiser,
    save_tensors,
    unpack_optimiser,
    write_atomically,
)
from robust_model.data import LabelledImages, load_data, to_float
from robust_model.ensemble import FreshNoise, ModelConfig, SelfEnsemble


class TrainConfig(BaseModel):
    """A training run, whole. Frozen, validated, JSON.

    `phase`: "joint" trains backbone and read-outs together with `readout_weights` (one per predictor, the last
    is the backbone's own head); "backbone" trains the backbone through its own head alone; "readouts" trains all
    read-outs in one pass over a frozen backbone, whose BatchNorm statistics do not move. `learning_rate` is the
    peak of a one-cycle schedule (linear up over the `warmup` fraction, linear down to zero; `warmup` = -1: constant).
    `eps` is the adversary's L-inf budget in [0, 1] pixel units; `ema` the decay of the weights' moving average,
    which is what is exported (0: none). `holdout` training images are kept for selection, and never trained on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelConfig
    data: str
    phase: Literal["joint", "backbone", "readouts"] = "joint"
    start_from: str = ""
    pretrained: bool = False
    epochs: float = Field(28, gt=0)
    batch: int = Field(256, ge=2)
    optimiser: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = Field(0.2, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    warmup: float = Field(0.2, ge=-1, le=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    readout_weights: tuple[float, ...] = ()
    adversary: str = "none"
    eps: float = Field(8 / 255, ge=0, le=1)
    adversary_steps: int = Field(1, ge=1)
    flip: bool = True
    shift: int = Field(4, ge=0)
    ema: float = Field(0.998, ge=0, lt=1)
    bf16: bool = False
    holdout: int = Field(1000, ge=0)
    seed: int = 0

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        if self.adversary not in ADVERSARIES:
            raise ValueError(f"unknown adversary '{self.adversary}'; there are: {', '.join(ADVERSARIES)}")
        predictors = len(self.model.readout_depths) + 1
        if self.readout_weights and len(self.readout_weights) != predictors:
            raise ValueError(f"{predictors} predictors need as many weights, not {len(self.readout_weights)}")
        return self

    def loss_weights(self) -> tuple[float, ...]:
        """The weight of each predictor's loss in this phase."""
        readouts = len(self.model.readout_depths)
        if self.phase == "backbone":
            return (*[0.0] * readouts, 1.0)
        if self.phase == "readouts":
            return (*[1.0] * readouts, 0.0)
        return self.readout_weights or tuple([1.0] * (readouts + 1))


@dataclass(frozen=True)
class TrainProgress:
    """Where a run is: `step` of `steps`, the last mean loss, the learning rate and the seconds left."""

    step: int
    steps: int
    loss: float
    learning_rate: float
    eta_s: float
    epoch: dict[str, Any] | None = None


def one_cycle(step: int, steps: int, peak: float, warmup: float) -> float:
    """The learning rate of `step` (0-based): linear from 0 to `peak` over `warmup` of the run, then back to 0."""
    if warmup < 0:
        return peak
    at = (step + 0.5) / steps
    return peak * (at / warmup if at < warmup else (1 - at) / (1 - warmup))


def augment(images: Tensor, shift: int, flip: bool, rng: torch.Generator) -> Tensor:
    """Shift uint8 or float images [B, C, H, W] by up to `shift` pixels (edges reflected) and flip half of them."""
    batch, _, height, width = images.shape
    rows = torch.arange(height).expand(batch, -1)
    columns = torch.arange(width).expand(batch, -1)
    if shift:
        offset = torch.randint(-shift, shift + 1, (batch, 2), generator=rng)
        rows, columns = rows + offset[:, :1], columns + offset[:, 1:]
    if flip:
        mirrored = torch.rand(batch, 1, generator=rng) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    rows = (height - 1) - (rows.abs() - (height - 1)).abs()
    columns = (width - 1) - (columns.abs() - (width - 1)).abs()
    pick = torch.arange(batch)[:, None, None]
    return images.permute(0, 2, 3, 1)[pick, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@contextmanager
def still_statistics(model: nn.Module) -> Iterator[None]:
    """Within, forward passes in train mode leave the BatchNorm statistics where they are."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    saved = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, saved, strict=True):
            norm.momentum = momentum


class Run:
    """One training run in `folder`; made anew, or continued from the folder's checkpoint."""

    def __init__(self, config: TrainConfig, folder: Path, *, device: str = "cpu", data: LabelledImages | None = None):
        self.config, self.folder, self.device = config, folder, torch.device(device)
        images = data or load_data(config.data, "train")
        if len(images.class_names) != len(config.model.class_names):
            raise StudioError(
                f"The data has {len(images.class_names)} classes, the model {len(config.model.class_names)}."
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

        with torch.random.fork_rng(devices=[]):  # torch's initialisers know only the global generator
            torch.random.default_generator.manual_seed(config.seed)
            self.model = SelfEnsemble(config.model, pretrained=config.pretrained, seed=config.seed)
        if config.start_from:
            self._start_from(Path(config.start_from))
        self.model.to(self.device, memory_format=torch.channels_last)
        self.average = {k: v.clone() for k, v in self.model.state_dict().items()} if config.ema else None
        self.optimiser = self._make_optimiser()
        checkpoint = folder / "checkpoint.safetensors"
        if checkpoint.exists():
            self._restore(checkpoint)
        else:
            write_atomically(folder / "config.json", config.model_dump_json(indent=2).encode())

    def _start_from(self, path: Path) -> None:
        """Take every weight that fits from another run's checkpoint or an exported model."""
        tensors, _ = load_tensors(path / "checkpoint.safetensors" if path.is_dir() else path)
        prefix = "average." if any(n.startswith("average.") for n in tensors) else "model."
        found = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)} or tensors
        own = self.model.state_dict()
        fitting = {n: t for n, t in found.items() if n in own and own[n].shape == t.shape}
        if not fitting:
            raise StudioError(f"No weight of '{path}' fits this network; start from a run of the same backbone.")
        load_weights(self.model, {**own, **fitting}, str(path))

    def _make_optimiser(self) -> torch.optim.Optimizer:
        config = self.config
        chain = list(self.model.chain.parameters())
        readouts = [p for head in self.model.heads[:-1] for p in head.parameters()]
        own = list(self.model.heads[-1].parameters())
        chosen = {"joint": chain + readouts + own, "backbone": chain + own, "readouts": readouts}[config.phase]
        if not chosen:
            raise StudioError("This network has no read-outs to train; give readout_depths.")
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
        return torch.optim.SGD(
            groups, lr=config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0
        )

    def _restore(self, path: Path) -> None:
        tensors, facts = load_tensors(path)
        if facts["config"] != json.loads(self.config.model_dump_json()):
            raise StudioError(
                f"'{self.folder}' holds a run with another configuration. Choose an empty folder, or resume that run "
                f"with: python -m robust_model train --resume {self.folder}"
            )

        def part(prefix: str) -> dict[str, Tensor]:
            return {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}

        load_weights(self.model, part("model."), str(path))
        unpack_optimiser(self.optimiser, part("optimiser."))
        if self.average is not None:
            for name, tensor in part("average.").items():
                self.average[name].copy_(tensor)
        self.step = facts["step"]

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        tensors |= {f"optimiser.{n}": t for n, t in pack_optimiser(self.optimiser).items()}
        tensors |= {f"average.{n}": t for n, t in (self.average or {}).items()}
        facts = {"config": json.loads(self.config.model_dump_json()), "step": self.step, "steps": self.steps}
        save_tensors(self.folder / "checkpoint.safetensors", tensors, facts)

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
        """One step; returns its mean loss. A loss that is not finite is an error, before it spoils the weights."""
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
            raise StudioError(f"The loss is {value} at step {self.step}; resume with a lower learning rate.")
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
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

    def held_out_accuracy(self) -> dict[str, float]:
        """Accuracy on the holdout, clean and under a quick transfer of PGD-10 from the predictors' mean logits."""
        if not len(self.held_out):
            return {}
        model = self.exportable().to(self.device, memory_format=torch.channels_last)
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
        """Train to the end or until `should_stop`; True if the run is complete. The checkpoint is always current."""
        started, first, saved, losses = time.monotonic(), self.step, time.monotonic(), 0.0
        while self.step < self.steps and not should_stop():
            value = self.train_step()
            losses += value
            epoch = None
            if self.step % self.steps_per_epoch == 0 or self.step == self.steps:
                count = self.steps_per_epoch if self.step % self.steps_per_epoch == 0 else self.step
                epoch = {"epoch": self.step / self.steps_per_epoch, "loss": losses / count, **self.held_out_accuracy()}
                losses = 0.0
                self.save()
                saved = time.monotonic()
                self._log(epoch)
            elif time.monotonic() - saved > checkpoint_every_s:
                self.save()
                saved = time.monotonic()
            rate = one_cycle(self.step, self.steps, self.config.learning_rate, self.config.warmup)
            eta = (time.monotonic() - started) / (self.step - first) * (self.steps - self.step)
            on_progress(TrainProgress(self.step, self.steps, value, rate, eta, epoch))
        self.save()
        return self.step >= self.steps

    def _log(self, epoch: dict[str, Any]) -> None:
        """Rewrite the log with this epoch's line: a resumed run may repeat an epoch that is already there."""
        path = self.folder / "log.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        lines = [line for line in lines if line["epoch"] < epoch["epoch"]] + [epoch]
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in lines).encode())
