"""Several exported models as one: the average of their weights, or an ensemble of them.

An average costs what one model costs, and takes models of one architecture.
Source: "Model soups" (Wortsman et al. 2022, arXiv 2203.05482): networks fine-tuned from one start lie in one basin of
the loss, where the mean of their weights is often better than each. Networks that were trained from different starts
do not, and their average is as good as random: measure it before you use it. BatchNorm's running statistics are
averaged like the weights (as a moving average of weights does it); they are not those of the averaged network, only
close to them where the parents are close.

An ensemble (arXiv 2408.05446, section 4: of self-ensembles, their answers combined by CrossMax with the median) costs
what its members cost together, and takes any that know the same classes. It is exported with all their weights.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from torch import Tensor

from foundation.catalogue.catalogue import Catalogue
from foundation.command_line.settings import read_settings, validated
from foundation.errors import StudioError
from foundation.files.places import same_place
from foundation.files.text_files import write_bytes
from robust_model.cards.card import DTYPES, write_card
from robust_model.networks.ensemble import Ensemble, EnsembleConfig, SelfEnsemble
from robust_model.training.provenance import circumstances
from robust_model.training.training import Run, TrainConfig, answers
from robust_model.weights.averaging import mean_weights, shares
from robust_model.weights.calibration import fit_temperature
from robust_model.weights.checkpoint import load_tensors, load_weights, save_tensors
from robust_model.zoo.registry import ExportedModel, demand_different, read_exported
from robust_model.zoo.sources import Ours, find_ours

ANSWER_SETTINGS = {"aggregator", "voters", "mirror", "inference_noise", "temperature"}
"""What two models of one architecture may differ in: how the answer is made of the predictors. The first's is kept."""


def average(
    names: Sequence[str],
    out: Path,
    *,
    catalogue: Catalogue | None = None,
    weights: Sequence[float] = (),
    command: str,
    title: str = "",
    description: str = "",
    dtype: str = "float16",
    calibrate: Path | None = None,
) -> Path:
    """Write to the folder `out` the average of the exported models `names` (of the catalogue, or folders); returns it.

    `weights` are relative (one per model, divided by their sum; equal if there are none). How predictors make the
    answer is taken from the first model, with its title and description unless others are given. With `calibrate`, the
    folder of a run, the answer's temperature is fitted anew, to that run's held-out images. `command` is what the card
    says made it. Raises StudioError for models of different architecture, classes, or an `out` that is one of them.
    """
    contributions = shares(weights, len(names))
    models = [find_ours(name, catalogue) for name in names]
    if any(same_place(info.folder, out) for info in models):
        raise StudioError(f"'{out}' is one of the models to be averaged: choose another folder for the result.")
    exported = [read_exported(info.folder) for info in models]
    for info, other in zip(models, exported, strict=True):
        _demand_alike(models[0], exported[0], info, other)

    parts = [load_tensors(info.folder / "model.safetensors")[0] for info in models]
    tensors = mean_weights(parts, contributions, [info.name for info in models])
    config = exported[0].model
    if isinstance(config, EnsembleConfig):
        raise StudioError("Ensembles are not averaged: average their members, and make an ensemble of the averages.")
    if calibrate is not None:
        model = SelfEnsemble(config)
        load_weights(model, tensors, "the average")
        config = config.model_copy(update={"temperature": _temperature(model.eval(), calibrate)})
    parents: list[_Parent] = [
        {"name": info.name, "revision": info.revision, "weight": share}
        for info, share in zip(models, contributions, strict=True)
    ]
    return _write(
        out,
        tensors,
        ExportedModel(
            title=title or exported[0].title,
            description=description or exported[0].description,
            model=config,
            training={"average_of": _with(parents, "training", exported), "stored_as": dtype},
            provenance={**circumstances(command, "cpu"), "parents": _with(parents, "provenance", exported)},
            license=_licence(exported),
        ),
        dtype,
    )


def export_ensemble(
    names: Sequence[str],
    out: Path,
    *,
    catalogue: Catalogue | None = None,
    command: str,
    title: str,
    description: str = "",
    aggregator: str = "crossmax-median",
    dtype: str = "float16",
) -> Path:
    """Write to the folder `out` an ensemble of exported self-ensembles (names or folders); returns it.

    It holds all the members' weights, and loads as one model. Raises StudioError for members that are ensembles
    themselves or know other classes, and for an aggregator that can't combine so few.
    """
    models = [find_ours(name, catalogue) for name in names]
    demand_different([(info.name, info.revision) for info in models])
    exported = [read_exported(info.folder) for info in models]
    tensors: dict[str, Tensor] = {}
    for number, info in enumerate(models):
        own, _facts = load_tensors(info.folder / "model.safetensors")
        tensors |= {f"members.{number}.{name}": tensor for name, tensor in own.items()}
    settings = {"members": [e.model.model_dump(mode="json") for e in exported], "aggregator": aggregator}
    if any(isinstance(e.model, EnsembleConfig) for e in exported):
        raise StudioError("One of these is an ensemble itself: an ensemble is made of self-ensembles.")
    config = validated(EnsembleConfig, settings)
    load_weights(Ensemble.of(config), tensors, "the members")  # refuses now what could never be loaded
    parents: list[_Parent] = [{"name": info.name, "revision": info.revision} for info in models]
    return _write(
        out,
        tensors,
        ExportedModel(
            title=title,
            description=description,
            model=config,
            training={"ensemble_of": _with(parents, "training", exported), "stored_as": dtype},
            provenance={**circumstances(command, "cpu"), "parents": _with(parents, "provenance", exported)},
            license=_licence(exported),
        ),
        dtype,
    )


class _Parent(TypedDict):
    """A model of which another was made."""

    name: str
    revision: str
    weight: NotRequired[float]


def _write(out: Path, tensors: dict[str, Tensor], exported: ExportedModel, dtype: str) -> Path:
    kind = DTYPES[dtype]
    stored = {n: t.to(kind) if t.is_floating_point() else t for n, t in tensors.items()}
    save_tensors(out / "model.safetensors", stored, {"dtype": dtype})
    write_bytes(out / "config.json", (exported.model_dump_json(indent=2) + "\n").encode())
    write_card(out)
    return out


def _with(parents: Sequence[_Parent], field: str, exported: Sequence[ExportedModel]) -> list[dict[str, object]]:
    return [{**parent, field: getattr(e, field)} for parent, e in zip(parents, exported, strict=True)]


def _licence(exported: Sequence[ExportedModel]) -> str:
    """What all of them have, if it is one licence."""
    found = {e.license for e in exported}
    return found.pop() if len(found) == 1 else "other"


def _demand_alike(first: Ours, kept: ExportedModel, info: Ours, other: ExportedModel) -> None:
    ours, theirs = (e.model.model_dump(exclude=ANSWER_SETTINGS) for e in (kept, other))
    different = [name for name in ours if ours[name] != theirs[name]]
    if different:
        raise StudioError(
            f"'{first.name}' and '{info.name}' are different networks ({', '.join(different)}): only models of one "
            "architecture, on the same classes, can be averaged. Combine others as an ensemble."
        )


def _temperature(model: SelfEnsemble, folder: Path) -> float:
    settings = read_settings(folder / "config.json")
    held_out = Run(validated(TrainConfig, settings), folder).held_out
    return round(fit_temperature(answers(model, held_out), held_out.labels), 4)
