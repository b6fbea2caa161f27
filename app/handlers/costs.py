"""What a job would cost, told from its parameters alone: asked before it joins the queue."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress

from app.costs.estimates import Extras
from app.costs.grids import together
from app.costs.timings import Timings
from app.records.params import AskedFolder, AskedGrid, AskedRecipe, AskedWish, Digest, FolderOrder, GridOrder, JobParams
from app.visitors.uploads import Kept, Uploads
from foundation.errors import StudioError
from foundation.jobs.store.model import Cost, JobRequest
from foundation.record import Maybe
from generator.priors.operators import Size
from generator.recipes.recipe import Recipe

UNKNOWN_HOURS = 1.0
"""What a job counts of which nothing can be told before it runs, such as an evaluation."""


AT_MOST = "at_most_seconds"
"""Where the parameters of an evaluation have what it takes if no image breaks."""


def at_most(seconds: float) -> Cost:
    """The cost of a job that takes so long if nothing ends early; where jobs have to be few it counts as any."""
    return Cost(hours=min(UNKNOWN_HOURS, seconds / 3600), at_most=seconds)


class _Costly(JobParams):
    """What the cost of any job depends on that makes pictures; the handler of its kind judges the rest."""

    recipe: AskedRecipe
    source: Maybe[Digest] = None
    explore: Maybe[AskedWish] = None
    folder: Maybe[AskedFolder] = None
    grid: Maybe[AskedGrid] = None


def cost_of(request: JobRequest, uploads: Uploads, timings: Timings) -> Cost:
    """The memory and the hours of a job, by what its device has taken so far.

    Raises:
        StudioError: its recipe, its photo or what it is to find out cannot be used.
    """
    seconds = request.params.get(AT_MOST)
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < math.inf:
        return at_most(float(seconds))
    if not isinstance(request.params.get("recipe"), Mapping):
        return Cost(hours=UNKNOWN_HOURS, known=False)
    asked = _Costly.asked(request.params)
    extras = Extras.of(asked.explore)
    if asked.folder is not None:
        return _folder_cost(asked.recipe, extras, asked.folder, request, uploads, timings)
    photo = _size(uploads, asked.source, request.owner) if asked.source else None
    if asked.grid is not None:
        return _grid_cost(asked.recipe, asked.grid, photo, request.device, timings)
    cost = timings.cost(asked.recipe, request.device, photo, extras)
    return Cost(cost.bytes, cost.seconds / 3600)


def _grid_cost(recipe: Recipe, order: GridOrder, photo: Size | None, device: str, timings: Timings) -> Cost:
    """Of cell after cell: their hours together, and the memory of the largest. StudioError names one that is none."""
    cells = [cell.recipe for cell in order.grid(recipe).cells]
    cost = together(cells, lambda cell: timings.cost(cell, device, photo))
    return Cost(cost.bytes, cost.seconds / 3600)


def _folder_cost(
    recipe: Recipe, extras: Extras, folder: FolderOrder, request: JobRequest, uploads: Uploads, timings: Timings
) -> Cost:
    """Of one photo after another: their hours together, and the memory of the largest.

    A photo that cannot be attacked is left out by the job, and costs nothing; StudioError if none can be.
    """
    costs, refusals = [], []
    for size, photos in Counter(_sizes(folder, request.owner, uploads)).items():
        try:
            cost = timings.cost(recipe.with_changes(images=1), request.device, size, extras)
        except StudioError as error:
            refusals.append(error)
        else:
            costs.append(Cost(cost.bytes, photos * cost.seconds / 3600))
    if refusals and not costs:
        raise refusals[0]
    attacks = 2 if folder.alone else 1  # the models alone take about as long as all of them together
    return Cost(max((cost.bytes for cost in costs), default=0), attacks * sum(cost.hours for cost in costs))


def _sizes(folder: FolderOrder, owner: str, uploads: Uploads) -> Iterator[Size]:
    """Of the photos of a folder that are still here."""
    for photo in folder.photos:
        with suppress(StudioError):
            yield _size(uploads, photo.digest, owner)


def _size(uploads: Uploads, digest: str, owner: str) -> Size:
    """Height and width of a picture. StudioError if it is no longer here."""
    width, height = uploads.size(Kept(owner, digest))
    return height, width
