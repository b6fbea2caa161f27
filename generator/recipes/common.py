"""The fields of a recipe that pictures of all kinds have, and what those of the schema have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from foundation.choices import MARK, OneOf, Told
from foundation.record import ExactScalars
from generator.objectives.classes import OBJECTIVES, objectives_that
from generator.optimisers.registry import OPTIMISERS, rules_that
from generator.priors.making import PRIORS
from generator.units.unit import SYNTAX

RECIPE_VERSION = 7
"""2 knows pictures of a text, 3 attacks by texts and pictures and on pixels; in 4 the pictures of a batch are those of
their own seeds; in 5 attacks compute with faster forms of models, which round otherwise. What older recipes say
means what it meant: see `Recipe.version`."""
FILLED_IN: JsonDict = {"filled_in": True}  # marks fields that the program fills in: no flags, no widgets
TEXT_ONLY: JsonDict = {"tasks": ["text"]}  # marks fields that mean nothing to the other tasks
ATTACK_ONLY: JsonDict = {"tasks": ["attack"]}
CLASS_ONLY: JsonDict = {"tasks": ["class"]}
EVERY_TASK: JsonDict = {"tasks": ["class", "text", "attack"]}  # marks those that version 1 has not
FROM_NOTHING: JsonDict = {"tasks": ["class", "text"], "since": 4}  # "since": the version that has it first
GUIDED: JsonDict = {"tasks": ["text", "attack"]}  # those that CLIP models are asked about


@dataclass(frozen=True)
class Marks:
    """What the schema says of a field beside its type.

    Attributes:
        filled_in: whether the program fills it in: it has no flag and no widget.
        tasks: those that it means something to; () for all of them, since the first version.
        since: the version of recipes that has it first, of fields with tasks.
    """

    filled_in: bool
    tasks: tuple[str, ...]
    since: int


def marks_of(field: FieldInfo) -> Marks:
    """The marks of a field of a recipe."""
    said = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    tasks, since = said.get("tasks"), said.get("since", 2)
    assert isinstance(since, int)  # what is above
    return Marks("filled_in" in said, tuple(map(str, tasks)) if isinstance(tasks, list) else (), since)


TASK_DEFAULTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {"text": {"models": ("tiny-clip",), "classes": ()}}
"""Defaults of a task where they are not the field's own."""
AIMS = ("prompt", "negative", "captions", "target")
"""Fields that tell CLIP models where to lead a picture; an attack that has one names classes only if it says so."""

MOST_SEED = 2**53 - 1
"""What every program reads from JSON as it was written."""
MOST_NAME = 200
"""Characters of the name of a model, or of the names of a class."""
Name = Annotated[str, Field(min_length=1, max_length=MOST_NAME)]
Digest = Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
"""Of the pixels of a picture, or "" for none. Never anything else: whoever looks the picture up relies on it."""
MIN_CANVAS, MAX_CANVAS = 8, 4096
"""Pixels along a side of a canvas, and so of a photo to start from."""
Side = Annotated[int, Field(ge=MIN_CANVAS, le=MAX_CANVAS)]


LEADING_AWAY = Told("{objectives that lead away}", lambda: objectives_that(lambda one: one.leads_away))
NEGATIVE_WEIGHTS = Told("{objectives of negative weights}", lambda: objectives_that(lambda one: one.negative_weights))
MOMENTUM = Told("{rules}", lambda: rules_that(lambda one: one.takes_momentum and not one.full_momentum))
FULL_MOMENTUM = Told(
    "{rules of full momentum}",
    lambda: " and ".join(
        f"{name}, whose authors take {rule.usual_momentum:g}" for name, rule in OPTIMISERS.items() if rule.full_momentum
    ),
)


