"""Export of a run as a folder that open_clip loads ("local-dir:..."), with a card that says what is known."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clip_model.captions import COLOURS, every_text
from clip_model.data import CaptionedImages, all_concepts
from clip_model.model import WEIGHTS, CompactText, Network, OpenClipConfig, make_model, renew_statistics, to_model_size
from clip_model.train_config import ClipTrainConfig
from foundation import torchvision_cure  # noqa: F401  (before open_clip is imported)
from foundation.errors import StudioError
from foundation.files.places import same_place
from foundation.files.text_files import NoFileError, read_bytes, read_json, read_object, write_bytes
from foundation.record import Record
from robust_model.data.datasets import to_float
from robust_model.training.provenance import circumstances, provenance_lines
from robust_model.weights.averaging import mean_weights, shares
from robust_model.weights.checkpoint import file_digest, load_tensors, load_weights, save_tensors

CONFIG = "open_clip_config.json"
FACTS = "training.json"
VOCABULARY = "vocabulary.json"
EVALUATION = "evaluation.json"
STATISTICS_IMAGES, STATISTICS_BATCH = 8000, 250
"""Images on which an average's BatchNorm statistics are measured, and how many of them at a time."""
TITLE = "Tiny CLIP"
DESCRIPTION = (
    "A small CLIP of our own, trained from nothing on Tiny-ImageNet at 32 x 32 and CIFAR-10 against single-step "
    "attacks, so that its gradients draw. It knows a few hundred things and colours by name; other words it ignores."
)


def export(run: Path, out: Path) -> Path:
    """Write the run's averaged weights (float16), open_clip's configuration, the vocabulary and the card to `out`."""
    tensors, facts = load_tensors(run / "checkpoint.safetensors")
    config = ClipTrainConfig.model_validate(facts["config"])
    concepts = all_concepts(Path(config.tiny_imagenet))
    open_clip_config = config.open_clip_config()
    text = CompactText(make_model(open_clip_config, config.seed), every_text(concepts.all))
    average = {n.removeprefix("average."): t for n, t in tensors.items() if n.startswith("average.")}
    weights = {n: t.half() if t.is_floating_point() else t for n, t in text.full_state(average).items()}
    save_tensors(out / WEIGHTS, weights, {})
    write_bytes(out / CONFIG, (json.dumps(open_clip_config, indent=2) + "\n").encode())
    things = [
        {"names": list(concept.names), "kind": ", ".join(concepts.all[i].names[0] for i in above)}
        for concept, above in zip(concepts.all, concepts.ancestors, strict=True)
    ]
    vocabulary = {"words": words_in(every_text(concepts.all)), "things": things, "colours": list(COLOURS)}
    write_bytes(out / VOCABULARY, (json.dumps(vocabulary, indent=1) + "\n").encode())
    provenance = run / "provenance.json"
    recipe = config.model_dump(mode="json")
    for name in ("tiny_imagenet", "cifar10"):  # a folder's place on the machine that trained is nobody's business
        head, colon, tail = recipe[name].rpartition(":")
        recipe[name] = f"{head}{colon}{Path(tail).name}"
    training = {
        "title": TITLE,
        "description": DESCRIPTION,
        "recipe": recipe,
        "step": facts["step"],
        "provenance": read_json(provenance) if provenance.exists() else {},
    }
    write_bytes(out / FACTS, (json.dumps(training, indent=2) + "\n").encode())
    write_card(out)
    return out


def average(
    folders: Sequence[Path],
    out: Path,
    *,
    weights: Sequence[float] = (),
    images: CaptionedImages | None = None,
    command: str,
) -> Path:
    """Write to the folder `out` the average of exported models of one architecture and vocabulary; returns it.

    `weights` are relative (equal if there are none). One that was trained against larger steps draws better, one
    against smaller ones knows more: along the straight line between the two, where one began with the other's weights,
    both change smoothly (arXiv 2203.05482). On `images`, those of training, the average's BatchNorm statistics are
    measured anew; without them they are averaged as the weights are, which costs accuracy. `command` is what the card
    says made it. Raises StudioError for models that do not fit each other, and for an `out` that is one of them.
    """
    contributions = shares(weights, len(folders))
    if any(same_place(folder, out) for folder in folders):
        raise StudioError(f"'{out}' is one of the models to be averaged: choose another folder for the result.")
    facts = [_facts(folder) for folder in folders]
    for folder in folders[1:]:
        for name in (CONFIG, VOCABULARY):
            if read_bytes(folder / name) != read_bytes(folders[0] / name):
                raise StudioError(f"'{folder}' and '{folders[0]}' differ in their {name}: they cannot be averaged.")
    tensors = mean_weights([load_tensors(f / WEIGHTS)[0] for f in folders], contributions, [f.name for f in folders])
    if images is not None:
        tensors = _with_statistics(tensors, read_json(folders[0] / CONFIG), images)
    save_tensors(out / WEIGHTS, {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}, {})
    for name in (CONFIG, VOCABULARY):
        write_bytes(out / name, read_bytes(folders[0] / name))
    parents = [
        {"name": f.name, "revision": file_digest(f / WEIGHTS), "weight": share, "provenance": own["provenance"]}
        for f, share, own in zip(folders, contributions, facts, strict=True)
    ]
    provenance = {**circumstances(command, "cpu"), "parents": parents}
    if images is not None:
        provenance["data"] = f"{', '.join(images.sources)}: BatchNorm statistics on {STATISTICS_IMAGES} of their images"
    training = {**facts[0], "provenance": provenance}
    write_bytes(out / FACTS, (json.dumps(training, indent=2) + "\n").encode())
    write_card(out)
    return out


