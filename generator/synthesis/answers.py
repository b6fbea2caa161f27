"""What a classifier says about images, by one rule for all who ask: the same images have the same answer.

A classifier that draws random numbers starts anew, from one fixed seed, whenever it is asked, and its answer is that of
several passes together. Whatever was asked before, and whoever asks, makes no difference.
"""

from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor

from foundation.protocols import Classifier, LayeredClassifier, ReadOutClassifier
from foundation.seeds import stream
from generator.synthesis.models import accelerated
from generator.synthesis.synthesis import SeededClassifier

DRAWS = 8
"""Passes over which the answer of a classifier that draws random numbers is averaged."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Logits of D passes over B images: `passes` [D, B, C], and `readouts` [D, B, N, C] of a layered classifier."""

    passes: Tensor
    readouts: Tensor | None


@torch.no_grad()
def ask(classifier: Classifier, images: Tensor, draws: int | None = None) -> Answer:
    """Ask a classifier about images [B, 3, H, W].

    `draws` is the number of passes; unless it is known, one is enough where the first two are equal. One that has a
    faster form is asked in that.
    """
    judge = started(accelerated(classifier))
    looks = [_look(judge, images)]
    if draws is None:
        second = _look(judge, images)
        looks += [] if torch.equal(looks[0][0], second[0]) else [second]
        draws = DRAWS if len(looks) > 1 else 1
    looks += [_look(judge, images) for _ in range(draws - len(looks))]
    layers = [layer for _, layer in looks if layer is not None]
    if is_layered(judge) and not layers:
        layers = [judge.readouts(images) for _ in looks]
    return Answer(torch.stack([answer for answer, _ in looks]), torch.stack(layers) if layers else None)


def _look(judge: Classifier, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """The answer [B, C] of one pass and, where a layered classifier gives them by the way, the read-outs [B, N, C]."""
    if is_layered(judge) and isinstance(judge, ReadOutClassifier):
        readouts = judge.readouts(images)
        return judge.answer_from(readouts), readouts
    return judge(images), None


def started(classifier: Classifier) -> Classifier:
    """The classifier at the start of its random numbers, if it draws any that can be started."""
    if isinstance(classifier, SeededClassifier):
        return classifier.with_seed(stream(0, "victim").initial_seed())
    return classifier


def is_layered(classifier: Classifier) -> TypeGuard[LayeredClassifier]:
    """Whether it has several read-outs: one alone is the answer itself."""
    return isinstance(classifier, LayeredClassifier) and len(classifier.readout_names) > 1
