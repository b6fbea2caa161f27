"""What came out: what models say about a picture, and how far it went, as JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from foundation.images.distance import l2, linf
from foundation.protocols import Classifier, LayeredClassifier
from generator.classes.class_names import class_place
from generator.recipes.recipe import Recipe
from generator.synthesis.answers import ask
from generator.synthesis.guidance import cosines
from generator.synthesis.synthesis import Synthesis

TOP_CLASSES = 5


def measure(synthesis: Synthesis, recipe: Recipe, index: int, saved: Tensor) -> dict[str, Any]:
    """Compare a saved picture [1, 3, H, W], number `index` of its batch (from 0), with what it started from.

    "before", "after" and "success" have an entry for each classifier, "cosines" for each encoder; "linf" and
    "l2" are there for pictures that started from a photo. Of a unit nobody says whether it succeeded.
    """
    before = _row(synthesis.start if synthesis.source is None else synthesis.source, index)
    after = saved.to(before)
    said = {name: predict(model, before) for name, model in synthesis.classifiers.items()}
    facts: dict[str, Any] = {
        "before": said,
        "after": {name: predict(model, after, said[name]["draws"]) for name, model in synthesis.classifiers.items()},
    }
    if synthesis.source is not None:
        facts |= {"linf": linf(after, before).item(), "l2": l2(after, before).item()}
    facts["success"] = (
        {}
        if recipe.unit
        else {
            name: _succeeded(recipe, facts["before"][name], facts["after"][name], model.class_names)
            for name, model in synthesis.classifiers.items()
        }
    )
    if synthesis.encoders and not recipe.unit:
        facts["cosines"] = {
            name: _before_and_after(cosines(recipe, encoder, synthesis.pictures, torch.cat([before, after])))
            for name, encoder in synthesis.encoders.items()
        }
    return facts


def _before_and_after(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Name the two cosines of each entry of `cosines`."""
    found = []
    for entry in entries:
        before, after = entry["cosines"]
        kept = {name: value for name, value in entry.items() if name != "cosines"}
        found.append({**kept, "before": _finite(before), "after": _finite(after)})
    return found


def _row(images: Tensor, index: int) -> Tensor:
    return images[index : index + 1] if len(images) > 1 else images


def _succeeded(recipe: Recipe, before: Mapping[str, Any], after: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Whether the model now says what the recipe wants: a wanted class, or with "leave" another one."""
    said: str = after["top"][0]["class"]
    if after["top"][0]["probability"] is None:
        return False
    shares = recipe.weights or (1.0,) * len(recipe.classes)
    wanted = {
        names[class_place(names, name, recipe.version)]
        for name, share in zip(recipe.classes, shares, strict=True)
        if share > 0
    }
    if recipe.objective == "leave":
        return said not in wanted if wanted else bool(said != before["top"][0]["class"])
    return said in wanted


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


@torch.no_grad()
def predict(classifier: Classifier, image: Tensor, draws: int | None = None) -> dict[str, Any]:
    """Return what a classifier says about one image [1, 3, H, W], as JSON.

    "top" lists the most probable classes and their probabilities, averaged over several passes where the
    classifier draws random numbers (see `generator.synthesis.answers`, by whose rule victims answer as well);
    "agreement" is the share of the passes that put the first of them first. "readouts" lists every read-out of a
    `LayeredClassifier` under its name with a "top" of its own; it is empty for others. A probability that is not a
    number (a damaged model) is None.
    """
    names = classifier.class_names
    answer = ask(classifier, image, draws)
    passes = answer.passes[:, 0].double().softmax(dim=1)
    top = _top(passes.mean(dim=0), names)
    readouts: list[dict[str, Any]] = []
    if answer.readouts is not None and isinstance(classifier, LayeredClassifier):
        layers = answer.readouts[:, 0].double().softmax(dim=2).mean(dim=0)
        readouts = [
            {"readout": readout, "top": _top(probabilities, names)}
            for readout, probabilities in zip(classifier.readout_names, layers, strict=True)
        ]
    first = names.index(top[0]["class"])
    return {
        "top": top,
        "agreement": (passes.argmax(dim=1) == first).double().mean().item(),
        "draws": len(passes),
        "readouts": readouts,
    }


def _top(probabilities: Tensor, names: Sequence[str]) -> list[dict[str, Any]]:
    """The most probable of the classes, from their probabilities [C]."""
    best = probabilities.argsort(descending=True, stable=True)[:TOP_CLASSES].tolist()
    return [{"class": names[index], "probability": _finite(probabilities[index].item())} for index in best]
