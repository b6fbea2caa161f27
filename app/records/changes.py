"""The change that an attack made, magnified, and taken apart by resolution; see `app.handlers.changes`."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from foundation.record import Maybe, Record


class Magnified(Record):
    """The file of a change round mid-grey, how many times as strong as it is, and its largest value."""

    file: str
    factor: float
    largest: float


class LayerPart(Magnified):
    """What a layer contributes, or a band of neighbouring layers; `cells` are rows and columns of the finest."""

    resolutions: tuple[int, ...] = Field(min_length=1)
    cells: tuple[int, int]


class OctavePart(Magnified):
    """A part by wavelength in pixels, from the longest to the shortest; both None for the mean."""

    longest: float | None = Field(alias="from")
    shortest: float | None = Field(alias="to")


class NamedPart(Magnified):
    """A part of another way to take a change apart, by its name."""

    title: str


class LayerParts(Record):
    """The parts of a perturbation in layers; `rest` is what they lack of the saved change at most."""

    kind: Literal["layers"]
    shown: tuple[LayerPart, ...]
    rest: float


class OctaveParts(Record):
    """The parts of a perturbation of single pixels."""

    kind: Literal["octaves"]
    shown: tuple[OctavePart, ...]
    rest: float


class NamedParts(Record):
    """The parts of another way, and what they are, in words; "{rest}" in these stands for what they lack, of 255."""

    kind: Literal["named"]
    says: str
    shown: tuple[NamedPart, ...]
    rest: float


Parts: TypeAlias = Annotated[LayerParts | OctaveParts | NamedParts, Field(discriminator="kind")]


class Change(Record):
    """A whole change.

    Attributes:
        file, factor: as those of `Magnified`.
        largest: not written at first.
        parts: absent where the attack diverged and its layers are gone; not made at first.
    """

    file: str
    factor: float
    largest: Maybe[float] = None
    parts: Maybe[Parts] = None
