"""What a visitor can have evaluated, and what they order: values that page and evaluations share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from robust_model.evaluation.record.schema import EvaluationReport, FinishedWorstCase
from robust_model.evaluation.record.values import Proportion

EVALUATION = "evaluate"
"""The kind of the jobs that evaluate a model."""


@dataclass(frozen=True)
class DataChoice:
    """Images on which a model can be evaluated, as one line of a menu.

    Attributes:
        name: what an order calls them.
        title, description: for people.
        count: how many images there are; None where nobody knows before they are read.
        note: a few words for the menu on what is in the way ("" if nothing is).
        why_not: why they cannot be used with the chosen model, and what to do; "" if they can.
        pictures: whose images the visitor labels: "own", those of the "results", or "" for none.
        whole: they are so few that all of them are taken.
    """

    name: str
    title: str
    description: str
    count: int | None = None
    note: str = ""
    why_not: str = ""
    pictures: Literal["", "own", "results"] = ""
    whole: bool = False


@dataclass(frozen=True)
class SuiteChoice:
    """A named set of attacks."""

    name: str
    title: str
    description: str


@dataclass(frozen=True)
class LabelledUpload:
    """An image among the uploads of its owner, by the digest of its pixels, and the class that it is said to show."""

    digest: str
    label: str
    owner: str = "local"


@dataclass(frozen=True)
class EvaluationOrder:
    """What a visitor wants evaluated.

    Attributes:
        model: its name.
        data: name of a ``DataChoice``.
        suites: names of suites of attacks.
        count: how many images of the data; those that visitors bring are all taken.
        eps: how far every value may move (L-infinity), in [0, 1].
        images: those that the visitor brings.
        owner: whose evaluation it is.
    """

    model: str
    data: str
    suites: tuple[str, ...]
    count: int
    eps: float
    images: tuple[LabelledUpload, ...] = ()
    owner: str = "local"


@dataclass(frozen=True)
class Cost:
    """What an evaluation takes at most: passes of one image through the network, and seconds on this machine."""

    forward: int
    backward: int
    seconds: float


@dataclass(frozen=True)
class ShippedReport:
    """An evaluation that came with a model.

    Attributes:
        name: what a browser calls it; no id of a job.
        title: for people.
        folder: as a job's: its report lies in there.
        report: what was found.
    """

    name: str
    title: str
    folder: Path
    report: EvaluationReport


@dataclass(frozen=True)
class KnownReport:
    """What is known so far of an evaluation: its report, and the names of all attacks that there will be."""

    report: EvaluationReport
    planned: tuple[str, ...]


class Headline(BaseModel):
    """What the list of past evaluations says of one: the part of its report that a job's result is asked for."""

    model_config = ConfigDict(frozen=True)

    worst_case: Proportion | None
    worst_case_finished: FinishedWorstCase | None = None

    @classmethod
    def of(cls, result: Mapping[str, object] | None) -> "Headline | None":
        """The headline in the result of a job; None where there is none that can be read."""
        try:
            return None if result is None else cls.model_validate(result)
        except ValidationError:
            return None


def headline_of(found: Headline | EvaluationReport | None) -> tuple[str, Proportion] | None:
    """What an evaluation came to: the worst case, in words and as a figure; None where nothing is known of it yet."""
    if found is None:
        return None
    worst: Proportion | None = found.worst_case_finished
    words = "worst case over the finished attacks"
    if worst is None:
        worst, words = found.worst_case, "worst case"
    return None if worst is None or not worst.n else (words, worst)


@dataclass(frozen=True)
class ReportFiles:
    """A report as files, which the page shows and offers for download."""

    json: Path
    html: Path
    markdown: Path