def _with_statistics(tensors: dict[str, Tensor], config: OpenClipConfig, images: CaptionedImages) -> dict[str, Tensor]:
    """The weights with BatchNorm statistics of their own, on a fixed draw of the images as training makes it."""
    model = make_model(config, seed=0)
    load_weights(model, tensors, "the average")
    rng = torch.Generator().manual_seed(0)
    drawn = images.images[torch.multinomial(images.shares, STATISTICS_IMAGES, replacement=True, generator=rng)]
    side = config["model_cfg"]["vision_cfg"]["image_size"]
    with torch.no_grad():
        renew_statistics(model, (to_model_size(to_float(part), side) for part in drawn.split(STATISTICS_BATCH)))
    state: dict[str, Tensor] = model.state_dict()
    return state


def _facts(folder: Path) -> dict[str, Any]:
    try:
        return read_object(folder / FACTS, "record of training", needs=("title", "description", "recipe", "provenance"))
    except NoFileError:
        raise StudioError(f"'{folder}' is no exported model: it has no {FACTS}.") from None


def words_in(texts: list[str]) -> list[str]:
    """Every word of the texts, in lower case and alphabetical order."""
    found = set()
    for text in texts:
        found |= set("".join(c if c.isalnum() else " " for c in text.lower().replace("'s", "")).split())
    return sorted(found)


def load_exported(folder: Path) -> Network:
    """The exported network as open_clip makes it, in eval mode on the CPU, float32."""
    if not (folder / CONFIG).exists():
        raise StudioError(f"'{folder}' is no exported model: it has no {CONFIG}.")
    import open_clip  # here, since it takes seconds

    with torch.random.fork_rng(devices=[]):
        model: Network = open_clip.create_model(f"local-dir:{folder}")
    return model.eval().requires_grad_(False)


def write_card(folder: Path) -> None:
    """(Re)write the card of an exported model from the facts beside it."""
    facts = _facts(folder)
    vocabulary = read_object(folder / VOCABULARY, "vocabulary", needs=("colours", "things", "words"))
    weights = folder / WEIGHTS
    recipe, source = facts["recipe"], facts["provenance"]
    lines = [f"# {facts['title']}", "", facts["description"], "", "## Network", ""]
    lines += [
        f"- open_clip's `local-dir:` form: `{CONFIG}` and `{WEIGHTS}`; {weights.stat().st_size / 1e6:.1f} MB, float16",
        f"- Image tower: timm's {recipe['tower']} at {recipe['image_size']} x {recipe['image_size']} pixels",
        f"- Text tower: open_clip's transformer, {recipe['text_layers']} layers of width {recipe['text_width']}, "
        "CLIP's tokenizer; tokens that it never saw have an embedding of zero, and it was trained to read past them",
        f"- Revision (SHA-256 of the weights): {file_digest(weights)}",
        "",
        "## Training",
        "",
    ]
    lines += provenance_lines(source)
    averaged = any("weight" in parent for parent in source.get("parents", []))
    lines += [
        f"- Recipe{' of the first' if averaged else ''} ({facts['step']} of {recipe['steps']} steps):",
        "",
        "```json",
        json.dumps(recipe, indent=2),
        "```",
        "",
    ]
    report = folder / EVALUATION
    lines += _measured(_Evaluation.read(read_json(report), "evaluation")) if report.exists() else []
    lines += ["## What it knows", "", f"Colours: {', '.join(vocabulary['colours'])}; light and dark. Things:", ""]
    lines += [", ".join(thing["names"][0] for thing in vocabulary["things"]) + "."]
    lines += ["", f"With their synonyms these are {len(vocabulary['words'])} words (`{VOCABULARY}`).", ""]
    write_bytes(folder / "README.md", "\n".join(lines).encode())


class _Figures(Record):
    """What was measured on one data set; the interval is of top-1."""

    top1: float
    top5: float
    images: int
    ci95: tuple[float, float]


class _Evaluation(Record):
    """What `python -m clip_model evaluate` measured, by the names of the data."""

    command: str
    data: dict[str, _Figures]


def _measured(report: _Evaluation) -> list[str]:
    lines = [
        "## Measured",
        "",
        f"`{report.command}`",
        "",
        "| zero-shot on | top-1 | 95 % interval | top-5 | images |",
    ]
    lines.append("| --- | --- | --- | --- | --- |")
    for name, found in report.data.items():
        low, high = found.ci95
        lines.append(f"| {name} | {found.top1:.1%} | {low:.1%} to {high:.1%} | {found.top5:.1%} | {found.images} |")
    return [*lines, ""]
