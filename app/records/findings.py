"""What was found out about an attack on one photo, as it comes; see `app.handlers.exploring` for how."""

from pydantic import Field

from foundation.record import Maybe, Record
from generator.transfer.outcome import Outcome
from generator.transfer.perceptual import DistancesRecord


class Asked(Record):
    """What was wanted of a picture: the true label ("" if nobody gave it), and targets (none for any other answer)."""

    label: str
    targets: tuple[str, ...]


class VictimFound(Record):
    """A model that is tested on.

    Attributes:
        name: what the rows call it; `model` is its name in the list of models.
        kind: "" where it could not be loaded.
        attacked: whether the attack is made with it.
        labels: how many answers it chooses from.
        note: what has to be known of its words; not written at first.
        why_not: why nothing is known of it, as a sentence; else "".
    """

    name: str
    model: str
    kind: str
    attacked: bool
    labels: int
    note: str = ""
    why_not: str


class AnswerFound(Record):
    """What a victim says: "" and no confidence where there is no answer."""

    label: str
    confidence: float | None


class RowFound(Record):
    """What one victim says of the saved file after one thing that happened to it; see `generator.transfer.table.Row`.

    `why` was not written before there was what cannot happen to a picture.
    """

    victim: str
    survival: str
    before: AnswerFound
    after: AnswerFound
    photo_after: AnswerFound
    outcome: Outcome
    why: str = ""
    reached: bool
    by_itself: bool
    share_before: float | None
    share_after: float | None


class ReadoutFound(AnswerFound):
    """What a read-out says, with its probabilities of the classes that are shown; null where there is no number."""

    shares: tuple[float | None, ...]


class AnswerPair(Record):
    """The answers to the photo and to the saved file."""

    before: str
    after: str


class HeatMap(Record):
    """Probabilities by read-outs and classes, of a layered victim."""

    victim: str
    classes: tuple[str, ...]
    readouts: tuple[str, ...]
    before: tuple[ReadoutFound, ...]
    after: tuple[ReadoutFound, ...]
    answers: AnswerPair


class LinePoint(Record):
    """What is said at one place of the line (0 is the photo, 1 the file), and how probable two answers are there."""

    t: float
    label: str
    was: float | None
    now: float | None


class Crossing(Record):
    """Where the answer changes."""

    t: float
    before: str
    after: str


class Line(Record):
    """What a victim says on the line through the photo and the saved file.

    `was` is its answer to the photo; `now` the one that the line leads to, "" where it is always the same.
    """

    victim: str
    was: str
    now: str
    points: tuple[LinePoint, ...] = Field(min_length=1)
    crossings: tuple[Crossing, ...]


class SaliencyMaps(Record):
    """Files of what moves the answer `label` of a victim; left out, with the reason, where it has no gradients."""

    victim: str
    label: str
    before: Maybe[str] = None
    after: Maybe[str] = None
    why_not: str


class StackViews(Record):
    """Files of what a victim sees, one for each of its resolutions."""

    victim: str
    resolutions: tuple[int, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


class VideoFound(Record):
    """The way from the photo to the picture: its change beside it, `factor` times as strong."""

    file: str
    factor: float
    frames: int


class AttackFindings(Record):
    """What is known of an attack; what is not known yet is left out.

    Attributes:
        victims: those attacked with first.
        survivals: what happens to the file and what that is, in the order of the table.
        files: the report (see `generator.transfer.report`) by kind: csv, json and html.
        video: null where it could not be made.
        complete: whether all of this is there.
    """

    question: Asked
    survivals: dict[str, str]
    victims: tuple[VictimFound, ...]
    rows: tuple[RowFound, ...]
    files: Maybe[dict[str, str]] = None
    distances: Maybe[DistancesRecord] = None
    heat: Maybe[tuple[HeatMap, ...]] = None
    lines: Maybe[tuple[Line, ...]] = None
    saliency: Maybe[tuple[SaliencyMaps, ...]] = None
    views: Maybe[tuple[StackViews, ...]] = None
    video: VideoFound | None = None
    complete: bool