class CommonFields(ExactScalars):
    """The fields that mean something to every task, or are filled in by the program."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)

    version: int = Field(
        RECIPE_VERSION,
        description=(
            "Version of the recipe's format. In version 1 all models of a picture see the same views; before version 4 "
            "the pictures of a batch share the draws of their views, the first of several classes that differ in "
            "capitals alone is meant, and 16:9 is 16 with the weight 9; before version 5 attacks compute with models "
            "as they were loaded, and not with their faster forms, which round otherwise, and before version 6 so "
            "do pictures of classes and texts, and the sum of layers is moved by whole matrices, not by even and odd "
            "halves; before version 7 the fine and the coarse layers of large pictures are moved together."
        ),
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
            "Models that judge the picture, by their names in the model list; a text needs a CLIP model, and so does "
            "an attack by texts or pictures. Several models count equally unless they have weights, and each sees "
            "random views of its own."
        ),
    )
    revisions: tuple[Annotated[str, Field(pattern="^[0-9a-f]{0,64}$")], ...] = Field(
        (),
        description="Start of the SHA-256 of each model's weights, filled in by the program.",
        json_schema_extra=FILLED_IN,
    )
    classes: Annotated[tuple[Name, ...], LEADING_AWAY] = Field(
        ("frog",),
        max_length=64,
        description=(
            "Class or classes that the picture should show, by name, synonym or number. Several make a mixture. Where "
            "models call a class differently, list their names with | between, for example 'tabby | cat': each model "
            f"takes the first that it knows. With the objective {LEADING_AWAY.mark}: the class to get away from; none "
            "given means the model's own first prediction. A picture of a text takes classes only with a class weight, "
            "for the classifiers among its models; an attack on CLIP models alone takes none."
        ),
    )
    weights: Annotated[tuple[float, ...], NEGATIVE_WEIGHTS] = Field(
        (),
        description=(
            "Share of each class in a mixture, one number per class, for example 0.7 0.3. None given means "
            f"equal shares. Negative numbers lead away from a class (objective {NEGATIVE_WEIGHTS.mark} only)."
        ),
    )
    unit: str = Field(
        "",
        max_length=400,
        description=(
            f"A unit of a network that the picture is to excite, instead of a class: {SYNTAX}. The command 'units' "
            "lists the layers of a model. Several models all need it."
        ),
        json_schema_extra=CLASS_ONLY,
    )
    objective: Annotated[str, OneOf(lambda: OBJECTIVES)] = Field(
        "logit",
        description=(f"What is optimised: {MARK}."),
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
        json_schema_extra={"minItems": 1},
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
    form: Annotated[str, OneOf(lambda: PRIORS, ("auto",))] = Field(
        "auto",
        description=(f"How the layers are held: {MARK}, 'auto' chooses."),
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
    balance: float = Field(
        0.0,
        ge=0,
        le=2,
        description=(
            "How much finer layers count against coarse ones, 0 to 2. With 0, as published, a step moves a coarse "
            "layer far more than a fine one, since more pixels add up in each of its cells; with 1 all layers move "
            "alike, which attacks need to reach a class of their choice."
        ),
    )
    optimiser: Annotated[str, OneOf(lambda: OPTIMISERS)] = Field(
        "sgd",
        description=(f"Update rule of the picture: {MARK}."),
    )
    momentum: Annotated[float, MOMENTUM, FULL_MOMENTUM] = Field(
        0.0,
        ge=0,
        le=1,
        description=(
            f"Momentum, 0 to below 1 with {MOMENTUM.mark}, for example 0.9, and 0 to 1 with {FULL_MOMENTUM.mark}; 0 "
            "with the other update rules."
        ),
    )
    learning_rate: float = Field(
        0.05,
        gt=0,
        description=(
            "Size of a step, above 0. With a normalised gradient, and with pgd and mi-fgsm, it is the distance moved "
            "per step; of pixels with a norm, in parts of eps. apgd starts with 2 eps whatever stands here."
        ),
    )
    normalise: bool = Field(
        True,
        description=(
            "Scale every image's gradient so that a step moves the picture by the learning rate (root mean "
            "square, before squashing to [0, 1]), whatever the model, canvas and resolutions."
        ),
    )
    steps: int = Field(80, ge=1, le=100_000, description="Number of optimisation steps, 1 to 100000.")
    keep: Literal["last", "best"] = Field(
        "last",
        description=(
            "Which step of an attack is kept: 'last', or 'best', the one at which the models' own answers were "
            "nearest to what is wanted, of about twenty looks on the way."
        ),
        json_schema_extra=ATTACK_ONLY,
    )
    enough: float = Field(
        0.0,
        ge=0,
        lt=1,
        description=(
            "Probability at which an attack on classes ends early, 0 to below 1, for example 0.99: once two looks in a "
            "row found every model at least that sure of what is wanted, in its own answer about the picture as it "
            "would be saved. 0 takes all steps, and so does an attack that leads to texts or pictures. Needs keep "
            "'best'."
        ),
        json_schema_extra=ATTACK_ONLY,
    )
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
            "Number of pictures, 1 to 64, of this seed and those that follow it; between two prompts, the number of "
            "pictures on the way, both ends included."
        ),
    )
    together: bool = Field(
        False,
        description=(
            "Make all pictures at once: small ones twice as fast and more, but then none of them can be had alone by a "
            "seed of its own."
        ),
        json_schema_extra=EVERY_TASK | {"since": 5},
    )
    seed: int = Field(
        0,
        ge=0,
        le=MOST_SEED,
        description="Seed of all random numbers, a whole number from 0. Same seed, same picture.",
    )
    redraw: int = Field(
        0,
        ge=0,
        le=2,
        description=(
            "How often a picture that ran away (all one colour, or nothing but black and white values) is drawn anew "
            "with the next seed, 0 to 2."
        ),
        json_schema_extra=FROM_NOTHING,
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
    source: Digest = Field(
        "",
        description="Digest of the pixels of the photo to start from, filled in by the program.",
        json_schema_extra=FILLED_IN,
    )
