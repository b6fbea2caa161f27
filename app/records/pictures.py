"""The result of a job that makes pictures: of a class, of a text, or an attack on a photo."""

from collections.abc import Mapping

from pydantic import Field

from app.records.changes import Change
from foundation.jobs.store.model import JobSnapshot
from foundation.record import Maybe, Record, RecordError
from generator.records.pictures import PictureFacts, PictureRecord


class Picture(PictureFacts):
    """What is known of a picture in a job's folder.

    Attributes:
        source: the file of the photo that it started from, if it did.
        perturbation: the change, of an attack that could be looked at.
    """

    source: Maybe[str] = None
    perturbation: Maybe[Change] = None


class PictureResult(PictureRecord):
    """What a recipe came to in a job.

    Attributes:
        size: height and width of the pictures.
        with_recipe: whether the files carry their recipe; at first all of them did.
        findings_error, descriptions_error: why not all was found out about an attack; left out where nothing is amiss.
        overview, video: files of all pictures of a text together; left out where there is none.
    """

    images: tuple[Picture, ...] = Field(min_length=1)
    size: tuple[int, int]
    with_recipe: bool = True
    findings_error: Maybe[str] = None
    descriptions_error: Maybe[str] = None
    overview: Maybe[str] = None
    video: Maybe[str] = None


class NothingMade(Record):
    """What a job leaves that was stopped before there was a picture, such as in a download."""

    note: str
    images: tuple[Picture, ...] = Field(max_length=0)


class _Pictures(Record):
    images: tuple[Picture, ...]


def result_of(job: JobSnapshot) -> PictureResult | None:
    """What a job made; None where it has no picture. RecordError names what cannot be read."""
    written = job.result
    return PictureResult.read(written, "result") if written and written.get("images") else None


def note_of(job: JobSnapshot) -> str:
    """Why a job that ended has no picture; "" where nobody said so."""
    written: Mapping[str, object] = job.result or {}
    return NothingMade.read(written, "result").note if "note" in written else ""


def pictures_of(job: JobSnapshot) -> tuple[Picture, ...]:
    """The pictures of a job alone; () where there are none, or where the stage says that they cannot be read."""
    try:
        return _Pictures.read(job.result, "result").images if job.result else ()
    except RecordError:
        return ()
