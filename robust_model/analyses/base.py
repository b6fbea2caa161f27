"""What an analysis is, what it is told, and how it reports and hears of a stop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from generator.arguments import MOST_SEED
from generator.progress import Progress, silent
from robust_model.attacks import Defence, PassCount
from robust_model.data import LabelledImages

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class AnalysisConfig(BaseModel):
    """What every analysis is told. Frozen, validated, JSON.

    Random numbers come from streams of `seed`, one for each batch and purpose, so that no number of a result
    depends on what else was asked for, or on where the analysis was stopped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    seed: int = Field(0, ge=0, le=MOST_SEED)

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

    data: str = "cifar10"
    count: int = Field(500, ge=0, le=10**9)
    size: int = Field(0, ge=0, le=4096)
    match: Literal["name", "order"] = "name"
    batch: int = Field(100, ge=1, le=100_000)
    noise: Literal["model", "off", "fresh"] = "model"
    draws: int = Field(9, ge=1, le=10_000)
    crossmax: Literal[
        "",
        "crossmax-top3",
        "crossmax-top2",
        "crossmax-median",
        "crossmax-top3-votes",
        "crossmax-top2-votes",
        "crossmax-median-votes",
    ] = ""


class AttackedConfig(DataConfig):
    """An analysis that attacks, by PGD (see `robust_model.attacks`).

    `eot` passes with independent noise are averaged for each gradient, where noise is on.
    """

    steps: int = Field(50, ge=1, le=100_000)
    eot: int = Field(4, ge=1, le=10_000)
    loss: Literal["ce", "margin", "targeted"] = "margin"


class BudgetConfig(AttackedConfig):
    """An analysis that attacks with one L-inf budget, `eps` in [0, 1] pixel units."""

    eps: float = Field(8 / 255, ge=0, le=1)


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


@dataclass(frozen=True)
class Measured:
    """What an analysis has found: JSON, what its words mean, and pictures (8-bit RGB) by name.

    `notes` are the definitions and denominators without which the numbers say nothing.
    """

    result: dict[str, Any]
    notes: tuple[str, ...] = ()
    pictures: Mapping[str, Image.Image] = field(default_factory=dict)


Config = TypeVar("Config", bound=AnalysisConfig)
Measure = Callable[[Config, Material, Monitor], Measured]
Draw = Callable[[dict[str, Any], Mapping[str, Image.Image]], "Figure"]
Tabulate = Callable[[dict[str, Any]], Table]


@dataclass(frozen=True)
class Analysis(Generic[Config]):
    """One kind of analysis.

    `measure` does the work; when the monitor says so it ends early with what is finished, or raises `Stopped` if
    nothing is. `draw` makes the figure of a report (see `report.assemble`) and `tabulate` its table: both read only
    the report's JSON and the pictures.
    """

    title: str
    description: str
    config: type[Config]
    measure: Measure[Config]
    draw: Draw
    tabulate: Tabulate
