"""Where classifiers come from: folders of ours, Python packages, libraries, and what a user names.

Each is a `foundation.catalogue.entry.Source`; `robust_model.zoo.catalogue` says which there are, and in which order.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import Found, Kind, Loadable, Model, ModelInfo, Origin, Source, Wanted
from foundation.catalogue.names import OLD_PREFIX, spelled
from foundation.errors import StudioError
from foundation.files.shipped import ASSETS
from foundation.files.text_files import reason
from foundation.protocols import JobContext
from generator.encoders.names import CONFIG_NAME
from robust_model.networks.ensemble import Ensemble, SelfEnsemble
from robust_model.networks.packaged import PACKAGED, Packaged
from robust_model.zoo import hub
from robust_model.zoo.own_network import load_own
from robust_model.zoo.published import LIBRARIES, Published
from robust_model.zoo.registry import KIND, LOADER, demand_different, describe, load_exported

OWN = "MODULE:FUNCTION"
ENSEMBLE = "ensemble:"


class _Classifiers:
    """What most sources of classifiers have in common: none is listed, and nothing more helps with a wrong name."""

    kind: Kind = KIND
    forms: tuple[str, ...] = ()
    typed_only = False

    def list(self) -> list[ModelInfo]:
        """None: they are found by their names."""
        return []

    def hint(self, _name: str, _listed: Sequence[str]) -> str:
        """Nothing that the list and the forms of names do not say."""
        return ""


@dataclass(frozen=True)
class FolderModels(_Classifiers):
    """Our models in a folder, a folder each. Those that ship begin with the CrossMax one."""

    root: Path
    origin: Origin = "local"

    def list(self) -> list[ModelInfo]:
        """All of them; damaged ones are not ready, and neither is a folder of models that cannot be read."""
        try:
            infos = [describe(entry, origin=self.origin) for entry in self._entries()]
        except OSError as error:
            why = f"The folder of models '{self.root}' cannot be read: {reason(error)}. Check its permissions."
            name = self.root.name
            return [ModelInfo(name, KIND, name, "", self.origin, ready=False, why_not=why, folder=self.root)]
        return sorted(infos, key=lambda info: self.origin == "shipped" and not info.name.startswith("crossmax"))

    def find(self, name: str) -> Found | None:
        """The one whose folder is called so."""
        try:
            folder = next((entry for entry in self._entries() if entry.name == name), None)
        except OSError:  # which the list tells
            return None
        return None if folder is None else _exported(folder, name, self.origin)

    def _entries(self) -> Sequence[Path]:
        if not self.root.is_dir():
            return []
        found = [entry for entry in sorted(self.root.iterdir()) if os.path.lexists(entry / "config.json")]
        return [entry for entry in found if not (entry / CONFIG_NAME).is_file()]  # as transformers' CLIPs have both


@dataclass(frozen=True)
class PackagedModels(_Classifiers):
    """The classifiers that Python packages bring."""

    def list(self) -> list[ModelInfo]:
        """All of them, installed or not."""
        return [_describe_packaged(model) for model in PACKAGED.values()]

    def find(self, name: str) -> Found | None:
        """One of them."""
        model = PACKAGED.get(name)
        return None if model is None else Found(KIND, lambda: _describe_packaged(model), partial(_get_packaged, model))


@dataclass(frozen=True)
class LibraryModels(_Classifiers):
    """The published classifiers of a library (see `robust_model.zoo.published`), LIBRARY:NAME."""

    library: str
    forms: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Say how its names look."""
        object.__setattr__(self, "forms", (f"{self.library}:NAME",))

    def find(self, name: str) -> Found | None:
        """The one of that name. StudioError: it has none, or is not installed."""
        kind, colon, rest = name.partition(":")
        if not colon or kind != self.library:
            return None
        found = LIBRARIES[kind](rest)
        return Found(KIND, lambda: _describe_published(found, kind), partial(_get_published, found))


@dataclass(frozen=True)
class ExportedPlaces(_Classifiers):
    """Our models by the folder in which they lie."""

    forms: tuple[str, ...] = field(default=("the folder of an exported model",), init=False)
    typed_only: bool = field(default=True, init=False)

    def find(self, name: str) -> Found | None:
        """The one in that folder."""
        try:
            there = bool(name) and (Path(name) / "config.json").exists()
        except OSError:  # such as: far too long for a name
            there = False
        return _exported(Path(name), Path(name).name, "typed") if there else None


@dataclass(frozen=True)
class HubModels(_Classifiers):
    """Our models on the Hugging Face hub."""

    forms: tuple[str, ...] = field(default=(f"{hub.PREFIX}ORG/NAME",), init=False)
    typed_only: bool = field(default=True, init=False)

    def find(self, name: str) -> Found | None:
        """The one in that repository, whether there is such a repository or not."""
        if not name.startswith((hub.PREFIX, OLD_PREFIX)):
            return None
        new = spelled(name, KIND)
        instead = new if new != name else ""

        def get(wanted: Wanted, _context: JobContext | None) -> Loadable:
            return _loadable(hub.fetch(name), name, wanted)

        return Found(KIND, lambda: _describe_on_hub(name), get, instead)


