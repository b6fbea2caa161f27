"""One class out of those that a model knows: chips for a few, a menu for many. The choice outlives other lists.

A list that is filled anew keeps what was chosen where it has it. Where it has not, the first of its classes is taken,
which is said; the next list that has the class takes it again. Long lists are searched by typing, also by what else
the classes are called. Where several models have lists of their own, a line takes what the others call the class.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.ui.markup import markup
from app.ui.widgets.forms import FormError
from app.ui.wiring.guard import QUICK, Updates
from app.ui.wiring.services import Studio
from foundation.errors import StudioError
from generator.classes.class_names import UnknownClassError, class_place, join_names, nearest, several_names
from generator.classes.synonyms import synonyms_of

FEW_CLASSES = 24
MIXED = "The mixture under Advanced counts in place of one class."


@dataclass(frozen=True)
class Wish:
    """What the visitor chose where something else is shown.

    Attributes:
        wanted: the visitor's choice; "" while it is what is shown.
        shown: what was taken in its place; "" for nothing.
        placed: what a picture that was opened has just put into the widgets. The browser may tell of another event
            before it has put it there, and what it then says of the widgets is older.
    """

    wanted: str = ""
    shown: str = ""
    placed: str = ""


class ClassChoice:
    """Chips and a menu, of which one is seen, a line on a choice that the visitor did not make, and other names of it.

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
        self.menu = gr.Dropdown(
            searchable(self._names),
            value=self._value,
            label="Class",
            info="Type to search, also by other words: puma finds cougar.",
            elem_id=self._menu_id,
            visible=not few,
        )
        self.elsewhere = gr.Textbox(
            label="Its name elsewhere",
            info="What the other models call the class, where they do not know it by the name above.",
            placeholder="cat",
            visible=False,
            elem_id=f"{self._chips_id}-elsewhere",
        )
        self.line = gr.HTML("", elem_id=f"{self._chips_id}-line", apply_default_css=False)
        self.wish = gr.State(Wish())

    @property
    def inputs(self) -> list[Any]:
        """What ``follow`` is told: the two widgets and the wish."""
        return [self.chips, self.menu, self.wish]

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks."""
        return [self.chips, self.menu, self.elsewhere]

    @property
    def outputs(self) -> list[Any]:
        """What ``follow`` and ``choose`` change."""
        return [self.chips, self.menu, self.elsewhere, self.line, self.wish]

    def wire(self, guard: Any, notice: Any) -> None:
        """Connect the events: what the visitor chooses needs no word."""

        def chosen() -> Updates:
            return {self.line: "", self.wish: Wish()}

        for widget in self.components:
            widget.input(guard(chosen), None, [notice, self.line, self.wish], **QUICK)

    def follow(
        self,
        names: Sequence[str],
        chip: str | None,
        menu: str | None,
        wish: Wish,
        *,
        mixed: bool = False,
        differing: bool = False,
    ) -> Updates:
        """Updates for another list of classes, or for the same beside a mixture, which counts in its place.

        With ``differing`` lists of several models, their other names for the class are asked for.
        """
        return {**self._followed(names, chip, menu, wish, mixed), self.elsewhere: _other_names(None, differing)}

    def _followed(self, names: Sequence[str], chip: str | None, menu: str | None, wish: Wish, mixed: bool) -> Updates:
        current = wish.placed or chip or menu or ""
        wanted = wish.wanted if wish.wanted and current in ("", wish.shown) else current
        if mixed or not names:
            return self._put(names, None, MIXED if mixed and names else "", Wish(wanted))
        if wanted in names:
            return self._put(names, wanted, "", Wish())
        words = f"No class here is called \u201c{wanted}\u201d: {names[0]} was chosen instead." if wanted else ""
        return self._put(names, names[0], words, Wish(wanted, names[0]))

    def choose(self, names: Sequence[str], value: str, *, mixed: bool = False, differing: bool = False) -> Updates:
        """Updates for a list and one of its classes, or for a mixture, to which no single class is chosen.

        Of several names with ``|`` between, the one in the list is chosen, and the others are those elsewhere.
        """
        own = own_name(names, value)
        others = tuple(name for name in several_names(value) if name != own) if own and not mixed else ()
        elsewhere = {self.elsewhere: _other_names(others, differing or bool(others))}
        if mixed:
            wish = Wish(own or value, placed=own or value)
            return {**self._put(names, None, MIXED, wish), **elsewhere}
        return {**self._put(names, own or value, "", Wish(placed=own or value)), **elsewhere}

    def _put(self, names: Sequence[str], value: str | None, words: str, wish: Wish) -> Updates:
        few = len(names) <= FEW_CLASSES
        line = f'<p class="cx-hint cx-chosen-for-you" role="status">{markup.text(words)}</p>' if words else ""
        return {
            self.chips: gr.Radio(choices=list(names) if few else [], value=value if few else None, visible=few),
            self.menu: gr.Dropdown(choices=searchable(names), value=value, visible=not few),
            self.line: line,
            self.wish: wish,
        }

    @staticmethod
    def read(names: Sequence[str], chip: str | None, menu: str | None, elsewhere: str | None = "") -> str:
        """The chosen class, with its other names. FormError if there is none in the list."""
        chosen = chip if len(names) <= FEW_CLASSES else menu
        if chosen not in names or chosen is None:
            raise FormError("Choose a class first.")
        return join_names((chosen, *several_names(elsewhere or "")))


def _other_names(names: Sequence[str] | None, shown: bool) -> gr.Textbox:
    """The line for other names: emptied where it is not shown, since what nobody sees must not count."""
    if not shown:
        return gr.Textbox(value="", visible=False)
    return gr.Textbox(visible=True) if names is None else gr.Textbox(value=join_names(names), visible=True)


def searchable(names: Sequence[str]) -> list[tuple[str, str]]:
    """The entries of a menu of classes, each with its synonyms: a menu shows those that have what is typed in them."""
    if len(names) <= FEW_CLASSES:
        return [(name, name) for name in names]
    return [(" \u00b7 ".join([name, ", ".join(synonyms_of(name))]).rstrip(" \u00b7"), name) for name in names]


def own_name(names: Sequence[str], name: str) -> str:
    """What a list calls a class that a recipe gives by any name; "" if it knows none of that name."""
    try:
        return names[class_place(names, name)]
    except StudioError:
        return ""


def are_differing(studio: Studio, classifiers: Sequence[str]) -> bool:
    """Whether these models do not all know the same classes."""
    lists = [set(names) for names in map(studio.class_names, classifiers) if names]
    return any(one != lists[0] for one in lists[1:])


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
    """Refuse classes that one of several models does not know. FormError names both, and the nearest classes."""
    for model in models:
        names = studio.class_names(model)
        for name in classes if names else ():
            try:
                class_place(names, name)
            except UnknownClassError as error:
                near = nearest(names, name, 3)
                known = f" It knows {' and '.join(near)}." if near else ""
                raise FormError(
                    f"{studio.titles().get(model, model)} knows no class called '{name}'.{known} Choose another class, "
                    "list the models' own names for it, such as 'tabby | cat', or leave that model out."
                ) from error
