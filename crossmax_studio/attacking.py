"""Attacks on any network, photo by photo, by the recipes of the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from crossmax_studio.checks import checked_images, checked_labels
from crossmax_studio.models import Context, Loaded, Network, OnProgress, ShouldStop, classifier, never
from foundation.errors import StudioError
from foundation.images.distance import l2, linf
from foundation.images.pixels import quantise
from foundation.progress import Progress, silent
from generator.objectives.classes import AWAY, leads_away
from generator.optimisers.loop import Step
from generator.production.making import make
from generator.recipes.pictures import Pictures
from generator.recipes.presets import preset_fields, rule_fields
from generator.recipes.recipe import Recipe
from generator.synthesis.answers import ask
from robust_model.attacks.answers import named

AT_ONCE = 32
"""Images that the model is asked about together."""
_DECIDED = {"task", "models", "revisions", "classes", "weights", "images", "size", "source", "version"}


@dataclass(frozen=True, eq=False)
class AttackResult:
    """What an attack did to B images.

    Attributes:
        images: [B, 3, H, W] in [0, 1], float32, on the device that the clean ones were on. Every value is a multiple
            of 1/255: this is what an 8-bit file holds, and what all the rest is about.
        success: bool [B], on the CPU as all below: a targeted attack reached its label, any other left it, by the
            model's own answer. An answer that is not a number is no success.
        before: int64 [B], the classes that the model names for the clean images, -1 where its answer is not a number.
            One that draws random numbers names that of the highest mean probability over several passes.
        after: int64 [B], those that it names for `images`.
        linf: [B], the largest distances of a value from the clean images', in [0, 1] pixel units.
        l2: [B], the Euclidean distances from the clean images, in the same units.
        steps: of each image; fewer than asked for where the model was sure before.
        recipes: of each image. With the clean one and the model they make it again, here or by the command line.
        stopped: whether it was stopped; images that were not reached are the clean ones, rounded to 8 bits.
    """

    images: Tensor
    success: Tensor
    before: Tensor
    after: Tensor
    linf: Tensor
    l2: Tensor
    steps: tuple[int, ...]
    recipes: tuple[Recipe, ...]
    stopped: bool


def attack(
    model: Network,
    images: Tensor,
    labels: Tensor,
    *,
    targeted: bool = False,
    eps: float | None = None,
    norm: str | None = None,
    preset: str = "standard",
    seed: int = 0,
    device: str = "auto",
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
    **fields: Any,
) -> AttackResult:
    """Change images within a budget so that a model sees something else, as `crossmax-generator attack` does.

    Args:
        model: a network from images [B, 3, H, W] in [0, 1] to logits [B, C], on the device where it is to compute, or
            the name of one. It is used in eval mode, and left as it was. If it has `class_names`, texts in the order
            of the logits, recipes use these.
        images: [B, 3, H, W] in [0, 1], of 8 to 4,096 pixels a side.
        labels: int64 [B], the true classes, to get away from; with `targeted` those to reach.
        targeted: whether the labels are to be reached.
        eps: the largest distance from the images, in [0, 1] pixel units; of "standard", unless given, 8/255.
        norm: what distance that is: "linf", "l2", or "none", which takes an eps of 0. Unless given, the preset's.
        preset: the starting point: "subtle", "standard", "strong", "transferable", "turn-into", or a
            published attack's.
        seed: of all random numbers. Each image is made by itself with it, so that none depends on the others.
        device: where a model that is named is loaded: "auto", "cpu", "cuda".
        on_progress: hears a `Progress` after every step: `done` of `total` steps, and the `message` "image 2 of 8".
        should_stop: is asked after every step; what there is by then is returned.
        fields: others of the recipe, by their names: steps=40, perturbation="pixel", optimiser="pgd"...

    Raises StudioError for what does not fit, before the work; for a model that answers with NaN or gives no gradient.
    """
    clean = checked_images(images)
    context = Context(device, on_progress, should_stop)
    with classifier(model, (clean.shape[2], clean.shape[3]), context) as loaded:
        places = checked_labels(labels, len(clean), len(loaded.model.class_names))
        given = {"eps": eps, "norm": norm, "seed": seed} | fields
        template = _recipe(
            loaded, preset, {name: value for name, value in given.items() if value is not None}, targeted
        )
        named = [{"classes": (loaded.class_name(int(place)),)} for place in places]
        recipes = [Recipe.model_validate(template | one) for one in named]
        outcomes = _attacked(loaded, recipes, clean, context)
        found = torch.cat([outcome.image for outcome in outcomes])
        before, after = _answers(loaded, clean), _answers(loaded, found)
    reached = after.eq(places) if targeted else after.ne(places)
    return AttackResult(
        images=found.to(clean.device),
        success=reached & after.ge(0),
        before=before,
        after=after,
        linf=linf(found, clean.cpu()),
        l2=l2(found, clean.cpu()),
        steps=tuple(outcome.steps for outcome in outcomes),
        recipes=tuple(outcome.recipe for outcome in outcomes),
        stopped=any(outcome.stopped for outcome in outcomes),
    )


class _Outcome(NamedTuple):
    image: Tensor
    """[1, 3, H, W], on the CPU."""
    recipe: Recipe
    steps: int
    stopped: bool


def _recipe(loaded: Loaded, preset: str, given: Mapping[str, object], targeted: bool) -> dict[str, object]:
    """The fields of the recipe that all images have. StudioError for one that follows from something else."""
    decided = _DECIDED & given.keys()
    if "objective" in given and leads_away(given["objective"]) is targeted:
        decided |= {"objective"}
    if decided:
        raise StudioError(
            f"The field '{min(decided)}' follows from the model, the images, the labels, and whether these are the "
            "targets: leave it out."
        )
    fields = preset_fields("attack", preset) | rule_fields(str(given.get("optimiser", "sgd")))
    aim = {} if targeted else {"objective": AWAY}
    revisions = (loaded.revision,) if loaded.revision else ()
    return {**fields, **aim, "models": (loaded.name,), "revisions": revisions, **given}


def _attacked(loaded: Loaded, recipes: Sequence[Recipe], clean: Tensor, context: Context) -> list[_Outcome]:
    """Attack each image [3, H, W] by its recipe, until it is done or the caller wants it to stop."""
    total, done, stopped = sum(recipe.steps for recipe in recipes), 0, False
    outcomes = []
    for number, (recipe, photo) in enumerate(zip(recipes, clean, strict=True), start=1):
        if stopped:
            outcomes.append(_Outcome(quantise(photo[None]).cpu(), recipe, 0, stopped=True))
            continue

        def report(step: Step, done: int = done, where: str = f"image {number} of {len(recipes)}") -> None:
            context.progress(Progress(done + step.index, total, where))

        models = {loaded.name: loaded.model}
        pictures = Pictures(photo[None].to(loaded.device))
        made = make(
            recipe, models, pictures=pictures, device=loaded.device, on_step=report, should_stop=context.should_stop
        )
        if made.diverged is not None:
            raise made.diverged
        stopped, done = made.stopped, done + recipe.steps
        outcomes.append(_Outcome(made.images.cpu(), made.recipe, made.recipe.steps, stopped))
    return outcomes


def _answers(loaded: Loaded, images: Tensor) -> Tensor:
    """The class that the model names for each image, int64 [B] on the CPU; -1 where its answer is not a number."""
    found = []
    for batch in images.split(AT_ONCE):
        passes = ask(loaded.model, batch.to(loaded.device)).passes.double().softmax(dim=2)
        found.append(named(passes.mean(dim=0)).cpu())
    return torch.cat(found)
