"""Forms that a browser remembers: what their widgets hold is kept there, and put back when the page is opened again.

Keeping asks the server for nothing: the page itself writes what differs from an untouched form
(`scripts/remembered.js`), a moment after the last change. What comes back is a text from a browser like any other. Each
value has to be one that its widget can hold, and all of them together have to pass what a picture's recipe has to pass
when it is opened; what does not stays as it is in an untouched form, which is said. Of pictures only the digests are
kept, and they are chosen again where the visitor still has them among the uploads.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from app.ui.markup import markup
from app.ui.widgets.picture_input import PictureInput
from app.ui.wiring.guard import MOST_TEXT, QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.visitors.uploads import Kept
from foundation.errors import StudioError
from foundation.files.text_files import read_text

SCRIPT_PATHS = tuple(Path(__file__).parent / "scripts" / f"{name}.js" for name in ("resetting", "remembered"))
READ_JS = (
    "(owner, _forms) => [owner, {...(window.cxForms?.read() ?? {}), tab: window.cxForms?.tab() ?? '', "
    "link: window.cxLink?.() ?? ''}]"
)
"""Hands what the browser remembers, and the recipe of a link, to the event that opens the page, after the owner."""
KEEP_TAB_JS = "() => window.cxForms?.keepTab('{tab}')"
"""Lets the browser remember which tab is open."""
LISTEN_JS = "() => window.cxForms?.listen()"
FORGET_JS = "() => { window.cxForms?.forget(); location.reload(); }"
MOST_CHOSEN = 200
KINDS = (gr.Textbox, gr.Number, gr.Checkbox, gr.Radio, gr.Dropdown, gr.CheckboxGroup)
"""The widgets whose values are kept; a `gr.State` or a canvas is not."""
UNFIT: Any = object()


class Held(dict[Any, Any]):
    """Component -> what it holds: None where nothing is said of it."""

    def __missing__(self, key: Any) -> None:
        return None


class RememberedForm(ABC):
    """One form of the page.

    Args:
        name: of the form in the browser's storage.
        notice: where is said what no longer fits.
        reset: the button that puts everything back to what it is at first.
        components: widgets of the form; those that cannot be kept are left out.
        changing: those of them whose choices are not what they were when the page was built.
        pictures: what the visitor may have brought, by names for the storage.
    """

    def __init__(
        self,
        name: str,
        notice: Any,
        reset: gr.Button,
        components: Sequence[Any],
        *,
        changing: Collection[Any] = (),
        pictures: Mapping[str, PictureInput] | None = None,
    ) -> None:
        self.name, self.notice, self.reset = name, notice, reset
        self.widgets = {key_of(one): one for one in dict.fromkeys(components) if isinstance(one, KINDS)}
        self.pictures = dict(pictures or {})
        self._changing = set(changing)

    @abstractmethod
    def fill(self, values: Held, owner: str) -> Updates:
        """Updates of everything that goes with these values: what is offered, shown and said.

        What the visitor has yet to say may be missing. The values themselves, and the pictures, are put in afterwards.

        Raises:
            StudioError: they do not fit together, or name what is not here.
        """

    @property
    @abstractmethod
    def filled(self) -> list[Any]:
        """What ``fill`` changes."""

    @property
    def outputs(self) -> list[Any]:
        """What ``restore`` changes."""
        pictures = [component for picture in self.pictures.values() for component in picture.outputs]
        return list(dict.fromkeys([self.notice, *self.filled, *pictures, *self.widgets.values()]))

    def restore(self, kept: Any, owner: str) -> Updates:
        """Updates that put back what the browser kept of all forms; none where it kept nothing of this one."""
        mine = kept.get(self.name) if isinstance(kept, dict) else None
        changes, lost = self._read(mine if isinstance(mine, dict) else {}, owner)
        if not changes and not lost:
            return {}
        try:
            updates, left = self._settle(changes, owner)
        except StudioError:  # not even an untouched form fits: the page says why where it is used
            return {}
        lost += [_label(self, widget) for widget in left]
        words = f"Not as you left it, because it no longer fits here: {', '.join(dict.fromkeys(lost))}."
        return {**updates, self.notice: markup.notice(words, tone="warn") if lost else ""}

    def clear(self, owner: str) -> Updates:
        """Updates that put everything back to what it is at first. StudioError where that cannot be done."""
        return {**self._settle({}, owner)[0], self.notice: ""}

    def wire(self, owner: gr.BrowserState) -> None:
        """Let the browser keep every change, and connect the button; ``owner`` holds the owner's token."""
        fields = [(name, widget.value, self._returns(widget)) for name, widget in self.widgets.items()]
        told = ", ".join(json.dumps(one) for one in (self.name, fields, list(self.pictures)))
        kept = [*self.widgets.values(), *(picture.chosen for picture in self.pictures.values())]
        gr.on(
            [one.change for one in kept],
            fn=None,
            js=f"(...values) => {{ window.cxForms?.keep({told}, values); }}",
            inputs=kept,
            **QUICK,
        )

        def start_anew(state: Any) -> Updates:
            return self.clear(owner_token(state))

        self.reset.click(guarded(self.notice)(start_anew), [owner], self.outputs, **QUICK)
        self._wire_one()

    def _returns(self, widget: Any) -> bool:
        """Whether a widget can be put back to its first value alone; a menu takes others along, and is chosen from."""
        is_menu = isinstance(widget, gr.Dropdown) and (widget.filterable or bool(widget.multiselect))
        return bool(widget.elem_id) and widget not in self._changing and not is_menu

    def _wire_one(self) -> None:
        """Let single fields be put back to what they hold at first (`scripts/resetting.js`)."""
        returning = {name: widget for name, widget in self.widgets.items() if self._returns(widget)}
        asked = gr.HTML(
            "<i></i>",
            visible="hidden",
            elem_id=f"{self.name}-put-back",
            js_on_load="element.addEventListener('cx-back', event => trigger('select', {name: event.detail}));",
        )

        def put_back(event: gr.EventData) -> Updates:
            widget = returning.get(str(event.name))
            return {} if widget is None else {widget: widget.value}

        asked.select(guarded(self.notice, keep=True)(put_back), None, [self.notice, *returning.values()], **QUICK)

    def _read(self, mine: Mapping[str, object], owner: str) -> tuple[dict[Any, Any], list[str]]:
        """What was kept and may be put back, by component, and what of it no widget can hold, by its name."""
        fields, digests = mine.get("fields"), mine.get("pictures")
        changes: dict[Any, Any] = {}
        lost = []
        for name, widget in self.widgets.items():
            if isinstance(fields, dict) and name in fields:
                value = self._fitting(widget, fields[name])
                if value is UNFIT:
                    lost.append(_label(self, widget))
                else:
                    changes[widget] = value
        for name, picture in self.pictures.items():
            digest = digests.get(name) if isinstance(digests, dict) else None
            if isinstance(digest, str) and picture.studio.uploads.has(digest, owner):
                changes[picture.name] = Kept(owner, digest)
            elif digest:
                lost.append(f"the picture you brought ({name})")
        return changes, lost

    def _fitting(self, widget: Any, value: Any) -> Any:
        """The value if the widget can hold it, else UNFIT."""
        if isinstance(widget, gr.Checkbox):
            return value if isinstance(value, bool) else UNFIT
        if isinstance(widget, gr.Number):
            is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            return value if value is None or is_number else UNFIT
        if isinstance(widget, gr.Textbox):
            return value if isinstance(value, str) and len(value) <= MOST_TEXT else UNFIT
        several = isinstance(widget, gr.CheckboxGroup) or bool(getattr(widget, "multiselect", False))
        entries = value if several else [value]
        if value is None and not several:
            return None
        if not isinstance(entries, list) or len(entries) > MOST_CHOSEN:
            return UNFIT
        known = [choice for _, choice in widget.choices] if widget not in self._changing else None
        fit = all(isinstance(one, str) and len(one) <= MOST_TEXT and (known is None or one in known) for one in entries)
        return value if fit else UNFIT

    def _settle(self, changes: Mapping[Any, Any], owner: str) -> tuple[Updates, list[Any]]:
        """Updates for an untouched form with as many of these changes as fit together, and those that do not.

        StudioError if not even the untouched form does.
        """
        first = {widget: widget.value for widget in self.widgets.values()}
        names = [picture.name for picture in self.pictures.values()]

        def attempt(chosen: Mapping[Any, Any]) -> Updates:
            return self._put(Held({**first, **dict.fromkeys(names), **chosen}), owner)

        kept, updates = _most(changes, attempt)
        return updates, [one for one in changes if one not in kept]

    def _put(self, values: Held, owner: str) -> Updates:
        updates = self.fill(Held(values), owner)
        for picture in self.pictures.values():
            chosen = values[picture.name]
            updates = merged(updates, picture.choose(chosen) if chosen else picture.clear())
        return merged(updates, {widget: values[widget] for widget in self.widgets.values()})


