"""The seed and its dice."""

import secrets
from typing import Any

import gradio as gr

from app.ui.widgets.forms import whole
from app.ui.wiring.guard import QUICK

MAX_SEED = 2**31
LARGEST_SEED = 2**53 - 1
"""Of a recipe; the dice roll shorter ones."""


def new_seed() -> int:
    """A seed that nobody can foresee."""
    return secrets.randbelow(MAX_SEED)


class SeedInput:
    """A number, and a button that rolls another one.

    Args:
        prefix: of the ids on the page.
        value: the number at first.
    """

    def __init__(self, prefix: str, value: int) -> None:
        self._prefix, self._value = prefix, value

    def build(self) -> None:
        """Create the widgets, in one row."""
        with gr.Row(elem_classes="cx-inline"):
            self.number: Any = gr.Number(self._value, label="Seed", min_width=90, elem_id=f"{self._prefix}-seed")
            self.dice = gr.Button("New seed", size="md", elem_classes="cx-dice", elem_id=f"{self._prefix}-dice")

    @staticmethod
    def read(value: Any) -> int:
        """The seed that the number holds. FormError with its range where it is none."""
        return whole(value, "Seed", 0, LARGEST_SEED)

    def wire(self) -> None:
        """Connect the dice."""
        self.dice.click(new_seed, None, self.number, **QUICK)
