"""Export of a finished run, and its model card: only what was recorded or measured."""

import json
from pathlib import Path
from typing import Any

import torch

from generator.errors import StudioError
from robust_model.calibration import fit_temperature
from robust_model.checkpoint import file_digest, load_tensors, save_tensors, write_atomically
from robust_model.ensemble import ModelConfig
from robust_model.jobs import validated
from robust_model.presets import PRESETS
from robust_model.provenance import provenance_lines
from robust_model.registry import ExportedModel
from robust_model.training import Run, TrainConfig

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
    mirror: bool | None = None,
) -> Path:
    """Write the run's (averaged) weights, configuration and card to the folder `out`; returns it.

    `voters` and `mirror` replace what the configuration says about the answer: how many predictors take part in it, and
    whether the mirror image is asked too. With `calibrate` the
    answer's temperature is fitted to the run's held-out images, for which its data are loaded.
    """
    tensors, facts = load_tensors(run / "checkpoint.safetensors")
    config = TrainConfig.model_validate(facts["config"])
    prefix = "average." if config.ema else "model."
    kind = DTYPES[dtype]
    weights = {
        name.removeprefix(prefix): tensor.to(kind) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    save_tensors(out / "model.safetensors", weights, {"dtype": dtype})
    provenance = run / "provenance.json"
    recipe = config.model_dump(mode="json", exclude={"model"})
    # A folder's place on the machine that trained is nobody's business; its name says which data it was.
    if recipe["data"].startswith("folder:"):
        recipe["data"] = "folder:" + Path(recipe["data"].removeprefix("folder:")).name
    model = config.model
    changes = {name: value for name, value in (("voters", voters), ("mirror", mirror)) if value is not None}
    model = validated(ModelConfig, {**model.model_dump(), **changes})
    if calibrate:
        scores, labels = Run(config, run).held_out_answers(model)
        model = model.model_copy(update={"temperature": round(fit_temperature(scores, labels), 4)})
    exported = ExportedModel(
        title=title,
        description=description,
        model=model,
        training={**recipe, "step": facts["step"], "steps": facts["steps"], "stored_as": dtype},
        provenance=json.loads(provenance.read_text()) if provenance.exists() else {},
    )
    write_atomically(out / "config.json", (exported.model_dump_json(indent=2) + "\n").encode())
    write_card(out)
    return out


def write_card(folder: Path) -> None:
    """(Re)write the card of an exported model from its configuration and its `evaluation*.json` reports."""
    exported = ExportedModel.model_validate_json((folder / "config.json").read_text(encoding="utf-8"))
    lines = [f"# {exported.title}", "", exported.description, ""]
    lines += _network(exported, folder) + _training(exported)
    reports = sorted(folder.glob("evaluation*.json"))
    for path in reports:
        lines += _evaluation(json.loads(path.read_text(encoding="utf-8")))
    if not reports:
        lines += ["## Measured", "", "Nothing yet: run `python -m robust_model evaluate --save`.", ""]
    write_atomically(folder / "README.md", "\n".join(lines).encode())


def _network(exported: ExportedModel, folder: Path) -> list[str]:
    model, weights = exported.model, folder / "model.safetensors"
    tensors, _ = load_tensors(weights)
    count = sum(t.numel() for t in tensors.values() if t.is_floating_point())
    return [
        "## Network",
        "",
        f"- Backbone: {model.backbone}, widths {list(model.widths)}, blocks {list(model.blocks)}; {count:,} numbers, "
        f"{weights.stat().st_size / 1e6:.1f} MB, stored as {exported.training.get('stored_as', '?')}",
        f"- Sees: resolutions {list(model.stack.resolutions)} stacked as {model.stack.channels} channels",
        f"- Read-outs: depths {list(model.readout_depths)} and the final head; the answer combines the "
        f"{model.voters or len(model.readout_depths) + 1} deepest by {model.aggregator}",
        *(["- Every image is seen with its mirror image; each read-out's logits are the mean"] if model.mirror else []),
        f"- Random draws at inference: {model.inference_noise}; temperature of the answer: {model.temperature:g}",
        f"- Classes: {', '.join(model.class_names)}",
        f"- Revision (SHA-256 of the weights): {file_digest(weights)}",
        "",
    ]


def _training(exported: ExportedModel) -> list[str]:
    recipe, provenance = exported.training, exported.provenance
    lines = ["## Training", ""]
    lines += provenance_lines(provenance)
    done = f" ({recipe['step']} of {recipe['steps']} steps)" if "step" in recipe else ""
    return [*lines, f"- Recipe{done}:", "", "```json", json.dumps(recipe, indent=2), "```", ""]


def _evaluation(report: dict[str, Any]) -> list[str]:
    config = report["config"]

    def row(name: str, figure: dict[str, Any]) -> str:
        low, high = figure["ci95"]
        return f"| {name} | {figure['accuracy']:.1%} | {low:.1%} to {high:.1%} | {figure['correct']} of {figure['n']} |"

    lines = [
        f"## Measured on {report['data']['source']}",
        "",
        f"`{report.get('command', 'python -m robust_model evaluate')}`",
        "",
        f"L-inf {config['eps'] * 255:.3g}/255, seed {config['seed']}, noise {report['defence']['noise']}, answer by "
        f"{report['defence']['aggregator']} of the {report['defence']['voters']} deepest predictors; "
        f"{report['passes']:,} forward passes of one image.",
        "",
        "| | accuracy | 95 % interval | images |",
        "| --- | --- | --- | --- |",
        row("clean", report["clean"]),
        *(row(f"clean, {name}", figure) for name, figure in report["clean_by_readout"].items()),
        *(
            row(f"{a['name']}, {a['config']['steps']} steps, {a['config']['restarts']} restarts", a)
            for a in report["attacks"]
        ),
    ]
    if report["worst_case"]:
        lines.append(row("**worst case per image over all attacks**", report["worst_case"]))
    return [*lines, "", *(f"- Warning: {w}" for w in report["warnings"]), ""]


def preset_texts(name: str) -> tuple[str, str]:
    """Title and description that the preset `name` gives its models."""
    if name not in PRESETS:
        raise StudioError(f"There is no preset '{name}'; there are: {', '.join(PRESETS)}.")
    return PRESETS[name].title, PRESETS[name].description
