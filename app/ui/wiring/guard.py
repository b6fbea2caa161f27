"""The one place where an error on its way to the page becomes a sentence."""

import functools
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ParamSpec

import gradio as gr

from app.ui.markup.markup import notice
from foundation.errors import StudioError
from foundation.limits import Limits

log = logging.getLogger("crossmax.ui")

Updates = dict[Any, Any]
QUICK: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "show_progress_on": (),
    "api_visibility": "private",
}
"""Options of an event that answers at once, and is nobody's business but the page's.

Nothing shows its progress: where Gradio is not told so, every event makes the browser look twice, from the root, for
each component that any event before it could change. With hundreds of them that takes more than all the rest.
"""
MOST_TEXT = Limits().text
P = ParamSpec("P")


@dataclass(frozen=True)
class Unreadable:
    """Stands in place of an event's inputs of which one cannot be read, with a sentence that says which."""

    sentence: str


def refuse_unreadable(inputs: Iterable[Any]) -> None:
    """Raise the sentence of an input that cannot be read, as StudioError, if there is one."""
    for value in inputs:
        if isinstance(value, Unreadable):
            raise StudioError(value.sentence)
        if isinstance(value, dict):  # inputs by their widgets
            refuse_unreadable(value.values())


def refuse_long(inputs: Iterable[Any], most: int) -> None:
    """Raise a sentence, as StudioError, for a text that is longer than what is read of one; nothing is cut silently."""
    for value in inputs:
        if isinstance(value, str) and len(value) > most:
            raise StudioError(f"A text here has {len(value):,} characters, of which {most:,} can be read: shorten it.")
        if isinstance(value, list | tuple):
            refuse_long((entry for entry in value if isinstance(entry, str)), most)
        elif isinstance(value, dict) and all(isinstance(key, gr.blocks.Block) for key in value):
            refuse_long(value.values(), most)  # inputs by their widgets


def guarded(notice_area: Any, *, keep: bool = False) -> Callable[[Callable[P, Updates]], Callable[P, Updates]]:
    """Make an event handler answer with a sentence in ``notice_area`` instead of an error.

    The handler returns a dict of component to value. A ``StudioError`` shows its own
    sentence. Anything else is a fault of the program: it is logged with its traceback under a
    reference that the page shows. When all goes well, an old notice is cleared, unless ``keep`` says that this
    event is not the visitor's own doing (a timer's tick, or fields that are filled in). Such an event also says
    nothing of a field that cannot be read: it was sent while other fields, on which that one's choices depend, were
    still to come, and they bring the next event.
    """
    cleared: Updates = {} if keep else {notice_area: ""}

    def decorate(handler: Callable[P, Updates]) -> Callable[P, Updates]:
        @functools.wraps(handler)
        def safe(*args: P.args, **kwargs: P.kwargs) -> Updates:
            try:
                refuse_unreadable(args)
            except StudioError as error:
                return {notice_area: gr.skip() if keep else notice(str(error), tone="bad")}
            try:
                refuse_long(args, MOST_TEXT)
                return {**cleared, **handler(*args, **kwargs)} or {notice_area: gr.skip()}
            except StudioError as error:
                return {notice_area: notice(str(error), tone="bad")}
            except Exception:
                reference = secrets.token_hex(3)
                log.exception("unexpected error %s in %s", reference, handler.__name__)
                sentence = f"Something went wrong on our side. The log has the details under {reference}."
                return {notice_area: notice(sentence, tone="bad")}

        return safe

    return decorate
