"""A network of anybody's, or a name, as a model that the packages below can work with."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import Kind
from foundation.catalogue.names import spelled
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.progress import Progress
from foundation.protocols import Classifier, Encoder
from generator.classes.class_names import class_place
from robust_model.data.class_match import numbered
from robust_model.networks.contract import ask, logits_of
from robust_model.networks.ensemble import Ensemble, SelfEnsemble
from robust_model.networks.plain import PlainConfig, PlainDefence
from robust_model.zoo.subjects import EvaluatedModel

Network: TypeAlias = nn.Module | str
OnProgress: TypeAlias = Callable[[Progress], None]
"""Hears where the work stands."""
ShouldStop: TypeAlias = Callable[[], bool]
"""Whether to end at the next step and return what there is."""
OWN_NAME = "model"
"""What a network that comes without a name is called in recipes and reports."""


def never() -> bool:
    """Do not stop."""
    return False


@dataclass(frozen=True, eq=False)
class Loaded:
    """A classifier with the name that recipes call it by, where it computes, and its weights' revision ("": none)."""

    name: str
    model: Classifier
    device: str
    revision: str = ""

    def class_name(self, place: int) -> str:
        """What a recipe calls the class at a place: its name, or its number where several classes have that name."""
        names = self.model.class_names
        for written in (names[place], str(place)):
            with contextlib.suppress(StudioError):
                if class_place(names, written) == place:
                    return written
        raise StudioError(f"Neither '{names[place]}' nor its number tells class {place} from all others: rename it.")


@dataclass(frozen=True)
class Context:
    """A job that runs in the caller's own thread, as what loads models asks for one."""

    device: str
    on_progress: OnProgress
    should_stop: ShouldStop

    @property
    def stop_requested(self) -> bool:
        """Whether the caller wants it to stop."""
        return self.should_stop()

    def progress(self, now: Progress, /) -> None:
        """Tell the caller."""
        self.on_progress(now)


@contextlib.contextmanager
def classifier(
    network: Network, shape: tuple[int, int], context: Context, *, of_one_size: bool = True
) -> Iterator[Loaded]:
    """The network as a classifier of images of `shape` (H, W), probed; afterwards it is as it was.

    Images of another size, which views and canvases make, are scaled to it, unless the network is not `of_one_size`.
    Its training mode and which of its weights ask for gradients are put back. A name is loaded onto the device of the
    context; a module stays where it is. Raises StudioError for what is no classifier of such images, for NaN in its
    answers, and for answers in another order than the images.
    """
    if isinstance(network, str):
        yield _by_name(network, context)
    elif isinstance(network, SelfEnsemble | Ensemble | PlainDefence):
        with _lent(network):
            yield Loaded(getattr(network.config, "name", OWN_NAME), network.eval(), place_of(network))
    elif isinstance(network, nn.Module):
        with _lent(network):
            yield Loaded(OWN_NAME, _wrapped(network, shape, of_one_size), place_of(network))
    else:
        raise StudioError(
            f"A model is a torch.nn.Module that is ready to be called, or the name of one, not {_kind(network)}."
        )


def defence(loaded: Loaded) -> EvaluatedModel:
    """The model as one that can be evaluated. StudioError if it cannot."""
    if not isinstance(loaded.model, SelfEnsemble | Ensemble | PlainDefence):
        raise StudioError(f"The model '{loaded.name}' is no classifier that can be evaluated: choose another.")
    return loaded.model


def catalogue() -> Catalogue:
    """The models that the command line knows."""
    from app.visitors.data_dir import choose_data_dir
    from robust_model.zoo.catalogue import open_catalogue  # what the command line loads models by

    data = choose_data_dir()
    return open_catalogue((data.models,), data.downloads)


def load_named(name: str, device: str, context: Context, kind: Kind) -> tuple[Classifier | Encoder, str]:
    """The model that the command line means by a name, on a device, and the revision of its weights ("": none).

    `kind` is what is meant where the name alone does not say.
    """
    models = catalogue()
    meant = spelled(name, kind)
    return models.load(meant, device, context, typed=True), models.find(meant, typed=True).revision


def place_of(module: nn.Module) -> str:
    """The device of a module's first tensor; the CPU for one that has none."""
    first = next(chain(module.parameters(), module.buffers()), torch.empty(0))
    return str(first.device)


def _kind(found: object) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else f"a {type(found).__name__}"


def _by_name(name: str, context: Context) -> Loaded:
    device = choose_device(context.device)
    model, revision = load_named(name, device, context, "classifier")
    if isinstance(model, Encoder):
        raise StudioError(f"The model '{name}' compares pictures with texts and knows no classes: choose a classifier.")
    return Loaded(name, model, device, revision)


def _wrapped(network: nn.Module, shape: tuple[int, int], of_one_size: bool) -> PlainDefence:
    image = torch.full((1, 3, *shape), 0.5, device=place_of(network))
    with torch.no_grad(), torch.random.fork_rng():
        count = logits_of(ask(network.eval(), image, OWN_NAME), image, None, OWN_NAME).shape[1]
    names = getattr(network, "class_names", None)
    named = isinstance(names, tuple | list) and len(names) == count and all(isinstance(name, str) for name in names)
    if count < 2:
        raise StudioError("The model answers with one number for an image: a classifier of two classes has two logits.")
    classes = tuple(names) if named and names is not None else numbered(count)
    seen = _OfOneSize(network, shape) if of_one_size else network
    return PlainDefence(seen, PlainConfig(name=OWN_NAME, class_names=classes)).probed(shape)


class _OfOneSize(nn.Module):
    """A network that sees images of one size (H, W): others are scaled to it (antialiased bilinear)."""

    def __init__(self, network: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.network, self.size = network, size

    def forward(self, images: Tensor) -> object:
        """What the network answers."""
        if images.shape[2:] != self.size:
            images = functional.interpolate(images, self.size, mode="bilinear", align_corners=False, antialias=True)
        return self.network(images)


@contextlib.contextmanager
def _lent(network: nn.Module) -> Iterator[None]:
    training = [(module, module.training) for module in network.modules()]
    wanting = [(weight, weight.requires_grad) for weight in network.parameters()]
    try:
        yield
    finally:
        for module, was in training:
            module.training = was
        for weight, asked in wanting:
            weight.requires_grad_(asked)
