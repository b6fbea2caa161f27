"""The fields of a recipe: their types, ranges and defaults, and what each is for, in words.

A description serves as the help of a flag and as the tooltip of a widget.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from generator.prompts import SYNTAX

RECIPE_VERSION = 2
"""2 knows pictures of a text. Recipes of version 1 mean what they meant: see `Recipe.version`."""
MAX_PROMPT_LENGTH = 2000
NEGATIVE_WEIGHT = 0.3
"""The weight of a negative prompt that has none of its own, as in Direct Ascent Synthesis (arXiv 2502.07753)."""
FILLED_IN: dict[str, Any] = {"filled_in": True}  # marks fields that the program fills in: no flags, no widgets
TEXT_ONLY: dict[str, Any] = {"task": "text"}  # marks fields that mean nothing to the other tasks

TASK_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"text": {"models": ("tiny-clip",), "classes": ()}}
"""Defaults of a task where they are not the field's own."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
Side = Annotated[int, Field(ge=8, le=4096)]


class RecipeSchema(BaseModel):
    """All fields of a `Recipe`, which adds that they fit together."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)

    version: int = Field(
        RECIPE_VERSION,
        description="Version of the recipe's format. In version 1 all models of a picture see the same views.",
        json_schema_extra=FILLED_IN,
    )
    task: Literal["class", "attack", "text"] = Field(
        "class",
        description=(
            "What to make: 'class' draws a picture of a class from nothing, 'attack' edits a photo so that "
            "models see something else, 'text' draws what a prompt says, from nothing or from a photo."
        ),
    )
    models: tuple[Name, ...] = Field(
        ("crossmax-cifar10",),
        min_length=1,
        max_length=16,
        description=(
            "Models that judge the picture, by their names in the model list; a text needs a CLIP model. Several "
            "models count equally unless they have weights, and each sees random views of its own."
        ),
    )
    revisions: tuple[Annotated[str, Field(pattern="^[0-9a-f]{0,64}$")], ...] = Field(
        (),
        description="Start of the SHA-256 of each model's weights, filled in by the program.",
        json_schema_extra=FILLED_IN,
    )
    classes: tuple[Name, ...] = Field(
        ("frog",),
        max_length=64,
        description=(
            "Class or classes that the picture should show, by name or number. Several make a mixture. With "
            "the objective 'leave': the class to get away from; none given means the model's own first "
            "prediction. A picture of a text takes classes only with a class weight, for the classifiers among "
            "its models."
        ),
    )
    weights: tuple[float, ...] = Field(
        (),
        description=(
            "Share of each class in a mixture, one number per class, for example 0.7 0.3. None given means "
            "equal shares. Negative numbers lead away from a class (objective 'logit' only)."
        ),
    )
    objective: Literal["logit", "cross_entropy", "margin", "leave"] = Field(
        "logit",
        description=(
            "What is optimised: 'logit' raises the score of the classes, 'cross_entropy' brings the "
            "probabilities to the mixture, 'margin' lifts the class just above the best other one, 'leave' "
            "only gets away from the original class (attacks)."
        ),
    )
    readout: Name = Field(
        "mean",
        description=(
            "Which read-out of a model with several the picture is made for: 'mean' (the mean of all), 'answer' "
            "(the model's own combined answer), or the name of one, for example 'final'."
        ),
    )
    size: tuple[Side, Side] = Field(
        (160, 160),
        description=(
            "Height and width of the canvas in pixels, 8 to 4096; one number makes a square. Where there is a photo "
            "to start from, the canvas has its size."
        ),
    )
    resolutions: str = Field(
        "1..40",
        min_length=1,
        max_length=400,
        description=(
            "Resolutions that the picture is built from, in cells along its longer side: '1..40' (all), "
            "'1..224:4' (every fourth), 'pow2', 'all', '8,16,32', a mix separated by commas, or 'auto'. Fewer "
            "high ones make a smoother picture."
        ),
    )
    colour: Literal["rgb", "decorrelated"] = Field(
        "rgb",
        description=(
            "Colour space of the layers: 'rgb', or 'decorrelated', in which brightness and colours vary as "
            "they do in natural pictures (only for pictures from nothing; from a photo, a text uses 'rgb')."
        ),
    )
    form: Literal["auto", "layered", "image_space"] = Field(
        "auto",
        description=(
            "How the layers are held: 'layered' keeps every resolution, 'image_space' keeps one tensor and "
            "is faster where it applies, 'auto' chooses."
        ),
    )
    tolerance: float = Field(
        0.0,
        ge=0,
        lt=1,
        description=(
            "Relative error allowed when many resolutions are computed as a few matrix products, 0 to below "
            "1, for example 0.01; 0 is exact. Larger is faster."
        ),
    )
    optimiser: Literal["sgd", "adam"] = Field(
        "sgd", description="Optimiser of the picture: 'sgd' (gradient descent) or 'adam'."
    )
    momentum: float = Field(0.0, ge=0, lt=1, description="Momentum of sgd, 0 to below 1, for example 0.9. 0 with adam.")
    learning_rate: float = Field(
        0.05,
        gt=0,
        description="Size of a step, above 0. With a normalised gradient it is the distance moved per step.",
    )
    normalise: bool = Field(
        True,
        description=(
            "Scale every image's gradient so that a step moves the picture by the learning rate (root mean "
            "square, before squashing to [0, 1]), whatever the model, canvas and resolutions."
        ),
    )
    steps: int = Field(80, ge=1, le=100_000, description="Number of optimisation steps, 1 to 100000.")
    views: str = Field(
        "crop:0.8-1.0 | noise:0.05",
        min_length=1,
        max_length=400,
        description=(
            "Random changes that the model sees the picture under, applied from left to right, for example "
            "'crop:0.8-1.0 | noise:0.05 | flip', or 'window:224 | uniform:0.2' for windows of 224 pixels. They keep "
            "the picture from depending on single pixels."
        ),
    )
    views_per_step: int = Field(
        2,
        ge=1,
        le=1024,
        description="Random views averaged in each step, 1 to 1024. More is steadier and slower.",
    )
    start_std: float = Field(
        0.1,
        ge=0,
        le=10,
        description=(
            "Standard deviation of the random coarse pattern to start from, 0 to 10; 0 starts from plain "
            "grey or, where there is a photo, from the photo itself."
        ),
    )
    images: int = Field(
        1,
        ge=1,
        le=64,
        description=(
            "Number of pictures, 1 to 64, each from its own random start; between two prompts, the number of "
            "pictures on the way, both ends included."
        ),
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**53 - 1,
        description="Seed of all random numbers, a whole number from 0. Same seed, same picture.",
    )
    norm: Literal["none", "linf", "l2"] = Field(
        "none",
        description=(
            "How the distance from the photo is limited: 'linf' the change of every single value, 'l2' the "
            "length of the whole change, 'none' not at all."
        ),
    )
    eps: float = Field(
        0.0,
        ge=0,
        description=(
            "Largest distance from the photo, with values counted from 0 to 1: for linf above 0 and at most "
            "1, for example 0.0314 (8/255); for l2 above 0, for example 0.5; for norm 'none' it is 0."
        ),
    )
    source: str = Field(
        "",
        max_length=128,
        description="Digest of the pixels of the photo to start from, filled in by the program.",
        json_schema_extra=FILLED_IN,
    )
    prompt: str = Field(
        "",
        max_length=MAX_PROMPT_LENGTH,
        description=f"What the picture should show, in words, for example 'a frog'. {SYNTAX}",
        json_schema_extra=TEXT_ONLY,
    )
    negative: str = Field(
        "",
        max_length=MAX_PROMPT_LENGTH,
        description=(
            "What the picture should not show, for example 'text | double exposure': prompts that it is led away "
            f"from, written like the prompt. A part without a weight has {NEGATIVE_WEIGHT:g}."
        ),
        json_schema_extra=TEXT_ONLY,
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
    score: Literal["cosine", "spherical", "contrastive"] = Field(
        "cosine",
        description=(
            "How picture and prompt are compared: 'cosine' of their embeddings, 'spherical' by the square of the "
            "angle between them (harder pull from far away), 'contrastive' by how much better this prompt fits "
            "than the ones it stands against. Pictures to match are compared by cosine or angle."
        ),
        json_schema_extra=TEXT_ONLY,
    )
    against: str = Field(
        "",
        max_length=MAX_PROMPT_LENGTH,
        description=(
            "Other prompts that the score 'contrastive' compares with, for example 'a toad | a lizard | a leaf', "
            "written like the prompt; the negative prompts are among them. A larger weight makes a stronger rival."
        ),
        json_schema_extra=TEXT_ONLY,
    )
    model_weights: tuple[float, ...] = Field(
        (),
        description=(
            "Share of each model, one number above 0 per model, for example 2 1; CLIP models share among "
            "themselves, and so do classifiers. None given means equal shares."
        ),
        json_schema_extra=TEXT_ONLY,
    )
    class_weight: float = Field(
        0.0,
        ge=0,
        le=100,
        description=(
            "Weight of what the classifiers among the models want (the classes), beside prompts of weight 1, 0 to "
            "100. 0 without classes."
        ),
        json_schema_extra=TEXT_ONLY,
    )
    target: str = Field(
        "",
        max_length=128,
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
        json_schema_extra=TEXT_ONLY,
    )
    style: str = Field(
        "",
        max_length=128,
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
    mask: str = Field(
        "",
        max_length=128,
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
