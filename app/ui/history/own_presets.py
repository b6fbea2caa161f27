"""Presets of a visitor's own: the settings of a result under a name, to fill a tab in with again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.ui.history.words import recipe_of
from app.ui.history.your_results import YourResults
from app.ui.markup import markup
from app.ui.widgets.forms import FormError
from app.ui.widgets.job_panel import owner_token
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.services import Studio
from foundation.errors import StudioError
from generator.recipes.recipe import Recipe

TASKS = {"text": "text", "class": "class", "attack": "attack"}
"""The tasks of recipes, as the menu calls them."""


@dataclass
class OwnPresets:
    """The menu, and the button in the editor of a result that adds to it.

    Args:
        studio: what the page works with.
        owner: the browser's state that holds the owner's token.
    """

    studio: Studio
    owner: gr.BrowserState

    def build(self) -> None:
        """Create the widgets."""
        with gr.Accordion("Presets of your own", open=False, elem_id="presets"):
            gr.HTML(
                '<p class="cx-hint">Keep the settings of a result by its "edit"; here they fill its tab in again.</p>',
                apply_default_css=False,
            )
            self.choice = gr.Dropdown([], value=None, label="Preset", elem_id="presets-choice")
            with gr.Row(elem_classes="cx-actions"):
                self.use = gr.Button("Fill in", size="md", elem_id="presets-use")
                self.delete = gr.Button("Delete it", size="md", elem_id="presets-delete")

    @property
    def outputs(self) -> list[Any]:
        """What ``show`` changes."""
        return [self.choice]

    def arrive(self, owner: str) -> Updates:
        """The same for somebody who has just opened the page: also where the database is away."""
        try:
            return self.show(owner)
        except StudioError:
            return {}

    def show(self, owner: str) -> Updates:
        """The update that lists an owner's presets, with none of them chosen."""
        found = self.studio.jobs.history.presets(owner)
        choices = [(f"{one.name} ({TASKS.get(one.kind, one.kind)})", one.id) for one in found]
        return {self.choice: gr.Dropdown(choices=choices, value=None)}

    def wire(self, results: YourResults, fill: Callable[[Recipe, str], Updates], filled: Sequence[Any]) -> None:
        """Connect the events; ``fill`` puts a recipe into the widgets of its tab, which are among ``filled``."""
        guard = guarded(results.notice)
        history = self.studio.jobs.history

        def keep(state: Any, job_id: str, name: Any) -> Updates:
            owner = owner_token(state)
            recipe = recipe_of(results.own(job_id, owner))
            if recipe.get("task") not in TASKS:
                raise FormError("This result has no recipe whose settings could be kept.")
            history.keep_preset(owner, str(recipe["task"]), name if isinstance(name, str) else "", recipe)
            said = markup.notice("Kept among the presets of your own, under this title.", tone="good")
            return {results.notice: said, **self.show(owner)}

        inputs = [self.owner, results.edited, results.title]
        results.keep_preset.click(guard(keep), inputs, [results.notice, self.choice], **QUICK)

        def use(state: Any, chosen: Any) -> Updates:
            owner = owner_token(state)
            preset = next((one for one in history.presets(owner) if one.id == chosen), None)
            if preset is None:
                raise FormError("Choose one of your presets first.")
            return fill(Recipe.model_validate(preset.settings), owner)

        outputs = list(dict.fromkeys([results.notice, *filled]))
        self.use.click(guard(use), [self.owner, self.choice], outputs, **QUICK).success(
            fn=None, js="() => window.scrollTo({top: 0, behavior: 'smooth'})"
        )

        def delete(state: Any, chosen: Any) -> Updates:
            owner = owner_token(state)
            if not chosen:
                raise FormError("Choose one of your presets first.")
            history.delete_preset(owner, str(chosen))
            return self.show(owner)

        self.delete.click(guard(delete), [self.owner, self.choice], [results.notice, self.choice], **QUICK)
