"""What is written of attacks on many pictures, report.json, as values with types."""

from pydantic import JsonValue

from foundation.record import Maybe, Record
from generator.transfer.outcome import Outcome
from generator.transfer.perceptual import DistancesRecord
from generator.transfer.table import CellRecord
from generator.victims.verdicts import Guess


class VictimRecord(Record):
    """Who was asked; `unknown_words` of the texts that it chooses from."""

    name: str
    kind: str
    identity: str
    labels: int
    unknown_words: tuple[str, ...]


class ReadoutRecord(Record):
    """The first answer of a read-out."""

    name: str
    label: str
    confidence: float | None


class VerdictRecord(Record):
    """What a victim said; see `generator.victims.verdicts.Verdict`."""

    label: str
    confidence: float | None
    top: tuple[Guess, ...]
    draws: int
    agreement: float
    text: str
    readouts: tuple[ReadoutRecord, ...]


class RowRecord(Record):
    """A row as it is written; see `generator.transfer.table.Row`."""

    image: str
    attack: str
    victim: str
    survival: str
    label: str
    targets: tuple[str, ...]
    before: VerdictRecord
    after: VerdictRecord
    photo_after: VerdictRecord
    share_before: float | None
    share_after: float | None
    outcome: Outcome
    why: str
    reached: bool
    by_itself: bool


class ImageRecord(Record):
    """A photo and what an attack made of it: files as seen from the report's folder."""

    attack: str
    image: str
    photo: str
    attacked: str
    label: str
    targets: tuple[str, ...]
    distances: DistancesRecord | None


class FailedRecord(Record):
    """A picture that there is nothing about, and why."""

    attack: str
    image: str
    why: str


class ReportRecord(Record):
    """Everything that is reported of one run; see `generator.transfer.report.Report`.

    `descriptions` are there where a vision-language model was asked: `generator.vlm.record.DescriptionsSummary`.
    """

    version: int
    meaning: str
    lpips: str
    complete: bool
    recipes: dict[str, dict[str, JsonValue]]
    victims: tuple[VictimRecord, ...]
    survivals: dict[str, str]
    cells: tuple[CellRecord, ...]
    images: tuple[ImageRecord, ...]
    rows: tuple[RowRecord, ...]
    failed: tuple[FailedRecord, ...]
    left_out: dict[str, str]
    notes: tuple[str, ...]
    descriptions: Maybe[dict[str, JsonValue]] = None
