"""What came out: what models say about a picture, and how far it went."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from foundation.images.distance import l2, linf
from foundation.protocols import Classifier, LayeredClassifier
from generator.recipes.recipe import Recipe
from generator.records.answers import Guess, ReadoutSaid, Said
from generator.records.pictures import Nearness, PictureFacts, UnitFound
from generator.synthesis.answers import ask
from generator.synthesis.guidance import Cosines, cosines
from generator.synthesis.synthesis import Synthesis

TOP_CLASSES = 5


def measure(
    synthesis: Synthesis,
    index: int,
    saved: Tensor,
    *,
    file: str,
    unit: Mapping[str, UnitFound] | None = None,
) -> PictureFacts:
    """Compare a saved picture [1, 3, H, W], number `index` of its batch (from 0), with what it started from.

    `file` is what it is called in its record; `unit` is what was found of the unit that it was made for, of which
    nobody says whether it succeeded.
    """
    plan, recipe = synthesis.plan, synthesis.recipe
    before = _row(synthesis.start if synthesis.source is None else synthesis.source, index)
    after = saved.to(before)
    said = {name: predict(model, before) for name, model in synthesis.classifiers.items()}
    now = {name: predict(model, after, said[name].draws) for name, model in synthesis.classifiers.items()}
    near = {
        name: _before_and_after(cosines(plan, encoder, torch.cat([before, after])))
        for name, encoder in (plan.encoders.items() if plan.unit is None else ())
    }
    from_photo = synthesis.source is not None
    return PictureFacts(
        file=file,
        seed=synthesis.seeds[index] if synthesis.seeds else None,
        before=said,
        after=now,
        linf=linf(after, before).item() if from_photo else None,
        l2=l2(after, before).item() if from_photo else None,
        success={
            name: _succeeded(recipe, said[name], now[name], [model.class_names[place] for place in places])
            for name, places in (plan.named.places.items() if plan.unit is None else ())
            for model in (plan.classifiers[name],)
        },
        cosines=near or None,
        unit=None if unit is None else dict(unit),
    )


def _before_and_after(entries: Sequence[Cosines]) -> tuple[Nearness, ...]:
    """Name the two cosines of each entry."""
    found = []
    for entry in entries:
        before, after = map(_finite, entry["cosines"])
        near = Nearness(role=entry["role"], text=entry["text"], weight=entry["weight"], before=before, after=after)
        found.append(near)
    return tuple(found)


def _row(images: Tensor, index: int) -> Tensor:
    return images[index : index + 1] if len(images) > 1 else images


def _succeeded(recipe: Recipe, before: Said, after: Said, named: Sequence[str]) -> bool:
    """Whether the model now says what the recipe wants: a wanted class, or, if it leads away from one, another.

    `named` are the model's own names of the recipe's classes.
    """
    said = after.first
    if after.top[0].probability is None:
        return False
    shares = recipe.weights or (1.0,) * len(named)
    wanted = {name for name, share in zip(named, shares, strict=True) if share > 0}
    if recipe.leads_away:
        return said not in wanted if wanted else said != before.first
    return said in wanted


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


@torch.no_grad()
def predict(classifier: Classifier, image: Tensor, draws: int | None = None) -> Said:
    """Return what a classifier says about one image [1, 3, H, W].

    Probabilities are averaged over several passes where the classifier draws random numbers (see
    `generator.synthesis.answers`, by whose rule victims answer as well).
    """
    names = classifier.class_names
    answer = ask(classifier, image, draws)
    passes = answer.passes[:, 0].double().softmax(dim=1)
    top = _top(passes.mean(dim=0), names)
    readouts: tuple[ReadoutSaid, ...] = ()
    if answer.readouts is not None and isinstance(classifier, LayeredClassifier):
        layers = answer.readouts[:, 0].double().softmax(dim=2).mean(dim=0)
        readouts = tuple(
            ReadoutSaid(readout=readout, top=_top(probabilities, names))
            for readout, probabilities in zip(classifier.readout_names, layers, strict=True)
        )
    first = names.index(top[0].name)
    agreement = (passes.argmax(dim=1) == first).double().mean().item()
    return Said(top=top, agreement=agreement, draws=len(passes), readouts=readouts)


def _top(probabilities: Tensor, names: Sequence[str]) -> tuple[Guess, ...]:
    """The most probable of the classes, from their probabilities [C]."""
    best = probabilities.argsort(descending=True, stable=True)[:TOP_CLASSES].tolist()
    return tuple(Guess(name=names[index], probability=_finite(probabilities[index].item())) for index in best)
