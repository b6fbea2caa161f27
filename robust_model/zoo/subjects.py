"""What can be evaluated: any classifier of the catalogue (see `robust_model.zoo.catalogue`), as attacks need it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import usual_shape
from foundation.catalogue.names import OLD_PREFIX
from foundation.errors import StudioError
from foundation.protocols import JobContext
from robust_model.attacks import Defence
from robust_model.networks.ensemble import Ensemble, SelfEnsemble
from robust_model.networks.plain import PlainDefence
from robust_model.zoo import hub
from robust_model.zoo.catalogue import open_catalogue
from robust_model.zoo.registry import KIND, LOADER
from robust_model.zoo.sources import ENSEMBLE


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
    catalogue: Catalogue | None = None,
    context: JobContext | None = None,
    *,
    shape: Callable[[], tuple[int, int]] = usual_shape,
) -> Subject:
    """The model that a user calls `name` on `device`, in eval mode, ready to be attacked.

    `context` hears how a download goes. `shape` says height and width of the images that a user's own network has to
    take; it is asked for no other. Without a `catalogue`, the models are those that came with the program, and what can
    be named. Raises StudioError with what to do where there is no such model, a library is missing, or nothing can be
    downloaded.
    """
    models = open_catalogue() if catalogue is None else catalogue
    model = evaluated(models.load(name, device, context, kind=KIND, typed=True, shape=shape), name)
    info = models.find(name, KIND, typed=True)
    lies_here = info.loader == LOADER and info.origin != "download"
    folder = info.folder if lies_here else None
    return Subject(_plain(name) if folder is None else folder.name, model, folder, tuple(getattr(model, "notes", ())))


def evaluated(model: object, name: str) -> EvaluatedModel:
    """The model as one that can be evaluated. StudioError for one that cannot."""
    if not isinstance(model, SelfEnsemble | Ensemble | PlainDefence):
        raise StudioError(f"The model '{name}' is no classifier that can be evaluated: choose another.")
    return model


def _plain(name: str) -> str:
    """The name without folders of this machine, which only the members of an ensemble can lie in."""
    if not name.startswith(ENSEMBLE):
        return name
    parts = name.removeprefix(ENSEMBLE).split("+")
    prefixes = (hub.PREFIX, OLD_PREFIX)
    return ENSEMBLE + "+".join(part if part.startswith(prefixes) else Path(part).name for part in parts)
