"""The models that can be chosen: those shipped in `assets/`, those that Python packages bring, folders, and the hub's.

A model of ours is a folder that `export` wrote, with `config.json` (an `ExportedModel`), `model.safetensors` and a
card, `README.md`; for those of packages see `robust_model.packaged`.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from generator.errors import StudioError
from generator.protocols import JobContext
from generator.shipped import ASSETS
from generator.text_files import FileError, NoFileError, read_text, reason, shown
from robust_model.checkpoint import file_digest, load_tensors, load_weights
from robust_model.ensemble import Ensemble, EnsembleConfig, ModelConfig, SelfEnsemble
from robust_model.hub import PREFIX, fetch, without_front_matter
from robust_model.packaged import PACKAGED, Packaged
from robust_model.plain import PlainDefence
from robust_model.published import find_published, is_published

Pooled = SelfEnsemble | Ensemble | PlainDefence
_MOST_BYTES = 4 * 2**20


class ExportedModel(BaseModel):
    """What `config.json` holds: the network (or several, as one model), its texts, and how it came to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    description: str
    model: ModelConfig | EnsembleConfig
    training: dict[str, Any] = {}
    provenance: dict[str, Any] = {}
    license: str = "unknown"


@dataclass(frozen=True)
class ModelInfo:
    """One line of the model list. `ready` models load at once; otherwise `why_not` says what is missing.

    Those of the origin "download" are fetched when they are first used; `download_bytes` is about what there is to
    fetch, None if that is not known.
    """

    name: str
    title: str
    description: str
    folder: Path
    ready: bool
    why_not: str = ""
    class_names: tuple[str, ...] = ()
    revision: str = ""
    card: str = ""
    origin: Literal["local", "download"] = "local"
    download_bytes: int | None = None


