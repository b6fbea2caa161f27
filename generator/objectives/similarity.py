"""Objectives on embeddings: pictures are led to texts, and to other pictures, through an encoder such as CLIP.

Notation: u [B, D] the embeddings of images, v [N, D] those of what they are led to, all of length 1, and
c = u . v [B, N] their cosines. A score turns cosines into distances [B, N], smaller for what is more alike:

    cosine        1 - c                                             (Direct Ascent Synthesis, arXiv 2502.07753)
    spherical     2 asin(|u - v| / 2)^2 = arccos(c)^2 / 2           (Crowson's CLIP-guided diffusion)
    contrastive   -log(e^(s c) / (e^(s c) + sum_j o_j e^(s c_j)))   rivals j of odds o_j, the model's logit scale s

The spherical distance is half the square of the angle: its slope grows with it, where that of the cosine
fades as both lie at right angles. The contrastive one is the cross-entropy of the prompt against its rivals.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from foundation.choices import offered
from foundation.errors import StudioError
from foundation.protocols import Encoder
from generator.objectives.base import Objective, Term, rows_for
from generator.views.registry import View

Score = Callable[[Tensor, Tensor], Tensor]
"""(cosines c [B, N], embeddings u [B, D] of the images) -> distances [B, N]."""

_ALMOST_ONE = 1 - 1e-6  # from here on the slope of arccos(c) is no number any more
_SMALL_ANGLE = 1e-3


def cosine(cosines: Tensor, _embeddings: Tensor) -> Tensor:
    """Return 1 - c, from 0 (alike) to 2: the measure that CLIP is trained with (Radford et al., arXiv 2103.00020)."""
    return 1 - cosines


def spherical(cosines: Tensor, _embeddings: Tensor) -> Tensor:
    """Return half the square of the angle, from 0 (alike) to pi^2 / 2."""
    return cosines.clamp(-_ALMOST_ONE, _ALMOST_ONE).acos().square() / 2


@dataclass(frozen=True, eq=False)
class Contrastive:
    """The cross-entropy of each aim by itself against the same rivals, from 0 (it alone fits).

    The form of InfoNCE (van den Oord et al., arXiv 1807.03748).

    rivals [M, D] are of length 1, odds [M] above 0: a rival of odds 2 counts like two of odds 1.
    """

    rivals: Tensor
    odds: Tensor
    scale: float

    def __call__(self, cosines: Tensor, embeddings: Tensor) -> Tensor:
        """Return the cross-entropies [B, N]."""
        logits = self.scale * (embeddings @ self.rivals.to(embeddings).mT) + self.odds.to(embeddings).log()
        return functional.softplus(logits.logsumexp(dim=1, keepdim=True) - self.scale * cosines)


@dataclass(frozen=True)
class ScoreKind:
    """A score as recipes name it.

    Attributes:
        make: from the embeddings [M, D] of rivals, their odds [M] and the model's logit scale to the score of texts.
        most: the largest distance that it gives.
        has_rivals: whether it compares with other prompts: those of the field `against`, and the negative ones, which
            are rivals of the others then, rather than terms of their own.
        of_pictures: the score of pictures to match, which are far nearer to images than any text is.
        most_of_pictures: the largest distance of those.
        title: in menus.
        says: how it compares, as the help of the field goes on after its name.
    """

    make: Callable[[Tensor, Tensor, float], Score]
    most: float = 2.0
    has_rivals: bool = False
    of_pictures: Score = cosine
    most_of_pictures: float = 2.0
    title: str = ""
    says: str = ""


SCORES: dict[str, ScoreKind] = {
    "cosine": ScoreKind(lambda _rivals, _odds, _scale: cosine, title="cosine", says="of their embeddings"),
    "spherical": ScoreKind(
        lambda _rivals, _odds, _scale: spherical,
        most=math.pi**2 / 2,
        of_pictures=spherical,
        most_of_pictures=math.pi**2 / 2,
        title="angle (spherical)",
        says="by the square of the angle between them (harder pull from far away)",
    ),
    "contrastive": ScoreKind(
        Contrastive,
        most=math.inf,
        has_rivals=True,
        title="against others (contrastive)",
        says="by how much better this prompt fits than the ones it stands against",
    ),
}
"""Every score by its name in a recipe."""


def has_rivals(name: object) -> bool:
    """Whether this is the name of a score that compares with rivals."""
    return isinstance(name, str) and name in SCORES and SCORES[name].has_rivals


def scores_that(can: Callable[[ScoreKind], bool]) -> str:
    """The names of the scores that can do something, as a sentence offers them."""
    return offered(name for name, kind in SCORES.items() if can(kind))


@runtime_checkable
class FittingEncoder(Encoder, Protocol):
    """An encoder that can bring images to the one size that its model sees as a step of its own."""

    def fit(self, images: Tensor, /) -> Tensor:
        """Resize and crop images [B, 3, H, W] to [B, 3, h, w] in [0, 1], which are encoded like those given."""
        ...


class Aim(Protocol):
    """What images are led to, or with a weight below 0 away from."""

    @property
    def name(self) -> str:
        """Of its term."""
        ...

    @property
    def weight(self) -> float:
        """Of its term."""
        ...

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest distance that there can be."""
        ...

    def distance(self, embeddings: Tensor) -> Tensor:
        """Return the distance [B] of images with these embeddings [B, D]; its rows repeat as those of objectives."""
        ...


