"""Objectives of classes, as recipes name them: to add one, write a class and an entry of `OBJECTIVES` here.

Targets are mixtures: rows of shares [C] or [T, C] over a classifier's classes (see `objectives.mixture`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from foundation.choices import offered
from foundation.errors import StudioError
from foundation.protocols import Classifier
from generator.objectives.base import Objective, Term, rows_for


def _checked_mixture(classifier: Classifier, targets: Tensor) -> Tensor:
    """Return a mixture [C] or [T, C] as [T, C], checked against the classifier's classes."""
    targets = targets[None] if targets.ndim == 1 else targets
    if targets.ndim != 2 or targets.shape[1] != len(classifier.class_names):
        raise ValueError(
            f"a mixture over {len(classifier.class_names)} classes has shape [C] or [T, C], not {list(targets.shape)}"
        )
    if not (targets.isfinite().all() and (targets != 0).any(dim=1).all()):
        raise StudioError("Give every image at least one class with a weight other than 0.")
    return targets


class ClassLogit(Objective):
    """The logit of a class, or a mixture of logits, against the general level of all logits.

    loss = -sum_c m_c z_c + normaliser * log sum_c exp z_c. A normaliser of sum_c m_c makes it the
    cross-entropy; a smaller one also rewards evidence for the class that is no evidence against another (more
    vivid images); 0 is the plain logit (Simonyan et al., arXiv 1312.6034, section 2). Weights may be negative: such
    classes are avoided.
    """

    def __init__(self, classifier: Classifier, targets: Tensor, normaliser: float = 0.5) -> None:
        """Take a mixture [C] for all images, or [T, C] with a row for each."""
        self.classifier, self.normaliser = classifier, normaliser
        self.targets = _checked_mixture(classifier, targets)

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return "negative logit" and "log-sum-exp"."""
        logits = self.classifier(images)
        targets = rows_for(self.targets, len(images)).to(logits)
        return (
            Term("negative logit", 1.0, -(targets * logits).sum(dim=1)),
            Term("log-sum-exp", self.normaliser, logits.logsumexp(dim=1)),
        )


class CrossEntropy(Objective):
    """The cross-entropy -sum_c m_c log softmax(z)_c against a soft mixture m of classes."""

    def __init__(self, classifier: Classifier, targets: Tensor) -> None:
        """Take a mixture [C] or [T, C] of weights that are not negative; they are scaled to add up to 1."""
        targets = _checked_mixture(classifier, targets)
        if (targets < 0).any():
            raise StudioError("Cross-entropy takes no negative weights; use the objective 'logit' for those.")
        self.classifier, self.targets = classifier, targets / targets.sum(dim=1, keepdim=True)

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return "cross-entropy"."""
        logits = self.classifier(images)
        targets = rows_for(self.targets, len(images)).to(logits)
        return (Term("cross-entropy", 1.0, functional.cross_entropy(logits, targets, reduction="none")),)

    @property
    def least(self) -> float:
        """0."""
        return 0.0


KAPPA = 50.0
"""How far a margin is pushed by default: the confidence of the Carlini-Wagner loss as Madry et al. attack."""


def best_other(logits: Tensor, taken: Tensor) -> Tensor:
    """The largest logit [B] of the classes that are not `taken` (bool [B, C]), from logits [B, C]."""
    return logits.masked_fill(taken, -torch.inf).amax(dim=1)


