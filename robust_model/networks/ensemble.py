"""The self-ensemble: one backbone on the multi-resolution stack, read out at several depths.

Source: arXiv 2408.05446, section 3.2. All predictors come from one forward pass.
"""

import copy
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foundation.errors import StudioError
from robust_model.networks.backbones import BACKBONES
from robust_model.networks.crossmax import AGGREGATORS, find_aggregator
from robust_model.networks.frozen import frozen_chain
from robust_model.networks.model_config import EnsembleConfig, ModelConfig
from robust_model.networks.networks import READOUTS, Chain, LinearHead, activation_shapes
from robust_model.networks.noise import FreshNoise, FrozenNoise, Noise, SilentNoise
from robust_model.networks.stack import MultiResolutionStack, StackConfig, StackDraws

__all__ = [
    "Ensemble",
    "EnsembleConfig",
    "FreshNoise",
    "FrozenNoise",
    "ModelConfig",
    "Noise",
    "SelfEnsemble",
    "SilentNoise",
]


def _build_chain(config: ModelConfig, pretrained: bool, file: str) -> Chain:
    kind, _, name = config.backbone.partition(":")
    if kind not in BACKBONES or BACKBONES[kind].named != bool(name):
        *others, last = (backbone.example for backbone in BACKBONES.values())
        raise StudioError(f"Unknown backbone '{config.backbone}': use {', '.join(others)} or {last}.")
    return BACKBONES[kind].make(config, name, pretrained, file)


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
    """Stack, backbone and read-outs as one classifier (`foundation.protocols.LayeredClassifier`).

    Images may have any height and width: they are scaled to the stack's size (antialiased bilinear, so that the
    result stays in [0, 1]) differentiably. The initial weights come from `seed`; the model also owns a generator for
    its "fresh" noise, seeded with it. `pretrained` starts a torchvision or timm backbone from its own weights, which
    the library fetches, or which are read from `pretrained_file`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, config: ModelConfig, *, pretrained: bool = False, pretrained_file: str = "", seed: int = 0
    ) -> None:
        super().__init__()
        self.config = config
        self.class_names = config.class_names
        self.stack = MultiResolutionStack(config.stack)
        with torch.random.fork_rng(devices=[]):  # initialisers know only the global generator: lend it, give it back
            torch.default_generator.manual_seed(seed)
            self.chain = _build_chain(config, pretrained, pretrained_file)
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

    @property
    def random(self) -> bool:
        """Whether two plain calls on one image may differ."""
        return self.config.inference_noise == "fresh" and self.config.stack.random

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The logits [B, N, C] of all predictors, deepest last, in one forward pass.

        Two with `separate_final_pass`.
        """
        small, noise = self.resize(images), noise or self.default_noise()
        draws = noise(self.stack, len(small))
        if not self.config.separate_final_pass:
            return self._look(small, draws, range(len(self.heads)))
        readouts, final = range(len(self.heads) - 1), range(len(self.heads) - 1, len(self.heads))
        parts = [self._look(small, draws, readouts)] if readouts else []
        return torch.cat([*parts, self._look(small, noise(self.stack, len(small)), final)], dim=1)

    def _look(self, small: Tensor, draws: StackDraws, which: range) -> Tensor:
        """The logits [B, n, C] of some of the predictors in one pass over images [B, 3, S, S]."""
        if not self.config.mirror:
            return self._predict(self.stack(small, draws), which)
        both = torch.cat([small, small.flip(3)])  # with the same draws: image i's random numbers stay its own
        logits = self._predict(self.stack(both, StackDraws.concatenate([draws, draws])), which)
        return logits.view(2, len(small), *logits.shape[1:]).mean(dim=0)

    def _predict(self, x: Tensor, which: range) -> Tensor:
        """The logits [B, n, C] of the predictors `which` from the stack [B, 3R, S, S]."""
        if self.config.input_size != self.config.stack.size:
            side = self.config.input_size
            x = F.interpolate(x, size=(side, side), mode="bicubic", align_corners=False)
        x = ((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        found = self.chain(x, [self.depths[n] for n in which])
        return torch.stack([self.heads[n](act).float() for n, act in zip(which, found, strict=True)], dim=1)

    @property
    def observed(self) -> nn.Module:
        """This network, whose layers are watched (see `foundation.protocols.Observable`)."""
        return self

    @property
    def observed_side(self) -> int:
        """The side that it scales images to."""
        return self.config.stack.size

    def look(self, images: Tensor) -> None:
        """Run stack, backbone and read-outs on images [B, 3, H, W], and not on their mirror images."""
        self._with(mirror=False).readouts(images)

    def forward(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The answer [B, C]: the voters combined by the configured aggregator, over the temperature."""
        return self.answer_from(self.readouts(images, noise))

    def answer_from(self, readouts: Tensor) -> Tensor:
        """The answer [B, C] from the logits [B, N, C] of all predictors."""
        return self.combine(readouts) / self.config.temperature

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

    def seeing(self, resolution: int) -> "SelfEnsemble":
        """This network, sharing its weights, where all resolutions of the stack show the image at this one."""
        stack = self.config.stack
        alone = StackConfig(**{**stack.model_dump(), "resolutions": (resolution,) * len(stack.resolutions)})
        other = self._with(stack=alone.model_dump())
        device = next(self.stack.buffers(), torch.empty(0)).device
        other._modules = {**self._modules, "stack": MultiResolutionStack(alone).to(device)}
        return other

    def with_seed(self, seed: int) -> "SelfEnsemble":
        """This network, sharing its weights, with a generator of its own for fresh noise."""
        other = self._with()
        other.rng = torch.Generator().manual_seed(seed)
        return other

    def frozen(self) -> "SelfEnsemble":
        """This network for passes without end (see `frozen.frozen_chain`); it must be in eval mode."""
        other = self._with()
        other._modules = {**self._modules, "chain": frozen_chain(self.chain)}
        return other

    def _with(self, **changes: str | float | dict[str, object]) -> "SelfEnsemble":
        other = copy.copy(self)
        other.config = ModelConfig(**{**self.config.model_dump(), **changes})
        return other


class Ensemble(nn.Module):
    """Several self-ensembles as one classifier: their answers combined by CrossMax with the median.

    Source: arXiv 2408.05446, section 4 ("ensemble of 3 self-ensembles"). The members must know the same classes.
    Each member draws its own noise, unless a pass is given one. Its predictors are the members.
    """

    def __init__(
        self, members: Sequence[SelfEnsemble], aggregator: str = "crossmax-median", temperature: float = 1.0
    ) -> None:
        super().__init__()
        if not members or any(m.class_names != members[0].class_names for m in members):
            raise StudioError("An ensemble needs members that know the same classes in the same order.")
        self.members = nn.ModuleList(members)
        self.class_names = members[0].class_names
        self.aggregator = find_aggregator(aggregator, len(members))
        self.config = EnsembleConfig(
            members=tuple(member.config for member in members), aggregator=aggregator, temperature=temperature
        )
        self.readout_names = self.config.readout_names

    @classmethod
    def of(cls, config: EnsembleConfig) -> "Ensemble":
        """The ensemble that `config` describes, whose weights are to be loaded: member i begins with seed i."""
        members = [SelfEnsemble(member, seed=seed) for seed, member in enumerate(config.members)]
        return cls(members, config.aggregator, config.temperature)

    @property
    def random(self) -> bool:
        """Whether two plain calls on one image may differ."""
        return any(member.random for member in self._members())

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The members' answers, [B, N, C]."""
        return torch.stack([member(images, noise) for member in self.members], dim=1)

    def voting(self, logits: Tensor) -> Tensor:
        """Of the members' logits [B, N, C], those that take part in the answer: all."""
        return logits

    def combine(self, logits: Tensor) -> Tensor:
        """The decision [B, C] from the members' logits [B, N, C]; `forward` divides it by the temperature."""
        return self.aggregator(logits)

    @property
    def observed(self) -> nn.Module:
        """This ensemble: the layers of its members are `members.0. ...` and so on."""
        return self

    @property
    def observed_side(self) -> int:
        """The side that the first of its members scales images to."""
        return self._members()[0].observed_side

    def look(self, images: Tensor) -> None:
        """Run every member on images [B, 3, H, W]."""
        for member in self._members():
            member.look(images)

    def forward(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The answer [B, C]."""
        return self.answer_from(self.readouts(images, noise))

    def answer_from(self, readouts: Tensor) -> Tensor:
        """The answer [B, C] from the logits [B, N, C] of all members."""
        return self.combine(readouts) / self.config.temperature

    def on(self, device: str | torch.device) -> "Ensemble":
        """Move to `device`, in the memory format that convolutions are fastest in; returns itself."""
        for member in self._members():
            member.on(device)
        return self

    def with_noise(self, noise: Literal["off", "fresh"]) -> "Ensemble":
        """This ensemble, sharing its weights, whose members have another `inference_noise`."""
        return self._of([member.with_noise(noise) for member in self._members()])

    def with_aggregator(self, aggregator: str) -> "Ensemble":
        """This ensemble, sharing its weights, with its members combined in another way."""
        return self._of(self._members(), aggregator)

    def with_seed(self, seed: int) -> "Ensemble":
        """This ensemble, sharing its weights, whose members draw fresh noise from generators of their own."""
        numbers = torch.randint(2**62, (len(self.members),), generator=torch.Generator().manual_seed(seed)).tolist()
        return self._of([member.with_seed(number) for member, number in zip(self._members(), numbers, strict=True)])

    def frozen(self) -> "Ensemble":
        """This ensemble for passes without end, as its members are (see `SelfEnsemble.frozen`)."""
        return self._of([member.frozen() for member in self._members()])

    def _members(self) -> list[SelfEnsemble]:
        return [member for member in self.members if isinstance(member, SelfEnsemble)]

    def _of(self, members: Sequence[SelfEnsemble], aggregator: str = "") -> "Ensemble":
        other = Ensemble(members, aggregator or self.config.aggregator, self.config.temperature)
        return other.train(self.training)
