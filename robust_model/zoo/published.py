"""Published classifiers by name: `torchvision:NAME`, `timm:NAME[.TAG]`, `robustbench:[DATASET/]NAME`.

What they are called and know is known without their weights, which are fetched once: torchvision's and timm's into
torch's hub folder (TORCH_HOME), unless they are there already or, timm's, in huggingface_hub's cache; RobustBench
fetches its own.
"""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from foundation import torchvision_cure  # noqa: F401  (before torchvision is imported)
from foundation.downloads.connection import DownloadError, RemoteFile
from foundation.downloads.download import DownloadStopped
from foundation.errors import StudioError
from foundation.protocols import JobContext
from generator.classes.labels import CIFAR10_CLASSES, imagenet
from generator.encoders.hub import Store
from robust_model.data.class_match import numbered
from robust_model.networks.plain import PlainConfig, PlainDefence
from robust_model.weights.checkpoint import file_digest

_DIGEST = re.compile(r"-([0-9a-f]{8,64})\.")
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Published:
    """A published classifier, whose weights need not be here.

    Attributes:
        config: its name, classes and images.
        description: a sentence on its weights.
        find: finds their file, None if it is not on this machine, or its place is not known.
        download_bytes: about what there is to fetch, None if that is not known.
        fetch: gets the weights if need be, and tells a job how that goes. Raises StudioError.
        build: makes the network once they are here.
    """

    config: PlainConfig
    description: str
    find: Callable[[], Path | None]
    download_bytes: int | None
    fetch: Callable[[JobContext | None], None]
    build: Callable[[], nn.Module]

    @property
    def here(self) -> bool:
        """Whether the weights are on this machine."""
        return self.find() is not None

    @property
    def revision(self) -> str:
        """The digest of their file; "" if it is not here."""
        path = self.find()
        return "" if path is None else file_digest(path)

    def load(self, device: str = "cpu") -> PlainDefence:
        """The classifier on `device`, ready to be attacked, of weights that were fetched. Raises StudioError."""
        try:
            network = self.build()
        except (OSError, RuntimeError) as error:  # so do downloads end that a library does itself
            raise _refuse_download(self.config.name, error) from error
        defence = PlainDefence(network, self.config)
        defence.to(device)
        return defence.probed()


def _refuse_download(name: str, error: Exception) -> StudioError:
    return StudioError(
        f"The weights of '{name}' are not here and could not be downloaded ({error}). With a network, run this again; "
        "without one, put them where the library keeps its weights, or write a function that builds the model and give "
        "it as MODULE:FUNCTION."
    )


