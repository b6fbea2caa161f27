"""The tab *Attack an image*: bring a picture, change it as little as possible, see which models fall for it."""

from typing import Any

import gradio as gr

from app.records.params import AttackedParams, AttackParams
from app.ui.attack.change import ChangeInput, kind_for, rule_fields, rule_for
from app.ui.attack.describing import DescribingInput
from app.ui.attack.folder import FolderInput
from app.ui.attack.models import FIRST_WISH, Surrogates, Testing
from app.ui.attack.panel import attack_panel
from app.ui.attack.photo import PhotoInput
from app.ui.attack.presets import AttackPresets
from app.ui.attack.targets import TASK, ClassTargets, TextTargets, Values
from app.ui.attack.truth import TruthInput
from app.ui.text.inputs import Order
from app.ui.text.vocabulary import refuse_unknown_prompts
from app.ui.widgets.budget import BudgetInput
from app.ui.widgets.class_choice import Wish
from app.ui.widgets.cost_line import Asked, CostLine
from app.ui.widgets.forms import FormError, RecipeFields, advanced_fields
from app.ui.widgets.job_panel import JobPanel
from app.ui.widgets.opened import (
    build_repeating,
    made_again,
    open_with,
    opened_words,
    recipe_switch,
    refuse_absent_models,
    refuse_other_tasks,
)
from app.ui.widgets.picture_input import put_picture
from app.ui.widgets.seed import SeedInput
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from app.visitors.uploads import Kept
from generator.objectives.classes import AWAY
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe

TITLE_LENGTH = 60
NO_AIM = {"objective": AWAY, "classes": (), "norm": "linf", "eps": 0.03, "target_views": "", "model_weights": ()}
"""Stands for what an attack leads to, which costs no time."""
ATTACKED = "lite0"
"""The model that is attacked unless another is chosen: it sees what real photos show, and has no defence."""
RULE_FIELDS = ("momentum", "learning_rate", "step_schedule")
"""Advanced fields that go with the update rule."""


def _attacked_first(studio: Studio, otherwise: str) -> str:
    """The model that is attacked at first: one for real photos where it is installed, else that of the recipe."""
    installed = any(info.name == ATTACKED and info.ready for info in studio.classifiers())
    return ATTACKED if installed else studio.first_model(otherwise)


