"""What a victim says about a picture, as a value that can be stored and compared."""

import math
from collections.abc import Collection, Sequence

from pydantic import BaseModel, ConfigDict
from torch import Tensor

TOP = 5
"""Answers that a verdict lists in order."""
NO_ANSWER = ""
"""The label of a verdict whose numbers are no numbers (a damaged model)."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Guess(_Value):
    """One possible answer with its probability, 0 to 1."""

    label: str
    confidence: float


class ReadoutAnswer(_Value):
    """What one read-out of a layered model says: its first answer, and the probabilities of all labels in order."""

    name: str
    label: str
    confidence: float | None
    probabilities: tuple[float, ...] = ()


class Verdict(_Value):
    """What a victim says about one picture.

    Attributes:
        label: the answer; `NO_ANSWER` where there is none.
        confidence: its probability among the victim's labels, 0 to 1; None where there is no such number.
        top: the most probable answers, best first.
        readouts: the answers of every read-out of a layered classifier; () for others.
        shares: the probability of labels by name: of all labels as a victim gives it, of some as it is stored.
        draws: passes that the probabilities are the mean of, for victims that draw random numbers.
        agreement: the share of these passes that put `label` first.
        text: what a victim that answers in words said.
    """

    label: str
    confidence: float | None
    top: tuple[Guess, ...] = ()
    readouts: tuple[ReadoutAnswer, ...] = ()
    shares: dict[str, float] = {}
    draws: int = 1
    agreement: float = 1.0
    text: str = ""

    @property
    def answered(self) -> bool:
        """Whether there is an answer at all."""
        return self.label != NO_ANSWER

    def share_of(self, labels: Collection[str]) -> float | None:
        """The probability of these labels together; None where one of them is not among the shares."""
        if not labels or not set(labels) <= self.shares.keys():
            return None
        return math.fsum(self.shares[label] for label in set(labels))

    def only(self, labels: Collection[str]) -> "Verdict":
        """The same with the shares of these labels alone, and no probabilities of read-outs: what is stored."""
        kept = {label: self.shares[label] for label in sorted(set(labels) & self.shares.keys())}
        bare = tuple(answer.model_copy(update={"probabilities": ()}) for answer in self.readouts)
        return self.model_copy(update={"shares": kept, "readouts": bare})


NOT_ASKED = Verdict(label=NO_ANSWER, confidence=None)
"""Of a picture that there cannot be."""
Verdicts = tuple[Verdict, ...]
"""One verdict for each picture of a batch, in its order."""


def verdict_from(
    passes: Tensor, labels: Sequence[str], readouts: Tensor | None = None, names: Sequence[str] = ()
) -> Verdict:
    """Return the verdict on one picture from logits.

    `passes` [D, C] holds the logits of D passes, whose probabilities are averaged; `readouts` [D, N, C] those of
    the N read-outs called `names`. Of labels that are equal the probabilities are added.
    """
    each = passes.detach().double().softmax(dim=1).cpu()
    mean = each.mean(dim=0)
    layers = () if readouts is None else _readout_answers(readouts.detach().double().cpu(), labels, names)
    if not mean.isfinite().all():
        return Verdict(label=NO_ANSWER, confidence=None, readouts=layers, draws=len(each), agreement=0.0)
    order = mean.argsort(descending=True, stable=True)
    shares: dict[str, float] = {}
    for label, probability in zip(labels, mean.tolist(), strict=True):
        shares[label] = shares.get(label, 0.0) + probability
    first = int(order[0])
    return Verdict(
        label=labels[first],
        confidence=mean[first].item(),
        top=tuple(Guess(label=labels[index], confidence=mean[index].item()) for index in order[:TOP].tolist()),
        readouts=layers,
        shares=shares,
        draws=len(each),
        agreement=(each.argmax(dim=1) == first).double().mean().item(),
    )


def _readout_answers(logits: Tensor, labels: Sequence[str], names: Sequence[str]) -> tuple[ReadoutAnswer, ...]:
    """The answers of read-outs from their logits [D, N, C]."""
    found = []
    for name, probabilities in zip(names, logits.softmax(dim=2).mean(dim=0), strict=True):
        if not probabilities.isfinite().all():
            found.append(ReadoutAnswer(name=name, label=NO_ANSWER, confidence=None))
            continue
        best = int(probabilities.argmax())
        found.append(
            ReadoutAnswer(
                name=name,
                label=labels[best],
                confidence=probabilities[best].item(),
                probabilities=tuple(probabilities.tolist()),
            )
        )
    return tuple(found)
