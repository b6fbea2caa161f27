"""What a job would cost, told from its parameters alone: asked before it joins the queue."""

from collections.abc import Mapping
from typing import Any

from app.jobs.model import Cost, JobRequest
from app.uploads import Kept, Uploads
from generator.cost import least_bytes, rough_seconds
from generator.errors import StudioError
from generator.recipe import Recipe

UNKNOWN_HOURS = 1.0
"""What a job counts of which nothing can be told before it runs, such as an evaluation."""


def cost_of(request: JobRequest, uploads: Uploads) -> Cost:
    """The memory and the hours of a job. StudioError: its recipe or its photo cannot be used."""
    fields = request.params.get("recipe")
    if not isinstance(fields, Mapping):
        return Cost(hours=UNKNOWN_HOURS)
    recipe = Recipe.model_validate(fields)
    size = _photo_size(request.params.get("source"), request.owner, uploads)
    hours = rough_seconds(recipe, size) / 3600
    folder = request.params.get("folder")
    photos = len(folder.get("photos", ())) if isinstance(folder, Mapping) else 1
    return Cost(least_bytes(recipe, size), hours * max(1, photos))


def _photo_size(digest: Any, owner: str, uploads: Uploads) -> tuple[int, int] | None:
    """Height and width of the photo that a job starts from."""
    try:
        width, height = uploads.size(Kept(owner, str(digest))) if digest else (0, 0)
    except StudioError:  # the job says so, in its turn
        return None
    return (height, width) if digest else None
