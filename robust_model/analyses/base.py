"""What an analysis is, what it is told, and how it reports and hears of a stop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Generic, Literal, TypeVar

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from foundation.choices import OneOf
from foundation.command_line.arguments import MOST_SEED
from foundation.command_line.flags import AsFlag
from foundation.progress import Progress, silent
from robust_model.attacks import Defence, PassCount
from robust_model.data.datasets import LabelledImages
from robust_model.evaluation.record.values import Count, Flag, Passes, Reported, Seconds
from robust_model.networks.crossmax import crossmaxes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class AnalysisConfig(BaseModel):
    """What every analysis is told. Frozen, validated, JSON.

    Random numbers come from streams of `seed`, one for each batch and purpose, so that no number of a result
    depends on what else was asked for, or on where the analysis was stopped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    seed: int = Field(0, ge=0, le=MOST_SEED, description="of the choice of images, the starts and the noise")

    @property
    def models(self) -> tuple[str, ...]:
        """All models that are analysed."""
        return (self.model,)


class DataConfig(AnalysisConfig):
    """An analysis of answers to images: `count` (0: all) of the test split of `data`, drawn by `seed`.

    A class folder is read at `size` pixels a side (0: the model's own); `match` says whether its classes are the
    model's by their names, or only by their order. `noise`: "model" (as the model is configured), "off" or "fresh".
    Where noise is on, the majority of `draws` passes is a read-out's answer. `crossmax` names the CrossMax that is
    looked at; empty: the one that the model answers by, else the first that its number of predictors allows.
    """

    data: str = Field(
        "cifar10", description="cifar10, cifar100, folder:PATH or synthetic:COUNT; the test split is used"
    )
    count: Annotated[int, AsFlag(("-n", "--count"))] = Field(500, ge=0, le=10**9, description="images, 0 = all")
    size: int = Field(0, ge=0, le=4096, description="read a class folder at so many pixels a side, 0 = the model's own")
    match: Literal["name", "order"] = Field("name", description="how the data's classes are the model's")
    batch: int = Field(100, ge=1, le=100_000, description="images at a time; a stop keeps whole batches")
    noise: Literal["model", "off", "fresh"] = Field("model", description="the network's random draws")
    draws: int = Field(9, ge=1, le=10_000, description="votes per answer, where noise is on")
    crossmax: Annotated[str, OneOf(crossmaxes, ("",)), AsFlag(shown="the model's own")] = Field(
        "", description="which CrossMax"
    )


class AttackedConfig(DataConfig):
    """An analysis that attacks, by PGD (see `robust_model.attacks`).

    `eot` passes with independent noise are averaged for each gradient, where noise is on.
    """

    steps: int = Field(50, ge=1, le=100_000, description="steps of an attack")
    eot: int = Field(4, ge=1, le=10_000, description="passes per gradient, where noise is on")
    loss: Literal["ce", "margin", "targeted"] = Field("margin", description="what PGD climbs")


class BudgetConfig(AttackedConfig):
    """An analysis that attacks with one L-inf budget, `eps` in [0, 1] pixel units."""

    eps: Annotated[float, AsFlag(levels=True)] = Field(8 / 255, ge=0, le=1, description="L-inf budget")


@dataclass(frozen=True)
class Material:
    """What is analysed: models by name, in the order of the configuration, and the images if there are any.

    `revisions` are those of the models' weights, by name; `indices` are the images' places in the split that they were
    drawn from.
    """

    models: tuple[tuple[str, Defence], ...]
    revisions: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    data: LabelledImages | None = None
    indices: Sequence[int] = ()

    @property
    def images(self) -> LabelledImages:
        """The images, of an analysis that has some."""
        assert self.data is not None
        return self.data


class Stopped(Exception):
    """Whoever runs the analysis wants it to end, and to keep what is finished."""


