"""What a browser remembers of the tab *Class to image*."""

from typing import Any

import gradio as gr

from app.ui.classes.tab import ClassTab
from app.ui.classes.unit_choice import CLASS, UNIT
from app.ui.widgets.remembered import Held, RememberedForm
from app.ui.wiring.guard import Updates
from generator.recipes.presets import PRESETS


class ClassForm(RememberedForm):
    """The class or the unit, the numbers and the models."""

    def __init__(self, tab: ClassTab) -> None:
        changing = [tab.models.choice, tab.models.others, tab.choice.chips, tab.choice.menu, tab.unit.layer]
        widgets = [tab.preset, tab.with_recipe, *tab.inputs, *tab.grid.components]
        super().__init__("class", tab.panel.notice, tab.reset, widgets, changing=changing)
        self._tab = tab

    @property
    def filled(self) -> list[Any]:
        """What ``fill`` changes."""
        return self._tab.filled

    def fill(self, values: Held, owner: str) -> Updates:
        """See ``RememberedForm``. A mixture may be half written, and the layer of a unit not chosen yet."""
        tab = self._tab
        held = Held({**values, tab.mixture: ""})
        if values[tab.unit.what] == UNIT and not values[tab.unit.layer]:
            held[tab.unit.what] = CLASS
        if values[tab.mixture] and values[tab.choice.chips] is None and values[tab.choice.menu] is None:
            held[tab.choice.chips] = held[tab.choice.menu] = tab.choice.menu.value  # it counts in place of one class
        updates = tab.fill(tab.recipe(*(held[one] for one in tab.inputs)), owner)
        chosen = values[tab.preset]
        words = PRESETS[chosen].description if chosen in PRESETS else None
        return {**updates, tab.opened: None, tab.preset: gr.Radio(info=words)}
