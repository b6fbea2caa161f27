"""How far a picture may go from the photo it starts from: a norm and a number."""

from typing import Any

import gradio as gr

from app.ui.widgets.forms import FormError, number
from app.ui.wiring.guard import Updates

NORMS = [("every pixel (L-infinity)", "linf"), ("the whole change (L2)", "l2"), ("nothing", "none")]
LEVELS = 255
_USUAL = {"linf": 8 / LEVELS, "l2": 0.5, "none": 0.0}


class BudgetInput:
    """A menu of norms, and the budget.

    Args:
        prefix: of the ids on the page.
        norm, eps: what they hold at first, as a recipe has them.
        label: over the menu.
    """

    def __init__(self, prefix: str, norm: str, eps: float, label: str = "Limit") -> None:
        self._prefix, self._start, self._label = prefix, (norm, eps), label

    def build(self) -> None:
        """Create the widgets."""
        norm, eps = self._start
        self.norm = gr.Radio(NORMS, value=norm, label=self._label, elem_id=f"{self._prefix}-norm")
        self.eps = gr.Number(
            shown_eps(norm, eps),
            label="Budget",
            info=budget_words(norm),
            visible=norm != "none",
            elem_id=f"{self._prefix}-eps",
        )

    @property
    def components(self) -> list[Any]:
        """The widgets whose values ``read`` takes."""
        return [self.norm, self.eps]

    def read(self, norm: str, shown: float | None) -> dict[str, object]:
        """The recipe's fields. FormError if the budget is empty or out of range."""
        if norm == "none":
            return {"norm": norm, "eps": 0.0}
        wanted = f"a number above 0 and at most {LEVELS}" if norm == "linf" else "a number above 0, for example 0.5"
        found = number(shown, "Budget", wanted)
        if found <= 0 or (norm == "linf" and found > LEVELS):
            raise FormError(f"Budget must be {wanted}, not {found:g}.")
        return {"norm": norm, "eps": real_eps(norm, found)}

    def choose(self, norm: str) -> Updates:
        """The usual budget of a norm that was just chosen."""
        return self._budget(norm, _USUAL.get(norm, 0.0))

    def updates(self, norm: str, eps: float) -> Updates:
        """Updates that put a recipe's fields into the widgets."""
        return {self.norm: norm, **self._budget(norm, eps)}

    def _budget(self, norm: str, eps: float) -> Updates:
        return {self.eps: gr.Number(value=shown_eps(norm, eps), info=budget_words(norm), visible=norm != "none")}


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