def _most(
    changes: Mapping[Any, Any], attempt: Callable[[Mapping[Any, Any]], Updates]
) -> tuple[dict[Any, Any], Updates]:
    """As many changes as ``attempt`` takes together, and its updates: all, all but one, or one after another."""
    try:
        return dict(changes), attempt(changes)
    except StudioError:
        pass
    for left in changes:
        rest = {one: value for one, value in changes.items() if one is not left}
        try:
            return rest, attempt(rest)
        except StudioError:
            continue
    kept: dict[Any, Any] = {}
    updates = attempt(kept)
    for one, value in changes.items():
        try:
            updates = attempt({**kept, one: value})
        except StudioError:
            continue
        kept[one] = value
    return kept, updates


def key_of(widget: Any) -> str:
    """What a widget is called in the browser's storage."""
    return str(widget.elem_id or widget.label)


def _label(form: RememberedForm, component: Any) -> str:
    """What a component is called on the page."""
    pictures = [name for name, picture in form.pictures.items() if picture.name is component]
    return f"the picture you brought ({pictures[0]})" if pictures else str(component.label)


def merged(first: Updates, then: Updates) -> Updates:
    """Updates of both; where both are of one component, all that they say of it, and the second's word counts."""
    return {**first, **{one: _both(first[one], update) if one in first else update for one, update in then.items()}}


def _both(first: Any, then: Any) -> Any:
    before, after = _properties(first), _properties(then)
    if before is None and after is None:
        return then
    return gr.update(**{**(before or {"value": first}), **({"value": then} if after is None else after)})


def _properties(update: Any) -> dict[str, object] | None:
    """What an update says of a component's properties; None for one that is a value."""
    if isinstance(update, gr.blocks.Block):
        return dict(update.constructor_args)
    if isinstance(update, dict) and update.get("__type__") == "update":
        return {name: value for name, value in update.items() if name != "__type__"}
    return None


def forms_script() -> str:
    """The scripts for the head of the page."""
    return "".join(f"<script>\n{read_text(path)}</script>\n" for path in SCRIPT_PATHS)
