"""What the fields of a recipe ask of each other. A refusal is a ValueError with a sentence that names the field."""

import math

from generator.prompts import Prompt, PromptError, parse_prompts
from generator.recipe_schema import NEGATIVE_WEIGHT, RECIPE_VERSION, TEXT_ONLY, RecipeSchema

PICTURES = ("target", "style", "mask")
"""Fields with the digests of pictures that only a picture of a text can have."""


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
    if recipe.objective == "leave" and recipe.task != "attack":
        raise ValueError("objective 'leave' needs a photo to start from: choose another, or make an attack.")
    if not recipe.classes and recipe.objective != "leave" and recipe.task != "text":
        raise ValueError("classes is empty: name at least one class.")
    if not recipe.weights:
        return
    if len(recipe.weights) != len(recipe.classes):
        raise ValueError(
            f"weights needs one number per class or none, not {len(recipe.weights)} for {len(recipe.classes)} classes."
        )
    if recipe.objective != "logit" and min(recipe.weights) < 0:
        raise ValueError("weights below 0 are possible only with objective 'logit': make them 0 or larger.")
    total = sum(recipe.weights)  # not fsum, which refuses to overflow
    if not 0 < total < math.inf:
        raise ValueError(f"weights must add up to more than 0, not {total:g}.")


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


def check_text(recipe: RecipeSchema) -> None:
    """Check the fields of a picture of a text, and that no other recipe has any."""
    if recipe.task != "text":
        _check_no_text(recipe)
        return
    if recipe.version < 2:
        raise ValueError(f"version {recipe.version} of the recipe knows no task 'text': make it version 2.")
    _check_prompts(recipe)
    _check_pictures(recipe)
    if bool(recipe.classes) != (recipe.class_weight > 0):
        raise ValueError(
            "class_weight is 0, so the classes count nothing: make it larger, or name no classes."
            if recipe.classes
            else "class_weight needs classes: name at least one, or set class_weight to 0."
        )
    if recipe.model_weights and len(recipe.model_weights) != len(recipe.models):
        raise ValueError(
            f"model_weights needs one number per model or none, not {len(recipe.model_weights)} for "
            f"{len(recipe.models)} models."
        )
    if recipe.model_weights and not 0 < min(recipe.model_weights) <= sum(recipe.model_weights) < math.inf:
        raise ValueError("model_weights must all be above 0 and not too large: leave a model out to give it no share.")


def _check_no_text(recipe: RecipeSchema) -> None:
    for name, field in type(recipe).model_fields.items():
        if (field.json_schema_extra == TEXT_ONLY or name in PICTURES) and getattr(recipe, name) != field.default:
            raise ValueError(f"{name} is for pictures of a text: leave it out, or make the task 'text'.")


def _check_prompts(recipe: RecipeSchema) -> None:
    prompt = _read("prompt", recipe.prompt)
    rivals = [
        *(part for part in prompt if part.weight < 0 and not recipe.prompt_to),
        *_positive("negative", _read("negative", recipe.negative, NEGATIVE_WEIGHT)),
        *_positive("against", _read("against", recipe.against)),
    ]
    _read("prompt_to", recipe.prompt_to)
    if not prompt and not (recipe.target or recipe.style):
        raise ValueError(
            "prompt is empty: say what the picture should show, for example 'a frog', or give a target or style "
            "picture."
        )
    if recipe.prompt_to and not prompt:
        raise ValueError("prompt_to is where the pictures lead to: give a prompt that they come from.")
    if recipe.prompt_to and recipe.images < 2:
        raise ValueError("prompt_to needs pictures on the way to it: ask for at least 2 images.")
    if recipe.score != "contrastive":
        if recipe.against:
            raise ValueError("against is for the score 'contrastive': choose that, or leave it out.")
        return
    if not any(part.weight > 0 for part in prompt):
        raise ValueError("score 'contrastive' needs a prompt with a weight above 0: give one, or use 'cosine'.")
    if not rivals:
        raise ValueError(
            "score 'contrastive' needs other prompts to compare with: give some in against, or use 'cosine'."
        )


def _read(name: str, line: str, default: float = 1.0) -> tuple[Prompt, ...]:
    try:
        return parse_prompts(line, default) if line else ()
    except PromptError as error:
        message = str(error)
        raise ValueError(f"{name}: {message[:1].lower()}{message[1:]}") from error


def _positive(name: str, prompts: tuple[Prompt, ...]) -> tuple[Prompt, ...]:
    for prompt in prompts:
        if prompt.weight < 0:
            raise ValueError(f"{name} has a weight below 0 ({prompt.text[:40]!r}): weights are above 0 here.")
    return prompts


def _check_pictures(recipe: RecipeSchema) -> None:
    for picture, weight in ((recipe.target, "target_weight"), (recipe.style, "style_weight")):
        if picture and getattr(recipe, weight) == 0:
            raise ValueError(f"{weight} is 0, so that picture counts nothing: give it a weight, or leave it out.")