@dataclass(frozen=True, eq=False)
class Directions:
    """Fixed directions in the space of an encoder: an `Aim`.

    Attributes:
        name, weight: of its term.
        directions: [T, N, D], of length 1; one row for all images, or one for each.
        shares: [N], adding up to 1: how much each of the N directions counts.
        score: how near images are.
        most: the largest distance that the score gives.
    """

    name: str
    weight: float
    directions: Tensor
    shares: Tensor
    score: Score = cosine
    most: float = 2.0

    @property
    def range(self) -> tuple[float, float]:
        """From 0."""
        return 0.0, self.most

    def distance(self, embeddings: Tensor) -> Tensor:
        """Return the mean distance [B] of images with these embeddings [B, D]."""
        directions = rows_for(self.directions.to(embeddings), len(embeddings))
        cosines = (embeddings[:, None] * directions).sum(dim=2)
        return self.score(cosines, embeddings) @ self.shares.to(embeddings)


@dataclass(frozen=True, eq=False)
class ViewedPicture:
    """A picture under random views, drawn anew for every image that is compared with it: an `Aim`.

    Local crops of the image meet local crops of the target: random crop matching of M-Attack (Li et al., arXiv
    2503.10635), whose views of both are crops of 0.5 to 0.9 of the sides. Averaged over several views in a step, it
    is the multi-crop alignment of its successors.

    Attributes:
        name, weight: of its term.
        encoder: that sees the picture.
        picture: [1, 3, H, W] in [0, 1].
        view: of the picture, which gives one image for each image.
        rng: the generator of the views.
        score: how near images are.
        most: the largest distance that the score gives.
    """

    name: str
    weight: float
    encoder: Encoder
    picture: Tensor
    view: View
    rng: torch.Generator
    score: Score = cosine
    most: float = 2.0

    @property
    def range(self) -> tuple[float, float]:
        """From 0."""
        return 0.0, self.most

    def distance(self, embeddings: Tensor) -> Tensor:
        """Return the distance [B] of each image to a view of the picture."""
        with torch.no_grad():
            seen = self.view(self.picture.expand(len(embeddings), -1, -1, -1), self.rng)
            directions = self.encoder.encode_images(seen).to(embeddings)
        if len(directions) != len(embeddings):
            raise StudioError("The views of the target picture show several copies of it: leave 'si' out of them.")
        return self.score((embeddings * directions).sum(dim=1, keepdim=True), embeddings)[:, 0]


