"""What a result is, in one line that tells it from others: on which models, within what budget, what came out.

Pure functions of a snapshot and the titles of models; they read parameters of every version that wrote any.
"""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import JsonValue

from app.evaluation.order import EVALUATION, Headline, headline_of
from app.records.params import GridOrder
from app.records.pictures import pictures_of
from app.ui.evaluation.markup import share
from foundation.jobs.store.model import JobSnapshot, JobStatus
from generator.grids.axis import title_of

KIND_WORDS = {
    "text": "Text to image",
    "image": "Class to image",
    "attack": "Attack",
    "grid": "Grid",
    EVALUATION: "Evaluation",
}
"""The kinds of jobs whose results are shown, as people call them."""
_SENTENCE = 90
_MODELS = 2


T = TypeVar("T")
_NONE: tuple[str, ...] = ()
logger = logging.getLogger("crossmax.ui")


def as_far_as_readable(otherwise: T) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Make a function of a job answer `otherwise` where what is written of it has another form than is known.

    So a record that is damaged, or was written by another program, keeps nobody from seeing all the others.
    """

    def decorate(read: Callable[..., T]) -> Callable[..., T]:
        @functools.wraps(read)
        def safe(job: JobSnapshot, *args: Any) -> T:
            try:
                return read(job, *args)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                logger.warning("what is written of job %s is not read by %s", job.id, read.__name__, exc_info=True)
                return otherwise

        return safe

    return decorate


def recipe_of(job: JobSnapshot) -> Mapping[str, Any]:
    """The recipe of a result as it was carried out, or as it was asked for; {} where there is none."""
    for place in (job.result or {}, job.params):
        recipe = place.get("recipe")
        if isinstance(recipe, Mapping):
            return recipe
    return {}


def config_of(job: JobSnapshot) -> Mapping[str, JsonValue]:
    """What an evaluation was told to do; {} of other results."""
    config = job.params.get("config") if job.kind == EVALUATION else None
    return config if isinstance(config, Mapping) else {}


@as_far_as_readable(_NONE)
def models_of(job: JobSnapshot) -> tuple[str, ...]:
    """The names of the models that a result was made with, or made against."""
    evaluated = config_of(job).get("model")
    return (str(evaluated),) if evaluated else tuple(map(str, recipe_of(job).get("models") or ()))


@as_far_as_readable(_NONE)
def said_of(job: JobSnapshot) -> tuple[str, ...]:
    """The prompts, classes, captions and units of a result; the data and attacks of an evaluation."""
    recipe = recipe_of(job)
    texts = [recipe.get(name) for name in ("prompt", "prompt_to", "unit")]
    for name in ("negative", "captions"):
        found = recipe.get(name)
        texts += found if isinstance(found, list) else [found]
    texts += list(recipe.get("classes") or ())
    texts += axis_words(job)
    config = config_of(job)
    suites = config.get("suites")
    texts += [config.get("data"), *(suites if isinstance(suites, list) else ())]
    return tuple(str(text) for text in texts if text)


def axis_words(job: JobSnapshot) -> list[str]:
    """The axes of a grid with their values; [] of other results."""
    if "grid" not in job.params:
        return []
    order = GridOrder.model_validate(job.params["grid"])
    return [f"{title_of(axis.field)}: {', '.join(axis.values)}" for axis in (order.x, order.y)]


def line(job: JobSnapshot, titles: Mapping[str, str]) -> str:
    """Models, budget and outcome, as far as there are any."""
    parts = (model_words(models_of(job), titles), budget_words(job), outcome_words(job))
    return " \u00b7 ".join(part for part in parts if part)


def model_words(models: Sequence[str], titles: Mapping[str, str]) -> str:
    """``on A and B``, or ``on A, B and 3 more``."""
    names = [titles.get(name, name) for name in models]
    if not names:
        return ""
    shown, more = names[:_MODELS], len(names) - _MODELS
    return f"on {', '.join(shown)} and {more} more" if more > 0 else f"on {' and '.join(shown)}"


@as_far_as_readable("")
def budget_words(job: JobSnapshot) -> str:
    """How far a photo may be changed, and in how many steps, or how many photos; of a picture from nothing its size."""
    if job.kind == EVALUATION:
        config = config_of(job)
        own = job.params.get("images")
        count, eps = len(own) if isinstance(own, list) and own else config.get("count"), config.get("eps")
        photos = "1 image" if count == 1 else f"{count:,} images" if isinstance(count, int) and count else "all images"
        return f"L-inf {255 * eps:.4g}/255, {photos}" if isinstance(eps, int | float) else photos
    recipe = recipe_of(job)
    eps, norm = float(recipe.get("eps") or 0.0), recipe.get("norm")
    bound = {"linf": f"L-inf {255 * eps:.4g}/255", "l2": f"L2 {eps:.4g}"}.get(str(norm), "")
    size = (job.result or {}).get("size") or recipe.get("size")
    if not bound and isinstance(size, list | tuple) and len(size) == 2:
        bound = f"{size[1]} x {size[0]}"
    steps = recipe.get("steps")
    return ", ".join(part for part in (bound, f"{steps} steps" if steps else "") if part)


@as_far_as_readable("")
def outcome_words(job: JobSnapshot) -> str:
    """What came out, as far as it was measured; why there is nothing, where that is so."""
    if job.status is JobStatus.FAILED:
        error = job.error or "it did not work"
        return error if len(error) <= _SENTENCE else f"{error[: _SENTENCE - 1].rstrip()}\u2026"
    if job.kind == EVALUATION:
        headline = headline_of(Headline.of(job.result))
        return f"{headline[0]} {share(headline[1].accuracy)}" if headline else ""
    result = job.result or {}
    if {"folder", "grid"} & job.params.keys():
        return "" if not result else "complete" if result.get("complete") else "not complete"
    images = pictures_of(job)
    if not images:
        return ""
    success = [one for image in images for one in image.success.values()]
    if success:
        words = "fooled" if job.kind == "attack" else "recognised by"
        return f"{words} {sum(success)} of {len(success)}"
    matches = [one for cosines in (images[0].cosines or {}).values() for one in cosines]
    first = next((one for one in matches if one.role == "prompt"), None)
    if first is None or first.before is None or first.after is None:
        return ""
    return f"match {first.before:.2f} \u2192 {first.after:.2f}"
