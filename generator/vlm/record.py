"""What is written of descriptions, descriptions.json, as values with types. The first version had all of it."""

from typing import Annotated, TypeAlias

from pydantic import JsonValue, PlainSerializer

from foundation.intervals import RateRecord
from foundation.record import Record
from generator.vlm.verdicts import Described


def _all_fields(described: Described) -> dict[str, JsonValue]:
    return described.model_dump(mode="json")


WholeDescribed: TypeAlias = Annotated[Described, PlainSerializer(_all_fields)]
"""A description that is written whole, also what it has by default."""


class InquiryRecord(Record):
    """What was asked, and how often; `models` are those that were asked. See `generator.vlm.describing.Inquiry`."""

    models: tuple[str, ...]
    question: str
    samples: int
    seed: int
    keywords: tuple[str, ...]
    judge: bool


class CostsRecord(Record):
    """What a run took; `money` is null without prices."""

    requests: int
    prompt_tokens: int
    completion_tokens: int
    requests_with_estimated_tokens: int
    money: float | None


class RatePair(Record):
    """A rate of attacked pictures, and of their photos."""

    attacked: RateRecord
    clean: RateRecord


class MeanRecord(Record):
    """A mean over pictures; `ci95` is null for fewer than two."""

    mean: float
    pictures: int
    ci95: tuple[float, float] | None


class MeanPair(Record):
    """A mean of attacked pictures, and of their photos; null where there is none."""

    attacked: MeanRecord | None
    clean: MeanRecord | None


class VlmCellRecord(Record):
    """One attack, model and survival over all pictures; see `generator.vlm.report.VlmCell`."""

    attack: str
    model: str
    survival: str
    pictures: int
    asked: int
    failed: int
    rates: dict[str, RatePair]
    means: dict[str, MeanPair]


class UnreadablePicture(Record):
    """A picture whose file cannot be read, and why."""

    attack: str
    image: str
    why: str


class DescriptionsRecord(Record):
    """Everything that was said, and how it was asked; no address and no key.

    Attributes:
        ended: why no more was asked, "" if all was.
        judge_model: who compared texts; null for nobody.
        temperature: null where none was sent.
    """

    version: int
    meaning: str
    complete: bool
    ended: str
    inquiry: InquiryRecord
    judge_model: str | None
    temperature: float | None
    max_tokens: int
    seed_sent: bool
    costs_of_this_run: CostsRecord
    cells: tuple[VlmCellRecord, ...]
    described: tuple[WholeDescribed, ...]
    unreadable: tuple[UnreadablePicture, ...]


class DescriptionsSummary(Record):
    """What a report of the attacks says of descriptions: the sums, and which files have the texts."""

    files: tuple[str, ...]
    meaning: str
    complete: bool
    ended: str
    inquiry: InquiryRecord
    judge_model: str | None
    cells: tuple[VlmCellRecord, ...]
