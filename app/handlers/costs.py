"""What a job would cost, told from its parameters alone: asked before it joins the queue."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from app.costs.estimates import NOTHING_MORE, Extras
from app.costs.timings import Timings
from app.handlers.exploring import Wish
from app.visitors.uploads import Kept, Uploads
from foundation.command_line.settings import validated
from foundation.errors import StudioError
from foundation.jobs.store.model import Cost, JobRequest
from generator.priors.operators import Size
from generator.recipes.recipe import Recipe

UNKNOWN_HOURS = 1.0
"""What a job counts of which nothing can be told before it runs, such as an evaluation."""


def cost_of(request: JobRequest, uploads: Uploads, timings: Timings) -> Cost:
    """The memory and the hours of a job, by what its device has taken so far.

    Raises:
        StudioError: its recipe, its photo or what it is to find out cannot be used.
    """
    params = request.params
    if not isinstance(params.get("recipe"), Mapping):
        return Cost(hours=UNKNOWN_HOURS)
    recipe = Recipe.model_validate(params["recipe"])
    explore = params.get("explore")
    extras = NOTHING_MORE if explore is None else validated(Wish, explore).extras()
    folder = params.get("folder")
    if isinstance(folder, Mapping):
        return _folder_cost(recipe, extras, folder, request, uploads, timings)
    source = params.get("source")
    photo = _size(uploads, str(source), request.owner) if source else None
    cost = timings.cost(recipe, request.device, photo, extras)
    return Cost(cost.bytes, cost.seconds / 3600)


def _folder_cost(
    recipe: Recipe, extras: Extras, folder: Mapping[str, Any], request: JobRequest, uploads: Uploads, timings: Timings
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
    attacks = 2 if folder.get("alone") else 1  # the models alone take about as long as all of them together
    return Cost(max((cost.bytes for cost in costs), default=0), attacks * sum(cost.hours for cost in costs))


def _sizes(folder: Mapping[str, Any], owner: str, uploads: Uploads) -> Iterator[Size]:
    """Of the photos of a folder that are still here."""
    for photo in folder.get("photos", ()):
        with suppress(StudioError):
            yield _size(uploads, str(photo["digest"]), owner)


def _size(uploads: Uploads, digest: str, owner: str) -> Size:
    """Height and width of a picture. StudioError if it is no longer here."""
    width, height = uploads.size(Kept(owner, digest))
    return height, width
