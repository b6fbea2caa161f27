"""Any network of one output as a defence that can be attacked and evaluated."""

import copy
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from foundation.catalogue.entry import USUAL_SIDE
from foundation.errors import StudioError
from robust_model.networks.contract import ask, demand_numbers, demand_order, gives_gradient, logits_of, notes_on
from robust_model.networks.folding import folded_network
from robust_model.networks.noise import FreshNoise, Noise
from robust_model.networks.stack import MultiResolutionStack, StackConfig

DEFAULT_SIDE = USUAL_SIDE
"""Of the images that a network is probed with where nobody says which it takes."""
SAME = 1e-4
"""Two answers to one image differ by less where they are only rounded otherwise, in shares of the largest logit."""


class PlainConfig(BaseModel):
    """A classifier of one output. Frozen, validated, JSON.

    `image_size` is the side of the images that it sees (None: it takes them as they are); `mean` and `std` normalise
    each channel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    class_names: tuple[str, ...] = Field(min_length=2)
    image_size: int | None = Field(None, ge=1)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def aggregator(self) -> str:
        """The one output is the answer."""
        return "last"


class PlainDefence(nn.Module):
    """Any network from images [B, 3, H, W] in [0, 1] to logits [B, C], as a defence of one predictor.

    Images are scaled to `config.image_size` (antialiased bilinear) and normalised, differentiably. Two passes over one
    image say whether the network is random (`probed`); `differentiable` says whether a gradient reaches the images, and
    `notes` what whoever evaluates it should know. A random one draws from PyTorch's global generator: at every pass it
    finds that seeded from the given noise, and it is put back afterwards, so that evaluations repeat. The noise of an
    image then belongs to its batch: frozen noise is frozen for as long as no image leaves the batch.
    """

    readout_names = ("output",)
    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, config: PlainConfig) -> None:
        super().__init__()
        self.network, self.config = network.eval().requires_grad_(False), config
        self.class_names = config.class_names
        self.register_buffer("mean", torch.tensor(config.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(1, 3, 1, 1), persistent=False)
        # Draws that are a seed: noise is what a stack samples, and this one samples a number in [0, 1).
        self.seeds = MultiResolutionStack(StackConfig(size=1, resolutions=(1,), noise="uniform", noise_low=1.0))
        self.random, self.differentiable = False, True
        self.notes: tuple[str, ...] = ()
        self._accelerated: tuple[object, PlainDefence | None] | None = None

    def probed(self, shape: tuple[int, int] = (DEFAULT_SIDE, DEFAULT_SIDE)) -> "PlainDefence":
        """Find out whether the network is random, and whether it answers as it should (see `contract`); returns itself.

        `shape`: height and width of the images that it is to take, of one that takes them as they are. Raises
        StudioError.
        """
        name, side = self.config.name, self.config.image_size
        height, width = shape if side is None else (side, side)
        images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0)).to(self.mean)
        noise = FreshNoise(torch.Generator().manual_seed(0))
        with torch.no_grad():
            first, second = (self.readouts(images, noise)[:, 0] for _ in range(2))
            alone = torch.cat([self.readouts(image[None], noise)[:, 0] for image in images])
        demand_numbers(torch.cat([first, second, alone]), name)
        # A GPU may add in another order each time; noise that is a defence is far larger.
        self.random = bool((first - second).abs().max() > 1e-5 * first.abs().max())
        if not self.random:
            demand_order(first, alone, name)
        self.notes = notes_on(first, name)
        self.differentiable = gives_gradient(lambda x: self.readouts(x, noise)[:, 0], images[:1], name)
        return self

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The logits [B, 1, C]."""
        if not len(images):  # what no image is left of; many a network cannot take it
            return images.new_zeros(0, 1, len(self.class_names))
        side = self.config.image_size
        if side is not None and images.shape[2:] != (side, side):
            images = F.interpolate(images, size=(side, side), mode="bilinear", align_corners=False, antialias=True)
        x = (images - self.mean) / self.std
        if noise is None:
            return self._logits(x)
        with torch.random.fork_rng([images.device] if images.is_cuda else []):
            self._seed(noise, len(images), images.device)
            return self._logits(x)

    def _logits(self, x: Tensor) -> Tensor:
        answer = ask(self.network, x, self.config.name)
        return logits_of(answer, x, len(self.class_names), self.config.name)[:, None]

    def _seed(self, noise: Noise, batch: int, device: torch.device) -> None:
        draws = noise(self.seeds, batch)
        assert draws.low is not None
        seed = int(draws.low[0][0, 0, 0, 0].double() * 2**24)
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.default_generators[device.index or 0].manual_seed(seed)

    @property
    def observed(self) -> nn.Module:
        """The network, whose layers have their names without this wrapper's (see `foundation.protocols.Observable`)."""
        return self.network

    @property
    def observed_side(self) -> int | None:
        """The side that it scales images to."""
        return self.config.image_size

    def look(self, images: Tensor) -> None:
        """Run the network on images [B, 3, H, W]."""
        self.readouts(images)

    def forward(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The logits [B, C]."""
        return self.readouts(images, noise)[:, 0]

    def voting(self, logits: Tensor) -> Tensor:
        """The one predictor's logits: [B, 1, C]."""
        return logits

    def combine(self, logits: Tensor) -> Tensor:
        """The one predictor's logits [B, 1, C] as the answer's [B, C]."""
        return logits[:, 0]

    def with_noise(self, noise: Literal["off", "fresh"]) -> "PlainDefence":
        """This network as it is: only the noise that it has by itself. StudioError if that is to be switched off."""
        if noise == "off" and self.random:
            raise StudioError(
                f"The model '{self.config.name}' is random by itself; its noise can't be switched off from here."
            )
        return self

    def frozen(self) -> "PlainDefence":
        """This network as it is: of what others have written, nothing is known that could be computed otherwise."""
        return self

    def accelerated(self) -> "PlainDefence":
        """This network for attacks: its norms folded into its convolutions where that changes nothing but rounding.

        That is tried on networks with timm's layers, and kept if the answers to an image are the same; any other
        network is as it is. What was found is remembered until a weight changes.
        """
        state = tuple((tensor.data_ptr(), tensor._version) for tensor in self.network.state_dict().values())
        if self._accelerated is None or self._accelerated[0] != state:
            self._accelerated = state, self._folded()
        return self._accelerated[1] or self

    def _folded(self) -> "PlainDefence | None":
        """This defence with a folded network; None if that cannot be had."""
        folded = None if self.random or not self.differentiable else folded_network(self.network)
        if folded is None:
            return None
        other = copy.copy(self)
        other._modules = {**self._modules, "network": folded}
        side = self.config.image_size or DEFAULT_SIDE
        images = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(self.mean)
        with torch.no_grad():
            usual, found = self.readouts(images), other.readouts(images)
        return other if bool((found - usual).abs().max() <= SAME * usual.abs().max()) else None

    def with_aggregator(self, aggregator: str) -> "PlainDefence":
        """A StudioError: there is nothing to combine."""
        raise StudioError(
            f"The model '{self.config.name}' has one output; there is nothing to combine by '{aggregator}'."
        )
