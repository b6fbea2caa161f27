"""What classifiers say of a picture, as it is written."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from foundation.record import Record


class Guess(Record):
    """A class, and how probable it is."""

    name: str = Field(alias="class")
    probability: float | None = Field(description="null where it is no number: the model is damaged.")


class ReadoutSaid(Record):
    """What one read-out of a layered classifier says: its most probable classes, the first of them first."""

    readout: str
    top: tuple[Guess, ...]

    @model_validator(mode="before")
    @classmethod
    def _one_class(cls, written: Any) -> Any:
        """Records of the first days have one class, and no list."""
        if isinstance(written, Mapping) and "top" not in written and "class" in written:
            guess = {name: written.get(name) for name in ("class", "probability")}
            return {"readout": written.get("readout"), "top": [guess]}
        return written


class Said(Record):
    """What a classifier says of a picture.

    Attributes:
        top: its most probable classes, averaged over several passes where it draws random numbers.
        agreement: the share of the passes that put the first of them first.
        draws: how many passes.
        readouts: of a layered classifier; empty for others.
    """

    top: tuple[Guess, ...] = Field(min_length=1)
    agreement: float
    draws: int
    readouts: tuple[ReadoutSaid, ...]

    @property
    def first(self) -> str:
        """The most probable class."""
        return self.top[0].name


Answers = Mapping[str, Said]
"""What models say, by their names."""
