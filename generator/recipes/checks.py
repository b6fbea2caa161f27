"""What the fields of a recipe ask of each other. A refusal is a ValueError with a sentence that names the field."""

import math

from foundation.choices import offered
from generator.objectives.classes import OBJECTIVES, objectives_that
from generator.objectives.similarity import has_rivals, scores_that
from generator.optimisers.registry import OPTIMISERS, rules_that
from generator.priors.making import PRIORS
from generator.priors.prior import LinearPrior, Prior
from generator.recipes.common import MOST_SEED, marks_of
from generator.recipes.guides import Guides, read_guides
from generator.recipes.schema import AIMS, RECIPE_VERSION, RecipeSchema, perturbations
from generator.units.unit import Unit, UnitError, parse_unit

PICTURES = {"target": ("text", "attack"), "style": ("text",), "mask": ("text",)}
"""The tasks that the digests of pictures beside the source belong to."""
TASK_WORDS = {
    ("class",): "pictures of a class",
    ("class", "text"): "pictures of a class or a text",
    ("text",): "pictures of a text",
    ("attack",): "attacks",
    ("text", "attack"): "texts and attacks",
}


def check_version(version: object) -> None:
    """Refuse versions that there never were, and those of newer programs."""
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(f"version of the recipe must be from 1 to {RECIPE_VERSION}, not {str(version)[:40]!r}.")
    if version > RECIPE_VERSION:
        raise ValueError(
            f"version {version} of the recipe is newer than this program ({RECIPE_VERSION}): update the program."
        )


def check_targets(recipe: RecipeSchema) -> None:
    """Check models, classes, their weights and the objective."""
    for field, names in (("models", recipe.models), ("classes", recipe.classes)):
        repeated = [name for index, name in enumerate(names) if name in names[:index]]
        if repeated:
            raise ValueError(f"{field} names {repeated[0]!r} twice: name it once.")
    if recipe.revisions and len(recipe.revisions) != len(recipe.models):
        raise ValueError(
            f"revisions needs one entry per model or none, not {len(recipe.revisions)} for {len(recipe.models)} models."
        )
    if recipe.leads_away and recipe.task != "attack":
        raise ValueError(
            f"objective {recipe.objective!r} needs a photo to start from: choose another, or make an attack."
        )
    guided = recipe.task == "text" or is_guided(recipe) or recipe.unit != ""
    if not recipe.classes and not recipe.leads_away and not guided:
        raise ValueError("classes is empty: name at least one class.")
    _check_model_weights(recipe)
    if not recipe.weights:
        return
    if len(recipe.weights) != len(recipe.classes):
        raise ValueError(
            f"weights needs one number per class or none, not {len(recipe.weights)} for {len(recipe.classes)} classes."
        )
    if not OBJECTIVES[recipe.objective].negative_weights and min(recipe.weights) < 0:
        those = objectives_that(lambda one: one.negative_weights)
        raise ValueError(f"weights below 0 are possible only with objective {those}: make them 0 or larger.")
    total = sum(recipe.weights)  # not fsum, which refuses to overflow
    if not 0 < total < math.inf:
        raise ValueError(f"weights must add up to more than 0, not {total:g}.")


def check_unit(recipe: RecipeSchema) -> Unit | None:
    """Check that a unit is written as one, and is all that the picture is about; return it, if there is one."""
    if not recipe.unit or recipe.task != "class":
        return None
    try:
        unit = parse_unit(recipe.unit)
    except UnitError as error:
        raise ValueError(f"unit: {error}") from error
    if recipe.classes:
        raise ValueError(f"unit {recipe.unit[:60]!r} takes the place of classes: name no class, or no unit.")
    for name in ("objective", "readout"):
        default = type(recipe).model_fields[name].default
        if getattr(recipe, name) != default:
            raise ValueError(f"{name} {getattr(recipe, name)!r} is about classes: leave it {default!r} for a unit.")
    return unit


def _check_model_weights(recipe: RecipeSchema) -> None:
    if recipe.model_weights and len(recipe.model_weights) != len(recipe.models):
        raise ValueError(
            f"model_weights needs one number per model or none, not {len(recipe.model_weights)} for "
            f"{len(recipe.models)} models."
        )
    if recipe.model_weights and not 0 < min(recipe.model_weights) <= sum(recipe.model_weights) < math.inf:
        raise ValueError("model_weights must all be above 0 and not too large: leave a model out to give it no share.")


