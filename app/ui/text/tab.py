"""The tab *Text to image*: say what you want to see, and watch it form."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from app.ui.grids.panel import GridPanel
from app.ui.grids.section import Form, GridBase, GridSection
from app.ui.markup import stage
from app.ui.text import results as text_results
from app.ui.text.actions import TextActions, picture_of
from app.ui.text.inputs import TASK, Order, TextInputs
from app.ui.text.sources import Values
from app.ui.text.vocabulary import examples_for, leading_hint, refuse_unknown_prompts, unknown_hint
from app.ui.widgets.class_choice import refuse_unknown
from app.ui.widgets.cost_line import CostLine
from app.ui.widgets.forms import FormError
from app.ui.widgets.layers import LayerView
from app.ui.widgets.models import usable
from app.ui.widgets.opened import build_repeating, opened_words
from app.ui.widgets.opinions import OpinionView
from app.ui.widgets.seed import SeedInput
from app.ui.widgets.spectrum import SpectrumView
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.services import Studio
from app.visitors.uploads import Kept
from foundation.jobs.store.model import JobSnapshot
from generator.recipes.presets import presets_of
from generator.recipes.recipe import Recipe

TITLE_LENGTH = 60


class TextTab:
    """Widgets and events of the tab.

    Args:
        studio: what the page works with.
        owner: the browser's state that holds the owner's token.
    """

    def __init__(self, studio: Studio, owner: gr.BrowserState) -> None:
        self.studio = studio
        self.owner = owner
        self.inputs = TextInputs(studio)
        self.panel = GridPanel(
            studio,
            kind="text",
            task=TASK,
            blank=stage.empty_stage(
                "Say what you want to see, and watch it form",
                "A model that compares pictures with words says what to change, at every resolution at once: first "
                "one colour, then 2 by 2 cells, then 4 by 4. Nothing is looked up anywhere.",
            ),
            start_label="Show me",
            done_view=lambda job: text_results.text_view(job, studio.media, studio.titles(), 0),
            more_view=lambda job: text_results.text_more(job, studio.titles(), 0),
            owner=owner,
        )
        self.layers = LayerView(studio, "text-layers", chooser=False)
        self.spectrum = SpectrumView(studio)
        self.opinions = OpinionView(studio)
        self.actions = TextActions(self.panel, self.inputs, self._submit)
        self.cost = CostLine(studio, TASK, self.inputs.costly, self.inputs.start.photo)
        self.grid = GridSection(studio, TASK, self.panel)

    def build(self) -> None:
        """Create the widgets."""
        with gr.Row(elem_classes=["cx-desk", "cx-text-tab"], equal_height=False):
            with gr.Column(elem_classes="cx-stage-column"):
                self.panel.build(between=self._build_below_the_stage)
                self.spectrum.build()
                self.opinions.build()
            with gr.Column(elem_classes="cx-controls"):
                self.inputs.build_prompts()
                self.create = gr.Button(
                    "Create", variant="primary", interactive=False, elem_classes="cx-create", elem_id="text-create"
                )
                self.inputs.build_models()
                self.preset = gr.Radio(
                    self.cost.presets(self.inputs.at_first()),
                    value=self.inputs.preset_name,
                    label="How much care",
                    info=presets_of(TASK)[self.inputs.preset_name].description,
                    elem_classes=["cx-chips", "cx-costs"],
                    elem_id="text-preset",
                )
                self.inputs.build_numbers()
                self.cost.build()
                self.grid.build()
                self.inputs.build_advanced()
                self.repeat, self.reset = build_repeating("text")
        for part in (self.actions, self.layers, self.spectrum, self.opinions):
            self.panel.also(part.outputs, part.follow)

    def _build_below_the_stage(self) -> None:
        self.actions.build()
        self.layers.build()

    @property
    def seed(self) -> SeedInput:
        """The seed."""
        return self.inputs.seed

    @property
    def with_recipe(self) -> gr.Checkbox:
        """Whether the files carry their recipe."""
        return self.inputs.with_recipe

    # ------------------------------------------------------------------ arriving

    @property
    def arrivals(self) -> list[Any]:
        """What ``arrive`` changes."""
        return [self.create, self.preset, *self.inputs.outputs]

    def arrive(self) -> Updates:
        """Updates for somebody who has just opened the page."""
        return {
            self.create: gr.Button(interactive=True),
            self.preset: gr.Radio(choices=self.cost.presets(self.inputs.at_first())),
            **self.inputs.refresh(),
        }

    # ------------------------------------------------------------------ events

    def wire(self) -> None:
        """Connect the events."""
        guard = guarded(self.panel.notice)
        inputs = self.inputs
        for one in (inputs.start.photo, inputs.target.picture, inputs.style.picture):
            self.panel.also_discard(one.name, one.outputs, one.clear_if_gone)
        self.panel.wire()
        for part in (self.layers, inputs.seed):
            part.wire()
        for bringing in (self.spectrum, inputs.start, inputs.target.picture, inputs.style.picture):
            bringing.wire(self.owner)
        self.actions.wire(inputs.start_fold)
        asked = {self.owner, *inputs.components}

        def create(values: dict[Any, Any]) -> Updates:
            return self._submit(inputs.read(values), values[self.owner], "")

        def show(values: dict[Any, Any]) -> Updates:
            prompt = examples_for(inputs.infos([values[inputs.models.choice]]))[0]
            order = inputs.read(values, prompt=prompt)
            return {inputs.prompt: order.recipe.prompt, **self._submit(order, values[self.owner], "")}

        shown = "() => window.cxShowStage('text')"
        for event in (self.create.click, inputs.prompt.submit):
            event(guard(create), asked, self.panel.outputs, **QUICK).then(fn=None, js=shown)
        outputs = [*self.panel.outputs, inputs.prompt]
        self.panel.start.click(guard(show), asked, outputs, **QUICK).then(fn=None, js=shown)

        def pick(job_id: str, owner: Any, event: gr.EventData) -> Updates:
            what, _, number = str(event.pick).partition(":")
            snapshot = self.panel.find(job_id, owner)
            index = int(number) if what == "image" and number.isdecimal() else 0
            return self._choose(snapshot, index)

        chosen = [*self.actions.outputs, *self.layers.outputs, *self.spectrum.outputs, *self.opinions.outputs]
        self.panel.stage.select(
            guard(pick),
            [self.panel.job, self.owner],
            [self.panel.notice, self.panel.stage, self.panel.more, *chosen],
            **QUICK,
        )
        self.opinions.wire(
            [self.panel.job, self.actions.index, self.owner],
            lambda job_id, index, owner: picture_of(self.panel.find(job_id, owner), index),
        )
        self._wire_fields(guard)
        self.grid.wire(
            self.owner,
            Form(
                tuple(inputs.components),
                self._grid_base,
                self._check_cell,
                self.fill,
                tuple(self.filled),
                self.with_recipe,
            ),
        )

    def _grid_base(self, values: Values, given: Mapping[str, str]) -> GridBase:
        """What the form asks for; prompts that it leaves empty are those of an axis."""
        inputs = self.inputs
        texts = {"prompt": inputs.prompt, "negative": inputs.negative, "against": inputs.against}
        named = {texts[name]: text for name, text in given.items() if name in texts and not values[texts[name]]}
        order = inputs.read({**values, **named})
        return GridBase(order.recipe, order.pictures, order.with_recipe)

    def _check_cell(self, recipe: Recipe) -> None:
        """Refuse a recipe that no picture can be made of here. StudioError says why."""
        readers = [name for name in recipe.models if not self.studio.class_names(name)]
        for name in recipe.models:
            if name in readers:
                self.inputs.models.check(name)
            else:
                usable(self.studio.classifier(name), name)
        if not readers:
            raise FormError("None of these models reads texts: name a CLIP model, too.")
        refuse_unknown(self.studio, recipe.models, recipe.classes)
        refuse_unknown_prompts(recipe, self.inputs.infos(readers))

    def _wire_fields(self, guard: Any) -> None:
        inputs, notice = self.inputs, self.panel.notice
        models: list[Any] = [inputs.models.choice, inputs.models.others]

        leaders: list[Any] = [inputs.classes.classifiers, inputs.classes.classes]

        def hint(
            prompt: str, negative: str, model: str, others: list[str] | None, chosen: list[str] | None, named: str
        ) -> Updates:
            infos = inputs.infos([model, *(others or ())])
            names = {name: self.studio.class_names(name) for name in (() if named else chosen or ())}
            led = leading_hint(prompt or "", names, self.studio.titles())
            return {inputs.hint: unknown_hint([prompt or "", negative or ""], infos) + led}

        for words in (inputs.prompt, inputs.negative, *models, *leaders):
            words.change(
                guarded(notice, keep=True)(hint),
                [inputs.prompt, inputs.negative, *models, *leaders],
                [notice, inputs.hint],
                trigger_mode="always_last",
                **QUICK,
            )

        def choose_model(model: str) -> Updates:
            return inputs.describe(model)

        described = [notice, *inputs.models.outputs, inputs.vocabulary, inputs.examples]
        inputs.models.choice.input(guard(choose_model), [inputs.models.choice], described, **QUICK)

        self.grid.follow_cost(self.cost)
        self.cost.wire(notice, inputs.costly_components, self.preset, self.panel.changed, self.owner)

        def say(event: gr.EventData) -> Updates:
            return {inputs.prompt: str(event.pick)}

        for listed in (inputs.examples, inputs.vocabulary):
            listed.select(guard(say), None, [notice, inputs.prompt], **QUICK)
        self._wire_recipes(guard)

    def _wire_recipes(self, guard: Any) -> None:
        inputs, notice = self.inputs, self.panel.notice

        def choose_preset(name: str | None, negative: str, photo: Kept | None) -> Updates:
            if name is None or name not in presets_of(TASK):
                return {}
            recipe = inputs.preset_recipe(name, start_std=0.0) if photo else inputs.preset_recipe(name)
            # Only words of a preset, and no one's own, give way to those of another.
            presets = {preset.overrides.get("negative", "") for preset in presets_of(TASK).values()}
            ours = (negative or "").strip() in presets
            return {
                self.preset: gr.Radio(info=presets_of(TASK)[name].description),
                **({inputs.negative: recipe.negative} if ours else {}),
                **inputs.fields.updates(recipe.model_dump()),
            }

        self.preset.input(
            guard(choose_preset),
            [self.preset, inputs.negative, inputs.start.photo.name],
            [notice, self.preset, inputs.negative, *inputs.fields.components],
            **QUICK,
        )

    @property
    def filled(self) -> list[Any]:
        """What ``fill`` changes."""
        return [self.panel.notice, self.preset, *self.inputs.outputs]

    def fill(self, recipe: Recipe, owner: str) -> Updates:
        """Updates that put a recipe into the widgets, and say which of its pictures have to be brought.

        Raises:
            StudioError: it belongs to another tab, or its models cannot be used here.
        """
        updates, missing = self.inputs.fill(recipe, owner)
        words = opened_words(updates[self.inputs.opened], missing, self.studio)
        return {**updates, self.preset: gr.Radio(value=None, info="As the picture says."), self.panel.notice: words}

    def _submit(self, order: Order, owner: Any, suffix: str) -> Updates:
        return self.panel.submit(order.params.to_json(), title_of(order.recipe) + suffix, owner)

    def _choose(self, snapshot: JobSnapshot, index: int) -> Updates:
        """Show another picture of a finished job."""
        media, titles = self.studio.media, self.studio.titles()
        return {
            **self.panel.redraw(
                snapshot,
                lambda job: text_results.text_view(job, media, titles, index),
                lambda job: text_results.text_more(job, titles, index),
            ),
            **self.actions.follow(snapshot),
            self.actions.index: index,
            **self.layers.show(snapshot, index),
            **self.spectrum.show(snapshot, index),
            **self.opinions.reset(),
        }


def title_of(recipe: Recipe) -> str:
    """A short name for a job: ``a frog, seed 3``."""
    said = recipe.prompt or "a picture like another"
    if recipe.prompt_to:
        said = f"{said} to {recipe.prompt_to}"
    short = said if len(said) <= TITLE_LENGTH else f"{said[: TITLE_LENGTH - 1].rstrip()}\u2026"
    return f"{short}, seed {recipe.seed}"