def _hub_folder() -> Path:
    """Where torch keeps what it downloads."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def _getting(name: str, get: Callable[[JobContext | None], object]) -> Callable[[JobContext | None], None]:
    def fetch(context: JobContext | None) -> None:
        try:
            get(context)
        except DownloadStopped:
            raise
        except DownloadError as error:
            raise _refuse_download(name, error) from error

    return fetch


def _torchvision(name: str) -> Published:
    from torchvision import models

    if name not in models.list_models(module=models):
        raise StudioError(f"torchvision has no classifier '{name[:80]}'; see torchvision.models.list_models().")
    weights: Any = models.get_model_weights(name).DEFAULT
    seen, full = weights.transforms(), f"torchvision:{name}"
    file = Path(weights.url.rpartition("/")[2])
    digest, target = _DIGEST.search(file.name), _hub_folder() / file.name
    remote = RemoteFile(weights.url, digest[1] if digest else "")
    megabytes = weights.meta.get("_file_size")
    config = PlainConfig(
        name=full,
        class_names=tuple(weights.meta["categories"]),
        image_size=seen.crop_size[0],
        mean=tuple(seen.mean),
        std=tuple(seen.std),
    )
    return Published(
        config,
        f"torchvision's {name} with the weights {weights.name}: {_sees(config)}.",
        find=lambda: target if target.is_file() else None,
        download_bytes=round(megabytes * 1e6) if megabytes else None,
        fetch=_getting(full, lambda context: _store().fetch_file(remote, target, full, context)),
        build=lambda: models.get_model(name, weights=weights),
    )


def _timm(name: str) -> Published:
    timm: Any = importlib.import_module("timm")
    known = timm.is_model(name) and timm.is_model_pretrained(name)
    seen = timm.get_pretrained_cfg(name) if known else None
    if seen is None or not seen.num_classes:
        raise StudioError(f"timm has no pretrained classifier '{name[:80]}'; see timm.list_models(pretrained=True).")
    full = f"timm:{name}"
    config = PlainConfig(
        name=full,
        class_names=_timm_classes(seen.num_classes),
        image_size=seen.input_size[1],
        mean=tuple(seen.mean),
        std=tuple(seen.std),
    )
    names = (seen.hf_hub_filename,) if seen.hf_hub_filename else _HUB_FILES
    place = _hub_folder() / "timm" / f"{seen.architecture}.{seen.tag}"
    store = _store()

    def find() -> Path | None:
        return store.file_of(seen.hf_hub_id, names, place) if seen.hf_hub_id else None

    def get(context: JobContext | None) -> None:
        if seen.hf_hub_id:  # others are fetched by timm itself
            store.fetch_first(seen.hf_hub_id, names, place, full, context)

    def build() -> nn.Module:
        path = find()
        overlay = {} if path is None else {"pretrained_cfg_overlay": {"file": str(path)}}
        network: nn.Module = timm.create_model(name, pretrained=True, **overlay)
        return network

    return Published(
        config,
        f"timm's {seen.architecture} with the weights {seen.tag or 'it comes with'}: {_sees(config)}.",
        find=find,
        download_bytes=None,
        fetch=_getting(full, get),
        build=build,
    )


def _timm_classes(count: int) -> tuple[str, ...]:
    """ImageNet's names as torchvision has them, those of its larger relatives as timm has them, else numbers."""
    data: Any = importlib.import_module("timm.data")
    subset = data.infer_imagenet_subset({"num_classes": count})
    if not subset:
        return numbered(count)
    if count == len(imagenet().labels):
        return imagenet().labels
    return tuple(data.ImageNetInfo(subset).label_descriptions())


_ROBUSTBENCH: Mapping[str, tuple[int, Callable[[], tuple[str, ...]]]] = {
    "cifar10": (32, lambda: CIFAR10_CLASSES),
    "cifar100": (32, lambda: numbered(100)),
    "imagenet": (224, lambda: imagenet().labels),
}
"""Sides of the images and names of the classes, by data set."""


def _robustbench(rest: str) -> Published:
    dataset, slash, name = rest.partition("/")
    if not slash:
        dataset, name = "cifar10", rest
    if dataset not in _ROBUSTBENCH:
        raise StudioError(
            f"RobustBench has no data set '{dataset[:80]}' here: use {', '.join(_ROBUSTBENCH)}, as in cifar10/NAME."
        )
    try:
        utils = importlib.import_module("robustbench.utils")
    except ImportError as error:
        raise StudioError(
            "RobustBench is not installed. Run: pip install git+https://github.com/RobustBench/robustbench.git"
        ) from error
    side, classes = _ROBUSTBENCH[dataset]
    config = PlainConfig(name=f"robustbench:{rest}", class_names=classes(), image_size=side)

    def build() -> nn.Module:
        try:
            network: nn.Module = utils.load_model(model_name=name, dataset=dataset, threat_model="Linf")
        except KeyError as error:
            raise StudioError(f"RobustBench has no model '{name[:80]}' for {dataset} and the L-inf norm.") from error
        return network

    described = f"RobustBench's {name} for {dataset} and the L-inf norm: {_sees(config)}."
    return Published(
        config, described, find=lambda: None, download_bytes=None, fetch=lambda _context: None, build=build
    )


def _store() -> Store:
    return Store(_hub_folder())


def _sees(config: PlainConfig) -> str:
    return f"{len(config.class_names):,} classes, sees {config.image_size} x {config.image_size} pixels"


LIBRARIES: Mapping[str, Callable[[str], Published]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "robustbench": _robustbench,
}
"""Whose classifiers there are, by the word before the colon: each finds the one of the name after it."""
