"""The result of an attack on a folder of photos; what is known of the photos is in the findings."""

from pydantic import Field

from app.records.pictures import Picture
from foundation.jobs.store.model import JobSnapshot
from foundation.record import Maybe, Record
from generator.records.pictures import WholeRecipe


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
