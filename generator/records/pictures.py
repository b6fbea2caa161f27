"""What came out of a recipe, as it is written beside the pictures."""

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import Field, JsonValue, PlainSerializer

from foundation.record import Maybe, Record
from generator.recipes.recipe import Recipe
from generator.records.answers import Said


def _all_fields(recipe: Recipe) -> dict[str, JsonValue]:
    return recipe.model_dump(mode="json")


WholeRecipe: TypeAlias = Annotated[Recipe, PlainSerializer(_all_fields)]
"""A recipe that is written whole, also what it has by default."""


class Nearness(Record):
    """How near a picture is to one thing that led it, in the eyes of an encoder: a cosine, before and after."""

    role: str = Field(description='"prompt", "negative", "caption", "target"...')
    text: str | None = Field(description="null for a picture.")
    weight: float = Field(description="Below 0 where the picture is led away.")
    before: float | None = Field(description="null where it is no number.")
    after: float | None = Field(description="null where it is no number.")


class UnitFound(Record):
    """How strongly a picture excites a unit, before and after, beside what noise does.

    Deviations are distances from the mean of noise in its standard deviations; null where noise changes nothing.
    """

    before: float
    after: float
    before_deviations: float | None
    after_deviations: float | None
    noise_mean: float
    noise_std: float
    noise_images: int


class PictureFacts(Record):
    """What was measured of one saved picture; by the names of models, where they are asked.

    Attributes:
        file: its name, as seen from the record's folder.
        seed: left out where the images of a batch have none of their own.
        before, after: what classifiers say of what it started from, and of the saved file.
        linf, l2: the size of the change; left out where it started from no photo.
        success: whether each classifier now says what was wanted; nobody says so of a unit.
        cosines: left out where no encoder took part.
        unit: left out where it was not made for one.
    """

    file: str
    seed: Maybe[int] = None
    before: dict[str, Said]
    after: dict[str, Said]
    linf: Maybe[float] = None
    l2: Maybe[float] = None
    success: dict[str, bool]
    cosines: Maybe[dict[str, tuple[Nearness, ...]]] = None
    unit: Maybe[dict[str, UnitFound]] = None


class RanAway(Record):
    """A picture that ran away; see `generator.production.redrawing`."""

    image: int
    seed: int | None
    why: str
    anew: int | None
    sentence: str


class PictureRecord(Record):
    """What a recipe came to.

    Attributes:
        recipe: that makes exactly these pictures again; its steps are those that were taken.
        stopped: whether it ended before all steps were taken.
        enough: whether it ended since the models were sure; none did before there was such an end.
        error: why it ended early, if it diverged.
        unknown_words, warnings: of texts, by encoder; not written before there were texts.
        ran_away: not looked for at first.
        taken_for: by classifier, what it takes the names of classes for; at first it had to be given its own.
        losses: by name, step by step, for each picture; left out of a job's result.
        seconds: the time that it took.
    """

    recipe: WholeRecipe
    steps_asked: int
    stopped: bool
    enough: bool = False
    error: str | None
    images: tuple[PictureFacts, ...]
    unknown_words: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    warnings: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    ran_away: tuple[RanAway, ...] = ()
    taken_for: dict[str, dict[str, str]] = Field(default_factory=dict)
    losses: Maybe[Mapping[str, list[list[float | None]]]] = None
    device: str
    versions: dict[str, str]
    seconds: float