def check_seeds(recipe: RecipeSchema) -> None:
    """Check that every picture of a batch has a seed."""
    last = recipe.seed + recipe.images - 1
    if recipe.version >= 4 and recipe.images > 1 and last > MOST_SEED:
        raise ValueError(
            f"seed {recipe.seed} is too large for {recipe.images} images, which have one each: make it at most "
            f"{MOST_SEED - recipe.images + 1}."
        )


def check_redraw(recipe: RecipeSchema) -> None:
    """Check that there is a next seed to draw anew with, and that it means something."""
    if not recipe.redraw:
        return
    if recipe.prompt_to:
        raise ValueError("redraw needs pictures of seeds of their own: set it to 0 for a way between two prompts.")
    if recipe.together:
        raise ValueError("redraw needs pictures of seeds of their own: set it to 0, or make them one by one.")
    if recipe.source:
        raise ValueError("redraw is for pictures from nothing: set it to 0 for one that starts from a photo.")
    last = recipe.seed + (recipe.redraw + 1) * recipe.images - 1
    if last > MOST_SEED:
        raise ValueError(f"seed {recipe.seed} has no {last - recipe.seed} seeds behind it, which redraw may need.")


def check_budget(recipe: RecipeSchema) -> None:
    """Check how far the picture may go from a photo, and what else only makes sense with or without one."""
    if recipe.colour != "rgb" and recipe.task == "attack":
        raise ValueError("colour 'decorrelated' is for pictures of a class: use 'rgb' in an attack.")
    if recipe.norm == "none":
        if recipe.eps != 0:
            raise ValueError(f"eps must be 0 without a norm, not {recipe.eps:g}: choose norm 'linf' or 'l2'.")
        return
    if recipe.task == "class":
        raise ValueError(f"norm {recipe.norm!r} limits the distance from a photo: use 'none', or make an attack.")
    if recipe.margin > 0:
        raise ValueError(
            f"margin squeezes the photo, which norm {recipe.norm!r} forbids: set margin to 0, or norm to 'none'."
        )
    if recipe.norm == "linf" and not 0 < recipe.eps <= 1:
        raise ValueError(f"eps must be above 0 and at most 1 with norm 'linf', not {recipe.eps:g}.")
    if recipe.norm == "l2" and recipe.eps <= 0:
        raise ValueError(f"eps must be above 0 with norm 'l2', not {recipe.eps:g}.")


def is_guided(recipe: RecipeSchema) -> bool:
    """Whether the recipe has something to ask CLIP models for."""
    return any(getattr(recipe, name) for name in AIMS)


def may_end_early(recipe: RecipeSchema) -> bool:
    """Whether the recipe may take fewer steps than it says: of texts and pictures nobody knows when it is enough."""
    return recipe.enough > 0 and not is_guided(recipe)


def check_tasks(recipe: RecipeSchema) -> None:
    """Check that no field is set that means nothing to the task, or to recipes of this version."""
    if recipe.task == "text" and recipe.version < 2:
        raise ValueError(f"version {recipe.version} of the recipe knows no task 'text': make it version 2.")
    for name, field in type(recipe).model_fields.items():
        marks = marks_of(field)
        tasks = PICTURES.get(name) or marks.tasks
        if not tasks or getattr(recipe, name) == field.default:
            continue
        if recipe.task not in tasks:
            raise ValueError(f"{name} is for {TASK_WORDS[tasks]}: leave it out, or make the task '{tasks[0]}'.")
        if recipe.version < marks.since:
            raise ValueError(
                f"version {recipe.version} of the recipe knows no {name}: make it version {max(3, marks.since)}."
            )


def check_text(recipe: RecipeSchema) -> Guides:
    """Check what CLIP models are asked for, in pictures of a text and in attacks; return its prompts, read."""
    if recipe.task == "class":
        return Guides()
    guides = read_guides(recipe)
    _check_prompts(recipe, guides)
    _check_pictures(recipe)
    # Several models may be classifiers that take their classes from the prompt.
    led = recipe.task == "text" and not recipe.classes and len(recipe.models) > 1
    if recipe.task == "text" and not led and bool(recipe.classes) != (recipe.class_weight > 0):
        raise ValueError(
            "class_weight is 0, so the classes count nothing: make it larger, or name no classes."
            if recipe.classes
            else "class_weight needs classes: name at least one, or set class_weight to 0."
        )
    if recipe.class_weight > 0 and not recipe.classes and not recipe.leads_away and not led:
        raise ValueError("class_weight needs classes: name at least one, or set class_weight to 0.")
    return guides


