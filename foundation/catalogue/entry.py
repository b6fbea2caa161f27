"""What the catalogue says of a model, and what it asks of those who know models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from foundation.errors import StudioError
from foundation.protocols import Classifier, Encoder, JobContext

Kind: TypeAlias = Literal["classifier", "encoder"]
"""Classifiers know classes; encoders (CLIP) compare pictures with texts."""
KINDS: tuple[Kind, ...] = ("classifier", "encoder")
Origin: TypeAlias = Literal["shipped", "package", "local", "download", "typed"]
Model: TypeAlias = Classifier | Encoder
Key: TypeAlias = tuple[str, ...]
USUAL_SIDE = 32
"""Of the images that a user's own network is tried with where nobody says which it takes."""


@dataclass(frozen=True)
class ModelInfo:
    """One line of the list of models.

    Attributes:
        name: what recipes, flags and jobs call it.
        kind: whether it knows classes or reads texts.
        title: what people call it.
        description: a few sentences on it, "" where nothing is known.
        origin: whether it came with the program, with a Python package, is the user's ("local"), is one to "download",
            or is named by the user alone ("typed").
        ready: it is on this machine and seems whole; otherwise `why_not` says what is missing, or what to do. One of
            origin "download" is fetched when it is first used, if it is not ready.
        revision: the first 16 hexadecimal digits of the SHA-256 of its weights; "" before they are here.
        card: its README, Markdown.
        licence: of its weights, "" where that is not known.
        class_names: the classes of a classifier.
        vocabulary: the words that an encoder knows; () for a general vocabulary.
        size: bytes of its weights on the disk, None where they are not here.
        download_bytes: about what there is to fetch, None if that is not known, or nothing is.
        folder: where its files lie, None where they are not in a folder of their own.
        loader: whose code loads it: "open_clip", "timm" and so on.
        paper: where it was published.
    """

    name: str
    kind: Kind
    title: str
    description: str
    origin: Origin
    ready: bool
    why_not: str = ""
    revision: str = ""
    card: str = ""
    licence: str = ""
    class_names: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    size: int | None = None
    download_bytes: int | None = None
    folder: Path | None = None
    loader: str = ""
    paper: str = ""


def usual_shape() -> tuple[int, int]:
    """Height and width of the images that a network is tried with where nobody says which it takes."""
    return USUAL_SIDE, USUAL_SIDE


@dataclass(frozen=True)
class Wanted:
    """How a model is to be loaded.

    Attributes:
        device: where it computes.
        precision: of an encoder's numbers: "auto", "fp32", "bf16"...; see `generator.encoders.precision`.
        shape: says height and width of the images that a user's own network has to take; asked for no other.
    """

    device: str = "cpu"
    precision: str = "auto"
    shape: Callable[[], tuple[int, int]] = usual_shape


@dataclass(frozen=True)
class Loadable:
    """A model whose files are all here.

    Attributes:
        key: equal for what is the same in memory; None for what is loaded anew every time.
        size: bytes of its weights on the disk, about what it will take.
        load: makes it. Raises StudioError.
    """

    key: Key | None
    size: int
    load: Callable[[], Model]


@dataclass(frozen=True)
class Found:
    """A model that a source knows by a name.

    Attributes:
        kind: what it is.
        info: says what is known of it; nothing is fetched or run.
        get: checks how it is wanted, fetches what is missing (the context hears how that goes, and can end it), and
            returns what can be loaded. Raises StudioError.
        instead: the name that can mean nothing else, where the one that was given could.
    """

    kind: Kind
    info: Callable[[], ModelInfo]
    get: Callable[[Wanted, JobContext | None], Loadable]
    instead: str = ""


class Source(Protocol):
    """Where models of one kind come from."""

    @property
    def kind(self) -> Kind:
        """What they are."""
        ...

    @property
    def forms(self) -> tuple[str, ...]:
        """How names look that are in no list, for sentences; () where all are listed."""
        ...

    @property
    def typed_only(self) -> bool:
        """Whether its names are taken from a flag alone, never out of a file: they are run, or lead anywhere."""
        ...

    def list(self) -> Sequence[ModelInfo]:
        """Those that can be chosen from a list, ready or not."""
        ...

    def find(self, name: str, /) -> Found | None:
        """The model of that name, None if the name is not one of its own. Nothing is fetched, run or imported.

        StudioError for a name of its form that there is no model of.
        """
        ...

    def hint(self, name: str, listed: Sequence[str], /) -> str:
        """A sentence that helps with a name that no source knows, and is in no list; "" without one."""
        ...


class NoModelError(StudioError):
    """There is no model of that name."""


class OutOfMemory(StudioError):
    """A model does not fit into the memory."""

    def __init__(self, name: str, device: str) -> None:
        place = "the GPU's memory" if device.startswith("cuda") else "memory"
        super().__init__(
            f"There is no room for the model '{name}' in {place}: choose a smaller one, or end other work."
        )
