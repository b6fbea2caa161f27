"""The fields of a recipe: their types, ranges and defaults, and what each is for, in words.

A description serves as the help of a flag and as the tooltip of a widget. The fields of all tasks are in
`generator.recipes.common`; here are those of pictures of a text, and of attacks.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from foundation.choices import MARK, OneOf, Told
from generator.objectives.classes import OBJECTIVES
from generator.objectives.similarity import SCORES, scores_that
from generator.optimisers.registry import rules_that
from generator.recipes.common import (
    AIMS,
    ATTACK_ONLY,
    EVERY_TASK,
    FILLED_IN,
    GUIDED,
    RECIPE_VERSION,
    TASK_DEFAULTS,
    TEXT_ONLY,
    CommonFields,
    Digest,
)
from generator.recipes.prompts import SYNTAX

if TYPE_CHECKING:
    from generator.recipes.perturbations import Perturbation

__all__ = [
    "AIMS",
    "ATTACK_ONLY",
    "FILLED_IN",
    "GUIDED",
    "MAX_PROMPT_LENGTH",
    "NEGATIVE_WEIGHT",
    "RECIPE_VERSION",
    "TASK_DEFAULTS",
    "TEXT_ONLY",
    "RecipeSchema",
]

MAX_PROMPT_LENGTH = 2000
NEGATIVE_WEIGHT = 0.3
"""The weight of a negative prompt that has none of its own, as in Direct Ascent Synthesis (arXiv 2502.07753)."""


def perturbations() -> "Mapping[str, Perturbation]":
    """What a picture can be changed in, by name."""
    from generator.recipes.perturbations import PERTURBATIONS  # here, since it is made of recipes

    return PERTURBATIONS


WITH_RIVALS = Told("{scores with rivals}", lambda: scores_that(lambda one: one.has_rivals))
SCHEDULED = Told("{rules with a schedule}", lambda: rules_that(lambda one: one.takes_schedule))


class RecipeSchema(CommonFields):
    """All fields of a `Recipe`, which adds that they fit together."""

    @property
    def leads_away(self) -> bool:
        """Whether it gets away from a class, rather than to classes: by what its objective says of itself."""
        return OBJECTIVES[self.objective].leads_away

    prompt: str = Field(
        "",
        max_length=MAX_PROMPT_LENGTH,
        description=f"What the picture should show, in words, for example 'a frog'. {SYNTAX}",
        json_schema_extra=GUIDED,
    )
    negative: str = Field(
        "",
        max_length=MAX_PROMPT_LENGTH,
        description=(
            "What the picture should not show, for example 'text | double exposure': prompts that it is led away "
            f"from, written like the prompt. A part without a weight has {NEGATIVE_WEIGHT:g}."
        ),
        json_schema_extra=GUIDED,
    )
    prompt_to: str = Field(
        "",
        max_length=MAX_PROMPT_LENGTH,
        description=(
            "A second prompt: the pictures then lead from the prompt to this one in equal steps, the first and "
            "the last showing one each. Needs at least 2 images."
        ),
        json_schema_extra=TEXT_ONLY,
    )
    score: Annotated[str, OneOf(lambda: SCORES)] = Field(
        "cosine",
        description=(
            f"How picture and prompt are compared: {MARK}. Pictures to match are compared by cosine or angle."
        ),
        json_schema_extra=GUIDED,
    )
    against: Annotated[str, WITH_RIVALS] = Field(
        "",
        max_length=MAX_PROMPT_LENGTH,
        description=(
            f"Other prompts that the score {WITH_RIVALS.mark} compares with, for example 'a toad | a lizard | a leaf', "
            "written like the prompt; the negative prompts are among them. A larger weight makes a stronger rival."
        ),
        json_schema_extra=GUIDED,
    )
    model_weights: tuple[float, ...] = Field(
        (),
        description=(
            "Share of each model, one number above 0 per model, for example 2 1; CLIP models share among "
            "themselves, and so do classifiers. None given means equal shares."
        ),
        json_schema_extra=EVERY_TASK,
    )
    class_weight: float = Field(
        0.0,
        ge=0,
        le=100,
        description=(
            "Weight of what the classifiers among the models want (the classes), beside prompts of weight 1, 0 to "
            "100. 0 without classes; in an attack, 0 counts as 1."
        ),
        json_schema_extra=GUIDED,
    )
    target: Digest = Field(
        "",
        description="Digest of the pixels of the target picture, filled in by the program.",
        json_schema_extra=FILLED_IN,
    )
    target_weight: float = Field(
        1.0,
        ge=-10,
        le=10,
        description=(
            "Weight of the target picture, whose embedding is to be matched, beside prompts of weight 1, -10 to "
            "10; below 0 leads away from it. Counts only with a target picture."
        ),
        json_schema_extra=GUIDED,
    )
    style: Digest = Field(
        "",
        description="Digest of the pixels of the style picture, filled in by the program.",
        json_schema_extra=FILLED_IN,
    )
    style_weight: float = Field(
        1.0,
        ge=-10,
        le=10,
        description=(
            "Weight of the style picture, whose embedding joins in, beside prompts of weight 1, -10 to 10; below 0 "
            "leads away from it. Counts only with a style picture."
        ),
        json_schema_extra=TEXT_ONLY,
    )
    mask: Digest = Field(
        "",
        description="Digest of the pixels of the mask, filled in by the program.",
        json_schema_extra=FILLED_IN,
    )
    margin: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description=(
            "How far a start photo is squeezed before it is changed, into the range from this margin to 1 minus "
            "it, 0 to below 0.5, for example 0.1 for style transfer; more leaves black and white more room to "
            "change. 0 keeps the photo as it is."
        ),
        json_schema_extra=TEXT_ONLY,
    )
    tile: bool = Field(
        False,
        description="Make a picture whose edges fit together, so that it can be laid side by side as a tile.",
        json_schema_extra=TEXT_ONLY,
    )
    captions: str = Field(
        "",
        max_length=MAX_PROMPT_LENGTH,
        description=(
            "Captions, one of which tells what the photo shows, for example 'a frog | a ship | a dog'. The attack "
            "leads away from the one that each CLIP model finds nearest to the photo, below the best of the others; "
            "a single one is the photo's caption whatever models find."
        ),
        json_schema_extra=ATTACK_ONLY,
    )
    caption_weight: float = Field(
        1.0,
        gt=0,
        le=10,
        description=(
            "Weight of leaving the photo's own caption, beside prompts of weight 1, above 0 and at most 10. Counts "
            "only with captions."
        ),
        json_schema_extra=ATTACK_ONLY,
    )
    target_views: str = Field(
        "",
        max_length=400,
        description=(
            "Random changes that the target picture is seen under, drawn anew for every view, for example "
            "'crop:0.5-0.9', which with the same views of the photo matches crops with crops (M-Attack, arXiv "
            "2503.10635). Nothing shows it as it is."
        ),
        json_schema_extra=ATTACK_ONLY,
    )
    perturbation: Annotated[str, OneOf(perturbations)] = Field(
        "layers",
        description=(f"What an attack changes: {MARK}."),
        json_schema_extra=ATTACK_ONLY,
    )
    detail: float = Field(
        0.0,
        ge=0,
        le=16,
        description=(
            "How fine the change of a large photo is, 0 to 16, in parts of what the models see: with 1 it is worked "
            "out on a small copy of the photo, whose shorter side has as many pixels as the models scale pictures to, "
            "and enlarged in the end, so that a step costs the same for every photo. 0 changes the photo pixel by "
            "pixel, and so does any value where the photo has less than twice the pixels of its copy. Views, "
            "resolutions and frames are those of the copy."
        ),
        json_schema_extra=ATTACK_ONLY | {"since": 5},
    )
    step_schedule: Annotated[Literal["constant", "cosine"], SCHEDULED] = Field(
        "constant",
        description=(
            f"How the steps of {SCHEDULED.mark} change on the way: 'constant', or 'cosine' (they shrink to 0 along "
            "half a cosine)."
        ),
        json_schema_extra=ATTACK_ONLY,
    )
    planned_steps: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Steps that the step sizes were planned for, filled in by the program where they depend on it.",
        json_schema_extra=FILLED_IN,
    )
    weighting: Literal["fixed", "dynamic"] = Field(
        "fixed",
        description=(
            "Whether the shares of several models are 'fixed', or 'dynamic': those that have come least near to what "
            "is wanted of them gain weight from step to step (the inverse training rates of GradNorm, arXiv "
            "1711.02257)."
        ),
        json_schema_extra=ATTACK_ONLY,
    )
