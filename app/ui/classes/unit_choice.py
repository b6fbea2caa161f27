"""A unit of a network, to be drawn instead of a class: a menu of the layers, and a channel."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.ui.markup import markup
from app.ui.widgets.forms import FormError
from app.ui.wiring.guard import Updates
from app.ui.wiring.services import Studio
from foundation.errors import StudioError
from generator.units.layers import Layer
from generator.units.objective import demand_unit
from generator.units.unit import parse_unit

CLASS, UNIT = "class", "unit"
CHANNEL_HELP = (  # Markdown of Gradio's own: between two stars letters would slant, even in code
    "Its number, from 0; of one place `12@centre` or `12@ROW,COLUMN`; of several, with weights, `3*0.7-12`. Empty: the "
    "whole layer, as DeepDream does."
)
PARTS = 3
"""Layers inside a module from which on it counts as a block."""
HINT = "A picture of what excites one unit: a channel, a neuron, or a whole layer of the network."


class UnitChoice:
    """The menu of what to draw, and what belongs to a unit.

    Args:
        studio: what the page works with.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def build_what(self) -> None:
        """Create the choice between the two."""
        self.what = gr.Radio(
            [("A class", CLASS), ("A unit", UNIT)],
            value=CLASS,
            label="What to draw",
            elem_classes="cx-chips",
            elem_id="class-what",
        )

    def build(self) -> None:
        """Create what a unit needs; it is shown when one is to be drawn."""
        with gr.Column(visible=False, elem_classes="cx-group") as self.area:
            gr.HTML(f"<p class='cx-hint'>{HINT}</p>", apply_default_css=False)
            self.layer = gr.Dropdown([], label="Layer", elem_id="class-layer")
            self.line = gr.HTML("", elem_id="class-layer-line", apply_default_css=False)
            self.channel = gr.Textbox("0", label="Channel", info=CHANNEL_HELP, max_lines=1, elem_id="class-channel")

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks."""
        return [self.what, self.layer, self.channel]

    @property
    def outputs(self) -> list[Any]:
        """What ``follow`` and ``choose`` change."""
        return [self.what, self.area, self.layer, self.line, self.channel]

    def read(self, models: Sequence[str], what: str, layer: str | None, channel: str | None) -> str:
        """The unit as it is written in a recipe; "" where a class is to be drawn.

        Raises:
            StudioError: no layer is chosen, or one of the models has no such unit; one that is not here yet is not
                asked.
        """
        if what != UNIT:
            return ""
        if not layer:
            raise FormError("Choose the layer whose unit is to be drawn.")
        written = (channel or "").strip()
        unit = parse_unit(f"{layer}:{written}" if written else layer)
        for model in models:
            known = self._known(model)
            if known and unit.layer not in known:
                title = self.studio.titles().get(model, model)
                raise FormError(f"{title} has no layer '{unit.layer}': leave that model out, or choose another layer.")
            if known:
                demand_unit(unit, known[unit.layer], model)
        return f"{layer}:{written}" if written else layer

    def follow(self, model: str, what: str, layer: str | None) -> Updates:
        """Updates for what is to be drawn, and of which model: its layers, with the same one chosen if it has it.

        Raises:
            StudioError: the model is not there, or shows no layers.
        """
        if what != UNIT:
            return {self.area: gr.Column(visible=False)}
        layers = {one.name: one for one in self.studio.unit_layers(model)}
        if not layers:
            raise FormError("This model shows no layers: draw a class of it, or choose another model.")
        return self._put(layers, layer if layer in layers else first_of(list(layers.values())))

    def choose_layer(self, model: str, layer: str | None) -> Updates:
        """The update of the line on a layer that was chosen."""
        return {self.line: line_of(self._known(model).get(layer or ""))}

    def fill(self, model: str, unit: str) -> Updates:
        """Updates that put a recipe's unit into the widgets, or "" for a class."""
        if not unit:
            return {self.what: CLASS, self.area: gr.Column(visible=False)}
        layer = parse_unit(unit).layer
        known = self._known(model)
        channel = unit[len(layer) :].removeprefix(":").strip()
        return {self.what: UNIT, **self._put(known or {layer: None}, layer), self.channel: channel}

    def _put(self, layers: dict[str, Layer] | dict[str, None], layer: str) -> Updates:
        return {
            self.area: gr.Column(visible=True),
            self.layer: gr.Dropdown(choices=list(layers), value=layer if layer in layers else None),
            self.line: line_of(layers.get(layer)),
        }

    def _known(self, model: str) -> dict[str, Layer]:
        """The layers of a model by name; none of one that is not here."""
        try:
            return {one.name: one for one in self.studio.unit_layers(model)}
        except StudioError:
            return {}


def first_of(layers: Sequence[Layer]) -> str:
    """The layer to begin with: a whole block two thirds of the way in, where units answer to parts of things."""
    placed = [layer for layer in layers if layer.size] or list(layers)
    blocks = [one for one in placed if sum(other.name.startswith(f"{one.name}.") for other in placed) >= PARTS]
    chosen = blocks or placed
    return chosen[2 * len(chosen) // 3].name


def line_of(layer: Layer | None) -> str:
    """A line on a layer: its channels and positions."""
    if layer is None:
        return ""
    positions = " x ".join(map(str, layer.size))
    kinds = {
        "map": f"a map of {positions} positions",
        "tokens": f"a sequence of {positions} tokens",
        "vector": "a vector",
    }
    words = f"Channels 0 to {layer.channels - 1}, {kinds[layer.kind]}."
    return f'<p class="cx-hint">{markup.text(words)}</p>'