def read_exported(folder: Path) -> ExportedModel:
    """What the `config.json` in `folder` says. Raises StudioError, whatever is wrong with it."""
    path = folder / "config.json"
    if path.exists() and not path.is_file():
        raise StudioError(f"'{shown(path)}' is no file: put the model's configuration there, or remove the folder.")
    try:
        return ExportedModel.model_validate_json(read_text(path, "configuration", most=_MOST_BYTES))
    except NoFileError as error:
        raise StudioError(f"'{shown(folder)}' is no exported model: it has no config.json.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StudioError(f"'{path}' is not valid at '{place}': {first['msg']}.") from error


def describe(folder: Path) -> ModelInfo:
    """The list entry of the model in `folder`; a damaged one is listed as not ready, with the reason."""
    weights = folder / "model.safetensors"
    try:
        exported = read_exported(folder)
        revision = file_digest(weights) if weights.is_file() else ""
    except StudioError as error:
        return ModelInfo(folder.name, folder.name, "", folder, ready=False, why_not=str(error))
    except OSError as error:
        why = f"Its weights '{weights}' cannot be read: {reason(error)}."
        return ModelInfo(folder.name, folder.name, "", folder, ready=False, why_not=why)
    return ModelInfo(
        folder.name,
        exported.title,
        exported.description,
        folder,
        ready=bool(revision),
        why_not="" if revision else f"Its weights are missing: put the file model.safetensors into '{folder}'.",
        class_names=exported.model.class_names,
        revision=revision,
        card=_read_card(folder / "README.md"),
    )


def _read_card(path: Path) -> str:
    """A model's card, as far as it can be read: it is shown, and nothing depends on it."""
    if not path.is_file():
        return ""
    try:
        return without_front_matter(read_text(path, "card", most=_MOST_BYTES, lenient=True))
    except FileError:
        return ""


def describe_packaged(model: Packaged) -> ModelInfo:
    """The list entry of a classifier that a Python package brings."""
    return ModelInfo(
        model.name,
        model.title,
        model.description,
        (model.path or Path(model.package)).parent,
        ready=not model.why_not,
        why_not=model.why_not,
        class_names=model.config.class_names,
        revision=model.revision,
    )


def list_models(folders: Sequence[Path] = ()) -> list[ModelInfo]:
    """All models shipped in `assets/` (the CrossMax one first), those of packages, and those in `folders`.

    Each folder is a folder of models. A damaged one is among them, not ready, and so is a folder of models that cannot
    be read.
    """
    shipped = sorted(_models_in(ASSETS), key=lambda info: not info.name.startswith("crossmax"))
    own = [info for root in folders for info in _models_in(root)]
    return [*shipped, *map(describe_packaged, PACKAGED.values()), *own]


def _models_in(root: Path) -> list[ModelInfo]:
    try:
        if not root.is_dir():
            return []
        return [describe(entry) for entry in sorted(root.iterdir()) if os.path.lexists(entry / "config.json")]
    except OSError as error:
        why = f"The folder of models '{root}' cannot be read: {reason(error)}. Check its permissions."
        return [ModelInfo(root.name, root.name, "", root, ready=False, why_not=why)]


def find_model(name: str, folders: Sequence[Path] = ()) -> ModelInfo:
    """The model called `name`, or at the path `name` (a folder that `export` wrote), or on the hub (`hf-hub:...`)."""
    if name.startswith(PREFIX):
        return describe(fetch(name))
    models = list_models(folders)
    for info in models:
        if info.name == name:
            return info
    if (Path(name) / "config.json").exists():
        return describe(Path(name))
    known = ", ".join(info.name for info in models) or "none"
    raise StudioError(f"There is no model '{name}'. Available: {known}; or give the folder of an exported model.")


def load_classifier(name: str, device: str = "cpu", folders: Sequence[Path] = ()) -> Pooled:
    """Load the listed model `name`, ours or a package's, onto `device`: float32, eval mode, its weights frozen."""
    return PACKAGED[name].load(device) if name in PACKAGED else load_model(name, device, folders)


def load_model(name: str, device: str = "cpu", folders: Sequence[Path] = ()) -> SelfEnsemble | Ensemble:
    """Load the model of ours `name` onto `device`: float32, eval mode, no gradients for its weights."""
    info = find_model(name, folders)
    if not info.ready:
        raise StudioError(f"The model '{name}' is not ready. {info.why_not}")
    if name in PACKAGED:
        raise StudioError(f"'{name}' is no network of ours, and cannot be combined or read out: choose another model.")
    config = read_exported(info.folder).model
    model = Ensemble.of(config) if isinstance(config, EnsembleConfig) else SelfEnsemble(config)
    tensors, _ = load_tensors(info.folder / "model.safetensors")
    load_weights(model, tensors, f"'{info.folder.name}'")
    return model.on(device).eval().requires_grad_(False)


def demand_different(members: Sequence[tuple[str, str]]) -> None:
    """A StudioError unless these are two models or more, names with the revisions of their weights, all different.

    Of equal ones CrossMax is zero for every class, whatever they say, or counts one opinion twice.
    """
    if len(members) < 2:
        raise StudioError("An ensemble needs at least two different models: name them as NAME+NAME, or several.")
    names: dict[str, str] = {}
    for name, revision in members:
        if revision and revision in names:
            raise StudioError(
                f"An ensemble needs at least two different models, each once: '{names[revision]}' and '{name}' have "
                "the same weights."
            )
        names[revision] = name


def describe_published(name: str) -> ModelInfo:
    """The list entry of a published classifier (see `robust_model.published`). StudioError if there is none."""
    found = find_published(name)
    size = "" if found.download_bytes is None else f" ({found.download_bytes / 1e6:,.0f} MB)"
    return ModelInfo(
        name,
        name,
        found.description,
        Path(),
        ready=found.here,
        why_not="" if found.here else f"It is downloaded when it is first used{size}.",
        class_names=found.config.class_names,
        revision=found.revision,
        origin="download",
        download_bytes=found.download_bytes,
    )


class ModelPool:
    """Loaded models, shared by all who use them; the least recently used leaves when there are too many.

    There are too many when they are more than `capacity`, or their weights take more than `most_bytes` and there is
    more than one. All that ship find room: an attack asks every one of them, and loads none twice.

    Names are those of `list`, of folders, of the hub's, and of published classifiers.
    """

    def __init__(self, folders: Sequence[Path] = (), capacity: int = 16, most_bytes: int = 1 << 30) -> None:
        self.folders, self.capacity, self.most_bytes = tuple(folders), capacity, most_bytes
        self._loaded: OrderedDict[tuple[str, str, str], Pooled] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, device: str = "cpu", context: JobContext | None = None) -> Pooled:
        """The model `name` on `device`, loaded on first use. Never change it: others are using it.

        `context` is told how a download goes, and can end it. StudioError with what to do.
        """
        if is_published(name):
            found = find_published(name)
            found.fetch(context)  # others do not wait for this
            return self._get((name, found.revision, device), lambda: found.load(device))
        revision = find_model(name, self.folders).revision
        return self._get((name, revision, device), lambda: load_classifier(name, device, self.folders))

    def _get(self, key: tuple[str, str, str], load: Callable[[], Pooled]) -> Pooled:
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = load()
            self._loaded.move_to_end(key)
            while len(self._loaded) > self.capacity or (len(self._loaded) > 1 and self._bytes() > self.most_bytes):
                self._loaded.popitem(last=False)
            return self._loaded[key]

    def _bytes(self) -> int:
        """What the weights of all loaded models take."""
        return sum(weight.nbytes for model in self._loaded.values() for weight in model.state_dict().values())

    def list(self) -> list[ModelInfo]:
        """All models that can be chosen."""
        return list_models(self.folders)

    def find(self, name: str) -> ModelInfo:
        """The entry of a model in the list, or of a published one: nothing else decides which files are loaded.

        StudioError if there is none.
        """
        if is_published(name):
            return describe_published(name)
        infos = {info.name: info for info in self.list()}
        if name not in infos:
            raise StudioError(f"There is no model '{name[:80]}'; choose from {', '.join(infos) or 'an empty list'}.")
        return infos[name]
