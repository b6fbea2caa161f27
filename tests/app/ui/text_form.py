"""The form of the tab of texts, and what its widgets hold."""

import asyncio
from typing import Any

import gradio as gr

from app.ui.text.inputs import TextInputs


def text_inputs(studio: Any) -> TextInputs:
    inputs = TextInputs(studio)

    async def build() -> None:
        with gr.Blocks(analytics_enabled=False):
            inputs.build_prompts()
            inputs.build_models()
            inputs.build_numbers()
            inputs.build_advanced()

    asyncio.run(build())  # where no event loop runs, Gradio makes some that it never closes
    return inputs


def held(inputs: TextInputs, changes: dict[Any, Any] | None = None) -> dict[Any, Any]:
    """What the widgets hold: at first, or after updates."""
    values = {widget: getattr(widget, "value", None) for widget in inputs.components}
    for widget, update in (changes or {}).items():
        if isinstance(update, gr.blocks.Block):  # an update of properties, perhaps of the value
            if "value" in update.constructor_args:
                values[widget] = update.value
        else:
            values[widget] = update
    return values
