"""Pydantic's findings about a recipe as sentences for people, each naming its field."""

import difflib
import reprlib
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_MOST_SENTENCES = 5
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
_KINDS = (  # start of pydantic's error type -> what the value must be
    ("int_", "a whole number"),
    ("float_", "a number"),
    ("finite_number", "a finite number"),
    ("bool_", "true or false"),
    ("string_pattern_mismatch", "made of hexadecimal digits"),
    ("string_", "text"),
    ("tuple_", "a list"),
)


def sentences(error: ValidationError, fields: Mapping[str, FieldInfo]) -> str:
    """All findings, one sentence each, in the order of the fields; of very many, the first few."""
    details = error.errors(include_url=False)
    found = list(dict.fromkeys(_sentence(detail, fields) for detail in details))
    return " ".join(found[:_MOST_SENTENCES])


def _sentence(detail: ErrorDetails, fields: Mapping[str, FieldInfo]) -> str:
    kind, place, context = detail["type"], detail["loc"], detail.get("ctx", {})
    if kind == "value_error":  # raised by a validator of ours, in words
        return str(context["error"])
    name = str(place[0])
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(name, fields, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "it may come from another program."
        return f"{reprlib.repr(name)} is not a field of a recipe: {hint}"
    entry = int(place[1]) + 1 if len(place) > 1 else None
    if kind == "missing":
        return f"{name} lacks its entry {entry}."
    subject = name if entry is None else f"{name} (entry {entry})"
    demand = _demand(kind, context) if entry else _range(kind, fields[name]) or _demand(kind, context)
    return f"{subject} must {demand}, not {reprlib.repr(detail['input'])}."


def _demand(kind: str, context: Mapping[str, object]) -> str:
    if kind == "literal_error":
        return f"be {context['expected']}"
    if kind in _BOUNDS:
        key, word = _BOUNDS[kind]
        return f"be {word} {context[key]}"
    if kind in ("too_long", "string_too_long"):
        return f"have at most {context['max_length']} {'entries' if kind == 'too_long' else 'characters'}"
    if kind == "too_short":
        return f"have at least {context['min_length']} {'entry' if context['min_length'] == 1 else 'entries'}"
    if kind == "string_too_short":
        return "have some text"
    return next((f"be {wanted}" for start, wanted in _KINDS if kind.startswith(start)), "be of another kind")


def _range(kind: str, field: FieldInfo) -> str | None:
    """Both ends of the field's range where it has them, so that one sentence is enough to mend the value."""
    if kind not in _BOUNDS:
        return None
    limits = {
        key: getattr(limit, key) for limit in field.metadata for key in ("gt", "ge", "lt", "le") if hasattr(limit, key)
    }
    words = [f"{word} {limits[key]}" for key, word in _BOUNDS.values() if key in limits]
    return "be " + " and ".join(words)
