"""What programs ask and are answered."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ModelWrapValidatorHandler,
    model_validator,
)

from app.evaluation.order import DataChoice, SuiteChoice
from app.handlers.describing import Offer
from app.records.params import DescribeWish, FolderOrder, Wish
from foundation.catalogue.entry import Kind, ModelInfo, Origin
from foundation.jobs.store.model import NOTE_LENGTH, TITLE_LENGTH, JobSnapshot, JobStatus
from foundation.progress import Unit
from foundation.record import ExactScalars
from generator.recipes.presets import preset_fields, rule_fields
from generator.recipes.recipe import Recipe

PICTURES = ("source", "target", "style", "mask")
"""What orders, and recipes, may name by the digests of pictures."""
KIND_NAMES = {"image": "class"}
"""What programs call kinds of jobs that have another name in the database."""

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Of the pixels of a picture that was uploaded.")]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Value(ExactScalars):
    """What is asked has no fields beside those that are named."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Failure(BaseModel):
    """Why a request was refused, and what to do."""

    error: str


# ---------------------------------------------------------------------- what is asked


class Order(Value):
    """A job that is wanted."""

    title: str = Field("", max_length=TITLE_LENGTH, description="A name for it; one is made where none is given.")


class RecipeOrder(Order):
    """A picture by its recipe."""

    task: ClassVar[str]
    recipe: Recipe = Field(
        description="Its fields, as every PNG carries them; those that are left out are as in the preset, or without "
        "one the recipe's own defaults. Models that are left out are those that draw best of what is here: they may be "
        "several. The task is that of the address."
    )
    preset: str = Field(
        "",
        max_length=100,
        description="Where fields that the recipe leaves out come from: 'balanced', 'best' and so on, as on the "
        "command line; empty for the recipe's own defaults.",
    )
    with_recipe: bool = Field(True, description="Whether the PNG carries its recipe.")
    _said: frozenset[str] = frozenset()

    @property
    def said(self) -> frozenset[str]:
        """The fields of the recipe that the order says, beside its task; all others are filled in."""
        return self._said

    @property
    def names_models(self) -> bool:
        """Whether the order says who draws, or something that is said model by model."""
        return not self._said.isdisjoint(("models", "model_weights", "revisions"))

    @model_validator(mode="wrap")
    @classmethod
    def _whole_recipe(cls, order: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Fill in the task, and what the preset says. StudioError for another task, or a preset that is not there."""
        fields = order.get("recipe") if isinstance(order, dict) else None
        if not isinstance(fields, dict):
            return validate(order)
        task = cls._task(fields)
        fields = {**cls._first_values(order, task), **fields}
        whole = validate({**order, "recipe": cls._filled_in(fields, task, order)})
        whole._said = frozenset(fields) - {"task"}
        return whole

    @classmethod
    def _filled_in(cls, fields: Mapping[str, object], task: str, order: Mapping[str, object]) -> Mapping[str, object]:
        """The fields of a recipe, with those that its order or its preset says where it leaves them out."""
        preset = order.get("preset", "")
        usual: Mapping[str, object] = {"task": task}
        if preset and isinstance(preset, str):
            photo = bool(order.get("source") or fields.get("source"))
            usual = preset_fields(task, preset, from_photo=photo) | rule_fields(str(fields.get("optimiser", "sgd")))
            if fields.get("unit"):
                usual = {**usual, "classes": ()}
        named = {name: order[name] for name in PICTURES if order.get(name) and not fields.get(name)}
        return {**usual, **fields, **named}

    @classmethod
    def _task(cls, fields: Mapping[str, object]) -> str:
        """The task of a recipe with these fields. ValueError: it is for another address."""
        if fields.get("task", cls.task) != cls.task:
            raise ValueError(f"This recipe is for another task: here it is '{cls.task}'.")
        return cls.task

    @classmethod
    def _first_values(cls, _order: Mapping[str, object], _task: str) -> Mapping[str, object]:
        """Fields that an order says beside its recipe, where that leaves them out."""
        return {}


class ClassOrder(RecipeOrder):
    """A picture of a class, or of a unit of a network."""

    task = "class"


class TextOrder(RecipeOrder):
    """A picture of a text, perhaps from a picture, like others, or only in some places."""

    task = "text"
    source: Digest | None = Field(None, description="A picture to start from.")
    target: Digest | None = Field(None, description="A picture that it should be like.")
    style: Digest | None = Field(None, description="A picture whose style it should have.")
    mask: Digest | None = Field(None, description="White where the source may change.")


class AttackOrder(RecipeOrder):
    """A photo changed such that models see something else in it."""

    task = "attack"
    source: Digest | None = Field(None, description="The photo; the recipe's own where it is left out.")
    folder: FolderOrder | None = Field(
        None,
        description="Photos to attack one after the other, in place of a source: each with its digest, its name, and "
        "perhaps the class that it shows (label) and the one that it should pass for (target).",
    )
    target: Digest | None = Field(None, description="A picture that it should pass for.")
    explore: Wish | None = Field(None, description="What is to be found out: who falls, and what survives.")
    describe: DescribeWish | None = Field(
        None, description="What a vision-language model is asked about it, where GET /api/v1/describe names one."
    )


class ContinueOrder(Order):
    """How a job is gone on from."""

    suites: tuple[Name, ...] = Field(
        (), max_length=20, description="Of an evaluation: further suites, beside those that it had."
    )
    picture: int = Field(1, ge=1, le=1000, description="Of a text: which of its pictures is gone on with.")


class MoveOrder(Value):
    """Where a waiting job is moved to."""

    up: bool = Field(description="Before the one of yours that is before it (true), or after the one after it (false).")


class EditOrder(Value):
    """What is changed of a job; null, or left out, stays as it is."""

    title: str | None = Field(None, min_length=1, max_length=TITLE_LENGTH)
    note: str | None = Field(None, max_length=NOTE_LENGTH, description="Empty for none.")
    favourite: bool | None = Field(None, description="Favourites are never deleted to keep to a disk budget.")


class LabelledPicture(Value):
    """An uploaded picture, and the class that it shows."""

    digest: Digest
    label: Name


class EvaluateOrder(Order):
    """A model, and the attacks and images on which it is evaluated."""

    model: Name
    data: Name = Field(description="Of those at GET /api/v1/evaluate.")
    suites: tuple[Name, ...] = Field(min_length=1, max_length=20, description="Of those at GET /api/v1/evaluate.")
    count: int = Field(ge=1, le=1_000_000, description="How many images; those that you bring are all taken.")
    eps: float = Field(8 / 255, gt=0, le=1, description="How far every value may move (L-infinity), in [0, 1].")
    images: tuple[LabelledPicture, ...] = Field((), max_length=10_000, description="Those that you bring.")


# ---------------------------------------------------------------------- what is answered


class Model(Value):
    """A model that can be chosen."""

    name: str
    kind: Kind
    title: str
    description: str
    origin: Origin
    ready: bool = Field(description="Whether it is here; one of origin 'download' is fetched when it is first used.")
    why_not: str
    revision: str
    licence: str
    class_names: tuple[str, ...] = Field(description="The classes of a classifier, in order.")
    download_bytes: int | None

    @classmethod
    def of(cls, info: ModelInfo) -> Self:
        """What programs are told of a model."""
        return cls(**{name: getattr(info, name) for name in cls.model_fields})


class Models(Value):
    """The models that can be chosen."""

    models: tuple[Model, ...]


class JobLine(Value):
    """A job in a list. Times are Unix seconds."""

    id: str
    kind: str = Field(description="text, class, attack, grid, evaluate.")
    title: str
    note: str
    favourite: bool
    status: JobStatus
    position: int | None = Field(
        description="In its queue, from 1, short jobs before long ones; null once it has left that."
    )
    done: int
    total: int = Field(description="0 while unknown.")
    unit: Unit
    eta_seconds: float | None
    message: str
    stopping: bool
    error: str | None = Field(description="Why it failed, and what to do.")
    created: float
    started: float | None
    finished: float | None
    paused: bool = Field(description="It has been started, and a short job has its turn between two of its steps.")
    expected_start: float | None = Field(
        description="When it is expected to start if no more jobs come; null while nobody can tell, and once it has."
    )
    expected_finish: float | None = Field(description="When it is expected to end, likewise.")

    @staticmethod
    def facts(job: JobSnapshot) -> dict[str, object]:
        """The fields of every job."""
        named = {name: getattr(job, name) for name in JobLine.model_fields if name not in ("kind", "eta_seconds")}
        return {**named, "kind": KIND_NAMES.get(job.kind, job.kind), "eta_seconds": job.eta_s}


class Job(JobLine):
    """A job with all there is."""

    params: dict[str, JsonValue] = Field(description="What was asked, with the whole recipe.")
    result: dict[str, JsonValue] | None = Field(description="What came of it; null before it ends.")
    files: tuple[str, ...] = Field(description="Names of its files so far.")


class Estimate(Value):
    """What an order would take, and how long it would wait behind what is queued now, if no more came."""

    pictures: int = Field(description="How many pictures it makes; 0 for an evaluation.")
    steps: int = Field(description="The steps of all of them together.")
    seconds: float | None = Field(description="How long it computes, about; null while nobody can tell.")
    at_most: bool = Field(description="Whether it may well take less: images that break early are attacked no further.")
    memory_bytes: int = Field(description="What it needs at least, beside the program and its models.")
    disk_bytes: int | None = Field(description="Of its pictures with their records, at most about; null where unknown.")
    jobs_before: int = Field(description="How many jobs have their turns before it.")
    starts_in: float | None = Field(description="Seconds until it would start; null while nobody can tell.")
    ends_in: float | None = Field(description="Seconds until it would end, likewise.")
    why_not: str = Field(description="Why a share or the queue would refuse it now; empty if none would.")


class Jobs(Value):
    """Jobs, the newest first."""

    jobs: tuple[JobLine, ...]


class QueuedJob(JobLine):
    """One of your jobs that has not ended, and whether it can be moved among yours."""

    can_rise: bool
    can_fall: bool


class Queue(Value):
    """The queue as you see it."""

    own: tuple[QueuedJob, ...] = Field(
        description="Your jobs: those that have been started, then the waiting in the order of their places."
    )
    others_started: int = Field(description="How many jobs of others have been started.")
    others_waiting: int = Field(description="How many jobs of others wait.")


class Uploaded(Value):
    """A picture that is kept, for you alone: it goes when no job needs it for some days."""

    digest: str
    width: int
    height: int
    notes: tuple[str, ...] = Field(description="What was done to it, in sentences.")


class Describing(Value):
    """The vision-language model that can be asked about attacks. Whoever runs the studio has set it up, or has not."""

    model: str | None = Field(None, description="Who describes pictures; null where there is nobody to ask.")
    judge: str | None = Field(None, description="Who judges how similar texts are.")
    max_requests: int | None = Field(None, description="Of one job; it ends there.")
    max_tokens: int | None = Field(None, description="Of one job.")
    max_cost: float | None = Field(None, description="Of one job, in money; null for no such end.")
    why_not: str = Field("", description="Why nobody can be asked, and what to do; empty where somebody can.")

    @classmethod
    def of(cls, offer: Offer) -> Self:
        """What programs are told of what the page offers."""
        return cls(**{name: getattr(offer, name) for name in cls.model_fields if name != "why_not"})


class Data(Value):
    """Images on which a model can be evaluated."""

    name: str
    title: str
    description: str
    count: int | None = Field(description="How many there are; null where nobody knows before they are read.")
    why_not: str = Field(description="Why they cannot be used with the model, and what to do; empty if they can.")

    @classmethod
    def of(cls, choice: DataChoice) -> Self:
        """What programs are told of a choice of the page."""
        return cls(**{name: getattr(choice, name) for name in cls.model_fields})


class Suite(Value):
    """A named set of attacks."""

    name: str
    title: str
    description: str

    @classmethod
    def of(cls, choice: SuiteChoice) -> Self:
        """What programs are told of a choice of the page."""
        return cls(**{name: getattr(choice, name) for name in cls.model_fields})


class Choices(Value):
    """What there is to choose for the evaluation of a model."""

    data: tuple[Data, ...]
    suites: tuple[Suite, ...]
