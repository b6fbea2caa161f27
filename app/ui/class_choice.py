"""One class out of those that a model knows: chips for a few, a menu for many. The choice outlives other lists.

A list that is filled anew keeps what was chosen where it has it. Where it has not, the first of its classes is taken,
which is said; the next list that has the class takes it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.ui import markup
from app.ui.forms import FormError
from app.ui.guard import QUICK, Updates
from app.ui.services import Studio

FEW_CLASSES = 24
MIXED = "The mixture under Advanced counts in place of one class."


@dataclass(frozen=True)
class Wish:
    """What the visitor chose where something else is shown.

    Attributes:
        wanted: the visitor's choice; "" while it is what is shown.
        shown: what was taken in its place; "" for nothing.
    """

    wanted: str = ""
    shown: str = ""


class ClassChoice:
    """Chips and a menu, of which one is seen, and a line on a choice that the visitor did not make.

    Args:
        names: the classes at first.
        value: the one chosen at first.
        chips_id, menu_id: of the widgets on the page.
    """

    def __init__(self, names: Sequence[str], value: str | None, *, chips_id: str, menu_id: str) -> None:
        self._names, self._value = list(names), value
        self._chips_id, self._menu_id = chips_id, menu_id

    def build(self) -> None:
        """Create the widgets."""
        few = len(self._names) <= FEW_CLASSES
        self.chips = gr.Radio(
            self._names if few else [],
            value=self._value if few else None,
            label="Class",
            elem_classes="cx-chips",
            elem_id=self._chips_id,
            visible=few,
        )
        self.menu = gr.Dropdown(self._names, value=self._value, label="Class", elem_id=self._menu_id, visible=not few)
        self.line = gr.HTML("", elem_id=f"{self._chips_id}-line", apply_default_css=False)
        self.wish = gr.State(Wish())

    @property
    def inputs(self) -> list[Any]:
        """What ``follow`` is told: the two widgets and the wish."""
        return [self.chips, self.menu, self.wish]

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks."""
        return [self.chips, self.menu]

    @property
    def outputs(self) -> list[Any]:
        """What ``follow`` and ``choose`` change."""
        return [self.chips, self.menu, self.line, self.wish]

    def wire(self, guard: Any, notice: Any) -> None:
        """Connect the events: what the visitor chooses needs no word."""

        def chosen() -> Updates:
            return {self.line: "", self.wish: Wish()}

        for widget in self.components:
            widget.input(guard(chosen), None, [notice, self.line, self.wish], **QUICK)

    def follow(
        self, names: Sequence[str], chip: str | None, menu: str | None, wish: Wish, *, mixed: bool = False
    ) -> Updates:
        """Updates for another list of classes, or for the same beside a mixture, which counts in its place."""
        current = chip or menu or ""
        wanted = wish.wanted if wish.wanted and current in ("", wish.shown) else current
        if mixed or not names:
            return self._put(names, None, MIXED if mixed and names else "", Wish(wanted))
        if wanted in names:
            return self._put(names, wanted, "", Wish())
        words = f"No class here is called \u201c{wanted}\u201d: {names[0]} was chosen instead." if wanted else ""
        return self._put(names, names[0], words, Wish(wanted, names[0]))

    def choose(self, names: Sequence[str], value: str, *, mixed: bool = False) -> Updates:
        """Updates for a list and one of its classes, or for a mixture, to which no single class is chosen."""
        if mixed:
            return self._put(names, None, MIXED, Wish(value))
        return self._put(names, value, "", Wish())

    def _put(self, names: Sequence[str], value: str | None, words: str, wish: Wish) -> Updates:
        few = len(names) <= FEW_CLASSES
        line = f'<p class="cx-hint cx-chosen-for-you" role="status">{markup.text(words)}</p>' if words else ""
        return {
            self.chips: gr.Radio(choices=list(names) if few else [], value=value if few else None, visible=few),
            self.menu: gr.Dropdown(choices=list(names), value=value, visible=not few),
            self.line: line,
            self.wish: wish,
        }

    @staticmethod
    def read(names: Sequence[str], chip: str | None, menu: str | None) -> str:
        """The chosen class. FormError if there is none in the list."""
        chosen = chip if len(names) <= FEW_CLASSES else menu
        if chosen not in names or chosen is None:
            raise FormError("Choose a class first.")
        return chosen


def offered(studio: Studio, classifiers: Sequence[str]) -> list[str]:
    """The classes that all of these models know, in the order of the first; those of the first if they share none."""
    lists = [studio.class_names(name) for name in classifiers]
    if not lists:
        return []
    shared = [name for name in lists[0] if all(name in others for others in lists[1:])]
    return shared or list(lists[0])


def by_number(name: str, names: Sequence[str]) -> str:
    """A class by its name, also where a recipe gives its number; a class whose name is a number goes by that."""
    numbered = name not in names and name.isdecimal() and int(name) < len(names)
    return names[int(name)] if numbered else name


def refuse_unknown(studio: Studio, models: Sequence[str], classes: Sequence[str]) -> None:
    """Refuse classes that one of several models does not know. FormError names both."""
    for model in models:
        names = studio.class_names(model)
        strange = next((name for name in classes if name not in names), None)
        if names and strange is not None:
            title = studio.titles().get(model, model)
            raise FormError(
                f"{title} knows no class called '{strange}': leave that model out, or choose another class."
            )
