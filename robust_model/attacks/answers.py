"""From logits to the class that is named, where what is no number names none."""

from torch import Tensor

NO_ANSWER = -1
"""Stands for a class where logits are not all numbers: it is never the right one."""


def named(logits: Tensor) -> Tensor:
    """The class of the highest of the logits [..., C], int64 [...]; `NO_ANSWER` where they are not all numbers.

    Infinity is no number either.
    """
    return logits.argmax(-1).masked_fill(~logits.isfinite().all(-1), NO_ANSWER)