@dataclass(frozen=True, eq=False)
class OwnCaption:
    """The caption that tells what a photo shows, to be left for others: an `Aim`.

    The distance is c_s - max over j other than s of c_j, with c the cosines to the captions and s the photo's own;
    below 0 another caption fits better. A single caption has no others, and the distance is its cosine.

    Attributes:
        weight: of its term.
        captions: [N, D], of length 1.
        own: the photo's own caption for each image [T].
    """

    weight: float
    captions: Tensor
    own: Tensor
    name: str = "own caption"

    @property
    def range(self) -> tuple[float, float]:
        """That of cosines, or of their differences."""
        return (-1.0, 1.0) if len(self.captions) == 1 else (-2.0, 2.0)

    def distance(self, embeddings: Tensor) -> Tensor:
        """Return the lead [B] of the photo's own caption."""
        cosines = embeddings @ self.captions.to(embeddings).mT
        own = functional.one_hot(rows_for(self.own, len(embeddings)), len(self.captions)).bool().to(cosines.device)
        lead = cosines.masked_fill(~own, 0).sum(dim=1)
        return lead if len(self.captions) == 1 else lead - cosines.masked_fill(own, -torch.inf).amax(dim=1)


class EmbeddingObjective(Objective):
    """The weighted sum of the distances to several aims, in the eyes of one encoder."""

    def __init__(self, encoder: Encoder, aims: Sequence[Aim]) -> None:
        """Take aims in the space of this encoder, each with a name of its own."""
        if not aims:
            raise StudioError("There is nothing to lead a picture to: give a prompt, or a target or style picture.")
        self.encoder, self.aims = encoder, tuple(aims)

    def prepare(self, images: Tensor) -> Tensor:
        """Return the images as the model sees them, all of one size, if the encoder knows how."""
        return self.encoder.fit(images) if isinstance(self.encoder, FittingEncoder) else images

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return one term for each aim."""
        embeddings = self.encoder.encode_images(images)
        return tuple(Term(aim.name, aim.weight, aim.distance(embeddings)) for aim in self.aims)

    @property
    def least(self) -> float:
        """The sum of the least terms."""
        return sum(aim.weight * aim.range[0 if aim.weight > 0 else 1] for aim in self.aims)


def aim_at(
    name: str, directions: Tensor, weights: Sequence[float], score: Score = cosine, most: float = 2.0
) -> Directions:
    """Return the aim at directions [N, D] whose term is worth sum_n w_n d_n; all weights have the same sign."""
    shares = torch.tensor(weights, dtype=torch.float64)
    return Directions(name, shares.sum().item(), directions[None], (shares / shares.sum()).to(directions), score, most)


def direction(embeddings: Tensor, weights: Sequence[float]) -> Tensor:
    """Return the common direction [D] of embeddings [N, D]: their weighted sum, scaled to length 1."""
    summed = torch.tensor(weights).to(embeddings) @ embeddings
    if summed.norm() < 1e-4:
        raise StudioError("The parts of this prompt cancel each other out: change their weights.")
    return functional.normalize(summed, dim=0)


def mean_direction(embeddings: Tensor) -> Tensor:
    """The unit direction [..., D] of texts that mean one thing, from their unit embeddings [..., T, D].

    So CLIP is made a classifier without training (Radford et al., arXiv 2103.00020, section 3.1.4).
    """
    return functional.normalize(embeddings.mean(dim=-2), dim=-1)


def slerp(start: Tensor, end: Tensor, count: int) -> Tensor:
    """Return `count` >= 2 unit vectors [count, D] in equal angles along the great circle from `start` to `end` [D]."""
    angle = 2 * torch.atan2((end - start).norm(), (end + start).norm())  # exact for small angles, too
    if torch.pi - angle < _SMALL_ANGLE:
        raise StudioError("These two prompts are exact opposites for this model: no shortest way leads between them.")
    t = torch.linspace(0, 1, count, dtype=start.dtype, device=start.device)[:, None]
    if angle < _SMALL_ANGLE:  # the arc is its chord
        return functional.normalize((1 - t) * start + t * end, dim=1)
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)