def check_rule(recipe: RecipeSchema) -> None:
    """Check the update rule, and what goes with it."""
    rule, can = recipe.optimiser, OPTIMISERS[recipe.optimiser]
    if recipe.momentum > 0 and not can.takes_momentum:
        those = rules_that(lambda one: one.takes_momentum)
        raise ValueError(f"momentum belongs to {those}: set momentum to 0 with {rule}.")
    if recipe.momentum == 1 and not can.full_momentum:
        raise ValueError(f"momentum must be at least 0 and below 1 with {rule}, not 1.")
    if can.tasks and recipe.task not in can.tasks:
        raise ValueError(f"optimiser {rule!r} is for attacks on a photo: use 'sgd' or 'adam'.")
    single = [name for name, kind in perturbations().items() if kind.single_pixels]
    if can.pixels_alone and (recipe.perturbation not in single or recipe.norm == "none"):
        raise ValueError(
            f"optimiser {rule!r} starts with 2 eps: it needs perturbation {offered(single)} and norm 'linf' or 'l2'."
        )
    if can.projected and issubclass(PRIORS.get(recipe.form, Prior), LinearPrior):
        raise ValueError(f"form {recipe.form!r} is for optimiser 'sgd': use 'layered' or 'auto' with {rule}.")
    if recipe.step_schedule != "constant" and not can.takes_schedule:
        those = rules_that(lambda one: one.takes_schedule)
        raise ValueError(f"step_schedule {recipe.step_schedule!r} is for {those}: use 'constant' with {rule}.")
    if recipe.planned_steps and recipe.planned_steps < recipe.steps:
        raise ValueError(
            f"planned_steps is {recipe.planned_steps}, fewer than the {recipe.steps} steps: set it to 0 to plan anew."
        )
    if recipe.enough > 0 and recipe.keep != "best":
        raise ValueError("enough is for attacks that look at their steps: set keep to 'best', or enough to 0.")
    if recipe.weighting == "dynamic" and not OBJECTIVES[recipe.objective].bounded and recipe.classes:
        those = objectives_that(lambda one: one.bounded)
        raise ValueError(
            f"weighting 'dynamic' needs objectives that can be reached: use {those}, not {recipe.objective!r}."
        )


def _check_prompts(recipe: RecipeSchema, guides: Guides) -> None:
    for caption in guides.captions:
        if caption.weight != 1:
            raise ValueError(f"captions have no weights of their own ({caption.text[:40]!r}): use caption_weight.")
    if recipe.task == "text" and not recipe.prompt and not (recipe.target or recipe.style):
        raise ValueError(
            "prompt is empty: say what the picture should show, for example 'a frog', or give a target or style "
            "picture."
        )
    if recipe.prompt_to and not recipe.prompt:
        raise ValueError("prompt_to is where the pictures lead to: give a prompt that they come from.")
    if recipe.prompt_to and recipe.images < 2:
        raise ValueError("prompt_to needs pictures on the way to it: ask for at least 2 images.")
    if not has_rivals(recipe.score):
        if recipe.against:
            those = scores_that(lambda one: one.has_rivals)
            raise ValueError(f"against is for the score {those}: choose that, or leave it out.")
        return
    if not any(part.weight > 0 for part in guides.wanted):
        raise ValueError(f"score {recipe.score!r} needs a prompt with a weight above 0: give one, or use 'cosine'.")
    if not (guides.unwanted or guides.against):
        raise ValueError(
            f"score {recipe.score!r} needs other prompts to compare with: give some in against, or use 'cosine'."
        )


def _check_pictures(recipe: RecipeSchema) -> None:
    for picture, weight in ((recipe.target, "target_weight"), (recipe.style, "style_weight")):
        if picture and getattr(recipe, weight) == 0:
            raise ValueError(f"{weight} is 0, so that picture counts nothing: give it a weight, or leave it out.")
    if recipe.target_views and not recipe.target:
        raise ValueError("target_views are of the target picture: give one, or leave them out.")
