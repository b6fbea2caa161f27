"""Where encoders come from: folders of models, open_clip's pretrained tags, and places that a user names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from foundation.catalogue.entry import Found, Kind, Loadable, ModelInfo, Origin, Wanted
from foundation.catalogue.names import OLD_PREFIX, spelled
from foundation.downloads.weights import Revisions
from foundation.protocols import JobContext
from generator.encoders.cache import EmbeddingCache
from generator.encoders.catalogue import DOWNLOADABLE, Downloadable
from generator.encoders.hub import Store, is_offline
from generator.encoders.info import LOADER, describe_file, describe_folder, revision_of
from generator.encoders.loading import LocalModel, load_encoder, local_checkpoint, local_folder, local_tag
from generator.encoders.names import (
    CONFIG_NAME,
    FOLDER_PREFIX,
    HUB_PREFIX,
    Checkpoint,
    Folder,
    Hub,
    Reference,
    Tagged,
    architectures,
    nearest,
    parse_name,
)
from generator.encoders.precision import choose_precision

KIND: Kind = "encoder"


class EncoderFiles:
    """The files of encoders: fetched, known by their digests, and loaded. What the sources below share."""

    def __init__(self, cache_dir: Path, store: Store | None = None) -> None:
        """`cache_dir` is where downloads are kept; `store` is where they come from (None: the Hugging Face hub)."""
        self.store = Store(cache_dir) if store is None else store
        self.revisions = Revisions(cache_dir / "revisions.json")
        self._cache = EmbeddingCache()

    def found(self, name: str, reference: Reference, info: Callable[[], ModelInfo]) -> Found:
        """What a reference leads to."""
        new = spelled(name, KIND)
        instead = new if new != name else ""
        return Found(KIND, info, partial(self._get, name, reference), instead)

    def describe(self, name: str, reference: Reference, origin: Origin = "typed") -> ModelInfo:
        """What is known of a model by where it lies; nothing is fetched."""
        match reference:
            case Folder(path):
                return describe_folder(name, path, origin, self.revisions)
            case Checkpoint(architecture, path):
                return describe_file(_bare(name, origin, f"Weights of {architecture}."), path, self.revisions)
            case Tagged():
                weights = self.store.weights_of_tag(reference, "")
                if weights is not None:
                    known = _bare(name, "download", "Of open_clip's pretrained models.")
                    return describe_file(known, weights, self.revisions)
            case Hub():
                folder = self.store.folder_of(reference)
                if folder is not None:
                    return describe_folder(name, folder, "download", self.revisions)
        return _bare(name, "download", "", _why_not_here("its size is not known yet"))

    def describe_downloadable(self, entry: Downloadable) -> ModelInfo:
        """What is known of one of those that are worth a download."""
        info = ModelInfo(
            entry.name,
            KIND,
            entry.title,
            entry.description,
            "download",
            ready=False,
            why_not=_why_not_here(f"{entry.size / 1e6:,.0f} MB"),
            download_bytes=entry.size,
            loader=LOADER,
            paper=entry.source,
        )
        weights = self.store.weights_of_tag(Tagged(*entry.name.split("/")), entry.repository)
        return info if weights is None else describe_file(info, weights, self.revisions)

    def _get(self, name: str, reference: Reference, wanted: Wanted, context: JobContext | None) -> Loadable:
        chosen = choose_precision(wanted.precision, wanted.device)  # before anything is fetched
        local = self._fetched(reference, context)
        revision = revision_of(local, self.revisions)
        return Loadable(
            key=(local.source, revision, local.configuration, wanted.device, chosen),
            size=local.weights.stat().st_size,
            load=lambda: load_encoder(
                local, name=name, revision=revision, device=wanted.device, precision=chosen, cache=self._cache
            ),
        )

    def _fetched(self, reference: Reference, context: JobContext | None) -> LocalModel:
        match reference:
            case Folder(path):
                return local_folder(path)
            case Checkpoint(architecture, path):
                return local_checkpoint(architecture, path)
            case Tagged(architecture, tag):
                return local_tag(architecture, tag, self.store.fetch_tag(reference, context))
            case Hub():
                return local_folder(self.store.fetch_folder(reference, context))


@dataclass(frozen=True)
class EncoderFolders:
    """The models in a folder, each in open_clip's form; it may be such a model itself."""

    files: EncoderFiles
    root: Path
    origin: Origin
    kind: Kind = field(default=KIND, init=False)
    forms: tuple[str, ...] = field(default=(), init=False)
    typed_only: bool = field(default=False, init=False)

    def list(self) -> list[ModelInfo]:
        """All of them, damaged ones too."""
        return [self.files.describe(name, Folder(path), self.origin) for name, path in self._folders().items()]

    def find(self, name: str) -> Found | None:
        """The one whose folder is called so."""
        folder = self._folders().get(name)
        if folder is None:
            return None
        reference = Folder(folder)
        return self.files.found(name, reference, lambda: self.files.describe(name, reference, self.origin))

    def hint(self, _name: str, _listed: Sequence[str]) -> str:
        """Nothing that the list does not say."""
        return ""

    def _folders(self) -> dict[str, Path]:
        folders = (self.root, *_entries(self.root))
        return {folder.name: folder for folder in folders if (folder / CONFIG_NAME).is_file()}


