"""The self-ensemble: one backbone on the multi-resolution stack, read out at several depths.

Source: arXiv 2408.05446, section 3.2. All predictors come from one forward pass.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from generator.errors import StudioError
from robust_model.crossmax import AGGREGATORS, find_aggregator
from robust_model.networks import (
    READOUTS,
    Chain,
    LinearHead,
    activation_shapes,
    cifar_resnet,
    timm_resnet,
    torchvision_resnet,
)
from robust_model.stack import MultiResolutionStack, StackConfig, StackDraws


class ModelConfig(BaseModel):
    """Everything needed to build the network again. Frozen, validated, JSON.

    `backbone` is "cifar-resnet" (with `widths` and `blocks`), "torchvision:NAME" or "timm:NAME"; `input_size` is
    the side that the backbone sees (the stack is scaled up to it, bicubic); `readout_depths` are depths of the
    chain (see `networks`); the last predictor is always the backbone's own linear head, on top of them. `mean` and
    `std` normalise each RGB triple. `inference_noise` says what a plain call does: "off" (the centre of every
    distribution, so that the model is deterministic) or "fresh" (new random numbers at each call). The answer combines
    the `voters` deepest predictors (0: all) by `aggregator`, and is divided by `temperature` (see `calibration`), which
    changes probabilities and no decision. With `mirror` every predictor's logits are the mean over the image and its
    mirror image, so that the two are answered alike; a pass then costs two.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    class_names: tuple[str, ...]
    stack: StackConfig = StackConfig()
    backbone: str = "cifar-resnet"
    widths: tuple[int, ...] = (64, 128, 256)
    blocks: tuple[int, ...] = (1, 2, 3)
    input_size: int = Field(32, ge=8)
    readout_depths: tuple[int, ...] = ()
    readout: Literal["pooled", "flattened"] = "pooled"
    aggregator: str = "last"
    voters: int = Field(0, ge=0)
    mirror: bool = False
    inference_noise: Literal["off", "fresh"] = "off"
    temperature: float = Field(1.0, gt=0)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def readout_names(self) -> tuple[str, ...]:
        """The predictors' names, in the order of the logits."""
        return (*(f"layer {depth}" for depth in self.readout_depths), "final")

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        if len(self.class_names) < 2:
            raise ValueError("a classifier needs at least two classes")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError("every class needs a name of its own")
        if not self.widths or len(self.widths) != len(self.blocks) or min(*self.widths, *self.blocks) < 1:
            raise ValueError(f"widths {self.widths} and blocks {self.blocks} must be equally many positive numbers")
        if min(self.std) <= 0:
            raise ValueError(f"the standard deviations must be positive: {self.std}")
        if list(self.readout_depths) != sorted(set(self.readout_depths)):
            raise ValueError(f"read-out depths must increase: {self.readout_depths}")
        predictors = len(self.readout_depths) + 1
        if self.voters > predictors:
            raise ValueError(f"{self.voters} voters are more than the {predictors} predictors there are")
        find_aggregator(self.aggregator, predictors=self.voters or predictors)
        return self


class Noise(Protocol):
    """Where a pass gets its random numbers from."""

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws: ...


@dataclass(frozen=True)
class SilentNoise:
    """No randomness: the centre of every distribution."""

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws:
        return stack.centre(batch)


@dataclass(frozen=True)
class FreshNoise:
    """New random numbers at every pass and for every image (with `shared`: one draw per pass for all images)."""

    rng: torch.Generator
    shared: bool = False

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws:
        return stack.sample(batch, self.rng, shared=self.shared)


@dataclass(frozen=True)
class FrozenNoise:
    """The same random numbers at every pass: image i of a batch always gets draw i of `seed`.

    That holds for batches of any size: the draws are made image by image.
    """

    seed: int
    shared: bool = False

    def __call__(self, stack: MultiResolutionStack, batch: int) -> StackDraws:
        rng = torch.Generator().manual_seed(self.seed)
        if self.shared:
            return stack.sample(batch, rng, shared=True)
        return StackDraws.concatenate([stack.sample(1, rng) for _ in range(batch)])