class Margin(Objective):
    """The targeted margin max(max_{c != t} z_c - z_t, -kappa): Carlini and Wagner (arXiv 1608.04644), f_6.

    Negative where the target leads. With several target classes the mixture of their logits stands for z_t,
    and the best class outside the mixture for the rest.
    """

    def __init__(self, classifier: Classifier, targets: Tensor, kappa: float = KAPPA) -> None:
        """Take a mixture [C] or [T, C] of weights that are not negative, with at least one class left out."""
        targets = _checked_mixture(classifier, targets)
        if (targets < 0).any() or (targets > 0).all(dim=1).any():
            raise StudioError("A margin needs weights that are not negative, and a class left to be beaten.")
        self.classifier, self.kappa = classifier, kappa
        self.targets = targets / targets.sum(dim=1, keepdim=True)

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return "margin"."""
        logits = self.classifier(images)
        targets = rows_for(self.targets, len(images)).to(logits)
        others = best_other(logits, targets > 0)
        return (Term("margin", 1.0, (others - (targets * logits).sum(dim=1)).clamp(min=-self.kappa)),)

    @property
    def least(self) -> float:
        """Minus kappa."""
        return -self.kappa


class LeaveClass(Objective):
    """The untargeted margin: max(z_s - max_{c != s} z_c, -kappa). Negative once the source class has lost.

    The other direction of f_6 of Carlini and Wagner (arXiv 1608.04644).
    """

    def __init__(self, classifier: Classifier, sources: Tensor, kappa: float = KAPPA) -> None:
        """Take the class to leave for each image: indices [T]."""
        count = len(classifier.class_names)
        if sources.ndim != 1 or sources.numel() == 0 or not ((sources >= 0) & (sources < count)).all():
            raise ValueError(f"source classes are indices [T] from 0 to {count - 1}, not {sources.tolist()}")
        self.classifier, self.kappa = classifier, kappa
        self.sources = functional.one_hot(sources.long(), count).bool()

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        """Return "margin"."""
        logits = self.classifier(images)
        sources = rows_for(self.sources, len(images)).to(logits.device)
        source = logits.masked_fill(~sources, 0).sum(dim=1)
        others = best_other(logits, sources)
        return (Term("margin", 1.0, (source - others).clamp(min=-self.kappa)),)

    @property
    def least(self) -> float:
        """Minus kappa."""
        return -self.kappa


ObjectiveFactory = Callable[[Classifier, Tensor, Tensor | None], Objective]
"""(classifier, mixture [C] or [T, C], classes of the source images [T] or None) -> objective."""


def _leave(classifier: Classifier, _targets: Tensor, sources: Tensor | None) -> Objective:
    if sources is None:
        raise StudioError("The objective 'leave' needs a photo whose class is to be left; give one.")
    return LeaveClass(classifier, sources)


@dataclass(frozen=True)
class ObjectiveKind:
    """An objective as recipes name it.

    Attributes:
        make: makes it; see `ObjectiveFactory`.
        title: in menus.
        says: what it does, as the help of the field goes on after its name.
        negative_weights: whether a class can have a weight below 0, which leads away from it.
        bounded: whether it can be reached, so that models can be weighted by how far they are from it.
        leads_away: whether it gets away from one class of a photo, rather than to classes: the class that is named, or
            else what the model itself says of the photo. It is told that class, and an empty mixture; only attacks
            have it.
        of_mixtures: the objective that is usual in its place for several classes; "" where it is usual for these, too.
    """

    make: ObjectiveFactory
    title: str
    says: str
    negative_weights: bool = False
    bounded: bool = True
    leads_away: bool = False
    of_mixtures: str = ""

    def __call__(self, classifier: Classifier, targets: Tensor, sources: Tensor | None) -> Objective:
        """Make it."""
        return self.make(classifier, targets, sources)


OBJECTIVES: dict[str, ObjectiveKind] = {
    "logit": ObjectiveKind(
        lambda classifier, targets, _sources: ClassLogit(classifier, targets),
        "score of the classes",
        "raises the score of the classes",
        negative_weights=True,
        bounded=False,
        of_mixtures="cross_entropy",
    ),
    "cross_entropy": ObjectiveKind(
        lambda classifier, targets, _sources: CrossEntropy(classifier, targets),
        "probabilities",
        "brings the probabilities to the mixture",
    ),
    "margin": ObjectiveKind(
        lambda classifier, targets, _sources: Margin(classifier, targets),
        "just above the others",
        "lifts the class just above the best other one",
    ),
    "leave": ObjectiveKind(
        _leave, "away from the class", "only gets away from the original class (attacks)", leads_away=True
    ),
}
"""Every objective by its name in a recipe."""

AWAY, TOWARDS = "leave", "margin"
"""Those of attacks that lead away from a class, and to one, where nobody says which."""


def usual_for_mixtures(name: str) -> str:
    """The objective that is usual for several classes, where this one would be for a single class."""
    kind = OBJECTIVES.get(name)
    return (kind.of_mixtures if kind else "") or name


def leads_away(name: object) -> bool:
    """Whether this is the name of an objective that leads away from a class."""
    return isinstance(name, str) and name in OBJECTIVES and OBJECTIVES[name].leads_away


def objectives_that(can: Callable[[ObjectiveKind], bool]) -> str:
    """The names of the objectives that can do something, as a sentence offers them."""
    return offered(name for name, kind in OBJECTIVES.items() if can(kind))
