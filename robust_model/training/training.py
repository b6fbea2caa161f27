"""Training: backbone, read-outs over a frozen backbone in one pass, or both together."""

from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from foundation.errors import StudioError
from robust_model.data.class_match import by_name
from robust_model.data.datasets import LabelledSet, to_float, training_data
from robust_model.networks.ensemble import FreshNoise, ModelConfig, SelfEnsemble
from robust_model.networks.train_parts import augment, still_statistics
from robust_model.training.adversary import ADVERSARIES
from robust_model.training.distributed import PartOfNoise, share_batch_norm
from robust_model.training.run import ResumableRun, Schedule, TrainProgress
from robust_model.training.start_from import start_folder, take_weights
from robust_model.training.teaching import kept_soft_labels
from robust_model.training.train_config import CHANGEABLE, TrainConfig
from robust_model.weights.checkpoint import load_weights

__all__ = ["Run", "TrainConfig", "TrainProgress"]


class Run(ResumableRun[TrainConfig]):
    """One training run in `folder`; made anew, or continued from the folder's checkpoint.

    `data` is what `config.data` names, for a caller who already holds it. One process at a time works in a folder, or
    several that train together. `fresh` names what a run that has just started from other weights did not find there.
    """

    changeable = CHANGEABLE
    command = "robust_model"

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        *,
        device: str = "cpu",
        data: LabelledSet | None = None,
        taught_on: LabelledSet | None = None,
        soft_labels: Path | None = None,
    ) -> None:
        schedule = Schedule(config.learning_rate, config.warmup, config.ema)
        super().__init__(config, folder, schedule, config.seed)
        self.fresh: tuple[str, ...] = ()
        self.device = torch.device(device)
        images = training_data(config.data, config.model.stack.size) if data is None else data
        images = self.check_data(config, images)
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(config.seed))
        self.held_out = images.subset(order[: config.holdout])
        self.images = images.subset(order[config.holdout :])
        self.steps_per_epoch = len(batch_sizes(config, len(images)))
        self.steps = steps_of(config, len(images))

        for size in set(batch_sizes(config, len(images))):
            self.world.part(size)  # refuses now what can't be divided
        self.model = self._make_model()
        self._lessons = images if taught_on is None or not config.teachers else self.check_data(config, taught_on)
        self._order, self._soft_file = order, soft_labels or folder / "soft_labels.safetensors"
        if not self.checkpoint.exists():
            _ = self.soft  # what teachers cannot teach is known before the first step
        self.optimiser = self._make_optimiser()
        self._begin()

    @cached_property
    def soft(self) -> Tensor | None:
        """What the teachers say of the training images (see `teaching`): asked when it is needed, and kept."""
        config = self.config
        if not config.teachers:
            return None
        with self.world.one_after_the_other():
            return kept_soft_labels(
                self._soft_file,
                config.teachers,
                self._lessons.subset(self._order[config.holdout :]),
                self.device,
                bf16=config.bf16,
                side=config.teacher_side,
                temperature=config.teacher_temperature,
            )

    @staticmethod
    def check_data(config: TrainConfig, images: LabelledSet) -> LabelledSet:
        """The images with labels that count the model's classes, each by its name.

        Raises StudioError for images of other classes than the model's, or too few.
        """
        if len(images.class_names) != len(config.model.class_names):
            raise StudioError(
                f"The data has {len(images.class_names)} classes, the model {len(config.model.class_names)}: they must "
                f"be the same. The data's are {_few(images.class_names)}; the model's are "
                f"{_few(config.model.class_names)}."
            )
        images = by_name(images, config.model.class_names)
        if len(images) - config.holdout < config.batch:
            raise StudioError(
                f"{len(images)} images are too few for a batch of {config.batch} and a holdout of {config.holdout}; "
                "lower one of the two."
            )
        if 1 in batch_sizes(config, len(images)):
            raise StudioError(
                "The last batch of an epoch would be one image, by which no BatchNorm can normalise: choose another "
                "batch or holdout, or keep_last=false."
            )
        return images

    def describe_data(self) -> str:
        """The images that the run is trained on, for its card."""
        return describe_data(self.config, len(self.images) + len(self.held_out), self.images.source)

    def _make_model(self) -> SelfEnsemble:
        config = self.config
        # A run that goes on has its own weights: whatever it began with need not be there any more.
        begins = not self.checkpoint.exists()
        with self.world.one_after_the_other():
            model = SelfEnsemble(
                config.model,
                pretrained=begins and config.pretrained and not config.start_from,
                pretrained_file=config.pretrained_file,
                seed=config.seed,
            )
        if config.start_from and begins:
            self._start_from(model)
        model.place(self.device)
        if self.world.size > 1:
            share_batch_norm(model, self.device)
        model.chain.checkpointing = config.checkpointing
        if config.compile:
            for stage in model.chain.stages:  # one by one: stages of one kind share what is compiled
                stage.compile()
        return model

    def _start_from(self, model: SelfEnsemble) -> None:
        """Take over the weights that the configuration names (see `transfer`)."""
        place = start_folder(self.config.start_from, self.folder)
        self.fresh = take_weights(model, place)
        lacking = [word for name, word in (("stem", "stem"), ("final", "head")) if name in self.fresh]
        if self.config.phase == "readouts" and lacking:
            raise StudioError(
                f"'{place}' has no {' and no '.join(lacking)} for this network (other classes, or another "
                "stack), and the phase 'readouts' does not train one: start from a run on the same."
            )

    def _make_optimiser(self) -> torch.optim.Optimizer:
        config = self.config
        chain = list(self.model.chain.parameters())
        trained = config.trained_readouts or config.model.readout_depths
        pairs = zip(config.model.readout_depths, self.model.heads[:-1], strict=True)
        readouts = [p for depth, head in pairs for p in head.parameters() if depth in trained]
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

    def _batch(self) -> tuple[Tensor, Tensor]:
        """This process's part of the step's batch."""
        epoch, at = divmod(self.step, self.steps_per_epoch)
        order = torch.randperm(len(self.images), generator=self._generator(epoch))
        indices = order[at * self.config.batch : (at + 1) * self.config.batch]
        pixels = augment(
            self.images.pixels(indices), self.config.shift, self.config.flip, self._generator(self.step, 0)
        )
        mine = self.world.part(len(indices))
        return to_float(pixels[mine]).to(self.device), self._targets(indices[mine]).to(self.device)

    def _targets(self, indices: Tensor) -> Tensor:
        """The labels [B] of some images or, with teachers, the probabilities [B, C] that take their place."""
        labels = self.images.labels[indices]
        if self.soft is None:
            return labels
        hard = F.one_hot(labels, self.soft.shape[1])
        return torch.lerp(hard.float(), self.soft[indices], self.config.teacher_weight)

    def train_step(self) -> float:
        """One step; returns its mean loss. A loss that is not finite is an error; the weights then stay as they are."""
        config, model = self.config, self.model
        images, targets = self._batch()
        noise = PartOfNoise(FreshNoise(self._noise_generator()), self.world)
        model.train()
        if config.phase == "readouts":
            self._freeze_norms()

        def loss(x: Tensor) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
                logits = model.readouts(x, noise)
            terms = [
                w * F.cross_entropy(logits[:, n], targets, label_smoothing=config.label_smoothing, reduction="none")
                for n, w in enumerate(config.loss_weights())
                if w
            ]
            return torch.stack(terms).sum(0)

        with still_statistics(model):
            adversary = ADVERSARIES[config.adversary]
            # The starts of all but the first process come from generators of their own.
            rng = self._generator(self.step, 2, *([self.world.rank] if self.world.rank else []))
            images = adversary(loss, images, config.eps, config.adversary_steps, rng)
        self._set_rate()
        total = loss(images).mean()
        value = self._finite(total)
        self._update(total)
        return value

    def _noise_generator(self) -> torch.Generator:
        """That of the step's draws, on the device: the stack of large images takes too many for the CPU."""
        seed = self._generator(self.step, 1).initial_seed()
        return torch.Generator(self.device).manual_seed(seed)

    def _freeze_norms(self) -> None:
        """Whatever the phase "readouts" does not train keeps its statistics (the backbone's: see `backbone_mode`)."""
        if self.config.backbone_mode == "eval":
            self.model.chain.eval()
        for weight, head in zip(self.config.loss_weights(), self.model.heads, strict=True):
            head.train(weight > 0)

    def exportable(self) -> SelfEnsemble:
        """A copy of the network with the averaged weights (the current ones without an average), in eval mode."""
        model = SelfEnsemble(self.config.model, seed=self.config.seed)
        load_weights(model, self.average or self.model.state_dict(), str(self.folder))
        return model.eval().requires_grad_(False)

    def held_out_answers(self, config: ModelConfig) -> tuple[Tensor, Tensor]:
        """The exported network's answers [n, C] on the holdout, combined as `config` says, and the labels [n].

        Before any temperature.
        """
        model = self.exportable().place(self.device).combined_as(config)
        return answers(model, self.held_out), self.held_out.labels

    def measure(self) -> dict[str, float]:
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


@torch.no_grad()
def answers(model: SelfEnsemble, images: LabelledSet) -> Tensor:
    """A network's answers [n, C] to all the images, on the CPU and before any temperature."""
    found = [model.combine(model.readouts(batch.to(model.mean.device))).cpu() for batch, _labels in images.batches(250)]
    return torch.cat(found) if found else torch.zeros(0, len(model.class_names))


def steps_of(config: TrainConfig, images: int) -> int:
    """The steps of a run on so many images, the held-out ones included."""
    return max(1, round(config.epochs * len(batch_sizes(config, images))))


def batch_sizes(config: TrainConfig, images: int) -> list[int]:
    """The sizes of an epoch's batches, of a run on so many images, the held-out ones included."""
    whole, left = divmod(images - config.holdout, config.batch)
    return [config.batch] * whole + ([left] if left and config.keep_last else [])


def describe_data(config: TrainConfig, images: int, source: str) -> str:
    """The images of a run in words, the held-out ones being among the `images` from `source`."""
    return f"{source}, {images - config.holdout} images trained on, {config.holdout} held out"


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