def _build_chain(config: ModelConfig, pretrained: bool) -> Chain:
    kind, _, name = config.backbone.partition(":")
    if config.backbone == "cifar-resnet":
        return cifar_resnet(config.stack.channels, config.widths, config.blocks)
    if kind == "torchvision":
        return torchvision_resnet(name, config.stack.channels, pretrained)
    if kind == "timm":
        return timm_resnet(name, config.stack.channels, pretrained)
    raise StudioError(
        f"Unknown backbone '{config.backbone}': use cifar-resnet, torchvision:NAME or timm:NAME (a ResNet)."
    )


def _all_depths(config: ModelConfig, chain: Chain) -> tuple[int, ...]:
    """Where the predictors are read out: the configured depths and the backbone's own end."""
    if any(not 0 <= depth <= chain.depth for depth in config.readout_depths):
        raise StudioError(
            f"Read-out depths {config.readout_depths} do not fit a network of depth {chain.depth}: "
            f"use numbers from 0 to {chain.depth} (the backbone's own head, at {chain.depth}, always comes on top)."
        )
    return (*config.readout_depths, chain.depth)


def _build_heads(config: ModelConfig, chain: Chain, depths: Sequence[int]) -> nn.ModuleList:
    shapes = activation_shapes(chain, config.stack.channels, config.input_size, depths)
    classes = len(config.class_names)
    make = READOUTS[config.readout]
    return nn.ModuleList([*(make(shape, classes) for shape in shapes[:-1]), LinearHead(shapes[-1], classes)])


