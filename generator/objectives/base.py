"""Objectives: what images are optimised for, as one loss per image, always minimised.

An objective names its terms (for the curves) and weighs them. Objectives add up (``a + b``) and scale
(``0.5 * a``); an `Ensemble` adds up those of several models; `mean` averages the same objective over several
classifiers. Those on texts and embeddings are in `generator.objectives.similarity`. Notation: z [B, C] the logits of
images [B, 3, H, W], m [C] or [T, C] a mixture of classes, t a target class, s a source class.

Rows of targets repeat: an objective with T rows also takes k T images, as k views of its T images in turn
(image 0..T-1 of the first view, then of the second, ...), which is how the loop scores many views at once.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from foundation.errors import StudioError


class Term(NamedTuple):
    """One named part of a loss: the loss is the sum over its terms of weight times value."""

    name: str
    weight: float | Tensor
    """One number, or one for each image [B]."""
    value: Tensor
    """[B], unweighted."""


class Objective(ABC):
    """A loss [B] for images [B, 3, H, W], as a weighted sum of named terms."""

    @abstractmethod
    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return the terms, in a fixed order, after one pass through whatever the objective asks."""

    def prepare(self, images: Tensor) -> Tensor:
        """Return images [B, 3, h, w] that `evaluate` takes for the given ones, in as few sizes as can be.

        Where a model first brings all images to its own size, that is done here, so that views of several sizes
        go through it as one batch.
        """
        return images

    def terms(self, images: Tensor) -> dict[str, Tensor]:
        """Return the unweighted terms [B] by name, in order."""
        return {term.name: term.value for term in self.evaluate(images)}

    def __call__(self, images: Tensor) -> Tensor:
        """Return the loss [B]."""
        return total(self.evaluate(images))

    def __add__(self, other: "Objective") -> "Objective":
        """Return the sum of two objectives."""
        return Sum((*self.parts(), *other.parts()))

    def parts(self) -> "tuple[Objective, ...]":
        """Return the summands, so that a + b + c is one flat sum with its names numbered once."""
        return (self,)

    def members(self) -> "tuple[Objective, ...]":
        """Return the summands that are to be scored under random views of their own."""
        return (self,)

    @property
    def least(self) -> float:
        """A value that the loss is never below; minus infinity where there is none."""
        return -math.inf

    def hear(self, losses: Mapping[str, Tensor]) -> None:  # noqa: B027 -- most objectives do not change
        """Hear the losses [B] of a step by name, means over its views, before the next step is taken."""

    def __mul__(self, factor: float) -> "Objective":
        """Return this objective with all its weights multiplied."""
        return Scaled(self, float(factor))

    __rmul__ = __mul__


def total(terms: Sequence[Term]) -> Tensor:
    """Return the weighted sum [B] of terms."""
    return torch.stack([term.weight * term.value for term in terms]).sum(dim=0)


class Sum(Objective):
    """Several objectives added up. A name that occurs again gets a number: "margin", "margin 2"."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        if not objectives:
            raise StudioError("There is nothing to add up: give at least one objective.")
        self.objectives = tuple(objectives)

    def parts(self) -> tuple[Objective, ...]:
        """Return the summands."""
        return self.objectives

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return all terms."""
        found: list[Term] = []
        taken: set[str] = set()
        for objective in self.objectives:
            for term in objective.evaluate(images):
                name, number = term.name, 1
                while name in taken:
                    number += 1
                    name = f"{term.name} {number}"
                taken.add(name)
                found.append(term._replace(name=name))
        return tuple(found)


class Scaled(Objective):
    """An objective times a number."""

    def __init__(self, objective: Objective, factor: float) -> None:
        self.objective, self.factor = objective, factor

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return the terms with their weights multiplied."""
        terms = self.objective.evaluate(images)
        return tuple(term._replace(weight=self.factor * term.weight) for term in terms)

    @property
    def least(self) -> float:
        """That of the objective, scaled; none for what is turned round."""
        return self.factor * self.objective.least if self.factor > 0 else -math.inf

    def prepare(self, images: Tensor) -> Tensor:
        """Return what the objective takes."""
        return self.objective.prepare(images)


class Labelled(Objective):
    """An objective whose terms have a label before their names: "model: margin"."""

    def __init__(self, label: str, objective: Objective) -> None:
        self.label, self.objective = label, objective

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return the terms under their longer names."""
        return tuple(term._replace(name=f"{self.label}: {term.name}") for term in self.objective.evaluate(images))

    @property
    def least(self) -> float:
        """That of the objective."""
        return self.objective.least

    def prepare(self, images: Tensor) -> Tensor:
        """Return what the objective takes."""
        return self.objective.prepare(images)


class Ensemble(Objective):
    """The sum of objectives that each ask a model of their own, which sees random views of its own.

    So no view is agreed on by all models, and a picture has to convince them under many views at once.
    """

    def __init__(self, objectives: Mapping[str, Objective]) -> None:
        """Take an objective for each model, by the name that its terms are labelled with."""
        if not objectives:
            raise StudioError("There is nobody to ask: choose at least one model.")
        self.objectives: tuple[Objective, ...] = tuple(
            Labelled(name, objective) for name, objective in objectives.items()
        )

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return the terms of all models, as they see the same images."""
        return tuple(term for objective in self.objectives for term in objective.evaluate(images))

    def members(self) -> tuple[Objective, ...]:
        """Return the objective of each model."""
        return self.objectives


class Mean(Objective):
    """The mean of objectives with the same terms, such as one objective for each of several classifiers."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        if not objectives:
            raise StudioError("There is nothing to average: choose at least one model.")
        self.objectives = tuple(objectives)

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return the terms of the first objective, each averaged over all of them."""
        columns = zip(*(objective.evaluate(images) for objective in self.objectives), strict=True)
        return tuple(
            column[0]._replace(value=torch.stack([term.value for term in column]).mean(dim=0)) for column in columns
        )


def mean(objectives: Sequence[Objective]) -> Objective:
    """Return the mean of objectives with the same terms; that of one is that one."""
    return objectives[0] if len(objectives) == 1 else Mean(objectives)


def mixture(classes: Sequence[int], weights: Sequence[float], class_count: int) -> Tensor:
    """Return the mixture [C] with `weights` (empty: equal, summing to 1) at `classes`, and 0 elsewhere."""
    chosen = list(weights) or [1 / len(classes)] * len(classes)
    result = torch.zeros(class_count)
    for index, weight in zip(classes, chosen, strict=True):
        result[index] += weight
    return result


def rows_for(targets: Tensor, images: int) -> Tensor:
    """Repeat T rows of targets for k T images."""
    if images % len(targets):
        raise ValueError(f"{images} images are not a whole number of views of {len(targets)} targets")
    return targets.repeat(images // len(targets), *[1] * (targets.ndim - 1))
