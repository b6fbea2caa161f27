"""Which of the data's classes is which of a model's: by name, never by the place in a list, but where that is asked.

A class means the one of the same name or, where there is none, the one that is the same but for case, for blanks
written as underscores, and for zeros before a number. Of a network whose classes have no names but numbers ("class 0",
"class 1"...) the number names the class. A name that could be several is refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

import torch

from foundation.errors import StudioError
from foundation.files.folders import by_number, is_number
from generator.classes.class_names import folded
from robust_model.data.datasets import LabelledSet

Match = Literal["name", "order"]
Labelled = TypeVar("Labelled", bound=LabelledSet)
Key = TypeVar("Key", str, int)
_MOST_NAMED = 12


def numbered(count: int) -> tuple[str, ...]:
    """Names for classes that have none."""
    return tuple(f"class {number}" for number in range(count))


def places_of(names: Sequence[str], class_names: Sequence[str]) -> list[int]:
    """For each of the names the place of the class among a model's that it means.

    Raises StudioError for a name that means none of them, or several, and for two names that mean the same.
    """
    if tuple(names) == tuple(class_names):
        return list(range(len(names)))
    exactly, loosely = _index(class_names), _index(map(folded, class_names))
    by_count = tuple(class_names) == numbered(len(class_names))
    found: list[int] = []
    strange: list[str] = []
    for name in names:
        meant = exactly.get(name) or loosely.get(folded(name), [])
        if not meant and by_count and is_number(name) and int(name) < len(class_names):
            meant = [int(name)]
        if len(meant) > 1:
            raise StudioError(
                f"'{name}' could be {len(meant)} of the model's classes ({listed([class_names[i] for i in meant])}, "
                f"at the places {', '.join(map(str, meant))}): give every class a name of its own."
            )
        found += meant
        strange += [] if meant else [name]
    if strange:
        raise StudioError(f"The model knows no class called {listed(strange)}; it knows {listed(class_names)}.")
    for place, both in _index(found).items():
        if len(both) > 1:
            raise StudioError(
                f"{' and '.join(repr(names[i]) for i in both)} are one class of the model's, '{class_names[place]}': "
                "put their images into one folder."
            )
    return found


def by_name(data: Labelled, class_names: Sequence[str]) -> Labelled:
    """The data with labels that count a model's classes; the data may know fewer of them. Raises StudioError."""
    wanted = tuple(class_names)
    if data.class_names == wanted:
        return data
    places = places_of(data.class_names, wanted)
    loose = [(name, wanted[place]) for name, place in zip(data.class_names, places, strict=True)]
    loose = [pair for pair in loose if pair[0] != pair[1]]
    notes = [data.note]
    if loose:
        named = listed([f"'{name}' as '{known}'" for name, known in loose])
        notes.append(f"Of the data's classes, these are spelled otherwise than the model's: {named}.")
    if len(places) < len(wanted):
        notes.append(f"The data has images of {len(places)} of the model's {len(wanted):,} classes.")
    note = " ".join(filter(None, notes))
    return replace(data, labels=torch.tensor(places)[data.labels], class_names=wanted, note=note)


def match_classes(data: LabelledSet, class_names: Sequence[str], match: Match = "name") -> LabelledSet:
    """The data with labels that count a model's classes, each by its name or, with "order", by its place.

    Raises StudioError, and says where the other way would do.
    """
    if data.class_names == tuple(class_names):
        return data
    if match == "order":
        return _by_order(data, tuple(class_names))
    try:
        return by_name(data, class_names)
    except StudioError as error:
        if len(data.class_names) != len(class_names) or set(data.class_names) & set(class_names):
            raise
        raise StudioError(
            f"{error} Where only the names differ, and the order is the same, say so: --match order."
        ) from error


def _by_order(data: LabelledSet, class_names: tuple[str, ...]) -> LabelledSet:
    names = data.class_names
    if len(names) != len(class_names):
        raise StudioError(
            f"The model knows {len(class_names)} classes and the data has {len(names)}; to match them by their order "
            "they must be equally many."
        )
    # Numbers say nothing alone: data may count from 1 what the model counts from 0.
    words = {name for name in names if not is_number(name)} or set(names if set(names) == set(class_names) else ())
    moved = [name for name, own in zip(names, class_names, strict=True) if name in words and name != own]
    moved = [name for name in moved if name in class_names]
    if moved:
        name = moved[0]
        raise StudioError(
            f"The data's '{name}' is a class of the model's own, at another place ({names.index(name) + 1} of the "
            f"data's, {class_names.index(name) + 1} of the model's): leave --match order out, and name the folders as "
            "the model's classes are called."
        )
    note = f"The data's classes are the model's by their order: '{names[0]}' as '{class_names[0]}', and so on."
    if sorted(names) != by_number(names):
        note += f" Numbers count by what they are worth ({listed(names, 3)}), not as texts are sorted."
    return replace(data, class_names=class_names, note=" ".join(filter(None, (data.note, note))))


def listed(names: Sequence[str], most: int = _MOST_NAMED) -> str:
    """Some of the names, and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _index(values: Iterable[Key]) -> dict[Key, list[int]]:
    """At which places each value stands."""
    places: dict[Key, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(value, []).append(place)
    return places
