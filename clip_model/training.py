"""Training the small CLIP: contrastive, with several positives per text, against single-step attacks.

A run is a folder: `config.json`, `checkpoint.safetensors` (everything needed to go on), `log.jsonl`. Every random
number of step i comes from generators seeded by (seed, i): a run that is killed and resumed repeats the
undisturbed one.
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
from torch import Tensor, nn

from clip_model.captions import (
    Draw,
    attribute_captions,
    every_text,
    other_attributes,
    plain_caption,
    rich_caption,
    with_attributes,
)
from clip_model.data import CaptionedImages, training_images
from clip_model.losses import attribute_loss, caption_matches, concept_loss, several_positives
from clip_model.model import CompactText, Network, encode_images, make_model, to_model_size, tokenize
from clip_model.train_config import ClipTrainConfig
from clip_model.zero_shot import class_embeddings
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
from robust_model.data import to_float
from robust_model.train_parts import one_cycle, still_statistics
from robust_model.training import TrainProgress

MAX_SCALE = 50.0
EPOCH = 500
"""Steps between two lines of the log."""


@dataclass(frozen=True)
class Batch:
    """What one step sees: images [B, 3, S, S] in [0, 1], labels [B], attributes [B, 3]; tokens of all texts.

    The texts are those of the K concepts, the colours and the lights, then the captions of the first images and as
    many that are wrong in the attribute they name. `targets` [B] are the labels or something more general.
    """

    images: Tensor
    labels: Tensor
    attributes: Tensor
    targets: Tensor
    tokens: Tensor
    counts: tuple[int, int, int, int]
    caption_concepts: Tensor
    caption_attributes: Tensor


def zoomed(images: Tensor, size: int, smallest: float, rng: torch.Generator) -> Tensor:
    """Random windows (`smallest`..1 of the side) of images [B, 3, H, W] at `size` x `size`, half of them flipped."""
    batch = len(images)
    scale = smallest + (1 - smallest) * torch.rand(batch, generator=rng)
    shift = (2 * torch.rand(batch, 2, generator=rng) - 1) * (1 - scale)[:, None]
    flip = 1 - 2 * (torch.rand(batch, generator=rng) < 0.5).float()
    theta = torch.zeros(batch, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale * flip, scale, shift
    grid = F.affine_grid(theta, [batch, 3, size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(0, 1)


class ClipRun:
    """One training run in `folder`; made anew, or continued from the folder's checkpoint."""

    def __init__(
        self, config: ClipTrainConfig, folder: Path, *, device: str = "cpu", data: CaptionedImages | None = None
    ) -> None:
        self.config, self.folder, self.device = config, folder, torch.device(device)
        everything = (
            training_images(Path(config.tiny_imagenet), config.cifar10, config.cifar_share) if data is None else data
        )
        if len(everything) - config.holdout < config.batch:
            raise StudioError(
                f"{len(everything)} images are too few for a batch of {config.batch} and a holdout of "
                f"{config.holdout}; lower one of the two."
            )
        order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(config.seed))
        self.held_out = everything.subset(order[: config.holdout])
        self.images = everything.subset(order[config.holdout :])
        self.concepts = everything.concepts
        self.open_clip_config = config.open_clip_config()
        self.model = make_model(self.open_clip_config, config.seed)
        self.text = CompactText(self.model, every_text(self.concepts.all))
        self.model.to(self.device, memory_format=torch.channels_last)
        self.step, self.steps, self.loss_sum = 0, config.steps, (0.0, 0)
        self.optimiser = self._make_optimiser()
        self.average = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        checkpoint = folder / "checkpoint.safetensors"
        if checkpoint.exists():
            self._restore(checkpoint)
        else:
            write_atomically(folder / "config.json", config.model_dump_json(indent=2).encode())

    def _make_optimiser(self) -> torch.optim.Optimizer:
        named = list(self.model.named_parameters())
        free = [p for n, p in named if p.ndim > 1 and "embedding" not in n]
        bound = [p for n, p in named if p.ndim <= 1 or "embedding" in n]
        groups = [
            {"params": free, "weight_decay": self.config.weight_decay},
            {"params": bound, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.config.learning_rate, betas=(0.9, 0.98))

    def _restore(self, path: Path) -> None:
        tensors, facts = load_tensors(path)
        if facts.get("config") != json.loads(self.config.model_dump_json()):
            raise StudioError(
                f"'{self.folder}' holds a run with another configuration: choose an empty folder, or resume that run "
                f"with python -m clip_model train --resume {self.folder}"
            )

        def part(prefix: str) -> dict[str, Tensor]:
            return {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}

        load_weights(self.model, part("model."), str(path))
        unpack_optimiser(self.optimiser, part("optimiser."))
        for name, tensor in part("average.").items():
            self.average[name].copy_(tensor)
        self.step, self.loss_sum = facts["step"], (facts["loss_sum"][0], facts["loss_sum"][1])

    def save(self) -> None:
        """Write the checkpoint; weights that are not finite are an error, and the old checkpoint stays."""
        tensors = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        tensors |= {f"optimiser.{n}": t for n, t in pack_optimiser(self.optimiser).items()}
        tensors |= {f"average.{n}": t for n, t in self.average.items()}
        if any(t.is_floating_point() and not bool(t.isfinite().all()) for t in tensors.values()):
            raise self._diverged("its weights are no longer finite")
        facts = {"config": json.loads(self.config.model_dump_json()), "step": self.step, "loss_sum": self.loss_sum}
        save_tensors(self.folder / "checkpoint.safetensors", tensors, facts)

    def _diverged(self, what: str) -> StudioError:
        return StudioError(
            f"Training diverged at step {self.step}: {what}. Start a new run, in another folder, with a learning_rate "
            f"below {self.config.learning_rate:g}; '{self.folder}' keeps its last checkpoint."
        )

    def _generator(self, purpose: int) -> torch.Generator:
        seed = ((self.config.seed * 1_000_003 + self.step) * 1_000_003 + purpose) % (2**63)
        return torch.Generator().manual_seed(seed)

    # ------------------------------------------------------------------ one step

    def _batch(self) -> Batch:
        config, rng = self.config, self._generator(0)
        chosen = torch.multinomial(self.images.shares, config.batch, generator=rng)
        labels, attributes = self.images.labels[chosen], self.images.attributes[chosen]
        pixels = to_float(self.images.images[chosen])
        images = zoomed(pixels, config.size_at(self.step), config.smallest_crop, rng)
        draw = Draw(self._generator(1))
        all_concepts = self.concepts.all
        targets = labels.clone()
        for i, label in enumerate(labels.tolist()):
            above = self.concepts.ancestors[label]
            if above and not draw.chance(config.leaf_share):
                targets[i] = above[draw.below(len(above))]
        texts = [plain_caption(concept, draw) for concept in all_concepts]
        colours, lights = attribute_captions(draw)
        right, wrong, named, changed, about = [], [], [], [], []
        for label, attribute in zip(labels[: config.captions].tolist(), attributes.tolist(), strict=False):
            text, which = rich_caption(all_concepts[label], attribute, draw)
            other = other_attributes(which, draw)
            right.append(text)
            wrong.append(with_attributes(all_concepts[label], other, draw))
            named.append(which)
            changed.append(other)
            about.append(label)
        tokens = self.text.with_strangers(tokenize([*texts, *colours, *lights, *right, *wrong]), self._generator(2))
        return Batch(
            images,
            labels,
            attributes,
            targets,
            tokens,
            (len(texts), len(colours), len(lights), len(right) + len(wrong)),
            torch.tensor(about + about, dtype=torch.long),
            torch.tensor(named + changed, dtype=torch.long).view(-1, 3),
        )

    def train_step(self) -> float:
        """One step; returns its loss. A loss that is not finite is an error; the weights then stay as they are."""
        config, model = self.config, self.model
        batch = self._batch()
        images, targets = batch.images.to(self.device), batch.targets.to(self.device)
        rate = one_cycle(self.step, self.steps, config.learning_rate, config.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        model.train()
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16)
        with autocast:
            texts = self.text.encode(batch.tokens.to(self.device))
        scale = model.logit_scale.exp().clamp(max=MAX_SCALE)
        concept_texts = texts[: batch.counts[0]]

        def attacked(x: Tensor) -> Tensor:
            with autocast:
                embedded = encode_images(model, x)
            return concept_loss(scale.detach() * embedded @ concept_texts.detach().T, targets, self.concepts)

        eps = config.eps_at(self.step)
        if eps:
            with still_statistics(model):
                images = ADVERSARIES[config.adversary](attacked, images, eps, 1, self._generator(3))
        with autocast:
            embedded = encode_images(model, images)
        total = self._loss(batch, scale * embedded @ texts.T, targets)
        value = float(total.detach())
        if not math.isfinite(value):
            raise self._diverged(f"the loss is {value}")
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        self._update_average()
        return value

    def _loss(self, batch: Batch, logits: Tensor, targets: Tensor) -> Tensor:
        config = self.config
        by_concept, by_colour, by_light, by_caption = logits.split(batch.counts, dim=1)
        total = concept_loss(by_concept, targets, self.concepts, config.label_smoothing).mean()
        match = self.concepts.matches[batch.labels].to(self.device)
        unclear = self.concepts.related[batch.labels].to(self.device) & ~match
        total = total + config.text_to_image_weight * several_positives(by_concept.T, match.T, unclear.T)
        colours, lights = batch.attributes[:, 0].to(self.device), batch.attributes[:, 2].to(self.device)
        total = total + config.attribute_weight * (
            attribute_loss(by_colour, colours) + attribute_loss(by_light, lights)
        )
        if config.captions:
            match, unclear = caption_matches(
                batch.labels, batch.attributes, batch.caption_attributes, batch.caption_concepts, self.concepts
            )
            match, unclear = match.to(self.device), unclear.to(self.device)
            both = several_positives(by_caption, match, unclear) + several_positives(by_caption.T, match.T, unclear.T)
            total = total + config.caption_weight * both / 2
        return total

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        for name, tensor in self.model.state_dict().items():
            if tensor.is_floating_point():
                self.average[name].lerp_(tensor, 1 - decay)
            else:
                self.average[name].copy_(tensor)

    # ------------------------------------------------------------------ the whole run

    def averaged(self) -> Network:
        """A plain open_clip model (full vocabulary) with the averaged weights, in eval mode, on the CPU."""
        model = make_model(self.open_clip_config, self.config.seed)
        load_weights(model, self.text.full_state(self.average), str(self.folder))
        return model.eval().requires_grad_(False)

    @torch.no_grad()
    def held_out_accuracy(self) -> dict[str, float]:
        """Zero-shot top-1 on the held-out images, of the averaged weights, among the classes of each data set."""
        model = self.averaged()
        result = {}
        for name, keys in self.concepts.data_sets.items():
            group = torch.tensor([self.concepts.index[key] for key in keys], dtype=torch.long)
            inside = torch.isin(self.held_out.labels, group)
            if not len(group) or not inside.any():
                continue
            texts = class_embeddings(model, [self.concepts.all[i] for i in group.tolist()])
            images, labels = self.held_out.images[inside], self.held_out.labels[inside]
            hits = 0
            for at in range(0, len(labels), 250):
                x = to_model_size(to_float(images[at : at + 250]), self.config.size_at(self.step - 1))
                said = group[(encode_images(model, x) @ texts.T).argmax(1)]
                hits += int((said == labels[at : at + 250]).sum())
            result[f"holdout_{name}"] = hits / len(labels)
        return result

    def run(
        self,
        on_progress: Callable[[TrainProgress], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        checkpoint_every_s: float = 120,
    ) -> bool:
        """Train to the end or until `should_stop`; True if the run is complete."""
        discard_drafts(self.folder)
        started, first, saved_at, saved_step = time.monotonic(), self.step, time.monotonic(), -1
        while self.step < self.steps and not should_stop():
            value = self.train_step()
            self.loss_sum = (self.loss_sum[0] + value, self.loss_sum[1] + 1)
            line = None
            if self.step % EPOCH == 0 or self.step == self.steps:
                line = self._end_epoch()
            if line is not None or time.monotonic() - saved_at >= checkpoint_every_s:
                self.save()
                saved_at, saved_step = time.monotonic(), self.step
            rate = one_cycle(self.step, self.steps, self.config.learning_rate, self.config.warmup)
            eta = (time.monotonic() - started) / (self.step - first) * (self.steps - self.step)
            on_progress(TrainProgress(self.step, self.steps, value, rate, eta, line))
        if saved_step != self.step:
            self.save()
        return self.step >= self.steps

    def _end_epoch(self) -> dict[str, Any]:
        total, count = self.loss_sum
        line = {"step": self.step, "loss": total / count, **self.held_out_accuracy()}
        path = self.folder / "log.jsonl"
        lines = [json.loads(text) for text in path.read_text("utf-8").splitlines()] if path.exists() else []
        lines = [old for old in lines if old["step"] < self.step] + [line]
        write_atomically(path, "".join(json.dumps(one) + "\n" for one in lines).encode())
        self.loss_sum = (0.0, 0)
        return line
