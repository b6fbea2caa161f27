"""What is to be evaluated: model, data, attacks and how many images, with what that costs before it starts."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.evaluation.order import Cost, DataChoice, EvaluationOrder, LabelledUpload
from app.handlers.costs import at_most
from app.records.params import EvaluateParams
from app.ui.evaluation import markup as evaluation_markup
from app.ui.evaluation.pictures import LabelledPictures
from app.ui.markup import gallery, markup
from app.ui.widgets.budget import LEVELS
from app.ui.widgets.forms import FormError, number, whole
from app.ui.widgets.models import ClassifierPicker
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.outlook import wait_line
from app.ui.wiring.services import Studio
from app.ui.wiring.signal import Signal
from foundation.errors import StudioError

FIRST_MODEL = "crossmax-cifar10"
FIRST_SUITE = "adaptive"
FIRST_COUNT = 100
FIRST_EPS = 8
MOST_IMAGES = 1_000_000
"""Far above any data set's test images: of a smaller one, all are taken."""
MEASURING = "Measuring what this costs here..."
UNMEASURED = (
    "The model is fetched when the evaluation starts, which then says how long it takes: what it costs can be measured "
    "only once it is here."
)


class EvaluationForm:
    """The widgets that make an order.

    Args:
        studio: what the page works with.
        owner: the browser's state that holds the owner's token.
    """

    def __init__(self, studio: Studio, owner: gr.BrowserState) -> None:
        self.studio, self.owner = studio, owner
        self.models = ClassifierPicker(studio, studio.first_model(FIRST_MODEL), "evaluate-model")
        self.pictures = {
            "own": LabelledPictures(studio, "evaluate-own", owner, bring=True),
            "results": LabelledPictures(studio, "evaluate-results", owner, bring=False),
        }
        self.changed = Signal()

    def build(self) -> None:
        """Create the widgets."""
        found = self.studio.evaluations.data(self.models.value)
        first = found[0] if found else None
        self.models.build()
        with gr.Column(elem_classes="cx-group"):
            self.data = gr.Dropdown(
                data_choices(found),
                value=first.name if first else None,
                label="Images",
                filterable=False,
                elem_id="evaluate-data",
            )
            self.line = gr.HTML(
                evaluation_markup.data_line(first), elem_id="evaluate-data-line", apply_default_css=False
            )
            for pictures in self.pictures.values():
                pictures.build()
        suites = self.studio.evaluations.suites()
        names = [suite.name for suite in suites]
        self.suites = gr.CheckboxGroup(
            self._suite_choices({}),
            value=[FIRST_SUITE] if FIRST_SUITE in names else names[:1],
            label="Attacks",
            elem_classes="cx-costs cx-suites",
            elem_id="evaluate-suites",
        )
        with gr.Row(elem_classes="cx-inline"):
            self.count = gr.Number(
                FIRST_COUNT,
                label="How many images",
                min_width=90,
                elem_id="evaluate-count",
                visible=asks_count(first),
            )
            self.eps = gr.Number(
                FIRST_EPS,
                label="Largest change, of 255",
                min_width=90,
                elem_id="evaluate-eps",
            )
        self.precision = gr.HTML(self._precision(how_many(first, FIRST_COUNT, ())), apply_default_css=False)
        self.estimate = gr.HTML(
            evaluation_markup.waiting(MEASURING), elem_id="evaluate-estimate", apply_default_css=False
        )
        self.changed.build()
        with gr.Row(elem_classes="cx-actions"):
            self.reset = gr.Button("Reset the form", size="md", elem_id="evaluate-reset")

    @property
    def inputs(self) -> list[Any]:
        """The widgets that make an order, in the order ``read`` takes their values."""
        own = [pictures.images for pictures in self.pictures.values()]
        return [self.models.choice, self.data, self.suites, self.count, self.eps, *own]

    def read(
        self,
        model: str | None,
        data: str | None,
        suites: Sequence[str] | None,
        count: float | None,
        eps: float | None,
        *images: Sequence[LabelledUpload],
    ) -> EvaluationOrder:
        """The order that the widgets describe.

        Raises:
            StudioError: something in them is missing or does not fit.
        """
        name = self.models.checked(model).name
        choice = self._choice(name, data)
        if choice is None:
            raise FormError("Choose the images on which the model is evaluated.")
        if not suites:
            raise FormError("Choose at least one suite of attacks.")
        eps = self._largest(eps)
        labelled = self._labelled(choice, name, images)
        if choice.pictures and not labelled:
            raise FormError("No image has a label yet: bring some, and choose what each shows.")
        known = [suite.name for suite in self.studio.evaluations.suites()]
        chosen = tuple(name for name in known if name in suites)
        images_taken = how_many(choice, count, labelled)
        return EvaluationOrder(name, choice.name, chosen, images_taken, eps / LEVELS, labelled)

    @staticmethod
    def _largest(eps: Any) -> float:
        wanted = f"a number from 0 to {LEVELS}; 8 is usual for small images"
        found = number(eps, "The largest change", wanted)
        if not 0 <= found <= LEVELS:
            raise FormError(f"The largest change must be {wanted}.")
        return found

    def title(self, order: EvaluationOrder) -> str:
        """A short name for an evaluation."""
        choice = self._choice(order.model, order.data)
        return f"{self.studio.titles().get(order.model, order.model)} on {choice.title if choice else order.data}"

    @property
    def arrivals(self) -> list[Any]:
        """What ``arrive`` changes."""
        return [*self.models.outputs, self.data]

    def arrive(self) -> Updates:
        """Updates for somebody who has just opened the page: there may be new models and data."""
        found = self.studio.evaluations.data(self.models.value)
        return {**self.models.refresh(self.models.value), self.data: gr.Dropdown(choices=data_choices(found))}

    def wire(self, opened: Any) -> None:
        """Connect the events; ``opened`` connects a handler to the moment when the form is first seen."""
        guard = guarded(self.estimate)
        shown = [self.suites, self.count, self.precision, self.estimate]
        data_parts = [self.line, *(pictures.area for pictures in self.pictures.values()), *shown]

        def wait() -> Updates:
            return {self.estimate: evaluation_markup.waiting(MEASURING)}

        def choose_model(model: str | None, data: str | None, *images: Sequence[LabelledUpload]) -> Updates:
            model = model or ""
            found = self.studio.evaluations.data(model)
            usable = [choice.name for choice in found if not choice.why_not]
            kept = data if data in usable else next(iter(usable), data)
            lists: Updates = {}
            for pictures, listed in zip(self.pictures.values(), images, strict=True):
                lists |= pictures.relabel(listed, model)
            return {
                **wait(),
                **self.follow(model, kept),
                self.data: gr.Dropdown(choices=data_choices(found), value=kept),
                **lists,
            }

        def choose_data(model: str | None, data: str | None) -> Updates:
            return {**wait(), **self._describe(self._choice(model, data))}

        own = [pictures.images for pictures in self.pictures.values()]
        lists = [pictures.listed for pictures in self.pictures.values()]
        inputs = [self.owner, *self.inputs]

        def measure(state: Any, *values: Any) -> Updates:
            return self._measure(*values, owner=state)

        measured: dict[str, Any] = {"fn": guard(measure), "inputs": inputs, "outputs": shown, **QUICK}
        self.models.choice.input(
            guard(choose_model),
            [self.models.choice, self.data, *own],
            [*self.models.outputs, self.data, *data_parts, *lists],
            **QUICK,
        ).then(**measured)
        self.data.input(guard(choose_data), [self.models.choice, self.data], data_parts, **QUICK).then(**measured)
        for widget in (self.suites, self.count, self.eps):  # what a browser remembers is measured when it is seen
            widget.input(**measured)
        for pictures in self.pictures.values():
            pictures.wire(self.models.choice)
            pictures.changed.connect(measured["fn"], inputs, shown)
        self.changed.connect(measured["fn"], inputs, shown)
        opened(**measured)

    @property
    def filled(self) -> list[Any]:
        """What ``fill`` changes."""
        own = [component for pictures in self.pictures.values() for component in pictures.filled]
        return list(dict.fromkeys([*self.followed, self.suites, self.eps, self.estimate, *own, self.changed.sign]))

    def fill(self, asked: EvaluateParams, owner: str) -> Updates:
        """Updates that put the settings of an evaluation into the widgets, with the owner's images that came with it.

        StudioError: its model or its data are no longer here, or it was told what the form cannot say.
        """
        config = asked.config
        known = {suite.name for suite in self.studio.evaluations.suites()}
        if config.attacks or not known.issuperset(config.suites):
            raise FormError("This evaluation was told attacks that the form does not have: run it again as it is.")
        eps = round(config.eps * LEVELS, 6)
        choice = self._choice(config.model, config.data)
        self.check_settings(config.model, config.data, count=config.count or 1, eps=eps)
        updates = self.follow(config.model, config.data)
        if choice is not None and choice.pictures:
            found = [LabelledUpload(image.digest, image.label, owner) for image in asked.images or ()]
            updates |= self.pictures[choice.pictures].fill(found, config.model)
        elif asks_count(choice):
            count = config.count or (choice.count if choice else None)
            updates[self.count] = gr.Number(value=count, visible=True)
        return {
            **updates,
            self.models.choice: config.model,
            self.data: gr.Dropdown(choices=data_choices(self.studio.evaluations.data(config.model)), value=config.data),
            self.suites: list(config.suites),
            self.eps: eps,
            self.estimate: evaluation_markup.waiting(MEASURING),
            **self.changed.send(secrets.token_hex(8)),
        }

    @property
    def followed(self) -> list[Any]:
        """What ``follow`` changes."""
        areas = [pictures.area for pictures in self.pictures.values()]
        return [*self.models.outputs, self.data, self.line, self.count, *areas]

    def follow(self, model: str, data: str | None) -> Updates:
        """Updates of what is said and asked of a model and data that are chosen now."""
        return {
            **self.models.describe(model),
            self.data: gr.Dropdown(choices=data_choices(self.studio.evaluations.data(model))),
            **self._describe(self._choice(model, data)),
        }

    def check_settings(self, model: str | None, data: str | None, count: Any, eps: Any) -> None:
        """Refuse a model or data that are not there, and numbers out of range. StudioError says which."""
        choice = self._choice(self.models.checked(model).name, data)
        if choice is None or choice.why_not:
            raise FormError("Choose the images on which the model is evaluated.")
        if asks_count(choice):
            _count(count)
        self._largest(eps)

    def _describe(self, choice: DataChoice | None) -> Updates:
        updates: Updates = {
            self.line: evaluation_markup.data_line(choice),
            self.count: gr.Number(visible=asks_count(choice)),
        }
        for name, pictures in self.pictures.items():
            updates |= pictures.show(choice is not None and choice.pictures == name)
        return updates

    def _measure(
        self,
        model: str | None,
        data: str | None,
        suites: Sequence[str] | None,
        count: float | None,
        eps: float | None,
        *images: Sequence[LabelledUpload],
        owner: Any = None,
    ) -> Updates:
        choice = self._choice(model, data)
        try:
            taken = how_many(choice, count, self._labelled(choice, model, images))
            largest = self._largest(eps)
        except StudioError as error:
            return {self.precision: "", self.estimate: markup.notice(str(error), tone="warn")}
        hint = {self.precision: self._precision(taken)}
        if not taken:
            words = "Give every widget above a value to see what the evaluation costs."
            return {**hint, self.estimate: f'<p class="cx-hint">{words}</p>'}
        try:
            info = self.models.checked(model)
            if gallery.needs_download(info):
                bare = gr.CheckboxGroup(choices=self._suite_choices({}))  # without the costs of another model
                return {**hint, self.suites: bare, self.estimate: evaluation_markup.waiting(UNMEASURED)}
            costs, whole_cost = self.studio.evaluations.costs(info.name, suites or (), taken, largest / LEVELS)
        except StudioError as error:
            return {**hint, self.estimate: markup.notice(str(error), tone="warn")}
        total = ""
        if whole_cost:
            wait = wait_line(self.studio, owner, at_most(whole_cost.seconds))
            total = evaluation_markup.estimate(whole_cost, self.studio.device) + wait
        return {**hint, self.suites: gr.CheckboxGroup(choices=self._suite_choices(costs)), self.estimate: total}

    def _suite_choices(self, costs: Mapping[str, Cost]) -> list[tuple[str, str]]:
        suites = self.studio.evaluations.suites()
        return [(evaluation_markup.suite_label(suite, costs.get(suite.name)), suite.name) for suite in suites]

    def _precision(self, count: int) -> str:
        return evaluation_markup.precision_hint(count, self.studio.evaluations.precision)

    def _labelled(
        self, choice: DataChoice | None, model: str | None, images: Sequence[Sequence[LabelledUpload]]
    ) -> tuple[LabelledUpload, ...]:
        """The images with a label, of the list that the data name."""
        listed = dict(zip(self.pictures, images, strict=True)).get(choice.pictures, ()) if choice else ()
        classes = self.studio.class_names(model)
        return tuple(image for image in listed or () if image.label in classes)

    def _choice(self, model: str | None, data: str | None) -> DataChoice | None:
        return next((choice for choice in self.studio.evaluations.data(model or "") if choice.name == data), None)


def asks_count(choice: DataChoice | None) -> bool:
    """Whether the visitor says how many of the images are taken."""
    return choice is not None and not choice.pictures and not choice.whole


def _count(count: Any) -> int:
    """The number of images that was asked for. FormError with its range where it is none."""
    return whole(count, "How many images", 1, MOST_IMAGES)


def how_many(choice: DataChoice | None, count: float | None, labelled: Sequence[LabelledUpload]) -> int:
    """The number of images that an evaluation of this choice takes; 0 for none. FormError for a wrong one."""
    if choice is None:
        return 0
    if choice.pictures:
        return len(labelled)
    if choice.whole:
        return choice.count or 0
    wanted = _count(count)
    return wanted if choice.count is None else min(wanted, choice.count)


def data_choices(found: Sequence[DataChoice]) -> list[tuple[str, str]]:
    """The menu of data."""
    return [(f"{choice.title} ({choice.note})" if choice.note else choice.title, choice.name) for choice in found]