@dataclass(frozen=True)
class ListedEncoders:
    """Encoders worth a download, and those that were fetched before."""

    files: EncoderFiles
    kind: Kind = field(default=KIND, init=False)
    forms: tuple[str, ...] = field(default=(), init=False)
    typed_only: bool = field(default=False, init=False)

    def list(self) -> list[ModelInfo]:
        """The short list first."""
        return [found.info() for found in self._listed().values()]

    def find(self, name: str) -> Found | None:
        """One of them; a fetched repository may be written as open_clip does."""
        listed = self._listed()
        if name.startswith(OLD_PREFIX) and (new := spelled(name, KIND)) in listed:
            reference = _fetched_reference(new)
            return self.files.found(name, reference, lambda: self.files.describe(name, reference, "download"))
        return listed.get(name)

    def hint(self, _name: str, _listed: Sequence[str]) -> str:
        """Nothing that the list does not say."""
        return ""

    def _listed(self) -> dict[str, Found]:
        files, found = self.files, {}
        for entry in DOWNLOADABLE:
            info = partial(files.describe_downloadable, entry)
            found[entry.name] = files.found(entry.name, Tagged(*entry.name.split("/")), info)
        for name in files.store.names():
            reference = _fetched_reference(name)
            info = partial(files.describe, name, reference, "download")
            found.setdefault(name, files.found(name, reference, info))
        return found


@dataclass(frozen=True)
class TaggedEncoders:
    """All pretrained weights that open_clip knows by a tag, architecture/tag."""

    files: EncoderFiles
    kind: Kind = field(default=KIND, init=False)
    forms: tuple[str, ...] = field(default=("ARCHITECTURE/WEIGHTS",), init=False)
    typed_only: bool = field(default=False, init=False)

    def list(self) -> list[ModelInfo]:
        """None: those worth a download are in a list of their own."""
        return []

    def find(self, name: str) -> Found | None:
        """The weights of a tag. StudioError where an architecture has none of that name."""
        reference = _of_architecture(name)
        if not isinstance(reference, Tagged):
            return None
        return self.files.found(name, reference, lambda: self.files.describe(name, reference))

    def hint(self, name: str, listed: Sequence[str]) -> str:
        """The names most like a wrong one."""
        return nearest(name, listed, architectures())


@dataclass(frozen=True)
class NamedEncoders:
    """Encoders at a place that a user names: a folder, a checkpoint, a repository of the hub."""

    files: EncoderFiles
    kind: Kind = field(default=KIND, init=False)
    forms: tuple[str, ...] = field(
        default=("ARCHITECTURE/FILE", f"{HUB_PREFIX}ORG/NAME", f"{FOLDER_PREFIX}FOLDER"), init=False
    )
    typed_only: bool = field(default=True, init=False)

    def list(self) -> list[ModelInfo]:
        """None: places are not listed."""
        return []

    def find(self, name: str) -> Found | None:
        """The model at that place. StudioError for a name of a form that leads nowhere."""
        is_place = name.startswith((FOLDER_PREFIX, HUB_PREFIX, OLD_PREFIX)) or _is_model(name)
        reference = parse_name(name, {}) if is_place else _of_architecture(name)
        if reference is None or isinstance(reference, Tagged):
            return None
        return self.files.found(name, reference, lambda: self.files.describe(name, reference))

    def hint(self, _name: str, _listed: Sequence[str]) -> str:
        """Nothing beside its forms."""
        return ""


def _of_architecture(name: str) -> Reference | None:
    """What a name that begins with one of open_clip's architectures refers to; None for another."""
    starts = [name[:place] for place, letter in enumerate(name) if letter == "/"]
    known = architectures()
    begins = any(start.replace("/", "-") in known for start in (*starts, name.strip("/")))
    return parse_name(name, {}) if begins else None


def _fetched_reference(name: str) -> Tagged | Hub:
    if name.startswith(HUB_PREFIX):
        return Hub(name.removeprefix(HUB_PREFIX))
    return Tagged(*name.split("/"))


def _is_model(name: str) -> bool:
    try:
        return bool(name) and (Path(name) / CONFIG_NAME).is_file()
    except OSError:  # such as: far too long for a name
        return False


def _bare(name: str, origin: Origin, description: str, why_not: str = "") -> ModelInfo:
    return ModelInfo(name, KIND, name, description, origin, ready=False, why_not=why_not, loader=LOADER)


def _entries(root: Path) -> list[Path]:
    """What is in a folder of models, by name; nothing where it cannot be read, which the list of classifiers tells."""
    try:
        return sorted(root.iterdir()) if root.is_dir() else []
    except OSError:
        return []


def _why_not_here(size: str) -> str:
    if is_offline():
        return "It is not on this machine, and downloads are turned off (HF_HUB_OFFLINE)."
    return f"It is downloaded when it is first used ({size})."
