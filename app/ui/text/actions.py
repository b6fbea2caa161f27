"""What can be done with a finished picture of a text: go on with it, vary it, start from it, attack it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app.records.pictures import pictures_of, result_of
from app.ui.text.inputs import Order, TextInputs
from app.ui.widgets.forms import FormError
from app.ui.widgets.job_panel import JobPanel
from app.ui.widgets.seed import new_seed
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.visitors.uploads import Uploads
from foundation.jobs.store.model import JobSnapshot, JobStatus
from foundation.record import RecordError
from generator.recipes.recipe import Recipe

PICTURES = ("source", "target", "style", "mask")

Submit = Callable[[Order, Any, str], Updates]
"""(order, owner's state, what is added to the title) -> the updates that follow the new job."""


class TextActions:
    """Buttons under a finished picture; they are about the chosen one of several.

    Args:
        panel: where the job is followed.
        inputs: the widgets of the tab.
        submit: hands in a job.
    """

    def __init__(self, panel: JobPanel, inputs: TextInputs, submit: Submit) -> None:
        self._panel, self._inputs, self._submit = panel, inputs, submit

    def build(self) -> None:
        """Create the buttons; they are not there before there is a picture."""
        with gr.Column(visible=False, elem_id="text-after", elem_classes="cx-group") as self.area:
            with gr.Row(elem_classes="cx-actions"):
                self.more = gr.Button("Continue", size="md", elem_id="text-continue")
                self.vary = gr.Button("Vary", size="md", elem_id="text-vary")
                self.start = gr.Button("Use as start", size="md", elem_id="text-use")
                self.attack = gr.Button("Send to attack", size="md", elem_id="text-attack")
            self.words = gr.HTML("", apply_default_css=False)
        self.index = gr.State(0)

    @property
    def outputs(self) -> list[Any]:
        """What following a job changes."""
        return [self.area, self.more, self.words, self.index]

    def follow(self, snapshot: JobSnapshot | None) -> Updates:
        """Show the buttons for a finished job that has pictures."""
        hidden = {self.area: gr.Column(visible=False), self.index: 0}
        if snapshot is None or not has_pictures(snapshot):
            return hidden
        try:
            return {self.area: gr.Column(visible=True), self.index: 0, **self._describe(snapshot)}
        except RecordError:  # the stage says what is amiss
            return hidden

    def _describe(self, snapshot: JobSnapshot) -> Updates:
        recipe = _recipe(snapshot)
        steps = steps_to_go(snapshot)
        if recipe.prompt_to:
            return {self.more: gr.Button(visible=False), self.words: ""}
        if recipe.norm == "none":
            words = f"Continue takes this very picture {steps} steps further. Vary does the same again with a new seed."
        else:
            words = (
                f"Continue begins at the photo again, because its limit counts from there, and takes {steps} steps. "
                "Vary does the same again with a new seed."
            )
        return {
            self.more: gr.Button(value=f"Continue, {steps} steps", visible=True),
            self.words: f'<p class="cx-hint">{words}</p>',
        }

    def wire(self, fold: Any) -> None:
        """Connect the buttons of this tab; ``fold`` is opened where a start photo is chosen."""
        guard = guarded(self._panel.notice)
        job = [self._panel.job, self.index, self._panel.owner]

        def go_on(job_id: str, index: int, owner: Any) -> Updates:
            snapshot = self._panel.find(job_id, owner)
            return self._submit(continued(snapshot, index, self._inputs.studio.uploads), owner, ", continued")

        def vary(job_id: str, _index: int, owner: Any) -> Updates:
            order = varied(self._panel.find(job_id, owner), new_seed())
            return {**self._submit(order, owner, ""), self._inputs.seed.number: order.recipe.seed}

        def use(job_id: str, index: int, owner: Any) -> Updates:
            snapshot = self._panel.find(job_id, owner)
            taken = self._inputs.start.photo.take(picture_of(snapshot, index), snapshot.owner)
            return {**taken, fold: gr.Accordion(open=True)}

        followed = self._panel.outputs
        shown = "() => window.cxShowStage('text')"
        self.more.click(guard(go_on), job, followed, **QUICK).then(fn=None, js=shown)
        self.vary.click(guard(vary), job, [*followed, self._inputs.seed.number], **QUICK).then(fn=None, js=shown)
        start_outputs = [self._panel.notice, fold, *self._inputs.start.photo.outputs]
        self.start.click(guard(use), job, start_outputs, **QUICK).then(
            fn=None, js="() => document.getElementById('text-source-chosen')?.scrollIntoView({block: 'center'})"
        )


def has_pictures(snapshot: JobSnapshot) -> bool:
    """Whether a job has ended with pictures."""
    return snapshot.status in (JobStatus.DONE, JobStatus.STOPPED) and bool(pictures_of(snapshot))


def steps_to_go(snapshot: JobSnapshot) -> int:
    """How many steps Continue takes: those that were missing, or as many again; of a limited change, all of them."""
    recipe, result = _recipe(snapshot), result_of(snapshot)
    taken = 0 if result is None else result.recipe.steps
    missing = recipe.steps - taken
    if recipe.norm != "none":
        return recipe.steps if missing > 0 else 2 * recipe.steps
    return missing if missing > 0 else recipe.steps


def continued(snapshot: JobSnapshot, index: int, uploads: Uploads) -> Order:
    """What goes on with one picture of a job.

    The picture becomes the photo to start from, kept among the uploads, with no random pattern over it. Where the
    change of a photo is limited, the limit counts from that photo, so everything begins there again, for longer.
    """
    recipe, pictures, with_recipe = _recipe(snapshot), _pictures(snapshot), _with_recipe(snapshot)
    if recipe.prompt_to:
        raise FormError("Pictures on the way between two prompts cannot be continued: choose more steps instead.")
    seed, steps = recipe.seed + index, steps_to_go(snapshot)
    if recipe.norm != "none":
        return Order(recipe.with_changes(seed=seed, images=1, steps=steps), pictures, with_recipe)
    kept = uploads.bring(picture_of(snapshot, index), snapshot.owner).kept
    pictures["source"] = kept.digest
    return Order(
        recipe.with_changes(
            seed=seed, images=1, steps=steps, start_std=0.0, margin=0.0, colour="rgb", source=kept.digest
        ),
        pictures,
        with_recipe,
    )


def varied(snapshot: JobSnapshot, seed: int) -> Order:
    """The same again with another seed."""
    return Order(_recipe(snapshot).with_changes(seed=seed), _pictures(snapshot), _with_recipe(snapshot))


def picture_of(snapshot: JobSnapshot, index: int) -> Path:
    """The file of one picture of a job. FormError if there is none."""
    images = pictures_of(snapshot)
    if not 0 <= index < len(images):
        raise FormError("There is no picture to use: make one first.")
    return Path(snapshot.folder) / images[index].file


def _recipe(snapshot: JobSnapshot) -> Recipe:
    return Recipe.model_validate(snapshot.params["recipe"])


def _with_recipe(snapshot: JobSnapshot) -> bool:
    return snapshot.params.get("with_recipe") is not False


def _pictures(snapshot: JobSnapshot) -> dict[str, str]:
    return {name: str(snapshot.params[name]) for name in PICTURES if snapshot.params.get(name)}