@dataclass(frozen=True)
class Ensembles(_Classifiers):
    """Ensembles of our models, ensemble:NAME+NAME; `members` are the sources of these."""

    members: Sequence[Source]
    forms: tuple[str, ...] = field(default=(f"{ENSEMBLE}NAME+NAME",), init=False)
    typed_only: bool = field(default=True, init=False)

    def find(self, name: str) -> Found | None:
        """The one of these members, whether there are such models or not."""
        if not name.startswith(ENSEMBLE):
            return None
        info = ModelInfo(name, KIND, name, "An ensemble of our models.", "typed", ready=True, loader=LOADER)
        return Found(KIND, lambda: info, partial(self._get, name.removeprefix(ENSEMBLE).split("+")))

    def _get(self, names: Sequence[str], wanted: Wanted, context: JobContext | None) -> Loadable:
        catalogue = Catalogue(self.members)
        for name in names:
            if len(names) > 1:
                catalogue.fetch(name, context, typed=True)
        infos = [catalogue.find(name, typed=True) for name in names]
        demand_different([(info.name, info.revision) for info in infos])
        folders = [demand_ours(info) for info in infos]

        def load() -> Model:
            loaded = [load_exported(place, name, wanted.device) for place, name in zip(folders, names, strict=True)]
            members = [member for member in loaded if isinstance(member, SelfEnsemble)]
            if len(members) < len(loaded):
                whole = next(name for name, one in zip(names, loaded, strict=True) if not isinstance(one, SelfEnsemble))
                raise StudioError(f"'{whole}' is an ensemble itself: an ensemble is made of self-ensembles.")
            return Ensemble(members).eval()

        return Loadable(None, sum(info.size or 0 for info in infos), load)


@dataclass(frozen=True)
class OwnNetworks(_Classifiers):
    """What a function of a user's module returns. The module is imported when it is loaded, not before."""

    forms: tuple[str, ...] = field(default=(OWN,), init=False)
    typed_only: bool = field(default=True, init=False)

    def find(self, name: str) -> Found | None:
        """The function, whether there is such a one or not."""
        module, colon, function = name.partition(":")
        if not colon:  # a path before it, too: who names a module by its path is told how
            return None
        info = ModelInfo(name, KIND, name, "A network of yours.", "typed", ready=True, loader=OWN)

        def get(wanted: Wanted, _context: JobContext | None) -> Loadable:
            return Loadable(None, 0, lambda: load_own(module, function, wanted.device, wanted.shape))

        return Found(KIND, lambda: info, get)


@dataclass(frozen=True)
class Ours:
    """An exported model of ours: its name, its folder and the revision of its weights."""

    name: str
    folder: Path
    revision: str


def find_ours(name: str, catalogue: Catalogue | None) -> Ours:
    """The model of ours that a user calls `name`, which may have to be fetched first. StudioError for another.

    Without a `catalogue` it is one that came with the program, or one in a folder that is named.
    """
    models = Catalogue([FolderModels(ASSETS, "shipped"), PackagedModels(), ExportedPlaces(), HubModels()])
    models = models if catalogue is None else catalogue
    if models.find(name, KIND, typed=True).loader == LOADER:  # nothing else is fetched in vain
        models.fetch(name, kind=KIND, typed=True)
    info = models.find(name, KIND, typed=True)
    folder = demand_ours(info)
    return Ours(folder.name, folder, info.revision)


def demand_ours(info: ModelInfo) -> Path:
    """The folder of a model of ours that is ready. StudioError for another."""
    if info.loader != LOADER or info.folder is None:
        raise StudioError(
            f"'{info.name}' is no network of ours, and cannot be combined or read out: choose another model."
        )
    return info.folder


def _exported(folder: Path, name: str, origin: Origin) -> Found:
    def get(wanted: Wanted, _context: JobContext | None) -> Loadable:
        return _loadable(folder, name, wanted)

    return Found(KIND, lambda: describe(folder, name, origin), get)


def _loadable(folder: Path, name: str, wanted: Wanted) -> Loadable:
    info = describe(folder, name)
    key = (LOADER, str(folder.resolve()), info.revision, wanted.device)
    return Loadable(key, info.size or 0, lambda: load_exported(folder, name, wanted.device))


def _describe_on_hub(name: str) -> ModelInfo:
    folder = hub.folder_here(name)
    if folder is not None:
        return describe(folder, name, "download")
    why = "It is downloaded when it is first used (its size is not known yet)."
    return ModelInfo(name, KIND, name, "", "download", ready=False, why_not=why, loader=LOADER)


def _describe_packaged(model: Packaged) -> ModelInfo:
    path = model.path
    return ModelInfo(
        model.name,
        KIND,
        model.title,
        model.description,
        "package",
        ready=path is not None,
        why_not=model.why_not,
        revision=model.revision,
        licence=model.licence,
        class_names=model.config.class_names,
        size=None if path is None else path.stat().st_size,
        loader="timm",
        paper=model.source,
    )


def _get_packaged(model: Packaged, wanted: Wanted, _context: JobContext | None) -> Loadable:
    path = model.path
    key = (model.name, model.revision, wanted.device)
    return Loadable(key, 0 if path is None else path.stat().st_size, lambda: model.load(wanted.device))


def _describe_published(found: Published, library: str) -> ModelInfo:
    name, path = found.config.name, found.find()
    megabytes = "" if found.download_bytes is None else f" ({found.download_bytes / 1e6:,.0f} MB)"
    return ModelInfo(
        name,
        KIND,
        name,
        found.description,
        "download",
        ready=path is not None,
        why_not="" if path is not None else f"It is downloaded when it is first used{megabytes}.",
        revision=found.revision,
        class_names=found.config.class_names,
        size=None if path is None else path.stat().st_size,
        download_bytes=found.download_bytes,
        loader=library,
    )


def _get_published(found: Published, wanted: Wanted, context: JobContext | None) -> Loadable:
    found.fetch(context)
    path = found.find()
    key = (found.config.name, found.revision, wanted.device)
    return Loadable(key, 0 if path is None else path.stat().st_size, lambda: found.load(wanted.device))
