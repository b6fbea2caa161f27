"""What every attack shares: what is attacked, what an attack is asked, and what it answers."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from foundation.errors import StudioError
from robust_model.networks.crossmax import AGGREGATORS, Aggregator
from robust_model.networks.noise import Noise


class Defence(Protocol):
    """What is attacked: predictors on one image, and how their logits become the answer.

    `readout_names` are the predictors, deepest last; a plain classifier has one, ("output",). All of them come
    from one forward pass, so a gradient through some and the verdict of all cost one pass together.
    """

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def readout_names(self) -> tuple[str, ...]: ...

    @property
    def random(self) -> bool:
        """Whether two passes over one image may differ."""

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The logits [B, N, C] of all predictors for images [B, 3, H, W] in [0, 1]."""

    def voting(self, logits: Tensor) -> Tensor:
        """Of all predictors' logits [B, N, C], those that take part in the answer, [B, V, C]."""

    def combine(self, logits: Tensor) -> Tensor:
        """The answer's logits [B, C] from all predictors' logits [B, N, C]."""


class PassCount(NamedTuple):
    """Passes through the network, counted in images."""

    forward: int = 0
    backward: int = 0

    def __add__(self, other: "PassCount") -> "PassCount":  # type: ignore[override]  # sums, where tuples append
        return PassCount(self.forward + other.forward, self.backward + other.backward)

    def __mul__(self, times: int) -> "PassCount":  # type: ignore[override]
        return PassCount(self.forward * times, self.backward * times)

    def __rmul__(self, times: int) -> "PassCount":  # type: ignore[override]
        return self * times


NO_PASSES = PassCount(0, 0)


class AttackBase(BaseModel):
    """One attack. Frozen, validated, JSON.

    `eps` is the L-inf budget in [0, 1] pixel units. `eot` passes with independent noise are averaged for each
    gradient (one suffices for a deterministic model).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    if TYPE_CHECKING:  # each has its own, which stands where it always stood: streams of random numbers hang on it
        kind: str

    eps: float = Field(8 / 255, ge=0, le=1)
    eot: int = Field(1, ge=1)

    @property
    @abstractmethod
    def name(self) -> str:
        """Short and unambiguous within a suite."""

    @property
    @abstractmethod
    def units(self) -> int:
        """How often the attack's generator yields at most."""

    @property
    def is_sampled(self) -> bool:
        """Whether it attacks only a sample of its images, unless that pays."""
        return False

    @property
    def further_effort(self) -> str:
        """What else says how hard it tries, beside steps, queries, restarts, targets, repeats and EOT."""
        return ""

    @property
    def caveat(self) -> str:
        """What a report's numbers do not say of this attack, in sentences."""
        return ""

    def check(self, defence: Defence) -> None:
        """A StudioError where this attack cannot attack the defence, for what is known of both before any pass."""

    @abstractmethod
    def cost(self) -> PassCount:
        """The passes that one image costs which never breaks (those of the judge are not the attack's)."""


@dataclass
class AttackOutcome:
    """What an attack did to B images.

    `broken` bool [B] and `images` [B, 3, H, W]: for a broken image the first iterate that the defence got wrong
    (confirmed by the judge), else the clean one. `last`: where each restart ended, [B, 3, H, W] each, for a
    continuation. `passes`: what was spent so far, the judge's passes not included. `own`: of an attack that keeps a
    count of its own, bool [B], which images it calls broken. `extra`: further facts by name; attacks with gradients set
    "zero_gradients", the number of images whose first gradient was exactly zero.
    """

    broken: Tensor
    images: Tensor
    last: list[Tensor] = field(default_factory=list)
    passes: PassCount = NO_PASSES
    own: Tensor | None = None
    extra: dict[str, float | int | str] = field(default_factory=dict)

    @classmethod
    def untouched(cls, images: Tensor) -> Self:
        """Where an attack on images [B, 3, H, W] begins."""
        return cls(torch.zeros(len(images), dtype=torch.bool, device=images.device), images.clone())

    def standing(self) -> Tensor:
        """The indices of the images that are not broken, ascending."""
        return torch.nonzero(~self.broken).squeeze(1)

    def mark(self, which: Tensor, points: Tensor, clean: Tensor, eps: float) -> None:
        """Images `which` (indices) are broken by `points`; asserts the distance to `clean` and the range of each."""
        if not len(which):
            return
        points = points.detach()
        distance = float((points - clean).abs().max())
        assert distance <= eps + 1e-6, f"left the ball: {distance} > {eps}"
        assert float(points.min()) >= 0 and float(points.max()) <= 1, "left the range of an image"
        self.images[which] = points
        self.broken[which] = True


