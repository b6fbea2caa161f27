"""Everything that makes a recipe of a text: the widgets, reading them, and filling them in again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.records.params import TextParams
from app.ui.text.classes import ClassInputs
from app.ui.text.sources import LeadingPicture, StartInputs, Values, help_of
from app.ui.text.vocabulary import (
    VOCABULARY_JS,
    examples_for,
    examples_markup,
    refuse_unknown_prompts,
    vocabulary_markup,
    vocabulary_of,
)
from app.ui.widgets.cost_line import Asked
from app.ui.widgets.forms import MOST_PICTURES, FormError, RecipeFields, advanced_fields, whole
from app.ui.widgets.models import EncoderPicker
from app.ui.widgets.opened import made_again, open_with, recipe_switch, refuse_absent_models, refuse_other_tasks
from app.ui.widgets.seed import SeedInput
from app.ui.wiring.guard import Updates
from app.ui.wiring.services import Studio
from foundation.catalogue.entry import ModelInfo
from foundation.choices import menu
from generator.objectives.similarity import SCORES, has_rivals
from generator.recipes.presets import DEFAULT_PRESET, from_preset
from generator.recipes.recipe import Recipe

TASK = "text"
USUAL_ON_THE_WAY = 9


@dataclass(frozen=True)
class Order:
    """A recipe, the digests of its pictures by what they are there for, and whether the files carry the recipe."""

    recipe: Recipe
    pictures: dict[str, str]
    with_recipe: bool = True

    @property
    def params(self) -> TextParams:
        """The parameters of the job."""
        switch = {} if self.with_recipe else {"with_recipe": False}
        return TextParams.model_validate({"recipe": self.recipe, **switch, **self.pictures})


class TextInputs:
    """The widgets of a text.

    Args:
        studio: what the page works with.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.preset_name = DEFAULT_PRESET[TASK]
        recipe = self.preset_recipe(self.preset_name)
        self.start_recipe = recipe
        self.models = EncoderPicker(studio, studio.first_encoder(recipe.models[0]), "text-model")
        self.seed = SeedInput("text", recipe.seed)
        self.start = StartInputs(studio, recipe)
        self.target = LeadingPicture(studio, "target", "None. A picture whose content is to come back.", recipe)
        self.style = LeadingPicture(studio, "style", "None. A picture whose look joins in.", recipe)
        self.classes = ClassInputs(studio)
        self.fields = RecipeFields(advanced_fields(task=TASK), recipe.model_dump(), "text")

    def preset_recipe(self, name: str, **changes: Any) -> Recipe:
        """A preset as a recipe, with an example as its prompt."""
        return from_preset(TASK, name, **{"prompt": self._example(), **changes})

    # ------------------------------------------------------------------ building

    def build_prompts(self) -> None:
        """Create what is asked first: the prompts."""
        with gr.Column(elem_classes="cx-group"):
            self.prompt = gr.Textbox(
                label="Prompt",
                placeholder="What the picture should show",
                lines=1,
                max_lines=4,
                elem_id="text-prompt",
                elem_classes="cx-prompt",
            )
            self.hint = gr.HTML("", elem_id="text-hint", apply_default_css=False)
            self.examples = gr.HTML(
                self._examples_markup(), elem_id="text-examples", apply_default_css=False, js_on_load=VOCABULARY_JS
            )
        self.negative = gr.Textbox(
            self.start_recipe.negative,
            label="Not this",
            placeholder="What it should not show",
            lines=1,
            max_lines=3,
            elem_id="text-negative",
        )

    def build_models(self) -> None:
        """Create the menu of models, and what the chosen one knows."""
        with gr.Column(elem_classes="cx-group"):
            self.models.build()
            self.vocabulary = gr.HTML(
                self._vocabulary_markup(self.models.value),
                elem_id="text-vocabulary",
                apply_default_css=False,
                js_on_load=VOCABULARY_JS,
            )

    def build_numbers(self) -> None:
        """Create the seed and the number of pictures."""
        self.seed.build()
        self.images = gr.Number(
            self.start_recipe.images, label="Pictures", info=f"From 1 to {MOST_PICTURES}.", elem_id="text-images"
        )

    def build_advanced(self) -> None:
        """Create the advanced fold."""
        with gr.Accordion("Start from a photo", open=False, elem_classes="cx-fold") as self.start_fold:
            self.start.build()
        with gr.Accordion("Target and style", open=False, elem_classes="cx-fold") as self.leading_fold:
            self.target.build()
            self.style.build()
        with gr.Accordion("From one prompt to another", open=False, elem_classes="cx-fold"):
            self._build_morph()
        with gr.Accordion("Advanced", open=False, elem_classes="cx-fold"):
            self.models.build_others()
            self.score = gr.Radio(
                menu(SCORES),
                value=self.start_recipe.score,
                label="Score",
                info=help_of("score"),
                elem_classes="cx-chips",
                elem_id="text-score",
            )
            self.against = gr.Textbox(
                label="Against", info=help_of("against"), lines=1, max_lines=3, elem_id="text-against"
            )
            self.classes.build()
            self.with_recipe = recipe_switch(TASK)
            self.fields.build()
        self.opened = gr.State(None)
        random_start = self.fields.widgets["start_std"]  # over a photo it would only be in the way
        usual = self.start_recipe.start_std
        self.start.photo.also(
            [random_start], lambda chosen: {random_start: 0.0 if chosen else usual}, about_another=True
        )

    def _build_morph(self) -> None:
        self.prompt_to = gr.Textbox(
            label="To this prompt",
            info="The pictures lead from the prompt above to this one, as a strip and a video.",
            lines=1,
            max_lines=3,
            elem_id="text-prompt-to",
        )
        self.on_the_way = gr.Number(
            USUAL_ON_THE_WAY,
            label="Pictures on the way",
            info=f"From 2 to {MOST_PICTURES}, both ends included; instead of the number of pictures above.",
            elem_id="text-on-the-way",
        )

    # ------------------------------------------------------------------ reading

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks."""
        own = [self.prompt, self.negative, self.models.choice, self.models.others, self.seed.number, self.images]
        own += [self.prompt_to, self.on_the_way, self.score, self.against, self.with_recipe, self.opened]
        parts = [*self.classes.components, *self.start.components, *self.target.components, *self.style.components]
        return [*own, *parts, *self.fields.components]

    def read(self, values: Values, **defaults: str) -> Order:
        """What the widgets ask for; ``defaults`` stand for prompts that are empty.

        Raises:
            StudioError: something in them is missing or does not fit.
        """
        fields = self.fields.read([values[widget] for widget in self.fields.components])
        pictures: dict[str, str] = {}
        for part in (self.start, self.target, self.style):
            more, digests = part.read(values)
            fields |= more
            pictures |= digests
        prompts = {
            name: str(values[widget] or "").strip() or defaults.get(name, "")
            for name, widget in (("prompt", self.prompt), ("negative", self.negative), ("prompt_to", self.prompt_to))
        }
        if prompts["prompt_to"]:
            images = whole(values[self.on_the_way], "Pictures on the way", 2, MOST_PICTURES)
        else:
            images = whole(values[self.images], "Pictures", 1, MOST_PICTURES)
        models = self.chosen_models(values)
        classifiers, asked = self.classes.read(values, str(fields["objective"]))
        against = str(values[self.against] or "").strip() if has_rivals(values[self.score]) else ""
        recipe = Recipe.model_validate(
            {
                "task": TASK,
                **fields,
                **prompts,
                **pictures,
                **asked,
                "models": (*models, *classifiers),
                "score": values[self.score],
                "against": against,
                "seed": self.seed.read(values[self.seed.number]),
                "images": images,
            }
        )
        leading = self.classes.led(recipe)
        refuse_unknown_prompts(leading.recipe, self.infos(models), leading.prompts)
        return Order(made_again(values[self.opened], leading.recipe), pictures, bool(values[self.with_recipe]))

    def chosen_models(self, values: Values) -> tuple[str, ...]:
        """The models that read the prompt. FormError if one is not there."""
        model = values[self.models.choice]
        models = (model, *(name for name in values[self.models.others] or () if name != model))
        for name in models:
            self.models.check(name)
        return models

    # ------------------------------------------------------------------ what it costs

    @property
    def costly_components(self) -> list[Any]:
        """The widgets that ``costly`` asks: those that cost time."""
        own = [self.models.choice, self.models.others, self.images, self.prompt_to, self.on_the_way]
        return [*own, *self.classes.components, self.start.photo.name, *self.fields.components]

    def costly(self, values: Values) -> Asked:
        """What the widgets ask for as far as it costs time. StudioError where they are not filled in."""
        fields = self.fields.read([values[widget] for widget in self.fields.components])
        classifiers, asked = self.classes.read(values, str(fields["objective"]))
        models = dict.fromkeys((values[self.models.choice], *(values[self.models.others] or ()), *classifiers))
        other = str(values[self.prompt_to] or "").strip()
        count, what, least = (self.on_the_way, "Pictures on the way", 2) if other else (self.images, "Pictures", 1)
        recipe = Recipe.model_validate(
            {
                "task": TASK,
                **fields,
                **asked,
                "prompt": self._example(),
                "prompt_to": other,
                "models": tuple(models),
                "images": whole(values[count], what, least, MOST_PICTURES),
            }
        )
        return Asked(recipe, self.start.photo.path(values[self.start.photo.name]))

    def at_first(self) -> Asked:
        """What the widgets ask for before anything is changed."""
        return Asked(self.preset_recipe(self.preset_name, models=(self.models.value, *self.classes.leaders)))

    def _example(self) -> str:
        return examples_for(self.studio.encoders())[0]

    # ------------------------------------------------------------------ filling in

    @property
    def outputs(self) -> list[Any]:
        """What ``fill`` and ``refresh`` change."""
        own = [self.hint, self.examples, self.vocabulary, self.start_fold, self.leading_fold, *self.models.outputs]
        parts = [*self.start.outputs, *self.target.outputs, *self.style.outputs]
        return list(dict.fromkeys([*own, *parts, *self.components]))

    def fill(self, recipe: Recipe, owner: str) -> tuple[Updates, list[str]]:
        """Updates that put a recipe into the widgets, and the pictures of it that this visitor has not brought.

        Raises:
            StudioError: it belongs to another tab, or its models cannot be used here.
        """
        refuse_other_tasks(recipe, TASK)
        refuse_absent_models(recipe, self.studio)
        classifiers = [name for name in recipe.models if self.studio.class_names(name)]
        encoders = [name for name in recipe.models if name not in classifiers]
        if not encoders:
            raise FormError("This picture's recipe names no model that reads texts, so there is none to fill in.")
        pictures = 1 if recipe.prompt_to else recipe.images
        updates: Updates = {}
        missing: list[str] = []
        for part in (self.start, self.target, self.style):
            more, absent = part.fill(recipe, owner)
            updates |= more
            missing += absent
        updates = {
            **updates,
            **self.fields.updates(recipe.model_dump()),
            **self.classes.fill(recipe, classifiers),
            **self.models.describe(encoders[0]),
            self.models.choice: encoders[0],
            self.models.others: encoders[1:],
            self.vocabulary: self._vocabulary_markup(encoders[0]),
            self.prompt: recipe.prompt,
            self.negative: recipe.negative,
            self.prompt_to: recipe.prompt_to,
            self.on_the_way: recipe.images if recipe.prompt_to else USUAL_ON_THE_WAY,
            self.images: pictures,
            self.seed.number: recipe.seed,
            self.score: recipe.score,
            self.against: recipe.against,
            self.with_recipe: True,
            self.start_fold: gr.Accordion(open=bool(recipe.source)),
            self.leading_fold: gr.Accordion(open=bool(recipe.target or recipe.style)),
            self.opened: None,
        }
        opened = open_with(recipe, updates, self.components, lambda held: self.read(held).recipe)
        return {**updates, self.opened: opened}, missing

    def describe(self, model: str) -> Updates:
        """Updates for a model that was just chosen."""
        return {
            **self.models.describe(model),
            self.vocabulary: self._vocabulary_markup(model),
            self.examples: self._examples_markup(model),
        }

    def refresh(self) -> Updates:
        """Ask again which models there are."""
        return {**self.models.refresh(self.models.value), **self.classes.refresh()}

    def infos(self, names: Sequence[str]) -> list[ModelInfo]:
        """The list's entries of some models."""
        return [info for name in names if (info := self.models.find(name)) is not None]

    def _examples_markup(self, model: str = "") -> str:
        return examples_markup(examples_for(self.infos([model or self.models.value])))

    def _vocabulary_markup(self, model: str) -> str:
        return vocabulary_markup(vocabulary_of(self.models.find(model), self.studio.models.vocabulary(model)))
