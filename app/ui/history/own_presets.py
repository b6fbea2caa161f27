"""Presets of a visitor's own: the settings of a result under a name, to fill a tab in with again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.records.presets import FILE_NAME, MOST_BYTES, PresetFile
from app.ui.history.words import recipe_of
from app.ui.history.your_results import YourResults
from app.ui.markup import markup
from app.ui.widgets.forms import FormError
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from app.visitors.exports import FOLDER, export_file
from app.visitors.upload_files import brought
from foundation.errors import StudioError
from foundation.files.text_files import read_bytes
from foundation.jobs.store.owners import NamedSettings
from generator.recipes.recipe import Recipe

KEEP_BOTH, REPLACE = "both", "replace"
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
                self.export = gr.Button("Export all", size="md", elem_id="presets-export")
                self.bring = gr.UploadButton("Import a file", size="md", elem_id="presets-import")
            self.clash = gr.Radio(
                [("keep both, the new one with a number", KEEP_BOTH), ("replace mine", REPLACE)],
                value=KEEP_BOTH,
                label="When a name that is imported is taken",
                elem_id="presets-clash",
            )
            self.said = gr.HTML("", elem_id="presets-said", elem_classes="cx-notice-area", apply_default_css=False)

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
            fn=None, js="() => window.cxToTop()"
        )

        def delete(state: Any, chosen: Any) -> Updates:
            owner = owner_token(state)
            if not chosen:
                raise FormError("Choose one of your presets first.")
            history.delete_preset(owner, str(chosen))
            return self.show(owner)

        self.delete.click(guard(delete), [self.owner, self.choice], [results.notice, self.choice], **QUICK)
        self._wire_files()

    def _wire_files(self) -> None:
        guard = guarded(self.said)
        history = self.studio.jobs.history

        def export(state: Any) -> Updates:
            return {self.said: self._exported(owner_token(state))}

        self.export.click(guard(export), [self.owner], [self.said], **QUICK)

        def bring(file: Any, clash: Any, state: Any) -> Updates:
            if not isinstance(file, str):
                raise FormError("Choose a file of presets that 'Export all' saved.")
            with brought(file) as path:
                found = PresetFile.read(read_bytes(path, "file of presets", most=MOST_BYTES + 1)).judged()
            owner = owner_token(state)
            kept = history.keep_presets(owner, found, replace=clash == REPLACE)
            return {self.said: markup.notice(_kept_words(found, [name for _, name in kept]), tone="good")} | self.show(
                owner
            )

        inputs = [self.bring, self.clash, self.owner]
        self.bring.upload(guard(bring), inputs, [self.said, self.choice], **QUICK)

    def _exported(self, owner: str) -> str:
        """A link to all presets of an owner as one file. FormError: there are none."""
        presets = self.studio.jobs.history.presets(owner)
        if not presets:
            raise FormError('You keep no presets yet: keep the settings of a result first, by its "edit".')
        path = export_file(PresetFile.of(presets).write(), ".json", self.studio.uploads.root.with_name(FOLDER), owner)
        link = markup.download_link(self.studio.media.url(path), FILE_NAME, "Download JSON")
        words = f"{_presets(len(presets))} in one file, for another browser or studio. It is there for an hour."
        return f'<div class="cx-notice cx-good" role="status"><p>{markup.text(words)}</p>{link}</div>'


def _presets(count: int) -> str:
    return "One preset" if count == 1 else f"{count} presets"


def _kept_words(found: Sequence[NamedSettings], names: Sequence[str]) -> str:
    """What was imported, and which of it got another name."""
    if not found:
        return "There are no presets in this file."
    renamed = [f"'{one.name}' as '{name}'" for one, name in zip(found, names, strict=True) if one.name != name]
    more = f" Names that were taken: {', '.join(renamed)}." if renamed else ""
    return f"{_presets(len(found))} imported.{more}"
