"""A sign on the page, which nobody sees, that something happened which other events wait for.

Changes of a `gr.State` are only noticed after events that go through Gradio's queue; those of a component always.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from app.ui.markup import markup
from app.ui.wiring.guard import QUICK, Updates


class Signal:
    """Whoever sends a new token makes the handlers run that were connected to it."""

    def build(self) -> None:
        """Create the sign."""
        self.sign = gr.HTML(_sign(""), visible="hidden", apply_default_css=False)

    def send(self, token: str) -> Updates:
        """The update that makes the handlers run, if the token is not the last one."""
        return {self.sign: _sign(token)}

    def connect(self, handler: Callable[..., Updates], inputs: list[Any], outputs: list[Any]) -> None:
        """Let a handler run whenever the token changes."""
        self.sign.change(handler, inputs, outputs, **QUICK)


def _sign(token: str) -> str:
    return f'<i data-token="{markup.text(token)}"></i>'
