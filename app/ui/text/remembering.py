"""What a browser remembers of the tab *Text to image*."""

from typing import Any

import gradio as gr

from app.ui.text.inputs import TASK
from app.ui.text.tab import TextTab
from app.ui.text.vocabulary import examples_for
from app.ui.widgets.remembered import Held, RememberedForm
from app.ui.wiring.guard import Updates
from generator.recipes.presets import presets_of


class TextForm(RememberedForm):
    """The prompts, the numbers, the models and the pictures; not what was painted."""

    def __init__(self, tab: TextTab) -> None:
        inputs = tab.inputs
        super().__init__(
            "text",
            tab.panel.notice,
            tab.reset,
            [tab.preset, *inputs.components, *tab.grid.components],
            changing=[inputs.models.choice, inputs.models.others, inputs.classes.classifiers],
            pictures={
                "source": inputs.start.photo,
                "target": inputs.target.picture,
                "style": inputs.style.picture,
            },
        )
        self._tab = tab

    @property
    def filled(self) -> list[Any]:
        """What ``fill`` changes."""
        return self._tab.filled

    def fill(self, values: Held, owner: str) -> Updates:
        """See ``RememberedForm``. Texts are judged when a picture is asked for: they may be half written."""
        inputs = self._tab.inputs
        example = examples_for(inputs.studio.encoders())[0]
        further = example if str(values[inputs.prompt_to] or "").strip() else ""
        texts = {inputs.prompt: example, inputs.negative: "", inputs.prompt_to: further, inputs.against: example}
        for name in values[inputs.classes.classifiers] or ():
            inputs.studio.models.find(name)
        classes = {inputs.classes.classifiers: [], inputs.classes.classes: ""}
        order = inputs.read(Held({**values, **texts, **classes, inputs.opened: None}))
        updates, _ = inputs.fill(order.recipe, owner)
        presets, chosen = presets_of(TASK), values[self._tab.preset]
        words = presets[chosen].description if chosen in presets else None
        return {**updates, inputs.opened: None, self._tab.preset: gr.Radio(info=words)}
