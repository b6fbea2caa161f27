"""What `benchmarks.recognised` found, row by row and picture by picture."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from pydantic import JsonValue

from benchmarks.recognised.judging import OfPhotos, Tally


@dataclass(frozen=True)
class Row:
    """What a judge says of what one drew at a preset, in `seconds` a picture (the median), None if nothing was."""

    drawer: str
    preset: str
    judge: str
    seconds: float | None
    tally: Tally

    def to_json(self) -> dict[str, JsonValue]:
        """As a file has it."""
        named: dict[str, JsonValue] = {"drawer": self.drawer, "preset": self.preset, "judge": self.judge}
        return {**named, "seconds": self.seconds, **self.tally.to_json()}


@dataclass(frozen=True)
class Said:
    """The names of a judge's first classes for a picture, the likeliest first, and whether that one is right."""

    top: list[str]
    right: bool


@dataclass(frozen=True)
class Saved:
    """The file of a picture, the seconds that it took, and whether its brightness ran away."""

    file: str
    seconds: float
    ran_away: bool


@dataclass(frozen=True)
class Picture:
    """One picture: whose it is, `of` what, and what the judges say. `saved` is None where nobody could draw it."""

    drawer: str
    preset: str
    of: str
    said: Mapping[str, Said]
    saved: Saved | None

    def to_json(self) -> dict[str, JsonValue]:
        """As a file has it."""
        said: dict[str, JsonValue] = {judge: asdict(one) for judge, one in self.said.items()}
        saved = {} if self.saved is None else asdict(self.saved)
        return {"drawer": self.drawer, "preset": self.preset, "of": self.of, "said": said, **saved}


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        rows: of each drawer, preset and judge.
        photos: the judges on real photos.
        pictures: that are there, or that nobody could draw.
        failed: sentences on those that diverged, by their titles.
        stopped: whether it ended early.
    """

    rows: Sequence[Row]
    photos: Sequence[OfPhotos]
    pictures: Sequence[Picture]
    failed: Mapping[str, str]
    stopped: bool

    def to_json(self) -> dict[str, JsonValue]:
        """As a file has it."""
        return {
            "rows": [row.to_json() for row in self.rows],
            "photos": [row.to_json() for row in self.photos],
            "pictures": [picture.to_json() for picture in self.pictures],
            "failed": dict(self.failed),
            "stopped": self.stopped,
        }
