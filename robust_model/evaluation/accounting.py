"""From passes to accuracies: votes, majorities, intervals, and the ways to count a model that answers at random."""

import torch
from torch import Tensor

from foundation.intervals import wilson
from robust_model.attacks import Defence
from robust_model.attacks.answers import named
from robust_model.evaluation.record.values import DrawCounts, Proportion
from robust_model.networks.noise import Noise


def proportion(mask: Tensor) -> Proportion:
    """An accuracy with its count and interval, from a bool tensor [n]."""
    right, total = int(mask.sum()), len(mask)
    return Proportion(accuracy=right / max(1, total), correct=right, n=total, ci95=wilson(right, total))


@torch.no_grad()
def answers(defence: Defence, images: Tensor, noise: Noise, draws: int) -> Tensor:
    """The class that each read-out, and last the defence, names in each of `draws` passes: int64 [K, B, N + 1].

    `NO_ANSWER` where its logits are not all numbers.
    """
    rows = []
    for _ in range(draws):
        logits = defence.readouts(images, noise)
        said = torch.cat([logits, defence.combine(logits)[:, None]], dim=1)
        rows.append(named(said))
    return torch.stack(rows)


@torch.no_grad()
def tied(defence: Defence, images: Tensor, labels: Tensor, noise: Noise) -> Tensor:
    """Where one pass gives the true class as high a logit as any, but names another (the first of them): bool [B]."""
    logits = defence.combine(defence.readouts(images, noise))
    own = logits.gather(1, labels[:, None])[:, 0]
    return (own == logits.amax(1)) & (logits.argmax(1) != labels)


def majority(found: Tensor) -> Tensor:
    """The class named most often over the first axis (of equally many, the lowest): int64 [K, ...] to [...]."""
    votes = torch.stack([(found == one).sum(0) for one in found])  # for each draw, how many agree with it
    return found.masked_fill(votes < votes.amax(0), torch.iinfo(found.dtype).max).amin(0)


def by_draws(right: Tensor) -> DrawCounts:
    """The ways to count images that are right in some draws: from bool [n, K], for a model that answers at random.

    `one_draw` counts the first pass alone, as AutoAttack does; `mean` is the accuracy expected of one pass;
    `every_draw` counts images that are right in all of them (the worst of K). The majority is counted elsewhere.
    """
    return DrawCounts(
        draws=right.shape[1],
        one_draw=proportion(right[:, 0]),
        mean=float(right.float().mean()) if right.numel() else 0.0,
        every_draw=proportion(right.all(1)),
    )
