"""How far work is that takes a while: what a job reports, and what is said of it wherever it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL import Image

Unit = Literal["steps", "bytes", "items"]
"""What is counted. Steps are those of the job's own loop, over which its losses are drawn; bytes arrive, or are read;
items are parts of any other work, which its message names: photos, answers, measurements."""


@dataclass(frozen=True)
class Progress:
    """Where work stands.

    Attributes:
        done: how much is done; at most `total` where that is known.
        total: how much there is, 0 while unknown.
        message: what is being done, in words for people; "" for as before. Nothing is read from it.
        unit: what is counted.
        losses: named values at step `done`.
        preview: renders the newest picture; called only where one is wanted.
    """

    done: int
    total: int
    message: str = ""
    _: KW_ONLY
    unit: Unit = "steps"
    losses: Mapping[str, float] = field(default_factory=dict)
    preview: Callable[[], Image.Image] | None = None

    def __post_init__(self) -> None:
        if self.done < 0 or self.total < 0:
            raise ValueError(f"done and total are counts from 0; got {self.done} of {self.total}")


def silent(_progress: Progress) -> None:
    """Where nobody wants to hear of it."""


def amount(done: int, total: int, unit: Unit) -> str:
    """How much is done, in figures: ``3/80``, ``5 of 9 MB``; without a total, ``5 MB``."""
    if unit == "bytes":
        return f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB" if total else f"{done / 1e6:,.0f} MB"
    return f"{done}/{total}" if total else str(done)


def with_amount(message: str, done: int, total: int, unit: Unit) -> str:
    """A message with how much has arrived, where bytes are counted: nothing else in words says that."""
    return f"{message}: {amount(done, total, unit)}" if unit == "bytes" and (done or total) else message
