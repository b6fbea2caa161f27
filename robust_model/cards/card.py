"""Export of a finished run, and its model card: only what was recorded or measured."""

import json
from pathlib import Path

import torch
from pydantic import JsonValue

from foundation.command_line.settings import validated
from foundation.errors import StudioError
from foundation.files.text_files import read_json, read_text, write_bytes
from robust_model.evaluation.masking.findings import findings_of, tested
from robust_model.evaluation.record.reading import read_report
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.evaluation.record.values import Passes, Proportion
from robust_model.networks.backbones import BACKBONES
from robust_model.networks.ensemble import EnsembleConfig, ModelConfig
from robust_model.reports.words import both_rules, effort, named, rule
from robust_model.training.pipeline import read_phases
from robust_model.training.presets import PRESETS
from robust_model.training.provenance import provenance_lines, without_places
from robust_model.training.training import Run, TrainConfig
from robust_model.weights.calibration import fit_temperature
from robust_model.weights.checkpoint import file_digest, load_tensors, save_tensors
from robust_model.zoo.hub import front_matter
from robust_model.zoo.registry import ExportedModel

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def export(
    run: Path,
    out: Path,
    *,
    title: str,
    description: str,
    dtype: str = "float16",
    calibrate: bool = False,
    voters: int | None = None,
    aggregator: str | None = None,
    mirror: bool | None = None,
    licence: str = "unknown",
) -> Path:
    """Write the run's (averaged) weights, configuration and card to the folder `out`; returns it.

    `voters`, `aggregator` and `mirror` replace what the configuration says about the answer: how many predictors take
    part in it, how they are combined, and whether the mirror image is asked too. With `calibrate` the answer's
    temperature is fitted to the run's held-out images, for which its data are loaded. Of a run of several phases the
    last is exported, which must have begun.
    """
    phases = read_phases(run)
    folder = run if phases is None else run / list(phases.phases)[-1]
    tensors, facts = load_tensors(folder / "checkpoint.safetensors")
    config = TrainConfig.model_validate(facts["config"])
    model = config.model
    wanted = {"voters": voters, "aggregator": aggregator, "mirror": mirror}
    changes = {name: value for name, value in wanted.items() if value is not None}
    model = validated(ModelConfig, {**model.model_dump(), **changes})  # refused before anything is written
    prefix = "average." if config.ema else "model."
    kind = DTYPES[dtype]
    weights = {
        name.removeprefix(prefix): tensor.to(kind) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    save_tensors(out / "model.safetensors", weights, {"dtype": dtype})
    provenance = run / "provenance.json"
    recipe = _recipe(config)
    if phases is not None:
        earlier = list(phases.phases.items())[:-1]
        recipe["phases_before"] = {name: _recipe(phase) for name, phase in earlier}
    if calibrate:
        scores, labels = Run(config, folder).held_out_answers(model)
        model = model.model_copy(update={"temperature": round(fit_temperature(scores, labels), 4)})
    exported = ExportedModel(
        title=title,
        description=description,
        model=model,
        training={**recipe, "step": facts["step"], "steps": facts["steps"], "stored_as": dtype},
        provenance=read_json(provenance) if provenance.exists() else {},
        license=licence,
    )
    write_bytes(out / "config.json", (exported.model_dump_json(indent=2) + "\n").encode())
    write_card(out)
    return out


def _recipe(config: TrainConfig) -> dict[str, JsonValue]:
    """What a run was told, but for its network. Folders are shortened to their names: they say which data it was."""
    recipe: dict[str, JsonValue] = without_places(config.model_dump(mode="json", exclude={"model"}))
    return recipe


def write_card(folder: Path) -> None:
    """(Re)write the card of an exported model from its configuration and its `evaluation*.json` reports."""
    exported = ExportedModel.model_validate_json(read_text(folder / "config.json", "configuration"))
    reports = [read_report(path) for path in sorted(folder.glob("evaluation*.json"))]
    lines = [front_matter(exported.title, exported.license, exported.training, reports)]
    lines += [f"# {exported.title}", "", exported.description, ""]
    lines += _network(exported, folder) + _training(exported)
    for report in reports:
        lines += _evaluation(report)
    if not reports:
        lines += ["## Measured", "", "Nothing yet: run `python -m robust_model evaluate --save`.", ""]
    write_bytes(folder / "README.md", "\n".join(lines).encode())


def _network(exported: ExportedModel, folder: Path) -> list[str]:
    model, weights = exported.model, folder / "model.safetensors"
    tensors, _ = load_tensors(weights)
    count = sum(t.numel() for t in tensors.values() if t.is_floating_point())
    lines = ["## Network", ""]
    if isinstance(model, EnsembleConfig):
        lines.append(f"- An ensemble of {len(model.members)}, whose answers are combined by {model.aggregator}:")
        for number, member in enumerate(model.members, start=1):
            lines += [f"- Member {number}:", *(f"  {line}" for line in _self_ensemble(member))]
    else:
        lines += _self_ensemble(model)
    return [
        *lines,
        f"- {count:,} numbers, {weights.stat().st_size / 1e6:.1f} MB, stored as "
        f"{exported.training.get('stored_as', '?')}",
        f"- Classes: {', '.join(model.class_names)}",
        f"- Revision (SHA-256 of the weights): {file_digest(weights)}",
        "",
    ]


def _self_ensemble(model: ModelConfig) -> list[str]:
    return [
        f"- Backbone: {model.backbone}{BACKBONES[model.backbone.partition(':')[0]].shape(model)}",
        f"- Sees: resolutions {list(model.stack.resolutions)} stacked as {model.stack.channels} channels",
        f"- Read-outs: depths {list(model.readout_depths)} and the final head; the answer combines the "
        f"{model.voters or len(model.readout_depths) + 1} deepest by {model.aggregator}",
        *(["- Every image is seen with its mirror image; each read-out's logits are the mean"] if model.mirror else []),
        f"- Random draws at inference: {model.inference_noise}; temperature of the answer: {model.temperature:g}",
    ]


def _training(exported: ExportedModel) -> list[str]:
    recipe, provenance = exported.training, exported.provenance
    lines = ["## Training", ""]
    lines += provenance_lines(provenance)
    done = f" ({recipe['step']} of {recipe['steps']} steps)" if "step" in recipe else ""
    return [*lines, f"- Recipe{done}:", "", "```json", json.dumps(recipe, indent=2), "```", ""]


def _evaluation(report: EvaluationReport) -> list[str]:
    """The section on an evaluation."""
    config, defence = report.config, report.defence

    def row(name: str, figure: Proportion) -> str:
        low, high = figure.ci95
        return f"| {name} | {figure.accuracy:.1%} | {low:.1%} to {high:.1%} | {figure.correct} of {figure.n} |"

    lines = [
        f"## Measured on {report.data.source}",
        "",
        f"`{report.command or 'python -m robust_model evaluate'}`",
        "",
        f"L-inf {config.eps * 255:.3g}/255, seed {config.seed}, noise {defence.noise}, answer by "
        f"{defence.aggregator} of the {defence.voters} deepest predictors; {spent(report.passes)} of one image.",
        "",
        "| | accuracy | 95 % interval | images |",
        "| --- | --- | --- | --- |",
        row("clean", report.clean),
        *(row(f"clean, {name}", figure) for name, figure in report.clean_by_readout.items()),
    ]
    for attack in report.attacks:
        how = effort(attack)
        lines.append(row(f"{named(attack)}, {how}" if how else named(attack), attack))
        if attack.autoattack is not None:
            own = attack.autoattack.own_accuracy
            lines.append(f"| {attack.name}, by its own count | {own:.1%} | | |")
    if report.worst_case is not None:
        lines.append(row("**worst case per image over all attacks**", report.worst_case))
    lines += [row(f"{which}, judged {by}", figure) for which, by, figure in both_rules(report)]
    signs = [f for f in findings_of(report) if f.verdict == "found"]
    found = [f"- Sign of gradient masking: {sign.sign}. {sign.evidence}" for sign in signs]
    if rule(report):
        lines += ["", rule(report)]
    return [*lines, "", tested(report), "", *found, *(f"- Warning: {w}" for w in report.warnings), ""]


def spent(passes: Passes) -> str:
    """The passes in words; reports of version 1 counted the forward ones only."""
    backward = "" if passes.backward is None else f" and {passes.backward:,} backward"
    return f"{passes.forward:,} forward{backward} passes"


def preset_texts(name: str) -> tuple[str, str]:
    """Title and description that the preset `name` gives its models."""
    if name not in PRESETS:
        raise StudioError(f"There is no preset '{name}'; there are: {', '.join(PRESETS)}.")
    return PRESETS[name].title, PRESETS[name].description
