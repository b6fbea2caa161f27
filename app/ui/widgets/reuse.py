"""The settings of a result: put into its form again, with or without the seed, run once more, or copied."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import JsonValue

from app.evaluation.order import EVALUATION
from app.evaluation.service import FOLDER
from app.handlers.grids import goes_on
from app.records.params import GridParams
from app.ui.markup.copying import COPY_JS, copy_as, copy_grid_as
from app.ui.widgets.forms import FormError
from app.ui.wiring.guard import Updates
from foundation.errors import StudioError
from foundation.jobs.store.model import JobSnapshot, JobStatus
from generator.recipes.recipe import Recipe

USE, USE_BUT_SEED, AGAIN = "use", "use-but-seed", "again"
"""What the buttons of a result ask for."""
WORDS: Mapping[str, str] = {USE: "Use these settings", USE_BUT_SEED: "All but the seed", AGAIN: "Run again"}
GO_ON = "Go on with the rest"
"""What running again is called where a part is there already."""
PICTURES = ("source", "target", "style", "mask")


def offers(job: JobSnapshot) -> tuple[str, ...]:
    """Which of these a result offers: what has not ended offers none, what was cut short or failed can run again."""
    if not job.status.finished or job.status is JobStatus.DISCARDED:
        return ()
    settings = (USE, USE_BUT_SEED) if job.params.get("recipe") else (USE,) if job.kind == EVALUATION else ()
    cut_short = job.status is JobStatus.STOPPED and (job.kind == EVALUATION or goes_on(job.params, job.result))
    return (*settings, AGAIN) if job.status in (JobStatus.INTERRUPTED, JobStatus.FAILED) or cut_short else settings


def words_of(act: str, job: JobSnapshot) -> str:
    """What the button of a result says that asks for this."""
    return GO_ON if act == AGAIN and _keeps_what_is_there(job) else WORDS[act]


def params_again(job: JobSnapshot) -> dict[str, JsonValue]:
    """What a job is told that does once more what this one was to do; what is there of a grid, or of an evaluation, is
    kept."""
    return {**job.params, "continues": job.id} if _keeps_what_is_there(job) else job.params


def _keeps_what_is_there(job: JobSnapshot) -> bool:
    return "grid" in job.params or (job.kind == EVALUATION and (Path(job.folder) / FOLDER).is_dir())


def settings_of(job: JobSnapshot) -> Recipe:
    """The recipe of a result as it was carried out, else as it was asked for, with the digests of its pictures.

    Raises:
        StudioError: it has none, or one that this program does not understand.
    """
    return recipe_with_pictures((job.result or {}).get("recipe") or job.params.get("recipe"), job)


def recipe_with_pictures(found: Any, job: JobSnapshot) -> Recipe:
    """A recipe as it is written, with the digests of the pictures that a job was told. StudioError: it is none."""
    if not isinstance(found, Mapping):
        raise FormError("This result has no recipe whose settings could be used.")
    recipe = Recipe.model_validate(dict(found))
    brought = {name: str(job.params.get(name) or "") for name in PICTURES if not getattr(recipe, name)}
    return recipe.with_changes(**{name: digest for name, digest in brought.items() if digest})


def copies_of(job: JobSnapshot) -> str:
    """What can be copied of a finished result, as markup: what makes the same picture elsewhere; "" where nothing is.

    What was asked for makes the picture again; what became of it on the way is the same each time.
    """
    if job.status not in (JobStatus.DONE, JobStatus.STOPPED) or "folder" in job.params:
        return ""
    try:
        recipe = recipe_with_pictures(job.params.get("recipe"), job)
        if "grid" in job.params:
            return copy_grid_as(GridParams.asked(job.params).grid.grid(recipe))
    except StudioError:
        return ""
    return copy_as(recipe, whole=job.status is JobStatus.DONE)


class ReuseButtons:
    """The buttons under a result that stands on a stage.

    Args:
        prefix: of the ids on the page.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def build(self) -> None:
        """Create the buttons; they are not there before there is a result."""
        with gr.Row(elem_classes="cx-actions"):
            self.buttons = {
                act: gr.Button(words, visible=False, size="md", elem_id=f"{self._prefix}-{act}-settings")
                for act, words in WORDS.items()
            }
        self.copies = gr.HTML("", elem_id=f"{self._prefix}-copy", apply_default_css=False, js_on_load=COPY_JS)

    @property
    def outputs(self) -> list[Any]:
        """What ``follow`` changes."""
        return [*self.buttons.values(), self.copies]

    def follow(self, job: JobSnapshot | None) -> Updates:
        """Show what the result on the stage offers."""
        offered = () if job is None else offers(job)
        shown: Updates = {
            button: gr.Button(value=WORDS[act] if job is None else words_of(act, job), visible=act in offered)
            for act, button in self.buttons.items()
        }
        return {**shown, self.copies: "" if job is None else copies_of(job)}
