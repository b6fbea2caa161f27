"""Starting from another run's weights: the backbone, and every predictor that means the same."""

from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from foundation.errors import StudioError
from foundation.files.shipped import ASSETS
from foundation.files.text_files import FileError, read_json
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.weights.checkpoint import load_tensors, load_weights

STEM = "stages.0.0.weight"
"""The first convolution of a chain: the only weight whose shape depends on how many channels the stack has."""


def take_weights(model: SelfEnsemble, place: Path) -> tuple[str, ...]:
    """Copy into `model` the weights at `place`: the folder of a run or an exported model, or the file in it.

    Of a run of several phases its last one that has begun is taken. The backbone must fit in every tensor, but for the
    stem's convolution where the donor's stack has another number of channels (an image's three, of ordinary
    pretraining). A predictor is taken over if it reads the same depth for the same classes (the backbone's own head
    from the backbone's own head, whatever stands before it); of a run with a moving average that average is taken.
    Returns what found nothing and stays as it is: the names of predictors, and "stem".
    """
    place = last_phase(place)
    folder, file = (place, weights_in(place)) if place.is_dir() else (place.parent, place)
    tensors = _plain_names(load_tensors(file)[0])
    donor = donor_config(folder)

    chain, fresh = _part(tensors, "chain."), []
    if STEM in chain and donor.stack.channels != model.config.stack.channels:
        chain[STEM] = model.chain.state_dict()[STEM]
        fresh.append("stem")
    load_weights(model.chain, chain, f"'{place}'")
    same_classes = donor.class_names == model.class_names
    index_of = {name: index for index, name in enumerate(donor.readout_names)}
    for name, head in zip(model.readout_names, model.heads, strict=True):
        found = _part(tensors, f"heads.{index_of[name]}.") if same_classes and name in index_of else {}
        own = head.state_dict()
        if found.keys() == own.keys() and all(found[key].shape == own[key].shape for key in own):
            load_weights(head, found, f"'{place}'")
        else:
            fresh.append(name)
    return tuple(fresh)


def start_folder(start_from: str, run: Path) -> Path:
    """Where the weights are that a run in the folder `run` starts from.

    Of "phase:NAME" that is the folder NAME beside it, of "shipped:NAME" the model that came with the program.
    """
    kind, _, name = start_from.partition(":")
    places = {"phase": run.parent, "shipped": ASSETS}
    return places[kind] / name if kind in places and name else Path(start_from)


def last_phase(place: Path) -> Path:
    """The folder of the last phase that has a checkpoint, if `place` is a run of several phases; else `place`."""
    try:
        phases = read_json(place / "config.json")["phases"]
        begun = [place / name for name in phases if (place / name / "checkpoint.safetensors").exists()]
    except (FileError, KeyError, TypeError):
        return place  # whatever is wrong with it is said when it is read
    return begun[-1] if begun else place


def weights_in(folder: Path) -> Path:
    """The file that holds the weights of the run or exported model in `folder`."""
    kinds = [folder / f"{name}.safetensors" for name in ("checkpoint", "open_clip_model")]
    return next((file for file in kinds if file.exists()), folder / "model.safetensors")


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _plain_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint's averaged weights, else its current ones; an exported model has only its own."""
    return _part(tensors, "average.") or _part(tensors, "model.") or tensors


def donor_config(folder: Path) -> ModelConfig:
    """The network in `folder`: both a run's and an exported model's `config.json` hold it under "model"."""
    path = folder / "config.json"
    try:
        return ModelConfig.model_validate(read_json(path)["model"])
    except (FileError, KeyError, TypeError, ValidationError) as error:
        raise StudioError(
            f"'{path}' does not describe the network to start from ({type(error).__name__}). Name the folder of a run "
            "or of an exported model, with its config.json."
        ) from error
