"""An attack on a folder of photos: its result, and what was found out about the photos, as it comes."""

from collections.abc import Mapping

from pydantic import Field, model_validator

from app.records.findings import VictimFound
from app.records.pictures import Picture
from foundation.jobs.store.model import JobSnapshot
from foundation.record import Maybe, Record
from generator.records.pictures import WholeRecipe
from generator.transfer.table import CellRecord


class FolderResult(Record):
    """How an attack on a folder ended.

    Attributes:
        images: none: its pictures are in the folder.
        descriptions_error, archive_error: what went wrong beside; left out where nothing did.
        complete: whether all was attacked, measured and, where that was wanted, described.
        archive: the file that has everything; left out where it could not be written.
    """

    recipe: WholeRecipe
    images: tuple[Picture, ...] = Field(max_length=0)
    descriptions_error: Maybe[str] = None
    complete: bool
    archive: Maybe[str] = None
    archive_error: Maybe[str] = None


def folder_result_of(job: JobSnapshot) -> FolderResult | None:
    """How a job ended; None where it has not, or was stopped before it began. RecordError: it cannot be read."""
    written = job.result
    return FolderResult.read(written, "result") if written and "recipe" in written else None


class AttackedPhoto(Record):
    """A photo and what an attack made of it: files as seen from the job's folder."""

    image: str
    attack: str
    photo: str
    attacked: str


class MissingPhoto(Record):
    """A photo that nothing is known of, and why."""

    image: str
    why: str


class FolderFindings(Record):
    """What is known of an attack on a folder.

    Attributes:
        attacks: what each attack goes by, and whom it is made with.
        total, done: how many photos there are to attack, and how many are attacked and measured.
        targeted: whether anything is wanted beside another answer.
        victims: the models attacked with first.
        survivals: what happens to the files and what that is, in the order of the table.
        cells: the transfer table.
        pictures: the first of them.
        complete: whether all of this is there.
    """

    attacks: dict[str, tuple[str, ...]]
    total: int
    done: int
    targeted: bool
    victims: tuple[VictimFound, ...]
    survivals: dict[str, str]
    cells: tuple[CellRecord, ...]
    pictures: tuple[AttackedPhoto, ...]
    missing: tuple[MissingPhoto, ...]
    complete: bool

    @model_validator(mode="before")
    @classmethod
    def _one_attack(cls, written: object) -> object:
        """Before each model could be attacked with alone there was one attack, named once for all pictures."""
        if not isinstance(written, Mapping) or "attacks" in written:
            return written
        name, victims, pictures = (written.get(key) for key in ("attack", "victims", "pictures"))
        if not (isinstance(name, str) and isinstance(victims, list) and isinstance(pictures, list)):
            return written
        models = tuple(one.get("model") for one in victims if isinstance(one, Mapping) and one.get("attacked"))
        named = tuple({**one, "attack": name} if isinstance(one, Mapping) else one for one in pictures)
        return {**written, "attacks": {name: models}, "pictures": named}
