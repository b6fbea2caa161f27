"""Training the small CLIP: contrastive, with several positives per text, against single-step attacks."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

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
from clip_model.model import WEIGHTS, CompactText, Network, encode_images, make_model, to_model_size, tokenize
from clip_model.train_config import ClipTrainConfig
from clip_model.zero_shot import class_embeddings
from foundation.errors import StudioError
from robust_model.data.datasets import to_float
from robust_model.networks.train_parts import still_statistics
from robust_model.training.adversary import ADVERSARIES
from robust_model.training.run import ResumableRun, Schedule
from robust_model.weights.checkpoint import load_tensors, load_weights

MAX_SCALE = 50.0
MAX_GRADIENT = 5.0
STEPS_PER_EPOCH = 500
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


class ClipRun(ResumableRun[ClipTrainConfig]):
    """One training run in `folder`; made anew, or continued from the folder's checkpoint."""

    changeable = ("steps", "eps")
    command = "clip_model"

    def __init__(
        self, config: ClipTrainConfig, folder: Path, *, device: str = "cpu", data: CaptionedImages | None = None
    ) -> None:
        super().__init__(config, folder, Schedule(config.learning_rate, config.warmup, config.ema), config.seed)
        self.device = torch.device(device)
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
        if config.start_from and not self.checkpoint.exists():  # a run that goes on has its own weights
            weights = Path(config.start_from) / WEIGHTS
            load_weights(self.model, load_tensors(weights)[0], f"'{weights}'")
        self.text = CompactText(self.model, every_text(self.concepts.all))
        self.model.to(self.device, memory_format=torch.channels_last)
        self.steps, self.steps_per_epoch = config.steps, STEPS_PER_EPOCH
        self.optimiser = self._make_optimiser()
        self._begin()

    def _make_optimiser(self) -> torch.optim.Optimizer:
        named = list(self.model.named_parameters())
        free = [p for n, p in named if p.ndim > 1 and "embedding" not in n]
        bound = [p for n, p in named if p.ndim <= 1 or "embedding" in n]
        groups = [
            {"params": free, "weight_decay": self.config.weight_decay},
            {"params": bound, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.config.learning_rate, betas=(0.9, 0.98))

    def _batch(self) -> Batch:
        config, rng = self.config, self._generator(self.step, 0)
        chosen = torch.multinomial(self.images.shares, config.batch, generator=rng)
        labels, attributes = self.images.labels[chosen], self.images.attributes[chosen]
        pixels = to_float(self.images.images[chosen])
        images = zoomed(pixels, config.size_at(self.step), config.smallest_crop, rng)
        draw = Draw(self._generator(self.step, 1))
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
        tokens = self.text.with_strangers(
            tokenize([*texts, *colours, *lights, *right, *wrong]), self._generator(self.step, 2)
        )
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
        self._set_rate()
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
                images = ADVERSARIES[config.adversary](attacked, images, eps, 1, self._generator(self.step, 3))
        with autocast:
            embedded = encode_images(model, images)
        total = self._loss(batch, scale * embedded @ texts.T, targets)
        value = self._finite(total)
        self._update(total, clip=MAX_GRADIENT)
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

    def averaged(self) -> Network:
        """A plain open_clip model (full vocabulary) with the averaged weights, in eval mode, on the CPU."""
        model = make_model(self.open_clip_config, self.config.seed)
        load_weights(model, self.text.full_state(self.average or self._weights()), str(self.folder))
        return model.eval().requires_grad_(False)

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
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
