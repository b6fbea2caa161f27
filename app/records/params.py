"""What jobs are told, by kind: the page and programs write it, handlers read it, and it is kept with the job.

It comes from a browser: every value is judged where it is read, and a refusal names the first that does not fit.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)

from foundation.command_line.settings import validated
from foundation.errors import StudioError
from foundation.record import ExactScalars, Maybe, Record
from generator.classes.labels import LABEL_LISTS, LabelList, captions
from generator.classes.names import Names
from generator.grids.axis import MOST_VALUES, axis_of, find_field
from generator.grids.grid import Grid
from generator.recipes.recipe import Recipe
from generator.victims.survival import SURVIVALS, find_survivals
from generator.vlm.describing import QUESTION, Inquiry
from generator.vlm.scoring import parse_keywords
from robust_model.evaluation.record.config import EvalConfig

MOST_SAMPLES = 10
"""Answers to one picture that a page can ask for."""
MOST_PHOTOS = 1000
"""Photos in one job of a page; the command line takes any number."""


class Wish(ExactScalars):
    """What is to be found out about an attack, as a page asks for it.

    Attributes:
        victims: names of models to test on, beside those attacked with.
        labels: the list that CLIP victims choose from, in `LABEL_LISTS`.
        captions: what they choose from instead, if there is any.
        survivals: what happens to the file, in `SURVIVALS`.
        label: what the photo shows, by name; "" for what each model says now.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    victims: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field((), max_length=24)
    labels: str = "cifar10"
    captions: tuple[Annotated[str, Field(min_length=1, max_length=300)], ...] = Field((), max_length=200)
    survivals: tuple[str, ...] = Field((), max_length=len(SURVIVALS))
    label: str = Field("", max_length=200)

    @field_validator("labels")
    @classmethod
    def _is_listed(cls, name: str) -> str:
        if name not in LABEL_LISTS:
            raise ValueError(f"there is no list of labels called so: choose {', '.join(LABEL_LISTS)}")
        return name

    @field_validator("survivals")
    @classmethod
    def _can_happen(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        find_survivals(names)
        return names

    def label_list(self) -> LabelList:
        """What CLIP victims choose from. StudioError for captions that are no choice."""
        return captions(self.captions) if self.captions else LABEL_LISTS[self.labels]()


class DescribeWish(ExactScalars):
    """What is asked of a vision-language model about an attack, as a page asks for it; see `Inquiry`.

    Attributes:
        question: goes along with each picture.
        samples: answers to each picture.
        keywords: those of the target, as in `parse_keywords`; () for the words of the target itself.
        similarity: name of the encoder that compares texts, "" for none.
        judge: whether a model judges how similar texts are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    question: str = Field(QUESTION, min_length=1, max_length=2000)
    samples: int = Field(3, ge=1, le=MOST_SAMPLES)
    keywords: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field((), max_length=50)
    similarity: str = Field("", max_length=200)
    judge: bool = False

    @field_validator("keywords")
    @classmethod
    def _are_words(cls, keywords: tuple[str, ...]) -> tuple[str, ...]:
        parse_keywords(keywords, Names())
        return keywords

    def inquiry(self) -> Inquiry:
        """What is asked of the model of the settings."""
        return Inquiry(question=self.question, samples=self.samples, keywords=self.keywords, judge=self.judge)


_Name = Annotated[str, Field(min_length=1, max_length=250)]


class FolderPhoto(ExactScalars):
    """One photo: its digest among the uploads, the name of its file, and what a label file says about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    name: _Name
    label: str = Field("", max_length=300)
    target: str = Field("", max_length=300)


class FolderOrder(ExactScalars):
    """Which photos are attacked, and which are not, with a sentence on why. No two go by the same name.

    With `alone`, each of the models is also attacked with alone: the table then has all pairs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: tuple[FolderPhoto, ...] = Field(min_length=1, max_length=MOST_PHOTOS)
    alone: bool = False
    left_out: dict[_Name, Annotated[str, Field(max_length=1000)]] = Field({}, max_length=MOST_PHOTOS)

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len({photo.name.casefold() for photo in self.photos}) < len(self.photos):
            raise ValueError("two photos have the same name: rename one of them")
        return self


class AxisOrder(BaseModel):
    """A field of the recipe, and the values that it takes, each as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: Annotated[str, Field(min_length=1, max_length=60)]
    values: tuple[Annotated[str, Field(min_length=1, max_length=2000)], ...] = Field(
        min_length=1, max_length=MOST_VALUES
    )


class GridOrder(BaseModel):
    """The axes of a grid, from left to right and from top to bottom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: AxisOrder
    y: AxisOrder

    @classmethod
    def of(cls, grid: Grid) -> Self:
        """The axes of a grid, as a job is told them."""
        axes = {
            name: AxisOrder(field=axis.field, values=tuple(value.text for value in axis.values))
            for name, axis in (("x", grid.x), ("y", grid.y))
        }
        return cls(**axes)

    def grid(self, recipe: Recipe) -> Grid:
        """The grid of a recipe, with all cells judged. StudioError names what does not fit."""
        x, y = (axis_of(find_field(axis.field, recipe.task), axis.values) for axis in (self.x, self.y))
        return Grid(recipe, x, y)


def _whole(value: BaseModel) -> dict[str, JsonValue]:
    return value.model_dump(mode="json")


def _switch(value: object) -> object:
    if not isinstance(value, bool):
        raise StudioError(f"'with_recipe' is true or false, not {value!r}.")
    return value


def _digest(value: object) -> object:
    return str(value) if value else ""


_WHOLE = PlainSerializer(_whole)
"""A part that is kept whole, also what it has by default; it is judged by itself, in its own sentences."""
AskedRecipe: TypeAlias = Annotated[Recipe, BeforeValidator(Recipe.model_validate), _WHOLE]
AskedWish: TypeAlias = Annotated[Wish, BeforeValidator(partial(validated, Wish)), _WHOLE]
AskedDescriptions: TypeAlias = Annotated[DescribeWish, BeforeValidator(partial(validated, DescribeWish)), _WHOLE]
AskedFolder: TypeAlias = Annotated[FolderOrder, BeforeValidator(partial(validated, FolderOrder)), _WHOLE]
AskedGrid: TypeAlias = Annotated[GridOrder, BeforeValidator(partial(validated, GridOrder)), _WHOLE]
AskedConfig: TypeAlias = Annotated[EvalConfig, BeforeValidator(partial(validated, EvalConfig)), _WHOLE]
Switch: TypeAlias = Annotated[bool, BeforeValidator(_switch)]
Digest: TypeAlias = Annotated[str, BeforeValidator(_digest)]
"""Of a picture; whatever is none is the digest of no picture, which the uploads say in words."""


class JobParams(Record):
    """What a job is told."""

    @classmethod
    def asked(cls, params: Mapping[str, object]) -> Self:
        """What the parameters of a job say. StudioError names the first that does not fit."""
        try:
            return cls.model_validate(params)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            why = first.get("ctx", {}).get("error")
            if isinstance(why, StudioError):
                raise why from error
            place, words = ".".join(map(str, first["loc"])), first["msg"].rstrip(".")
            said = "it is missing" if first["type"] == "missing" else words
            raise StudioError(f"The setting '{place}' is not valid: {said}.") from error


class MadeParams(JobParams):
    """What every job is told that makes pictures.

    Attributes:
        with_recipe: whether the files carry their recipe; left out by older pages, whose files all did.
    """

    task: ClassVar[str]
    recipe: AskedRecipe
    with_recipe: Switch = True

    @field_validator("recipe")
    @classmethod
    def _of_the_task(cls, recipe: Recipe) -> Recipe:
        if recipe.task != cls.task:
            raise StudioError(f"This recipe is for the task '{recipe.task}', not '{cls.task}': submit it as that.")
        return recipe


class ImageParams(MadeParams):
    """A picture of a class, or of a unit."""

    task = "class"


class TextParams(MadeParams):
    """A picture of a text; pictures that it starts from, should be like, or may change, by their digests."""

    task = "text"
    source: Maybe[Digest] = None
    target: Maybe[Digest] = None
    style: Maybe[Digest] = None
    mask: Maybe[Digest] = None


class AttackedParams(MadeParams):
    """What every attack is told.

    Attributes:
        target: the digest of a picture that is led to, if there is one.
        explore: what is to be found out; left out where nothing is.
        describe: what a vision-language model is asked; left out where it is not.
    """

    task = "attack"
    target: Maybe[Digest] = None
    explore: Maybe[AskedWish] = None
    describe: Maybe[AskedDescriptions] = None


class AttackParams(AttackedParams):
    """An attack on the photo of this digest."""

    source: Digest


class FolderParams(AttackedParams):
    """An attack on many photos; `continues` is the id of a job from whose results it goes on, if it does."""

    folder: AskedFolder
    continues: Maybe[str] = None


class GridParams(JobParams):
    """A grid of pictures of a class or of a text.

    Attributes:
        recipe: of all cells, but for the fields of the axes.
        source, target, style, mask: as of any text.
        continues: the id of a job whose cells are kept; left out where it begins afresh.
    """

    recipe: AskedRecipe
    grid: AskedGrid
    with_recipe: Switch = True
    source: Maybe[Digest] = None
    target: Maybe[Digest] = None
    style: Maybe[Digest] = None
    mask: Maybe[Digest] = None
    continues: Maybe[str] = None

    @field_validator("recipe")
    @classmethod
    def _not_of_a_photo(cls, recipe: Recipe) -> Recipe:
        if recipe.task == "attack":
            raise StudioError("A grid is of pictures of a class or of a text: attacks are made one by one.")
        return recipe

    def whole(self) -> Grid:
        """The grid, with all cells judged. StudioError names what does not fit."""
        return self.grid.grid(self.recipe)


class LabelledPicture(Record):
    """An image of an evaluation that came with it: its digest among the uploads, and the class that it shows."""

    digest: str
    label: str


class EvaluateParams(JobParams):
    """An evaluation.

    Attributes:
        images: those that come with it; left out by programs that bring none.
        continues: the id of a job from whose results it goes on, if it does.
        at_most_seconds: what it takes if no image breaks, by what was measured here when it was submitted; left out by
            older pages, and where the model was not here yet.
    """

    config: AskedConfig
    at_most_seconds: Maybe[float] = None
    images: Maybe[tuple[LabelledPicture, ...]] = None
    continues: Maybe[str] = None
