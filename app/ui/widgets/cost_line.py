"""What a click costs, said before it: a line under the button, the presets' costs, and an offer to work smaller."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from app.costs.estimates import Cost
from app.records.params import Wish
from app.ui.markup import markup
from app.ui.widgets.picture_input import PictureInput
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.outlook import wait_line
from app.ui.wiring.services import Studio
from app.ui.wiring.signal import Signal
from app.visitors.uploads import Kept
from foundation.errors import StudioError
from foundation.jobs.store.model import Cost as JobCost
from generator.objectives.classes import AWAY
from generator.recipes.checks import may_end_early
from generator.recipes.presets import from_preset, presets_of
from generator.recipes.recipe import Recipe

Values = Mapping[Any, Any]
"""Component -> what it holds."""

SMALLER_SIDE = 1024
"""The longer side, in pixels, to which a large photo can be scaled down before work begins."""
LONG_SECONDS = 120.0
"""From here on a cost is said so that nobody overlooks it."""


@dataclass(frozen=True)
class Asked:
    """What a click would start.

    Attributes:
        recipe: as far as it costs time: what it shows, or leads to, may be anything.
        photo: that it starts from, if there is one.
        explore: what is found out about an attack.
    """

    recipe: Recipe
    photo: Path | None = None
    explore: Wish | None = None

    def photo_size(self) -> tuple[int, int] | None:
        """Height and width of the photo, by its header; None without one."""
        if self.photo is None:
            return None
        with Image.open(self.photo, formats=("PNG",)) as photo:
            return photo.height, photo.width


Read = Callable[[Values], Asked]
"""What the widgets ask for. StudioError where they are not filled in."""
Beside = Callable[[Values, Asked | None], Updates]
"""What else costs something: told what the widgets hold, and what they ask for (None: they are not filled in)."""


class CostLine:
    """The line, and a button that scales a large photo down.

    Args:
        studio: what the page works with.
        task: the task of the tab.
        read: see `Read`.
        picture: the input of the photo, if the tab has one.
    """

    def __init__(self, studio: Studio, task: str, read: Read, picture: PictureInput | None = None) -> None:
        self.studio, self._task, self._read, self._picture = studio, task, read, picture
        self._brought = Signal()
        self._owner: gr.BrowserState | None = None
        self._beside: list[tuple[Sequence[Any], Sequence[Any], Beside]] = []

    def build(self) -> None:
        """Create the widgets."""
        self.line = gr.HTML("", elem_id=f"{self._task}-cost", apply_default_css=False)
        self.smaller = gr.Button("", size="md", visible=False, elem_id=f"{self._task}-smaller")
        self._brought.build()
        if self._picture is not None:
            self._picture.also([self._brought.sign], lambda chosen: self._brought.send(chosen.digest if chosen else ""))

    def also(self, components: Sequence[Any], outputs: Sequence[Any], follow: Beside) -> None:
        """Let something else on the page say what it costs: asked at the same moments, and when `components` change."""
        self._beside.append((components, outputs, follow))

    @property
    def outputs(self) -> list[Any]:
        """What a change of the costs changes."""
        return [self.line, self.smaller, *(one for _, outputs, _ in self._beside for one in outputs)]

    def wire(
        self, notice: Any, components: Sequence[Any], presets: Any, changed: Signal, owner: gr.BrowserState
    ) -> None:
        """Follow these components, the photo, and jobs, which bring new measurements; `presets` is their menu.

        `owner` holds who asks: what waits before their job is said, too.
        """
        self._owner = owner

        def follow(values: Values) -> Updates:
            return self.follow(values, presets)

        components = [*components, *(one for others, _, _ in self._beside for one in others)]
        inputs, outputs = {owner, *components}, [notice, presets, *self.outputs]
        quiet = guarded(notice, keep=True)(follow)
        for component in components:
            component.change(quiet, inputs, outputs, trigger_mode="always_last", **QUICK)
        for signal in (self._brought, changed):
            signal.sign.change(quiet, inputs, outputs, **QUICK)
        picture = self._picture
        if picture is not None:

            def scale_down(chosen: Kept | None) -> Updates:
                return picture.take_smaller(chosen, SMALLER_SIDE)

            self.smaller.click(guarded(picture.notice)(scale_down), [picture.name], picture.outputs, **QUICK)

    def follow(self, values: Values, presets: Any) -> Updates:
        """The updates for what the widgets hold: nothing is said of what is not filled in."""
        try:
            asked = self._read(values)
            cost = self._cost(asked)
        except StudioError:
            return {self.line: "", self.smaller: gr.Button(visible=False), **self._others(values, None)}
        return {
            self.line: cost_markup(cost, asked.recipe.steps, may_end_early=may_end_early(asked.recipe))
            + self.wait(values, cost),
            self.smaller: self._offer(asked),
            presets: gr.Radio(choices=self.presets(asked)),
            **self._others(values, asked),
        }

    def wait(self, values: Values, cost: Cost) -> str:
        """A line on how long a job of this cost would wait; empty where nothing is before it."""
        if self._owner is None:
            return ""
        return wait_line(self.studio, values.get(self._owner), JobCost(cost.bytes, cost.seconds / 3600))

    def _others(self, values: Values, asked: Asked | None) -> Updates:
        return {name: update for _, _, follow in self._beside for name, update in follow(values, asked).items()}

    def presets(self, asked: Asked) -> list[tuple[str, str]]:
        """The presets with what each costs, with these models, pictures and photo."""
        return [
            (f"{preset.title}\n{self._preset_words(name, asked)}", name)
            for name, preset in presets_of(self._task).items()
        ]

    def _preset_words(self, name: str, asked: Asked) -> str:
        kept = {field: getattr(asked.recipe, field) for field in ("models", "images", "prompt", "prompt_to")}
        if self._task == "attack":
            kept |= {"classes": (), "objective": AWAY}
        elif asked.recipe.classes:
            kept |= {"classes": asked.recipe.classes, "class_weight": asked.recipe.class_weight}
        try:
            recipe = from_preset(self._task, name, from_photo=asked.photo is not None, **kept)
            cost = self._cost(Asked(recipe, asked.photo, asked.explore))
        except StudioError:
            return ""
        return f"{markup.duration(cost.seconds)} here"

    def _cost(self, asked: Asked) -> Cost:
        return self.studio.measurements.cost(asked.recipe, asked.photo, asked.explore)

    def _offer(self, asked: Asked) -> Any:
        """The button that scales a large photo down, with what the work then costs."""
        if asked.photo is None:
            return gr.Button(visible=False)
        with Image.open(asked.photo, formats=("PNG",)) as photo:
            width, height = photo.size
        if max(width, height) <= SMALLER_SIDE:
            return gr.Button(visible=False)
        size = smaller_size((width, height), SMALLER_SIDE)
        cost = self.studio.measurements.cost(asked.recipe, asked.photo, asked.explore, size=(size[1], size[0]))
        words = f"Scale the photo to {size[0]} x {size[1]} first: {markup.duration(cost.seconds)}"
        return gr.Button(value=words, visible=True)


def smaller_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(width, height) scaled so that the longer one is `side`."""
    factor = side / max(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def cost_markup(cost: Cost, steps: int, *, may_end_early: bool = False) -> str:
    """What a click costs, as a line; a long time in a frame."""
    parts = f"{'up to ' if may_end_early else ''}{steps:,} steps of {_short(cost.per_step)}"
    if cost.after > 0.1 * cost.seconds and cost.after >= 1:
        parts += f", then {markup.duration(cost.after)} for what is found out"
    return cost_head(cost, parts)


def cost_head(cost: Cost, parts: str) -> str:
    """How long something takes, and what it is made of."""
    head = markup.duration(cost.seconds)
    long = " cx-long" if cost.seconds >= LONG_SECONDS else ""
    return (
        f'<p class="cx-hint cx-cost{long}" role="status"><b>{markup.text(head[:1].upper() + head[1:])} here</b>: '
        f"{markup.text(parts)}.</p>"
    )


def _short(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s" if seconds >= 0.1 else f"{1000 * seconds:.0f} ms"
