"""Shares of several models that change on the way: those that lag behind gain weight.

L_k(t) is the loss of model k at step t, m_k the least that it can be, and b_k its share in the recipe. Its inverse
training rate (GradNorm, Chen et al., arXiv 1711.02257, section 3.1) and its share at the next step are

    r_k = (L_k(t) - m_k) / (L_k(1) - m_k),     w_k = b_k r_k^a / mean of r_j^a weighted by b_j,   a = 1.5,

for every image by itself and within a group of models whose losses are of one kind. GradNorm brings the gradients
to these ratios, and takes a = 1.5 for tasks that differ much; here the losses are weighted by them, so that nothing
but the losses is needed.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.objectives.base import Ensemble, Objective, Scaled, Term, rows_for

STRENGTH = 1.5
"""a: 0 leaves the shares as they are; larger ones lead to equal progress harder."""


class DynamicEnsemble(Ensemble):
    """An ensemble whose members' shares follow their progress."""

    def __init__(self, objectives: Mapping[str, Objective], groups: Sequence[Sequence[str]]) -> None:
        """Take the objectives of the models by name, each scaled by its first share, and which share among themselves.

        StudioError for an objective that has no least value: there is no telling how far it has come.
        """
        super().__init__(objectives)
        members = {name: _Member(name, objective) for name, objective in objectives.items()}
        self.objectives = tuple(members.values())
        self._groups = [[members[name] for name in group] for group in groups if group]

    def hear(self, losses: Mapping[str, Tensor]) -> None:
        """Set the shares of the next step."""
        for group in self._groups:
            rates = [member.rate(losses) for member in group]
            shares = torch.tensor([member.share for member in group]).to(rates[0])
            mean = (torch.stack(rates) * shares[:, None]).sum(dim=0) / shares.sum()
            for member, rate in zip(group, rates, strict=True):
                member.factor = torch.where(mean > 0, rate / mean, torch.ones_like(rate))


class _Member(Objective):
    """The objective of one model, its loss multiplied by a factor [B] of its own."""

    def __init__(self, label: str, objective: Objective) -> None:
        if not math.isfinite(objective.least):
            raise StudioError(
                f"What is asked of '{label}' has no end, so there is no telling which model lags behind: use another "
                "objective, or the weighting 'fixed'."
            )
        self.label, self.objective = label, objective
        self.share = objective.factor if isinstance(objective, Scaled) else 1.0
        self.factor: Tensor | None = None
        self._weights: dict[str, float | Tensor] = {}
        self._first: Tensor | None = None

    def evaluate(self, images: Tensor) -> tuple[Term, ...]:
        terms = [term._replace(name=f"{self.label}: {term.name}") for term in self.objective.evaluate(images)]
        self._weights = {term.name: term.weight for term in terms}
        if self.factor is None:
            return tuple(terms)
        factor = rows_for(self.factor, len(images))
        return tuple(term._replace(weight=term.weight * factor.to(term.value)) for term in terms)

    def prepare(self, images: Tensor) -> Tensor:
        return self.objective.prepare(images)

    def rate(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return r^a [B]."""
        left = sum(weight * losses[name] for name, weight in self._weights.items()) - self.objective.least
        assert isinstance(left, Tensor)
        if self._first is None:
            self._first = left.clamp_min(torch.finfo(left.dtype).tiny)
        return (left / self._first).clamp_min(0) ** STRENGTH
