"""The tab *Attack an image*: bring a picture, change it as little as possible, see which model falls for it."""

import secrets
from pathlib import Path
from typing import Any

import gradio as gr

from app.jobs.model import JobStatus
from app.ui import markup, results, stage
from app.ui.class_tab import FEW_CLASSES, MAX_SEED
from app.ui.forms import FormError, RecipeFields, advanced_fields, whole
from app.ui.gallery import CLICK_JS
from app.ui.guard import Updates, guarded
from app.ui.models import ModelPicker
from app.ui.panel import JobPanel, owner_token
from app.ui.services import Studio
from app.ui.uploads import keep_upload, list_examples
from generator.presets import DEFAULT_PRESET, PRESETS, from_preset, presets_of
from generator.recipe import Recipe

TASK = "attack"
LEAVE, TARGET = "leave", "target"
NORMS = [("every pixel (L-infinity)", "linf"), ("the whole change (L2)", "l2"), ("nothing", "none")]
LEVELS = 255


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
                    self.norm = gr.Radio(NORMS, value=recipe.norm, label="Limit", elem_id="attack-norm")
                    self.eps = gr.Number(
                        shown_eps(recipe.norm, recipe.eps),
                        label="Budget",
                        info=budget_words(recipe.norm),
                        visible=recipe.norm != "none",
                        elem_id="attack-eps",
                    )
                    with gr.Row(elem_classes="cx-inline"):
                        self.seed = gr.Number(recipe.seed, label="Seed", precision=0, min_width=90)
                        self.dice = gr.Button("New seed", size="md", elem_classes="cx-dice")
                    self.models.build_others()
                    self.fields.build()

    def _build_picture(self) -> None:
        with gr.Column(elem_classes="cx-group"):
            gr.HTML('<span class="cx-label">Picture</span>', apply_default_css=False)
            self.chosen = gr.HTML(chosen_markup(""), elem_id="attack-chosen", apply_default_css=False)
            self.source = gr.State("")
            self.examples = gr.HTML(self._examples(), apply_default_css=False, js_on_load=CLICK_JS)
            with gr.Row(elem_classes="cx-actions"):
                self.upload = gr.UploadButton("Bring a picture", size="md", elem_id="attack-upload")
                self.last = gr.Button("Use my last picture", size="md", elem_id="attack-last")
            self.picture_notice = gr.HTML(
                "", elem_id="attack-picture-notice", elem_classes="cx-notice-area", apply_default_css=False
            )

    def _examples(self) -> str:
        buttons = "".join(
            f'<button data-pick="{markup.text(path.name)}" aria-label="Example: {markup.text(path.stem)}">'
            f'<img src="{self.studio.media.url(path)}" alt=""></button>'
            for path in list_examples(self.studio.examples)
        )
        return f'<div class="cx-examples" id="attack-examples">{buttons}</div>' if buttons else ""

    @property
    def inputs(self) -> list[Any]:
        """The widgets that make a recipe, in the order ``recipe`` takes their values."""
        own = [self.goal, self.chips, self.target, self.norm, self.eps, self.seed]
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
        if eps is None and norm != "none":
            raise FormError("Budget is empty. Give it a number, or choose a preset to fill it in.")
        return Recipe(
            task=TASK,
            models=(model, *(name for name in others or () if name != model)),
            classes=classes,
            norm=norm,
            eps=real_eps(norm, eps or 0.0),
            seed=whole(seed, "Seed"),
            **values,
        )

    def wire(self) -> None:
        """Connect the events."""
        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        guard = guarded(self.panel.notice)
        self.panel.wire()

        def show(owner: Any, source: str, *values: Any) -> Updates:
            examples = list_examples(self.studio.examples)
            if source or not examples:
                return attack(owner, source, *values)
            taken = self._take(examples[0])
            return {**taken, **attack(owner, taken[self.source], *values)}

        def attack(owner: Any, source: str, *values: Any) -> Updates:
            path = self._source_path(source)
            recipe = self.recipe(*values)
            params = {"recipe": recipe.model_dump(mode="json"), "source": path.stem}
            return self.panel.submit(params, title_of(recipe), owner)

        outputs = [*self.panel.outputs, self.chosen, self.source]
        for button, start in ((self.go, attack), (self.panel.start, show)):
            button.click(guard(start), [self.owner, self.source, *self.inputs], outputs, **quick).then(
                fn=None, js="() => window.cxShowStage('attack')"
            )

        picture = [self.picture_notice, self.chosen, self.source]
        picture_guard = guarded(self.picture_notice)

        def bring(path: str | None) -> Updates:
            return self._take(Path(path)) if path else {}

        def example(event: gr.EventData) -> Updates:
            known = {path.name: path for path in list_examples(self.studio.examples)}
            if event.pick not in known:
                raise FormError("This example is gone. Choose another.")
            return self._take(known[event.pick])

        def last(owner: Any) -> Updates:
            return self._take(self._last_picture(owner_token(owner)))

        self.upload.upload(picture_guard(bring), [self.upload], picture, **quick)
        self.examples.select(picture_guard(example), None, picture, **quick)
        self.last.click(picture_guard(last), [self.owner], picture, **quick)
        self._wire_fields(guard, quick)

    def _wire_fields(self, guard: Any, quick: dict[str, Any]) -> None:
        def choose_preset(name: str | None) -> Updates:
            if name is None or name not in PRESETS:
                return {}
            recipe = from_preset(TASK, name)
            return {
                self.preset: gr.Radio(info=PRESETS[name].description),
                **({self.goal: TARGET, self.target_area: gr.Column(visible=True)} if recipe.norm == "none" else {}),
                self.norm: recipe.norm,
                **self._budget(recipe.norm, recipe.eps),
                **self.fields.updates(recipe.model_dump()),
            }

        outputs = [self.panel.notice, self.preset, self.goal, self.target_area, self.norm, self.eps]
        self.preset.input(guard(choose_preset), [self.preset], [*outputs, *self.fields.components], **quick)

        def choose_goal(goal: str) -> Updates:
            return {self.target_area: gr.Column(visible=goal == TARGET)}

        def choose_norm(norm: str) -> Updates:
            return self._budget(norm, {"linf": 8 / LEVELS, "l2": 0.5}.get(norm, 0.0))

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

        self.goal.input(guard(choose_goal), [self.goal], [self.panel.notice, self.target_area], **quick)
        self.norm.input(guard(choose_norm), [self.norm], [self.panel.notice, self.eps], **quick)
        model_outputs = [self.panel.notice, *self.models.outputs, self.chips, self.target]
        self.models.choice.input(guard(choose_model), [self.models.choice], model_outputs, **quick)
        self.dice.click(lambda: secrets.randbelow(MAX_SEED), None, self.seed, **quick)

    def _budget(self, norm: str, eps: float) -> Updates:
        return {self.eps: gr.Number(value=shown_eps(norm, eps), info=budget_words(norm), visible=norm != "none")}

    def _take(self, path: Path) -> Updates:
        kept, picture = keep_upload(path, self.studio.uploads)
        words = f"{picture.width} x {picture.height} pixels"
        return {self.chosen: chosen_markup(self.studio.media.url(kept), words), self.source: kept.name}

    def _source_path(self, name: str) -> Path:
        path = self.studio.uploads / Path(name).name
        if not name or not path.is_file():
            raise FormError("Choose a picture first: an example, or one of your own.")
        return path

    def _last_picture(self, owner: str) -> Path:
        for job in self.studio.jobs.list(owner):
            kept = job.kind == "image" and job.status in (JobStatus.DONE, JobStatus.STOPPED)
            images = (job.result or {}).get("images", []) if kept else []
            if images:
                return Path(job.folder) / str(images[0]["file"])
        raise FormError("You have made no picture yet. Make one in Class to image, or bring one of your own.")


def chosen_markup(url: str, words: str = "") -> str:
    """The picture that will be attacked, or a word that there is none yet."""
    if not url:
        return '<p class="cx-hint">None yet. Choose an example or bring one of any size.</p>'
    return (
        f'<div class="cx-chosen"><img src="{markup.text(url)}" alt="Chosen picture"><p>{markup.text(words)}</p></div>'
    )


def shown_eps(norm: str, eps: float) -> float:
    """A budget as the page shows it: in steps of 1/255 for L-infinity."""
    return round(eps * LEVELS, 4) if norm == "linf" else eps


def real_eps(norm: str, shown: float) -> float:
    """The budget as the recipe holds it."""
    if norm == "none":
        return 0.0
    return shown / LEVELS if norm == "linf" else shown


def budget_words(norm: str) -> str:
    """What the number of the budget counts."""
    if norm == "linf":
        return "How far every value of every pixel may move, of 255."
    return "How long the whole change may be, with values counted from 0 to 1."


def title_of(recipe: Recipe) -> str:
    """A short name for a job: ``attack towards ship``."""
    return f"attack towards {recipe.classes[0]}" if recipe.classes else "attack away from what it is"
