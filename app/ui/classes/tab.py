"""The tab *Class to image*: choose a class, or a unit of the network, and see it drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.records.params import ImageParams
from app.ui.classes.unit_choice import UNIT, UnitChoice
from app.ui.grids.panel import GridPanel
from app.ui.grids.section import Form, GridBase, GridSection
from app.ui.markup import results, stage
from app.ui.widgets.class_choice import ClassChoice, Wish, are_differing, by_number, offered, own_name, refuse_unknown
from app.ui.widgets.cost_line import Asked, CostLine
from app.ui.widgets.forms import (
    MOST_PICTURES,
    RecipeFields,
    advanced_fields,
    parse_mixture,
    to_widget,
    whole,
    write_mixture,
)
from app.ui.widgets.layers import LayerView
from app.ui.widgets.models import ModelPicker
from app.ui.widgets.opened import (
    Opened,
    build_repeating,
    made_again,
    open_with,
    opened_words,
    recipe_switch,
    refuse_absent_models,
    refuse_other_tasks,
)
from app.ui.widgets.seed import SeedInput
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.services import Studio
from generator.objectives.classes import usual_for_mixtures
from generator.recipes.presets import DEFAULT_PRESET, PRESETS, from_preset, presets_of
from generator.recipes.recipe import Recipe
from generator.synthesis.drawers import DRAWERS, shares_of

TASK = "class"
FIRST_CLASS = "goldfish"
"""Chosen at first where the model knows it."""


class ClassTab:
    """Widgets and events of the tab.

    Args:
        studio: what the page works with.
        owner: the browser's state that holds the owner's token.
    """

    def __init__(self, studio: Studio, owner: gr.BrowserState) -> None:
        self.studio = studio
        self.owner = owner
        self.presets = list(presets_of(TASK))
        self.start_recipe = from_preset(TASK, DEFAULT_PRESET[TASK])
        self.first, *self.beside = self._at_the_start(self.start_recipe.models[0])
        self.panel = GridPanel(
            studio,
            kind="image",
            task=TASK,
            blank=stage.empty_stage(
                "One picture, drawn at every resolution at once",
                "Start with a single colour, then 2 by 2 cells, then 4 by 4, and let the classifier say what to "
                "change. The line under the button says how long that takes here.",
            ),
            start_label="Show me",
            done_view=lambda job: results.image_view(job, studio.media),
            more_view=lambda job: results.image_more(job, studio.titles()),
            owner=owner,
        )
        self.layers = LayerView(studio)
        self.unit = UnitChoice(studio)
        self.seed = SeedInput("class", self.start_recipe.seed)
        weights = shares_of((self.first, *self.beside))
        self.fields = RecipeFields(
            advanced_fields(), {**self.start_recipe.model_dump(), "model_weights": weights}, "class"
        )
        self.cost = CostLine(studio, TASK, self.costly)
        self.grid = GridSection(studio, TASK, self.panel)

    def build(self) -> None:
        """Create the widgets."""
        recipe = self.start_recipe
        names = self.studio.class_names(self.first)
        first = next((name for name in (*recipe.classes, FIRST_CLASS) if name in names), next(iter(names), None))
        with gr.Row(elem_classes="cx-desk", equal_height=False):
            with gr.Column(elem_classes="cx-stage-column"):
                self.panel.build(between=self.layers.build)
            with gr.Column(elem_classes="cx-controls"):
                self.models = ModelPicker(self.studio, self.first, "class-model")
                self.models.build()
                self.unit.build_what()
                self.choice = ClassChoice(names, first, chips_id="class-chips", menu_id="class-menu")
                with gr.Column() as self.of_class:
                    self.choice.build()
                self.unit.build()
                self.preset = gr.Radio(
                    self.cost.presets(self.at_first()),
                    value=DEFAULT_PRESET[TASK],
                    label="How much care",
                    info=PRESETS[DEFAULT_PRESET[TASK]].description,
                    elem_classes=["cx-chips", "cx-costs"],
                    elem_id="class-preset",
                )
                self.seed.build()
                self.images = gr.Number(
                    recipe.images, label="Pictures", info=f"From 1 to {MOST_PICTURES}.", elem_id="class-images"
                )
                self.create = gr.Button(
                    "Create", variant="primary", interactive=False, elem_classes="cx-create", elem_id="class-create"
                )
                self.cost.build()
                self.grid.build()
                with gr.Accordion("Advanced", open=False, elem_classes="cx-fold"):
                    self.models.build_others(self.beside)
                    self.mixture = gr.Textbox(
                        label="Mixture",
                        info="Several classes and their shares, in place of the one above.",
                        placeholder="frog 60, ship 40",
                        elem_id="class-mixture",
                    )
                    self.with_recipe = recipe_switch("class")
                    self.fields.build()
                self.repeat, self.reset = build_repeating("class")
                self.opened = gr.State(None)
        self.panel.also(self.layers.outputs, self.layers.follow)

    def _at_the_start(self, otherwise: str) -> tuple[str, ...]:
        """The model that is chosen at first, and those beside it: the usual ones, if all are ready."""
        ready = {info.name for info in self.studio.classifiers() if info.ready}
        return DRAWERS[TASK] if ready.issuperset(DRAWERS[TASK]) else (self.studio.first_model(otherwise),)

    @property
    def arrivals(self) -> list[Any]:
        """What ``arrive`` changes."""
        return [self.create, self.preset, *self.models.outputs]

    def arrive(self) -> Updates:
        """Updates for somebody who has just opened the page."""
        return {
            self.create: gr.Button(interactive=True),
            self.preset: gr.Radio(choices=self.cost.presets(self.at_first())),
            **self.models.refresh(self.models.value),
        }

    @property
    def inputs(self) -> list[Any]:
        """The widgets that make a recipe, in the order ``recipe`` takes their values."""
        own = [*self.unit.components, *self.choice.components, self.mixture, self.seed.number, self.images]
        return [self.models.choice, self.models.others, *own, *self.fields.components]

    def recipe(
        self,
        model: str,
        others: Sequence[str],
        what: str,
        layer: str | None,
        channel: str | None,
        chip: str | None,
        menu: str | None,
        elsewhere: str | None,
        mixture: str,
        seed: float | None,
        images: float,
        *advanced: Any,
    ) -> Recipe:
        """The recipe that the widgets describe.

        Raises:
            StudioError: something in them is missing or does not fit.
        """
        self.models.check(model)
        models = (model, *(name for name in others or () if name != model))
        unit = self.unit.read(models, what, layer, channel)
        classes, weights = ((), ()) if unit else self._classes(models, (chip, menu, elsewhere), mixture)
        values = self.fields.read(advanced)
        if len(classes) > 1 and min(weights, default=1.0) >= 0 and "objective" in values:
            values["objective"] = usual_for_mixtures(str(values["objective"]))
        return Recipe.model_validate(
            {
                "task": TASK,
                "models": models,
                "classes": classes,
                "weights": weights,
                "unit": unit,
                "seed": self.seed.read(seed),
                "images": whole(images, "Pictures", 1, MOST_PICTURES),
                **values,
            }
        )

    def _classes(
        self, models: Sequence[str], chosen: tuple[str | None, str | None, str | None], mixture: str
    ) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """The classes that the widgets say, and their shares. StudioError for what the models do not know."""
        names = offered(self.studio, models)
        classes, weights = parse_mixture(mixture or "", names)
        if not classes:
            classes, weights = (self.choice.read(names, *chosen),), ()
        refuse_unknown(self.studio, models, classes)
        return classes, weights

    @property
    def costly_components(self) -> list[Any]:
        """The widgets that ``costly`` asks: those that cost time."""
        return [self.models.choice, self.models.others, self.images, *self.fields.components]

    def costly(self, values: Mapping[Any, Any]) -> Asked:
        """What the widgets ask for as far as it costs time. StudioError where they are not filled in."""
        models = dict.fromkeys((values[self.models.choice], *(values[self.models.others] or ())))
        fields = self.fields.read([values[widget] for widget in self.fields.components])
        return Asked(
            Recipe.model_validate(
                {
                    "task": TASK,
                    "models": tuple(models),
                    "images": whole(values[self.images], "Pictures", 1, MOST_PICTURES),
                    **fields,
                }
            )
        )

    def at_first(self) -> Asked:
        """What the widgets ask for before anything is changed."""
        recipe = self.start_recipe
        return Asked(recipe.with_changes(models=(self.first, *self.beside)))

    def wire(self) -> None:
        """Connect the events."""
        guard = guarded(self.panel.notice)
        self.panel.wire()
        self.layers.wire()
        self.grid.follow_cost(self.cost)
        self.cost.wire(self.panel.notice, self.costly_components, self.preset, self.panel.changed, self.owner)

        def create(owner: Any, opened: Opened | None, with_recipe: bool, *values: Any) -> Updates:
            recipe = made_again(opened, self.recipe(*values))
            switch = {} if with_recipe else {"with_recipe": False}
            params = ImageParams.model_validate({"recipe": recipe, **switch})
            return self.panel.submit(params.to_json(), title_of(recipe), owner)

        for button in (self.create, self.panel.start):
            asked = [self.owner, self.opened, self.with_recipe, *self.inputs]
            button.click(guard(create), asked, self.panel.outputs, **QUICK).then(
                fn=None, js="() => window.cxShowStage('image')"
            )

        def choose_preset(name: str | None) -> Updates:
            if name is None or name not in PRESETS:
                return {}
            updates = self.fields.updates(from_preset(TASK, name).model_dump())
            updates.pop(self.fields.widgets["model_weights"])  # the models stay, and what they count
            return {self.preset: gr.Radio(info=PRESETS[name].description), **updates}

        form = (self.opened, self.with_recipe, *self.inputs)
        self.grid.wire(
            self.owner, Form(form, self._grid_base, self._check_cell, self.fill, tuple(self.filled), self.with_recipe)
        )

        self.preset.input(
            guard(choose_preset), [self.preset], [self.panel.notice, self.preset, *self.fields.components], **QUICK
        )
        self.seed.wire()

        def choose_first(model: str, others: list[str] | None, *rest: Any) -> Updates:
            beside = self.beside if model == self.first else [name for name in others or () if name not in self.beside]
            beside = [name for name in beside if name != model]
            weights = to_widget(shares_of((model, *beside)) if beside else ())
            more = {self.models.others: beside, self.fields.widgets["model_weights"]: weights}
            return {**choose_model(model, beside, *rest), **more}

        def choose_model(
            model: str,
            others: list[str] | None,
            what: str,
            layer: str | None,
            mixture: str,
            chip: str | None,
            menu: str | None,
            wish: Wish,
        ) -> Updates:
            asked = [model, *(others or ())]
            mixed, differing = bool((mixture or "").strip()), are_differing(self.studio, asked)
            followed = self.choice.follow(
                offered(self.studio, asked), chip, menu, wish, mixed=mixed, differing=differing
            )
            shown = {self.of_class: gr.Column(visible=what != UNIT), **self.unit.follow(model, what, layer)}
            return {**self.models.describe(model), **followed, **shown}

        of_unit = [self.unit.what, self.unit.layer]
        asked = [self.models.choice, self.models.others, *of_unit, self.mixture, *self.choice.inputs]
        outputs = [self.panel.notice, *self.models.outputs, *self.choice.outputs, self.of_class, *self.unit.outputs]
        more = [*outputs, self.models.others, self.fields.widgets["model_weights"]]
        self.models.choice.input(guard(choose_first), asked, more, **QUICK)
        for widget in (self.models.others, self.unit.what):
            widget.input(guard(choose_model), asked, outputs, **QUICK)
        chosen_layer = guard(self.unit.choose_layer), [self.models.choice, self.unit.layer]
        self.unit.layer.input(*chosen_layer, [self.panel.notice, self.unit.line], **QUICK)
        # However it came there: typed, pasted, or out of a picture that was opened, of which what is said stays.
        follow = guarded(self.panel.notice, keep=True)(choose_model)
        self.mixture.change(follow, asked, outputs, trigger_mode="always_last", **QUICK)
        self.choice.wire(guard, self.panel.notice)

        def one_class() -> Updates:
            return {self.mixture: ""}

        for chosen in self.choice.components:  # whoever chooses one class means that one, and no mixture
            chosen.input(guard(one_class), None, [self.panel.notice, self.mixture], **QUICK)

    def _grid_base(self, values: Mapping[Any, Any], _given: Mapping[str, str]) -> GridBase:
        """What the form asks for."""
        recipe = made_again(values[self.opened], self.recipe(*(values[one] for one in self.inputs)))
        return GridBase(recipe, {}, bool(values[self.with_recipe]))

    def _check_cell(self, recipe: Recipe) -> None:
        """Refuse a recipe that no picture can be made of here. StudioError says why."""
        for name in recipe.models:
            self.models.check(name)
        refuse_unknown(self.studio, recipe.models, recipe.classes)

    @property
    def filled(self) -> list[Any]:
        """What ``fill`` changes."""
        widgets = [self.panel.notice, self.opened, self.with_recipe, *self.models.outputs, self.preset]
        widgets += self.choice.outputs
        widgets += [self.of_class, *self.unit.outputs]
        return list(dict.fromkeys([*widgets, *self.inputs]))

    def fill(self, recipe: Recipe, _owner: str) -> Updates:
        """Updates that put a recipe into the widgets.

        Raises:
            StudioError: it belongs to another tab, or its models cannot be used here.
        """
        refuse_other_tasks(recipe, TASK)
        refuse_absent_models(recipe, self.studio)
        names = offered(self.studio, recipe.models)
        classes = [by_number(name, names) for name in recipe.classes]
        refuse_unknown(self.studio, recipe.models, classes)
        mixed = len(classes) > 1 or (len(classes) == 1 and not own_name(names, classes[0]))
        differing = are_differing(self.studio, recipe.models)
        updates = {
            **self.models.describe(recipe.models[0]),
            self.models.choice: recipe.models[0],
            self.models.others: list(recipe.models[1:]),
            **(self.choice.choose(names, classes[0], mixed=mixed, differing=differing) if classes else {}),
            **self.unit.fill(recipe.models[0], recipe.unit),
            self.of_class: gr.Column(visible=not recipe.unit),
            self.mixture: (write_mixture(classes, recipe.weights) or classes[0]) if mixed else "",
            self.preset: gr.Radio(value=None, info="As the picture says."),
            self.seed.number: recipe.seed,
            self.images: recipe.images,
            self.with_recipe: True,
            **self.fields.updates(recipe.model_dump()),
        }
        opened = open_with(recipe, updates, self.inputs, lambda held: self.recipe(*(held[one] for one in self.inputs)))
        return {**updates, self.opened: opened, self.panel.notice: opened_words(opened, (), self.studio)}


def title_of(recipe: Recipe) -> str:
    """A short name for a job: ``frog, seed 3``, or ``blocks.3:12, seed 3`` of a unit."""
    mixed = recipe.unit or write_mixture(recipe.classes, recipe.weights) or recipe.classes[0]
    return f"{mixed}, seed {recipe.seed}"
