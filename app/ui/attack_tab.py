"""The tab *Attack an image*: bring a picture, change it as little as possible, see which model falls for it."""

from pathlib import Path
from typing import Any

import gradio as gr

from app.jobs.model import JobStatus
from app.ui import markup, results, stage
from app.ui.budget import BudgetInput
from app.ui.class_tab import FEW_CLASSES
from app.ui.forms import FormError, RecipeFields, advanced_fields, whole
from app.ui.gallery import CLICK_JS
from app.ui.guard import QUICK, Updates, guarded
from app.ui.models import ModelPicker
from app.ui.panel import JobPanel, owner_token
from app.ui.picture_input import PictureInput
from app.ui.seed import SeedInput
from app.ui.services import Studio
from app.ui.uploads import list_examples
from generator.presets import DEFAULT_PRESET, PRESETS, from_preset, presets_of
from generator.recipe import Recipe

TASK = "attack"
LEAVE, TARGET = "leave", "target"


class AttackTab:
    """Widgets and events of the tab.

    Args:
        studio: what the page works with.
        owner: the browser's state that holds the owner's token.
    """

    def __init__(self, studio: Studio, owner: gr.BrowserState) -> None:
        self.studio = studio
        self.owner = owner
        self.presets = list(presets_of(TASK))
        self.start_preset = DEFAULT_PRESET[TASK]
        self.start_recipe = from_preset(TASK, self.start_preset)
        self.panel = JobPanel(
            studio,
            kind="attack",
            blank=stage.empty_stage(
                "Change a picture so little that you do not notice, and the model does",
                "Choose an example or bring a picture of your own. Every model you see here is asked what it sees, "
                "before and after.",
            ),
            start_label="Show me",
            done_view=lambda job: results.attack_view(job, studio.media),
            more_view=lambda job: results.attack_more(job, studio.media, studio.titles()),
            owner=owner,
        )
        self.fields = RecipeFields(advanced_fields(without=("size",)), self.start_recipe.model_dump(), "attack")
        self.picture = PictureInput(
            studio, "attack", empty="None yet. Choose an example or bring one of any size.", removable=False
        )
        self.budget = BudgetInput("attack", self.start_recipe.norm, self.start_recipe.eps)
        self.seed = SeedInput("attack", self.start_recipe.seed)

    def build(self) -> None:
        """Create the widgets."""
        recipe = self.start_recipe
        model = self.studio.first_model(recipe.models[0])
        names = self.studio.class_names(model)
        first = next(iter(names), None)
        with gr.Row(elem_classes=["cx-desk", "cx-attack-tab"], equal_height=False):
            with gr.Column(elem_classes="cx-stage-column"):
                self.panel.build()
            with gr.Column(elem_classes="cx-controls"):
                self._build_picture()
                self.goal = gr.Radio(
                    [("anything but what it is", LEAVE), ("a class I choose", TARGET)],
                    value=LEAVE,
                    label="Make the model see",
                    elem_classes="cx-chips",
                    elem_id="attack-goal",
                )
                with gr.Column(visible=False, elem_classes="cx-group") as self.target_area:
                    self.target = gr.Dropdown(
                        list(names),
                        value=first,
                        label="Class",
                        elem_id="attack-target",
                        visible=len(names) > FEW_CLASSES,
                    )
                    self.chips = gr.Radio(
                        list(names[:FEW_CLASSES]),
                        value=first,
                        label="Class",
                        elem_classes="cx-chips",
                        elem_id="attack-chips",
                        visible=len(names) <= FEW_CLASSES,
                    )
                self.preset = gr.Radio(
                    [(PRESETS[name].title, name) for name in self.presets],
                    value=self.start_preset,
                    label="How strong",
                    info=PRESETS[self.start_preset].description,
                    elem_classes="cx-chips",
                    elem_id="attack-preset",
                )
                self.models = ModelPicker(self.studio, model, "attack-model", label="Model to attack")
                self.models.build()
                self.go = gr.Button(
                    "Attack", variant="primary", interactive=False, elem_classes="cx-create", elem_id="attack-create"
                )
                with gr.Accordion("Advanced", open=False, elem_classes="cx-fold"):
                    self.budget.build()
                    self.seed.build()
                    self.models.build_others()
                    self.fields.build()

    def _build_picture(self) -> None:
        with gr.Column(elem_classes="cx-group"):
            gr.HTML('<span class="cx-label">Picture</span>', apply_default_css=False)
            self.picture.build(between=self._build_examples, beside=self._build_last)

    def _build_examples(self) -> None:
        self.examples = gr.HTML(self._examples(), apply_default_css=False, js_on_load=CLICK_JS)

    def _build_last(self) -> None:
        self.last = gr.Button("Use my last picture", size="md", elem_id="attack-last")

    def _examples(self) -> str:
        buttons = "".join(
            f'<button data-pick="{markup.text(path.name)}" aria-label="Example: {markup.text(path.stem)}">'
            f'<img src="{self.studio.media.url(path)}" alt=""></button>'
            for path in list_examples(self.studio.examples)
        )
        return f'<div class="cx-examples" id="attack-examples">{buttons}</div>' if buttons else ""

    @property
    def arrivals(self) -> list[Any]:
        """What ``arrive`` changes."""
        return [self.go, *self.models.outputs]

    def arrive(self) -> Updates:
        """Updates for somebody who has just opened the page."""
        return {self.go: gr.Button(interactive=True), **self.models.refresh(self.models.value)}

    @property
    def inputs(self) -> list[Any]:
        """The widgets that make a recipe, in the order ``recipe`` takes their values."""
        own = [self.goal, self.chips, self.target, *self.budget.components, self.seed.number]
        return [self.models.choice, self.models.others, *own, *self.fields.components]

    def recipe(
        self,
        model: str,
        others: list[str] | None,
        goal: str,
        chip: str | None,
        menu: str | None,
        norm: str,
        eps: float | None,
        seed: float | None,
        *advanced: Any,
    ) -> Recipe:
        """The recipe that the widgets describe.

        Raises:
            StudioError: something in them is missing or does not fit.
        """
        self.models.check(model)
        values = self.fields.read(advanced)
        names = self.studio.class_names(model)
        classes: tuple[str, ...] = ()
        if goal == LEAVE:
            values["objective"] = "leave"
        else:
            target = chip if len(names) <= FEW_CLASSES else menu
            if target not in names:
                raise FormError("Choose the class that the model should see.")
            classes = (target,)
            if values["objective"] == "leave":
                values["objective"] = "margin"
        return Recipe(
            task=TASK,
            models=(model, *(name for name in others or () if name != model)),
            classes=classes,
            **self.budget.read(norm, eps),
            seed=whole(seed, "Seed"),
            **values,
        )

    def wire(self) -> None:
        """Connect the events."""
        guard = guarded(self.panel.notice)
        self.panel.wire()

        def show(owner: Any, source: str, *values: Any) -> Updates:
            examples = list_examples(self.studio.examples)
            if source or not examples:
                return attack(owner, source, *values)
            taken = self.picture.take(examples[0])
            return {**taken, **attack(owner, taken[self.picture.name], *values)}

        def attack(owner: Any, source: str, *values: Any) -> Updates:
            path = self.picture.path(source)
            if path is None:
                raise FormError("Choose a picture first: an example, or one of your own.")
            recipe = self.recipe(*values)
            params = {"recipe": recipe.model_dump(mode="json"), "source": path.stem}
            return self.panel.submit(params, title_of(recipe), owner)

        outputs = [*self.panel.outputs, *self.picture.outputs]
        for button, start in ((self.go, attack), (self.panel.start, show)):
            button.click(guard(start), [self.owner, self.picture.name, *self.inputs], outputs, **QUICK).then(
                fn=None, js="() => window.cxShowStage('attack')"
            )

        picture_guard = guarded(self.picture.notice)

        def example(event: gr.EventData) -> Updates:
            known = {path.name: path for path in list_examples(self.studio.examples)}
            if event.pick not in known:
                raise FormError("This example is gone. Choose another.")
            return self.picture.take(known[event.pick])

        def last(owner: Any) -> Updates:
            return self.picture.take(self._last_picture(owner_token(owner)))

        self.picture.wire()
        self.examples.select(picture_guard(example), None, self.picture.outputs, **QUICK)
        self.last.click(picture_guard(last), [self.owner], self.picture.outputs, **QUICK)
        self._wire_fields(guard)

    def _wire_fields(self, guard: Any) -> None:
        def choose_preset(name: str | None) -> Updates:
            if name is None or name not in PRESETS:
                return {}
            recipe = from_preset(TASK, name)
            return {
                self.preset: gr.Radio(info=PRESETS[name].description),
                **({self.goal: TARGET, self.target_area: gr.Column(visible=True)} if recipe.norm == "none" else {}),
                **self.budget.updates(recipe.norm, recipe.eps),
                **self.fields.updates(recipe.model_dump()),
            }

        outputs = [self.panel.notice, self.preset, self.goal, self.target_area, *self.budget.components]
        self.preset.input(guard(choose_preset), [self.preset], [*outputs, *self.fields.components], **QUICK)

        def choose_goal(goal: str) -> Updates:
            return {self.target_area: gr.Column(visible=goal == TARGET)}

        def choose_model(model: str) -> Updates:
            names = list(self.studio.class_names(model))
            few = len(names) <= FEW_CLASSES
            return {
                **self.models.describe(model),
                self.chips: gr.Radio(
                    choices=names if few else [], value=names[0] if few and names else None, visible=few
                ),
                self.target: gr.Dropdown(choices=names, value=next(iter(names), None), visible=not few),
            }

        self.goal.input(guard(choose_goal), [self.goal], [self.panel.notice, self.target_area], **QUICK)
        self.budget.norm.input(
            guard(self.budget.choose), [self.budget.norm], [self.panel.notice, self.budget.eps], **QUICK
        )
        model_outputs = [self.panel.notice, *self.models.outputs, self.chips, self.target]
        self.models.choice.input(guard(choose_model), [self.models.choice], model_outputs, **QUICK)
        self.seed.wire()

    def _last_picture(self, owner: str) -> Path:
        for job in self.studio.jobs.list(owner):
            kept = job.kind in ("text", "image") and job.status in (JobStatus.DONE, JobStatus.STOPPED)
            images = (job.result or {}).get("images", []) if kept else []
            if images:
                return Path(job.folder) / str(images[0]["file"])
        raise FormError("You have made no picture yet. Make one in another tab, or bring one of your own.")


def title_of(recipe: Recipe) -> str:
    """A short name for a job: ``attack towards ship``."""
    return f"attack towards {recipe.classes[0]}" if recipe.classes else "attack away from what it is"
