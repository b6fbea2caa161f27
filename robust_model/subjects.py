"""What can be evaluated: our models, ensembles of them, other people's by name, and a user's own.

A name is one of ours (or the folder of an exported model), or one that a package brings (`lite0`), or `KIND:REST` with
a kind of `LOADERS` (our models on the hub among them, `hf-hub:ORG/NAME`) or of `robust_model.published` (torchvision's
and so on), or `MODULE:FUNCTION`, a function of the user's that returns a network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from generator.errors import StudioError
from generator.protocols import JobContext
from robust_model.attacks import Defence
from robust_model.ensemble import Ensemble, SelfEnsemble
from robust_model.hub import PREFIX
from robust_model.own_network import load_own
from robust_model.packaged import PACKAGED
from robust_model.plain import DEFAULT_SIDE
from robust_model.published import is_published, load_published
from robust_model.registry import demand_different, find_model, load_classifier, load_model


class Settings(Protocol):
    """How a model was made, as far as an evaluation asks."""

    @property
    def aggregator(self) -> str: ...

    @property
    def image_size(self) -> int | None:
        """The side to which it scales images; None for one that takes them as they are."""

    def model_dump_json(self) -> str: ...


class EvaluatedModel(Defence, Protocol):
    """What an evaluation needs besides what attacks need. `SelfEnsemble`, `Ensemble` and `PlainDefence` are such."""

    @property
    def config(self) -> Settings: ...

    def state_dict(self) -> dict[str, Any]: ...

    def with_noise(self, noise: Literal["off", "fresh"]) -> Self:
        """This model with its noise switched off, or drawn anew at every pass (if it has any)."""

    def with_aggregator(self, aggregator: str) -> Self:
        """This model with its predictors combined in another way."""

    def frozen(self) -> Self:
        """This model, made faster where it can be: the same answers up to float32's rounding."""


@dataclass(frozen=True)
class Subject:
    """A model to evaluate: `name` as it is recorded, and the `folder` of an exported model that lies here.

    A model of the hub has none: its files are the cache's, into which nothing of ours is written. `notes` are sentences
    on what a network of others does that bears on its figures.
    """

    name: str
    model: EvaluatedModel
    folder: Path | None = None
    notes: tuple[str, ...] = ()


def load_subject(
    name: str,
    device: str = "cpu",
    folders: Sequence[Path] = (),
    context: JobContext | None = None,
    *,
    shape: Callable[[], tuple[int, int]] = lambda: (DEFAULT_SIDE, DEFAULT_SIDE),
) -> Subject:
    """The model `name` on `device`, in eval mode, ready to be attacked; `context` is told how a download goes.

    `shape` says height and width of the images that a user's own network has to take; it is asked for no other.
    Raises StudioError with what to do where there is no such model, a library is missing, or nothing can be downloaded.
    """
    kind, colon, rest = name.partition(":")
    if not colon or (Path(name) / "config.json").exists():
        info = find_model(name, folders)
        folder = None if info.name in PACKAGED else info.folder  # nothing is written into a package
        return Subject(info.name, load_classifier(name, device, folders), folder)
    if is_published(name):
        published = load_published(name, device, context)
        return Subject(name, published, notes=published.notes)
    if kind in LOADERS:
        return Subject(_plain(name), LOADERS[kind](rest, device, folders))
    own = load_own(kind, rest, device, shape)
    return Subject(name, own, notes=own.notes)


def _plain(name: str) -> str:
    """The name without folders of this machine, which only the members of an ensemble can lie in."""
    kind, _, rest = name.partition(":")
    if kind != "ensemble":
        return name
    return f"{kind}:{'+'.join(part if part.startswith(PREFIX) else Path(part).name for part in rest.split('+'))}"


def _hub(rest: str, device: str, folders: Sequence[Path]) -> EvaluatedModel:
    return load_model(PREFIX + rest, device, folders)


def _ensemble(rest: str, device: str, folders: Sequence[Path]) -> EvaluatedModel:
    members = []
    names = rest.split("+")
    demand_different([(name, find_model(name, folders).revision) for name in names])
    for name in names:
        member = load_model(name, device, folders)
        if not isinstance(member, SelfEnsemble):
            raise StudioError(f"'{name}' is an ensemble itself: an ensemble is made of self-ensembles.")
        members.append(member)
    return Ensemble(members).eval()


LOADERS: dict[str, Callable[[str, str, Sequence[Path]], EvaluatedModel]] = {
    "ensemble": _ensemble,
    PREFIX.removesuffix(":"): _hub,
}
"""Kinds of our models by the word before the colon: each loads what comes after it."""
