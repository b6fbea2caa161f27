"""Calls of the page's functions, and whether this page could have sent them.

A page that was open while the program changed, or somebody with a script, may send anything. What the page itself can
not have sent is refused here, in words; what remains is for the page's handlers.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Protocol, TypeGuard

from app.web.answers import FULL_DISK, RefusedError

SESSION = re.compile(r"[a-z0-9]{1,64}")
STALE = "This page does not fit the studio any more, which was started anew or changed: reload the page."
OUR_FAULT = "Something went wrong on our side. The studio's log has the details."
_FIELDS = frozenset({"data", "event_data", "fn_index", "trigger_id", "session_hash"})


class PageFunction(Protocol):
    """What is known of one of the page's functions."""

    @property
    def fn(self) -> Any: ...
    @property
    def inputs(self) -> Any: ...
    @property
    def queue(self) -> bool: ...
    @property
    def collects_event_data(self) -> bool: ...
    @property
    def api_visibility(self) -> str: ...


class Calls:
    """Checks calls against the page.

    Args:
        functions: the page's, by their numbers.
        components: numbers of all there is on the page, and of itself.
    """

    def __init__(self, functions: Mapping[int, PageFunction], components: Collection[int]) -> None:
        self._functions, self._components = functions, components

    def check(self, body: Any) -> bytes:
        """The body of a call as it is handed on: the fields that the page sends and no others.

        Raises:
            RefusedError: the page sends no such call (404, 422).
        """
        if not isinstance(body, dict):
            raise RefusedError(422, STALE)
        session, number, trigger = body.get("session_hash"), body.get("fn_index"), body.get("trigger_id")
        if not isinstance(session, str) or not SESSION.fullmatch(session):
            raise RefusedError(422, f"The call does not say which page it is from. {STALE}")
        function = self._functions.get(number) if _is_number(number) else None
        if function is None or function.fn is None or function.queue:
            raise RefusedError(404, f"The page has no such function. {STALE}")
        data = body.get("data")
        if not isinstance(data, list) or len(data) != len(function.inputs):
            raise RefusedError(422, f"The call does not have what its function needs. {STALE}")
        if trigger is not None and not (_is_number(trigger) and trigger in self._components):
            raise RefusedError(422, f"The call comes from nothing on the page. {STALE}")
        if function.collects_event_data and not isinstance(body.get("event_data"), dict):
            raise RefusedError(422, f"The call does not say what happened on the page. {STALE}")
        return json.dumps({name: value for name, value in body.items() if name in _FIELDS}).encode()


def explain(status: int, body: bytes) -> tuple[int, bytes] | None:
    """What to answer where the framework answers a call with a fault of its own; None to leave the answer as it is.

    A message in it says what of the call did not fit, so that is the sender's; without one the fault is the program's.
    """
    if status < 500:
        return None
    try:
        said = json.loads(body).get("error")
    except (ValueError, AttributeError):
        said = None
    if isinstance(said, str) and said:
        return 507 if said == FULL_DISK else 422, json.dumps({"error": said, "visible": True}).encode()
    return 500, json.dumps({"error": OUR_FAULT, "visible": True}).encode()


def _is_number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