class Monitor:
    """How far an analysis is, and whether to stop.

    `passes` counts what it has cost so far, and `images` those that are finished; `complete` says whether nothing
    was left undone.
    """

    def __init__(
        self,
        on_progress: Callable[[Progress], None] = silent,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.on_progress, self.should_stop = on_progress, should_stop
        self.done, self.total = 0, 0
        self.complete = True
        self.images = 0
        self.passes = PassCount(0, 0)

    def begin(self, total: int) -> None:
        """Say how many units of work there are, at most."""
        self.total = total
        self.on_progress(Progress(0, total, "Starting", unit="items"))

    def at(self, done: int, message: str) -> None:
        """Report that `done` units are done; raises `Stopped` if it is time to."""
        self.done = min(done, self.total)
        self.on_progress(Progress(self.done, self.total, message, unit="items"))
        if self.should_stop():
            raise Stopped


@dataclass(frozen=True)
class Table:
    """A table for people, the same in the terminal and on the page. Every row is as long as the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """The table in columns, the first aligned to the left and the others to the right."""
        lines = (self.header, *self.rows)
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
            for line in lines
        )


Config = TypeVar("Config", bound=AnalysisConfig)
Result = TypeVar("Result", bound=Reported)


class AnalysedModel(Reported):
    """A model that was analysed."""

    name: str = Field(description="Its name.")
    revision: str = Field(description="That of its weights; empty where it has none.")


class AnalysedData(Reported):
    """Which images the result speaks of: after a stop, the first ones of those that were asked for."""

    source: str = Field(description="The data set and its split.")
    n: Count = Field(description="How many images.")
    asked: Count = Field(description="How many were asked for.")
    indices: tuple[Count, ...] = Field(description="Their places in the split.")


class AnalysisReport(Reported, Generic[Config, Result]):
    """What every analysis reports, each with a configuration and a result of its own."""

    version: Literal[1] = Field(alias="schema", description="The version of this format.")
    kind: str = Field(description="The analysis, by its name in `ANALYSES`.")
    title: str = Field(description="What it is called.")
    complete: Flag = Field(description="False if it was stopped early.")
    command: str = Field(description="The command that makes this report again; empty where there was none.")
    config: Config = Field(description="The configuration, whole; folders shortened to what they hold.")
    models: tuple[AnalysedModel, ...] = Field(description="The models, in the order of the configuration.")
    data: AnalysedData | None = Field(description="The images; null of an analysis that has none.")
    result: Result = Field(description="What was found.")
    notes: tuple[str, ...] = Field(description="What the numbers mean, and over what they are counted.")
    pictures: tuple[str, ...] = Field(description="Pictures beside the report, by file name.")
    passes: Passes = Field(description="What it took.")
    seconds: Seconds = Field(description="The time that it took.")
    versions: dict[str, str] = Field(description="Versions of the programs, by name.")
    device: str = Field(description="What it was computed on.")


@dataclass(frozen=True)
class Measured(Generic[Result]):
    """What an analysis has found, what its words mean, and pictures (8-bit RGB) by name.

    `notes` are the definitions and denominators without which the numbers say nothing.
    """

    result: Result
    notes: tuple[str, ...] = ()
    pictures: Mapping[str, Image.Image] = field(default_factory=dict)


@dataclass(frozen=True)
class Analysis(Generic[Config, Result]):
    """One kind of analysis, with the type of its configuration and of its result.

    `measure` does the work; when the monitor says so it ends early with what is finished, or raises `Stopped` if
    nothing is. `draw` makes the figure of a report and `tabulate` its table: both read only the report and
    the pictures.
    """

    title: str
    description: str
    config: type[Config]
    result: type[Result]
    measure: "Callable[[Config, Material, Monitor], Measured[Result]]"
    draw: "Callable[[AnalysisReport[Config, Result], Mapping[str, Image.Image]], Figure]"
    tabulate: "Callable[[AnalysisReport[Config, Result]], Table]"
