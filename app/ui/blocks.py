"""The page's blocks: what a visitor typed or sent that a widget cannot read reaches the handler as a sentence.

Gradio reads the inputs of an event before it calls the handler, and answers with an error of its own where it
cannot: an answer 500, a line in the browser's console, nothing beside the widget. Here the handler is called all the
same, with an `Unreadable` in place of each input, which `app.ui.wiring.guard` makes a sentence of, where its sentences
are.
"""

from typing import Any

import gradio as gr
from gradio.exceptions import Error, InvalidComponentError

from app.ui.wiring.guard import Unreadable
from app.web.page import Page

UNREADABLE = (Error, ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
CHOOSING = (gr.Radio, gr.Dropdown, gr.CheckboxGroup)


class PageBlocks(Page):
    """Blocks whose handlers hear of inputs that cannot be read."""

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> list[Any]:
        """The inputs as the handler takes them; `Unreadable` in all their places where one cannot be read."""
        try:
            read: list[Any] = await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except InvalidComponentError:  # a fault of the page, not of what was sent
            raise
        except Error as error:
            unreadable = Unreadable(_sentence(block_fn, inputs, state, error))
            return [unreadable] * len(block_fn.inputs)
        return read


def _sentence(block_fn: Any, inputs: list[Any], state: Any, error: Exception) -> str:
    """What is wrong, by the name of the first widget that cannot read its input."""
    if len(inputs) != len(block_fn.inputs):
        return "The page and the server do not agree any more: reload the page."
    for widget, value in zip(block_fn.inputs, inputs, strict=True):
        found = state[widget._id] if state is not None and widget._id in state else widget
        if widget.stateful or _reads(found, value):
            continue
        name = getattr(found, "label", None) or "A field"
        if isinstance(found, CHOOSING):
            return f"{name}: what was chosen is no longer in the list. Choose another, or reload the page."
        return f"{name}: this cannot be read. Change it, or reload the page."
    if isinstance(error, Error):
        return str(error.message)
    return "Something that was sent cannot be read: reload the page."


def _reads(widget: Any, value: Any) -> bool:
    try:
        widget.preprocess(value)
    except UNREADABLE:
        return False
    return True
