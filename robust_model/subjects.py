"""What can be evaluated: our models, ensembles of them, other people's by name, and a user's own.

A name is one of ours (or the folder of an exported model), or `KIND:REST` with a kind of `LOADERS` (our models on the
hub among them, `hf-hub:ORG/NAME`) or of `robust_model.published` (torchvision's and so on), or `MODULE:FUNCTION`, a
function of the user's that returns a network.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import torch
from torch import nn

from generator.errors import StudioError
from generator.protocols import JobContext
from robust_model.attacks import Defence
from robust_model.ensemble import Ensemble, SelfEnsemble
from robust_model.hub import PREFIX
from robust_model.plain import PlainConfig, PlainDefence
from robust_model.published import LIBRARIES, is_published, load_published, numbered
from robust_model.registry import find_model, load_model


class Settings(Protocol):
    """How a model was made, as far as an evaluation asks."""

    @property
    def aggregator(self) -> str: ...

    @property
    def image_size(self) -> int: ...

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

    A model of the hub has none: its files are the cache's, into which nothing of ours is written.
    """

    name: str
    model: EvaluatedModel
    folder: Path | None = None


def load_subject(
    name: str, device: str = "cpu", folders: Sequence[Path] = (), context: JobContext | None = None
) -> Subject:
    """The model `name` on `device`, in eval mode, ready to be attacked; `context` is told how a download goes.

    Raises StudioError with what to do where there is no such model, a library is missing, or nothing can be downloaded.
    """
    kind, colon, rest = name.partition(":")
    if not colon or (Path(name) / "config.json").exists():
        info = find_model(name, folders)
        return Subject(info.name, load_model(name, device, folders), info.folder)
    if is_published(name):
        return Subject(name, load_published(name, device, context))
    if kind in LOADERS:
        return Subject(_plain(name), LOADERS[kind](rest, device, folders))
    return Subject(_plain(name), _own(kind, rest, device))


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
    for name in rest.split("+"):
        member = load_model(name, device, folders)
        if not isinstance(member, SelfEnsemble):
            raise StudioError(f"'{name}' is an ensemble itself: an ensemble is made of self-ensembles.")
        members.append(member)
    return Ensemble(members).eval()


def _own(module: str, function: str, device: str) -> EvaluatedModel:
    name = f"{module}:{function}"
    try:
        make = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise StudioError(
            f"There is no module '{error.name}' for the model '{name}'. Run the command in the folder where it lies, "
            f"or use one of {', '.join(f'{kind}:NAME' for kind in (*LOADERS, *LIBRARIES))}."
        ) from error
    except (AttributeError, ValueError) as error:
        raise StudioError(f"The module '{module}' has no function '{function}'.") from error
    made = make()
    network, names = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(network, nn.Module):
        raise StudioError(
            f"'{name}' returned {type(network).__name__}, not a torch.nn.Module, or (module, class names)."
        )
    network = network.to(device)
    classes = tuple(str(word) for word in names) if names is not None else numbered(_outputs(network, name, device))
    defence = PlainDefence(network, PlainConfig(name=name, class_names=classes))
    defence.to(device)
    return defence.probed()


def _outputs(network: nn.Module, name: str, device: str) -> int:
    """How many logits the network has, from one image of 32 x 32 pixels."""
    with torch.no_grad(), torch.random.fork_rng():
        try:
            logits = network.eval()(torch.full((1, 3, 32, 32), 0.5, device=device))
        except (RuntimeError, TypeError, ValueError) as error:
            raise StudioError(
                f"The model '{name}' cannot take images of 32 x 32 pixels: {error}. Let the function return (module, "
                "class names), and the module scale its images."
            ) from error
    return int(logits.shape[-1])


LOADERS: dict[str, Callable[[str, str, Sequence[Path]], EvaluatedModel]] = {
    "ensemble": _ensemble,
    PREFIX.removesuffix(":"): _hub,
}
"""Kinds of our models by the word before the colon: each loads what comes after it."""