class SelfEnsemble(nn.Module):
    """Stack, backbone and read-outs as one classifier (`generator.protocols.LayeredClassifier`).

    Images may have any height and width: they are scaled to the stack's size (antialiased bilinear, so that the
    result stays in [0, 1]) differentiably. The initial weights come from `seed`; the model also owns a generator for
    its "fresh" noise, seeded with it. `pretrained` starts a torchvision or timm backbone from its own weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig, *, pretrained: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.class_names = config.class_names
        self.stack = MultiResolutionStack(config.stack)
        with torch.random.fork_rng(devices=[]):  # initialisers know only the global generator: lend it, give it back
            torch.default_generator.manual_seed(seed)
            self.chain = _build_chain(config, pretrained)
            self.depths = _all_depths(config, self.chain)
            self.heads = _build_heads(config, self.chain, self.depths)
        self.readout_names = config.readout_names
        views = len(config.stack.resolutions)
        self.register_buffer("mean", torch.tensor(config.mean).repeat(views).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).repeat(views).view(1, -1, 1, 1), persistent=False)
        self.rng = torch.Generator().manual_seed(seed)

    def default_noise(self) -> Noise:
        """What a plain call uses, from the configuration."""
        return FreshNoise(self.rng) if self.config.inference_noise == "fresh" else SilentNoise()

    def resize(self, images: Tensor) -> Tensor:
        """Scale images [B, 3, H, W] to the stack's square, [B, 3, S, S]."""
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"a classifier takes images [B, 3, H, W], not {tuple(images.shape)}")
        side = self.config.stack.size
        if images.shape[2:] == (side, side):
            return images
        return F.interpolate(images, size=(side, side), mode="bilinear", align_corners=False, antialias=True)

    def views(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The stack that the network sees, before normalisation: [B, 3R, S, S] in [0, 1] (never the mirror image's)."""
        small = self.resize(images)
        stacked: Tensor = self.stack(small, (noise or self.default_noise())(self.stack, len(small)))
        return stacked

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The logits [B, N, C] of all predictors, deepest last, in one forward pass."""
        small = self.resize(images)
        draws = (noise or self.default_noise())(self.stack, len(small))
        if not self.config.mirror:
            return self._predict(self.stack(small, draws))
        both = torch.cat([small, small.flip(3)])  # with the same draws: image i's random numbers stay its own
        logits = self._predict(self.stack(both, StackDraws.concatenate([draws, draws])))
        return logits.view(2, len(small), *logits.shape[1:]).mean(dim=0)

    def _predict(self, x: Tensor) -> Tensor:
        """All predictors' logits [B, N, C] from the stack [B, 3R, S, S]."""
        if self.config.input_size != self.config.stack.size:
            side = self.config.input_size
            x = F.interpolate(x, size=(side, side), mode="bicubic", align_corners=False)
        x = ((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        found = self.chain(x, self.depths)
        return torch.stack([head(act).float() for head, act in zip(self.heads, found, strict=True)], dim=1)

    def forward(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The answer [B, C]: the voters combined by the configured aggregator, over the temperature."""
        return self.combine(self.readouts(images, noise)) / self.config.temperature

    def voting(self, logits: Tensor) -> Tensor:
        """Of all predictors' logits [B, N, C], those that take part in the answer."""
        return logits[:, -self.config.voters :]

    def combine(self, logits: Tensor) -> Tensor:
        """The decision [B, C] from all predictors' logits [B, N, C]; `forward` divides it by the temperature."""
        return AGGREGATORS[self.config.aggregator](self.voting(logits))

    def on(self, device: str | torch.device) -> "SelfEnsemble":
        """Move to `device`, in the memory format that convolutions are fastest in; returns itself."""
        self.to(torch.device(device))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        return self

    def place(self, device: torch.device | str) -> "SelfEnsemble":
        """Move this network to `device`, convolutions in channels-last order: what their kernels are fastest with."""
        self.to(device)
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def with_noise(self, noise: Literal["off", "fresh"]) -> "SelfEnsemble":
        """This network, sharing its weights, with another `inference_noise`."""
        return self._with(inference_noise=noise)

    def with_aggregator(self, aggregator: str) -> "SelfEnsemble":
        """This network, sharing its weights, with its predictors combined in another way."""
        find_aggregator(aggregator, len(self.depths))
        return self._with(aggregator=aggregator)

    def combined_as(self, config: ModelConfig) -> "SelfEnsemble":
        """This network, sharing its weights, with its predictors combined as `config` says."""
        return self._with(
            aggregator=config.aggregator, voters=config.voters, temperature=config.temperature, mirror=config.mirror
        )

    def with_seed(self, seed: int) -> "SelfEnsemble":
        """This network, sharing its weights, with a generator of its own for fresh noise."""
        other = self._with()
        other.rng = torch.Generator().manual_seed(seed)
        return other

    def _with(self, **changes: str | float) -> "SelfEnsemble":
        other = copy.copy(self)
        other.config = ModelConfig(**{**self.config.model_dump(), **changes})
        return other


class Ensemble(nn.Module):
    """Several self-ensembles as one classifier: their answers combined by CrossMax with the median.

    Source: arXiv 2408.05446, section 4 ("ensemble of 3 self-ensembles"). The members must know the same classes.
    Each member draws its own noise, unless a pass is given one.
    """

    def __init__(self, members: Sequence[SelfEnsemble], aggregator: str = "crossmax-median") -> None:
        super().__init__()
        if not members or any(m.class_names != members[0].class_names for m in members):
            raise StudioError("An ensemble needs members that know the same classes in the same order.")
        self.members = nn.ModuleList(members)
        self.class_names = members[0].class_names
        self.aggregator = find_aggregator(aggregator, len(members))
        self.readout_names = tuple(f"member {i}" for i in range(1, len(members) + 1))

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The members' answers, [B, N, C]."""
        return torch.stack([member(images, noise) for member in self.members], dim=1)

    def forward(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The answer [B, C]."""
        return self.aggregator(self.readouts(images, noise))