# (images, labels) -> bool [B], true where the defended model still stands.
Judge = Callable[[Tensor, Tensor], Tensor]


class AttackFunction(Protocol):
    """An attack on clean images [B, 3, H, W] with labels [B]: yields the running outcome, always the same object.

    `rng` (on the CPU) is its only source of randomness besides `noise`, which the defence's passes draw from.
    `judge` (images, labels -> bool [B], true where the defended model still stands) confirms each break, and a
    broken image leaves the batch at once. `before` is the outcome of the attack before, for a continuation.
    Closing the iterator stops the attack.
    """

    def __call__(
        self,
        defence: Defence,
        images: Tensor,
        labels: Tensor,
        config: Any,
        *,
        rng: torch.Generator,
        noise: Noise,
        judge: Judge,
        before: AttackOutcome | None = None,
    ) -> Iterator[AttackOutcome]: ...


def _no_words(_name: str) -> str:
    return ""


@dataclass(frozen=True)
class AttackKind:
    """An attack as evaluations know it.

    Attributes:
        config: its configuration, whose field `kind` has one value, its name in `registry.ATTACKS`.
        run: the attack.
        title: what sentences call it.
        by_gradients: whether it goes by gradients that are our own: what these are worth where it ended is looked at,
            and what it does not break counts against other attacks.
        black_box: whether it needs no gradient: what it breaks alone is a sign that gradients are masked.
        exact: whether it believes what it sees, and must see the network itself or, in the same precision, one that is
            equal but for rounding.
        words: from the name of one to what it does, as a sentence; empty for another's, and where the name says so.
    """

    config: type[AttackBase]
    run: AttackFunction
    title: str
    by_gradients: bool = False
    black_box: bool = False
    exact: bool = False
    words: Callable[[str], str] = _no_words


def project(x: Tensor, centre: Tensor, eps: float) -> Tensor:
    """The nearest point to `x` within L-inf distance eps of the clean `centre` and within [0, 1]."""
    return torch.minimum(torch.maximum(x, centre - eps), centre + eps).clamp(0, 1)


def uniform(images: Tensor, reach: float, rng: torch.Generator) -> Tensor:
    """Uniform noise of up to `reach` in every value, for images [B, 3, H, W]: with eps, a random start's distance.

    Drawn where `rng` is, so that the same seed gives the same numbers whatever device computes with them.
    """
    return (2 * torch.rand(images.shape, generator=rng, device=rng.device).to(images) - 1) * reach


def source_of(defence: Defence, name: str) -> Aggregator:
    """The function from all predictors' logits [B, N, C] to the attacked logits [B, C] that `name` stands for.

    Names: "defence" (the model's own answer), an aggregator of the predictors that take part in it ("mean",
    "crossmax-median"...), or "predictor I" (0-based; negative counts from the deepest). Otherwise a StudioError.
    """
    if name == "defence":
        return defence.combine
    if name in AGGREGATORS:
        return lambda logits: AGGREGATORS[name](defence.voting(logits))
    kind, _, number = name.partition(" ")
    predictors = len(defence.readout_names)
    digits = number.removeprefix("-")
    if kind == "predictor" and digits.isdecimal() and -predictors <= int(number) < predictors:
        return lambda logits: logits[:, int(number)]
    raise StudioError(
        f"Unknown source '{name}': use defence, predictor 0..{predictors - 1}, or one of {', '.join(AGGREGATORS)}."
    )
