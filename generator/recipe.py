"""The recipe of a picture: everything needed to make it again, as one frozen and validated value.

The flags of the command line, the widgets of the app, the jobs and the metadata of a PNG are all this one
type, and every default lives here. A description serves as the help of a flag and as the tooltip of a widget.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from generator.errors import StudioError
from generator.image import METADATA_KEY, read_metadata
from generator.recipe_errors import sentences

RECIPE_VERSION = 1
MAX_JSON_LENGTH = 64 * 1024
FILLED_IN: dict[str, Any] = {"filled_in": True}  # marks fields that the program fills in: no flags, no widgets

Name = Annotated[str, Field(min_length=1, max_length=200)]
Side = Annotated[int, Field(ge=8, le=4096)]


class RecipeError(StudioError):
    """A recipe that cannot be used; each sentence of the message names the field it is about."""


class Recipe(BaseModel):
    """Everything that determines a picture, given the weights of the models.

    Equal recipes have equal JSON. Raises RecipeError wherever it is made from something that does not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)

    version: int = Field(RECIPE_VERSION, description="Version of the recipe's format.", json_schema_extra=FILLED_IN)
    task: Literal["class", "attack"] = Field(
        "class",
        description=(
            "What to make: 'class' draws a picture of a class from nothing, 'attack' edits a photo so that "
            "models see something else."
        ),
    )
    models: tuple[Name, ...] = Field(
        ("crossmax-cifar10",),
        min_length=1,
        max_length=16,
        description=("Models that judge the picture, by their names in the model list. Several models count equally."),
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
            "prediction."
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
            "Height and width of the canvas in pixels, 8 to 4096; one number makes a square. An attack takes"
            " the size of the photo."
        ),
    )
    resolutions: str = Field(
        "1..40",
        min_length=1,
        max_length=400,
        description=(
            "Resolutions that the picture is built from, in cells along its longer side: '1..40' (all), "
            "'1..224:4' (every fourth), 'pow2', 'all', '8,16,32', or a mix separated by commas. Fewer high "
            "ones make a smoother picture."
        ),
    )
    colour: Literal["rgb", "decorrelated"] = Field(
        "rgb",
        description=(
            "Colour space of the layers: 'rgb', or 'decorrelated', in which brightness and colours vary as "
            "they do in natural pictures (only for pictures of a class)."
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
            "'crop:0.8-1.0 | noise:0.05 | flip'. They keep the picture from depending on single pixels."
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
            "grey (class) or from the photo itself (attack)."
        ),
    )
    images: int = Field(1, ge=1, le=64, description="Number of pictures, 1 to 64, each from its own random start.")
    seed: int = Field(
        0,
        ge=0,
        le=2**53 - 1,
        description="Seed of all random numbers, a whole number from 0. Same seed, same picture.",
    )
    norm: Literal["none", "linf", "l2"] = Field(
        "none",
        description=(
            "How an attack's distance from the photo is limited: 'linf' the change of every single value, "
            "'l2' the length of the whole change, 'none' not at all."
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
        description="Digest of the pixels of the source photo, filled in by the program.",
        json_schema_extra=FILLED_IN,
    )

    if not TYPE_CHECKING:  # type checkers see the constructor that the fields define

        def __init__(self, /, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise RecipeError(sentences(error, type(self).model_fields)) from error

        @classmethod
        def model_validate(cls, fields: Any, **_options: Any) -> Self:
            if isinstance(fields, cls):
                return fields
            if not isinstance(fields, Mapping):
                raise RecipeError("A recipe is made of named fields.")
            return cls(**fields)

        @classmethod
        def model_validate_json(cls, text: str | bytes, **_options: Any) -> Self:
            return cls.parse_json(text if isinstance(text, str) else text.decode(errors="replace"))

    @field_validator("size", mode="before")
    @classmethod
    def _one_side_makes_a_square(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return (value, value)
        if isinstance(value, (list, tuple)) and len(value) == 1:
            return (value[0], value[0])
        return value

    @field_validator("weights", "tolerance", "momentum", "start_std", "eps")
    @classmethod
    def _no_negative_zero(cls, value: Any) -> Any:  # -0.0 == 0.0, but their JSON differs
        return tuple(number + 0.0 for number in value) if isinstance(value, tuple) else value + 0.0

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        _check_version(self.version)
        _check_targets(self)
        _check_budget(self)
        if self.revisions and len(self.revisions) != len(self.models):
            raise ValueError(
                f"revisions needs one entry per model or none, not {len(self.revisions)} for {len(self.models)} models."
            )
        if self.optimiser == "adam" and self.momentum > 0:
            raise ValueError("momentum belongs to sgd: set momentum to 0 with adam.")
        return self

    def with_changes(self, **fields: Any) -> Self:
        """A recipe with some fields changed, validated anew; new models drop the revisions of the old."""
        models = fields.get("models", self.models)
        if "revisions" not in fields and models not in (self.models, list(self.models)):
            fields["revisions"] = ()
        return type(self)(**(self.model_dump() | fields))

    def to_json(self) -> str:
        """Canonical JSON: all fields in their order, on one line; equal recipes have equal text."""
        return self.model_dump_json()

    def digest(self) -> str:
        """A short identifier: the first 12 hex digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @classmethod
    def parse_json(cls, text: str) -> Self:
        """Read what to_json wrote. Raises RecipeError for text of other programs and of other versions."""
        if len(text) > MAX_JSON_LENGTH:
            raise RecipeError("This is no recipe of this program: it is far too long.")
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecipeError("This is no recipe of this program, or it is damaged: it is not JSON.") from error
        if not isinstance(fields, dict) or not fields.keys() & cls.model_fields.keys():
            raise RecipeError("This is no recipe of this program: it is JSON of another kind.")
        try:
            _check_version(fields.get("version", RECIPE_VERSION))  # before fields of another version are judged
        except ValueError as error:
            raise RecipeError(str(error)) from error
        return cls(**fields)

    @classmethod
    def from_png(cls, source: str | Path | bytes) -> Self:
        """Read the recipe in a PNG file. Raises RecipeError if there is none, or ImageError."""
        texts = read_metadata(source)
        if METADATA_KEY not in texts:
            raise RecipeError(
                "This picture carries no recipe. Choose a PNG saved by this program: copies made by other "
                "programs and web sites often lose it."
            )
        return cls.parse_json(texts[METADATA_KEY])

    def png_metadata(self) -> Mapping[str, str]:
        """What save_png is given so that the picture carries this recipe."""
        return {METADATA_KEY: self.to_json()}


def _check_version(version: object) -> None:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(f"version of the recipe must be {RECIPE_VERSION}, not {str(version)[:40]!r}.")
    if version > RECIPE_VERSION:
        raise ValueError(
            f"version {version} of the recipe is newer than this program ({RECIPE_VERSION}): update the program."
        )


def _check_targets(recipe: Recipe) -> None:
    for field, names in (("models", recipe.models), ("classes", recipe.classes)):
        repeated = [name for index, name in enumerate(names) if name in names[:index]]
        if repeated:
            raise ValueError(f"{field} names {repeated[0]!r} twice: name it once.")
    if recipe.objective == "leave" and recipe.task != "attack":
        raise ValueError("objective 'leave' needs a photo to start from: choose another, or make an attack.")
    if not recipe.classes and recipe.objective != "leave":
        raise ValueError("classes is empty: name at least one class.")
    if not recipe.weights:
        return
    if len(recipe.weights) != len(recipe.classes):
        raise ValueError(
            f"weights needs one number per class or none, not {len(recipe.weights)} for {len(recipe.classes)} classes."
        )
    if recipe.objective != "logit" and min(recipe.weights) < 0:
        raise ValueError("weights below 0 are possible only with objective 'logit': make them 0 or larger.")
    total = math.fsum(recipe.weights)
    if not 0 < total < math.inf:
        raise ValueError(f"weights must add up to more than 0, not {total:g}.")


def _check_budget(recipe: Recipe) -> None:
    if recipe.colour != "rgb" and recipe.task == "attack":
        raise ValueError("colour 'decorrelated' is for pictures of a class: use 'rgb' in an attack.")
    if recipe.norm == "none":
        if recipe.eps != 0:
            raise ValueError(f"eps must be 0 without a norm, not {recipe.eps:g}: choose norm 'linf' or 'l2'.")
        return
    if recipe.task != "attack":
        raise ValueError(f"norm {recipe.norm!r} limits the distance from a photo: use 'none', or make an attack.")
    if recipe.norm == "linf" and not 0 < recipe.eps <= 1:
        raise ValueError(f"eps must be above 0 and at most 1 with norm 'linf', not {recipe.eps:g}.")
    if recipe.norm == "l2" and recipe.eps <= 0:
        raise ValueError(f"eps must be above 0 with norm 'l2', not {recipe.eps:g}.")
