"""Exported models: a folder that `export` wrote, with `config.json`, `model.safetensors` and a card, `README.md`.

Which there are, and how a name becomes one of them, is for the catalogue (`robust_model.zoo.catalogue`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from foundation.catalogue.entry import Kind, ModelInfo, Origin
from foundation.errors import StudioError
from foundation.files.text_files import FileError, NoFileError, read_text, reason, shown
from robust_model.networks.ensemble import Ensemble, EnsembleConfig, ModelConfig, SelfEnsemble
from robust_model.weights.checkpoint import file_digest, load_tensors, load_weights
from robust_model.zoo.hub import without_front_matter

KIND: Kind = "classifier"
LOADER = "crossmax"
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


def describe(folder: Path, name: str = "", origin: Origin = "local") -> ModelInfo:
    """What is known of the model in `folder`, called `name` or as that; a damaged one is not ready, with the reason."""
    weights = folder / "model.safetensors"
    info = ModelInfo(name or folder.name, KIND, folder.name, "", origin, ready=False, folder=folder, loader=LOADER)
    try:
        exported = read_exported(folder)
        revision = file_digest(weights) if weights.is_file() else ""
    except StudioError as error:
        return replace(info, why_not=str(error))
    except OSError as error:
        return replace(info, why_not=f"Its weights '{weights}' cannot be read: {reason(error)}.")
    return replace(
        info,
        title=exported.title,
        description=exported.description,
        ready=bool(revision),
        why_not="" if revision else f"Its weights are missing: put the file model.safetensors into '{folder}'.",
        class_names=exported.model.class_names,
        revision=revision,
        card=_read_card(folder / "README.md"),
        licence=exported.license,
        size=weights.stat().st_size if revision else None,
    )


def _read_card(path: Path) -> str:
    """A model's card, as far as it can be read: it is shown, and nothing depends on it."""
    if not path.is_file():
        return ""
    try:
        return without_front_matter(read_text(path, "card", most=_MOST_BYTES, lenient=True))
    except FileError:
        return ""


def load_exported(folder: Path, name: str, device: str = "cpu") -> SelfEnsemble | Ensemble:
    """The model of ours in `folder`, onto `device`: float32, eval mode, no gradients for its weights.

    Raises StudioError, with its `name`, for one that is not ready, damaged, or of another network.
    """
    info = describe(folder, name)
    if not info.ready:
        raise StudioError(f"The model '{name}' is not ready. {info.why_not}")
    config = read_exported(folder).model
    model = Ensemble.of(config) if isinstance(config, EnsembleConfig) else SelfEnsemble(config)
    tensors, _ = load_tensors(folder / "model.safetensors")
    load_weights(model, tensors, f"'{folder.name}'")
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