class AttackTab:
    """Widgets and events of the tab.

    Args:
        studio: what the page works with.
        owner: the browser's state that holds the owner's token.
    """

    def __init__(self, studio: Studio, owner: gr.BrowserState) -> None:
        self.studio = studio
        self.owner = owner
        recipe = from_preset(TASK)
        self.start_recipe = recipe
        model = _attacked_first(studio, recipe.models[0])
        self.panel: JobPanel = attack_panel(studio, owner)
        self.picture = PhotoInput(studio)
        self.truth = TruthInput(studio, model)
        self.surrogates = Surrogates(studio, model)
        self.classes = ClassTargets(studio, model)
        self.texts = TextTargets(studio)
        self.testing = Testing(studio)
        self.change = ChangeInput(recipe)
        self.budget = BudgetInput("attack", recipe.norm, recipe.eps)
        self.seed = SeedInput("attack", recipe.seed)
        self.fields = RecipeFields(advanced_fields(without=("size",), task=TASK), recipe.model_dump(), "attack")
        self.presets = AttackPresets(self.classes, self.change, self.budget, self.fields)
        self.describing = DescribingInput(studio)
        self.folder = FolderInput(studio, self.panel)
        self.cost = CostLine(studio, TASK, self.costly, self.picture)
        self.presets.choices = self.cost.presets(self.at_first())

    def build(self) -> None:
        """Create the widgets."""
        with gr.Row(elem_classes=["cx-desk", "cx-attack-tab"], equal_height=False):
            with gr.Column(elem_classes="cx-stage-column"):
                self.panel.build()
            with gr.Column(elem_classes="cx-controls"):
                with gr.Column(elem_classes="cx-group"):
                    gr.HTML('<span class="cx-label">Picture</span>', apply_default_css=False)
                    self.picture.build()
                    self.truth.build()
                self.surrogates.build()
                self.classes.build()
                self.texts.build()
                self.presets.build()
                self.go = gr.Button(
                    "Attack", variant="primary", interactive=False, elem_classes="cx-create", elem_id="attack-create"
                )
                self.cost.build()
                with gr.Accordion("Who looks on, and what survives", open=False, elem_classes="cx-fold"):
                    self.testing.build()
                with gr.Accordion("What a vision-language model says", open=False, elem_classes="cx-fold"):
                    self.describing.build()
                with gr.Accordion("A folder of photos", open=False, elem_classes="cx-fold", elem_id="attack-folder"):
                    self.folder.build()
                with gr.Accordion("How it is changed", open=False, elem_classes="cx-fold"):
                    self.presets.build_published()
                    self.change.build()
                    self.budget.build()
                    self.seed.build()
                with gr.Accordion("Advanced", open=False, elem_classes="cx-fold"):
                    self.with_recipe = recipe_switch("attack")
                    self.fields.build()
                self.repeat, self.reset = build_repeating("attack")
                self.opened = gr.State(None)

    # ------------------------------------------------------------------ arriving

    @property
    def arrivals(self) -> list[Any]:
        """What ``arrive`` changes."""
        return [
            self.go,
            self.presets.choice,
            *self.surrogates.outputs,
            *self.testing.outputs,
            *self.describing.arrivals,
        ]

    def arrive(self) -> Updates:
        """Updates for somebody who has just opened the page."""
        return {
            self.go: gr.Button(interactive=True),
            self.presets.choice: gr.Radio(choices=self.cost.presets(self.at_first())),
            **self.surrogates.refresh(),
            **self.testing.refresh(),
            **self.describing.arrive(),
        }

    # ------------------------------------------------------------------ reading

    @property
    def components(self) -> list[Any]:
        """The widgets that ``order`` asks."""
        own = [self.surrogates.choice, self.seed.number, *self.budget.components, self.with_recipe, self.opened]
        parts = (self.truth, self.classes, self.texts, self.testing, self.change, self.fields)
        return [*own, *(component for part in parts for component in part.components)]

    def params(self, order: Order, values: Values) -> AttackedParams:
        """What a job is told, all but the photo: the order, what to find out, and what the pictures carry."""
        told = {
            "recipe": order.recipe,
            **order.pictures,
            "explore": self.testing.read(values),
            "with_recipe": bool(values[self.with_recipe]),
            "describe": self.describing.read(values),
        }
        return AttackedParams.model_validate(told)

    def order(self, values: Values, *, one_photo: bool = True) -> Order:
        """What the widgets describe: the recipe, and the digests of its other pictures.

        What the photo really shows is of no use to a folder of them: there, a label file says that of each.

        Raises:
            StudioError: something in them is missing or does not fit.
        """
        models = self.surrogates.read(values)
        fields = self.fields.read([values[widget] for widget in self.fields.components])
        aims, pictures = self.texts.read(values, models)
        norm, eps = self.budget.components
        recipe = Recipe.model_validate(
            {
                "task": TASK,
                "models": models,
                **fields,
                **self.classes.read(values, models, str(fields["objective"])),
                **aims,
                **self.change.read(values),
                **self.budget.read(values[norm], values[eps]),
                "seed": self.seed.read(values[self.seed.number]),
            }
        )
        if one_photo:
            recipe = self.truth.led(recipe, values)
        recipe = recipe.with_changes(views=self.testing.views(values, recipe.views))
        if one_photo:  # of a folder, the texts are those of each photo
            refuse_unknown_prompts(recipe, [info for info in self.studio.encoders() if info.name in models])
        return Order(made_again(values[self.opened], recipe), pictures)

    # ------------------------------------------------------------------ filling in

    @property
    def filled(self) -> list[Any]:
        """What ``fill`` changes."""
        own = [self.panel.notice, *self.components, self.presets.choice, self.presets.paper, *self.picture.outputs]
        return list(dict.fromkeys([*own, *self.classes.outputs, *self.texts.outputs, *self.surrogates.outputs]))

    def fill(self, recipe: Recipe, owner: str) -> Updates:
        """Updates that put a recipe into the widgets, and say which of its pictures have to be brought.

        Raises:
            StudioError: it belongs to another tab, or its models cannot be used here.
        """
        refuse_other_tasks(recipe, TASK)
        refuse_absent_models(recipe, self.studio)
        photo, missing = put_picture(self.picture, recipe.source, owner, "the photo that was attacked")
        if not recipe.source:
            missing = ["the photo that was attacked"]
        texts, absent = self.texts.fill(recipe, owner)
        fields = recipe.model_dump()
        updates = {
            **photo,
            **texts,
            self.surrogates.choice: list(recipe.models),
            **self.surrogates.describe(recipe.models),
            **self.truth.fill(recipe),
            **self.classes.fill(recipe),
            **self.presets.forget(),
            **self.change.updates(fields),
            **self.budget.updates(recipe.norm, recipe.eps),
            **self.fields.updates(fields),
            self.testing.through: False,
            self.with_recipe: True,
            self.seed.number: recipe.seed,
            self.opened: None,
        }
        opened = open_with(recipe, updates, self.components, lambda held: self.order(held).recipe)
        words = opened_words(opened, missing + absent, self.studio)
        return {**updates, self.opened: opened, self.panel.notice: words}

    # ------------------------------------------------------------------ what it costs

    @property
    def costly_components(self) -> list[Any]:
        """The widgets that ``costly`` asks: those that cost time."""
        own = [self.surrogates.choice, self.picture.name]
        return [*own, *self.testing.components, *self.change.components, *self.fields.components]

    def costly(self, values: Values) -> Asked:
        """What the widgets ask for as far as it costs time. StudioError where they are not filled in."""
        fields = self.fields.read([values[widget] for widget in self.fields.components])
        recipe = Recipe.model_validate(
            {
                "task": TASK,
                "models": tuple(values[self.surrogates.choice] or ()),
                **fields,
                **self.change.read(values),
                **NO_AIM,
            }
        )
        views = self.testing.views(values, recipe.views)
        photo = self.picture.path(values[self.picture.name]) or self.picture.first_offered()
        return Asked(recipe.with_changes(views=views), photo, self.testing.read(values))

    def at_first(self) -> Asked:
        """What the widgets ask for before anything is changed: about the example that Show me takes."""
        model = self.studio.first_model(self.start_recipe.models[0])
        recipe = self.start_recipe.with_changes(models=(model,), objective=AWAY, classes=())
        return Asked(recipe, self.picture.first_offered(), FIRST_WISH)

    # ------------------------------------------------------------------ events

    def wire(self) -> None:
        """Connect the events."""
        guard = guarded(self.panel.notice)
        # first of all: it is one of the picture's outputs
        self.picture.also([self.truth.name], self.truth.forget, about_another=True)
        for one in (self.picture, self.texts.picture):
            self.panel.also_discard(one.name, one.outputs, one.clear_if_gone)
        self.panel.wire()
        self.texts.wire(self.owner)
        self.cost.wire(self.panel.notice, self.costly_components, self.presets.choice, self.panel.changed, self.owner)

        def show(values: dict[Any, Any]) -> Updates:
            examples = self.picture.offered()
            if values[self.picture.name] or not examples:
                return attack(values)
            taken = self.picture.take(examples[0], owner_token(values[self.owner]))
            return {**taken, **attack({**values, **taken})}

        def attack(values: dict[Any, Any]) -> Updates:
            chosen: Kept | None = values[self.picture.name]
            if self.picture.path(chosen) is None or chosen is None:
                raise FormError("Choose a picture first: an example, or one of your own.")
            order = self.order(values)
            wish = self.testing.read(values, label=self.truth.read(values))
            params = AttackParams.of(self.params(order, values), source=chosen.digest, explore=wish)
            return self.panel.submit(params.to_json(), title_of(order.recipe), values[self.owner])

        def attack_folder(values: Values) -> tuple[AttackedParams, Recipe, str]:
            order = self.order(values, one_photo=False)
            return self.params(order, values), order.recipe, title_of(order.recipe)

        asked = {self.owner, self.picture.name, *self.components, *self.describing.components}
        outputs = [*self.panel.outputs, *self.picture.outputs]
        for button, start in ((self.go, attack), (self.panel.start, show)):
            button.click(guard(start), asked, outputs, **QUICK).then(fn=None, js="() => window.cxShowStage('attack')")
        self.describing.wire(guard, self.panel.notice, self.folder, self.surrogates.choice)
        self.folder.wire(self.owner, asked, attack_folder)
        self.picture.wire(self.owner)
        self._wire_fields(guard)
        self._wire_models(guard)
        self.seed.wire()

    def _wire_models(self, guard: Any) -> None:
        def choose(models: list[str] | None, chip: str | None, menu: str | None, wish: Wish) -> Updates:
            names = models or []
            return {
                **self.surrogates.describe(names),
                **self.classes.follow(names, chip, menu, wish),
                **self.texts.follow(names),
                **self.truth.follow(names),
            }

        outputs = [self.surrogates.line, self.truth.name, *self.classes.outputs, self.texts.area]
        # A picture that is opened chooses models, too, and what is said of it stays.
        self.surrogates.choice.change(
            guarded(self.panel.notice, keep=True)(choose),
            [self.surrogates.choice, *self.classes.choice.inputs],
            [self.panel.notice, *outputs],
            **QUICK,
        )
        self.classes.choice.wire(guard, self.panel.notice)

        def aim(goal: str) -> Updates:
            return self.classes.aim(goal)

        self.classes.goal.input(
            guard(aim), [self.classes.goal], [self.panel.notice, self.classes.goal, self.classes.target_area], **QUICK
        )

    def _wire_fields(self, guard: Any) -> None:
        notice, widgets = self.panel.notice, self.fields.widgets

        self.presets.wire(guard, notice)
        self.budget.norm.input(guard(self.budget.choose), [self.budget.norm], [notice, self.budget.eps], **QUICK)

        def choose_rule(rule: str, perturbation: str, preset: str | None, steps: float | None) -> Updates:
            kind = kind_for(rule, perturbation)
            return {self.change.perturbation: kind, **step_sizes(rule, kind, preset, steps)}

        def choose_kind(rule: str, perturbation: str, preset: str | None, steps: float | None) -> Updates:
            kept = rule_for(perturbation, rule)
            return {self.change.rule: kept, **step_sizes(kept, perturbation, preset, steps)}

        def step_sizes(rule: str, perturbation: str, preset: str | None, steps: float | None) -> Updates:
            usual = from_preset(TASK, preset or self.presets.start)
            fields = rule_fields(rule, perturbation, int(steps or usual.steps), usual)
            return {widgets[name]: value for name, value in fields.items()}

        change = self.change
        inputs = [change.rule, change.perturbation, self.presets.choice, widgets["steps"]]
        sizes = [widgets[name] for name in RULE_FIELDS]
        change.rule.input(guard(choose_rule), inputs, [notice, change.perturbation, *sizes], **QUICK)
        change.perturbation.input(guard(choose_kind), inputs, [notice, change.rule, *sizes], **QUICK)


def title_of(recipe: Recipe) -> str:
    """A short name for a job: ``attack towards ship``."""
    left = recipe.classes if recipe.leads_away else ()
    aims = [*(() if left else recipe.classes), *([recipe.prompt] if recipe.prompt else [])]
    if recipe.target:
        aims.append("another picture")
    if aims:
        towards = " and ".join(aims)
        short = towards if len(towards) <= TITLE_LENGTH else f"{towards[: TITLE_LENGTH - 1].rstrip()}\u2026"
        return f"attack towards {short}"
    if left:
        return f"attack away from {left[0]}"
    return "attack away from what it says" if recipe.captions or recipe.negative else "attack away from what it is"
