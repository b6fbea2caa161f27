"""A grid: which of its cells are there, as they come, and its result."""

from pydantic import Field

from app.records.pictures import Picture
from foundation.jobs.store.model import JobSnapshot
from foundation.record import Maybe, Record
from generator.records.pictures import WholeRecipe


class GridCell(Record):
    """A cell whose picture is there.

    Attributes:
        row, column: its place, from 0.
        file: its picture, as seen from the job's folder.
        shown: the same, small.
        done: whether it took all its steps.
        said: what models make of it, in a few words.
    """

    row: int
    column: int
    file: str
    shown: str
    done: bool
    said: str


class GridFindings(Record):
    """The cells that are there, in the order in which they came."""

    cells: tuple[GridCell, ...]


class GridResult(Record):
    """How a grid ended.

    Attributes:
        recipe: of all cells, but for the two fields of the axes.
        images: none: its pictures are among the files.
        files: the sheet and the table, and the pictures of the cells.
        sheet, table: of these; left out where there is no picture.
        failed: sentences on cells that could not be made.
        complete: whether all cells are there.
    """

    recipe: WholeRecipe
    images: tuple[Picture, ...] = Field(max_length=0)
    files: tuple[str, ...]
    sheet: Maybe[str] = None
    table: Maybe[str] = None
    failed: tuple[str, ...]
    complete: bool


def grid_result_of(job: JobSnapshot) -> GridResult | None:
    """How a job ended; None where it has not, or was stopped before it began. RecordError: it cannot be read."""
    written = job.result
    return GridResult.read(written, "result") if written and "recipe" in written else None
