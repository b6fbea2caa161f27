"""Which of a classifier's classes a name means: as it is written, as a number, loosely spelled, or by a synonym.

Several models may call one class by different names. Then a recipe lists them with `|` between, and each model takes
the first that it knows: of "tabby | cat", an ImageNet model takes its tabby, and one of CIFAR-10 its cat.
"""

import difflib
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

from foundation.errors import StudioError
from foundation.files.folders import is_number
from generator.classes.synonyms import synonyms_of
from generator.recipes.common import RECIPE_VERSION

SEPARATOR = "|"
"""Stands between the names that several models have for one class."""
EXACT_NAMES = 4
"""The version of recipes from which on a class is named exactly, where names differ in capitals alone, and once."""
MOST_NEAR = 6
"""Names that a refusal offers."""
_FEW = 12
_LIKENESS = 0.7
"""How alike (0 to 1, `difflib`) what was typed and a class's name are, to be taken for a slip of the keys."""


class UnknownClassError(StudioError):
    """A model knows no class of a name."""


class Meant(NamedTuple):
    """What a name means to a model: the place among its classes, and the part of the name by which that was found."""

    place: int
    written: str

    def otherwise(self, names: Sequence[str]) -> tuple[str, str] | None:
        """What was written and the class (of `names`) that it was taken for, where that is a synonym or the like.

        None where the class is called so, but for capitals and blanks around it, or given by its number.
        """
        written, found = self.written, names[self.place]
        return None if written.casefold() == found.casefold() or written.isdecimal() else (written, found)


def folded(name: str) -> str:
    """A class's name as it is compared where it is not found as it is written."""
    plain = " ".join(unicodedata.normalize("NFC", name).replace("_", " ").casefold().split())
    return str(int(plain)) if is_number(plain) else plain


def several_names(name: str) -> tuple[str, ...]:
    """The names that a recipe lists for one class, in their order."""
    return tuple(part for part in map(str.strip, name.split(SEPARATOR)) if part)


def join_names(names: Sequence[str]) -> str:
    """What lists these names for one class, each once."""
    return f" {SEPARATOR} ".join(dict.fromkeys(names))


def class_place(names: Sequence[str], name: str, version: int = RECIPE_VERSION, model: str = "") -> int:
    """Return the place among the classes of a model of the one that a name means: see `meaning`."""
    return meaning(names, name, version, model).place


def meaning(names: Sequence[str], name: str, version: int = RECIPE_VERSION, model: str = "") -> Meant:
    """Find the one among the classes of a model (`names`) that a recipe of a version means by `name`.

    A name is compared but for upper and lower case, unless that leaves several classes: ImageNet's "Cardigan" is a dog,
    and its "cardigan" a garment (before version 4 the first of them was meant). Then it may be a number from 0; a name
    with underscores for blanks, or with zeros before a number; or a synonym ("puma" is the class "cougar"). Of several
    names with `|` between, the first that the model knows is meant. StudioError, which names the `model` and the
    nearest classes, for a name that no class has (an UnknownClassError), or several.
    """
    for part in (name, *(several_names(name) if SEPARATOR in name else ())):
        place = _find(names, part, version)
        if place is not None:
            return Meant(place, part.strip())
    raise UnknownClassError(_unknown(names, name, model))


def nearest(names: Sequence[str], name: str, most: int = MOST_NEAR) -> tuple[str, ...]:
    """Classes that somebody who typed `name` may have meant, the likeliest first; () where none is near.

    Those come first that have it as a word in their name or a synonym ("cat" in "Egyptian cat"), then those that are
    spelled alike.
    """
    wanted = [folded(part) for part in several_names(name)]
    known = {place: [folded(label), *map(folded, synonyms_of(label))] for place, label in enumerate(names)}

    def likeness(place: int) -> float:
        return max(_likeness(part, other) for part in wanted for other in known[place])

    scores = {place: likeness(place) for place in known} if wanted else {}
    found = sorted((place for place, score in scores.items() if score >= _LIKENESS), key=lambda p: (-scores[p], p))
    return tuple(names[place] for place in found[:most])


def _likeness(one: str, other: str) -> float:
    """From 0 to 1: the same words; one that has the other as a word, or as two; letters in common."""
    if one == other:
        return 1.0
    words, others = one.split(), other.split()
    if set(words) <= set(others):
        return 0.95
    if len(others[-1]) > 2 and others[-1] in words:  # "tabby kitten" may be looked for as "tabby"
        return 0.9
    matcher = difflib.SequenceMatcher(None, one, other)
    return 0.0 if matcher.real_quick_ratio() < _LIKENESS else 0.9 * matcher.ratio()


def _find(names: Sequence[str], name: str, version: int) -> int | None:
    """The place of the class that one name means, None if none does. StudioError if several do."""
    wanted = name.strip()
    alike = [place for place, known in enumerate(names) if known.casefold() == wanted.casefold()]
    if len(alike) > 1 and version < EXACT_NAMES:
        return alike[0]
    alike = [place for place in alike if names[place] == wanted][:1] or alike
    if not alike and wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    for means in () if alike else _LOOSELY:
        alike = alike or [place for place, known in enumerate(names) if means(known, folded(wanted))]
    if len(alike) > 1:
        meant = " or ".join(f"'{names[place]}' ({place})" for place in alike)
        raise StudioError(f"'{name}' can mean several classes: give {meant}, by name or number.")
    return alike[0] if alike else None


def _is_spelled(label: str, wanted: str) -> bool:
    return folded(label) == wanted


def _is_a_synonym(label: str, wanted: str) -> bool:
    return wanted in map(folded, synonyms_of(label))


_LOOSELY: tuple[Callable[[str, str], bool], ...] = (_is_spelled, _is_a_synonym)
"""Whether a class means what is wanted (folded) though it is not called so; the first rule that finds one counts."""


def _unknown(names: Sequence[str], name: str, model: str) -> str:
    """The sentence that refuses a name."""
    refused = f"The model{model and f' {model!r}'} knows no class '{name}'."
    near = nearest(names, name)
    if near and len(names) > _FEW:
        known = f"The nearest that it knows are {', '.join(repr(label) for label in near)}"
    else:
        known = f"It knows {', '.join(names[:_FEW])}" + (", ..." if len(names) > _FEW else "")
    return f"{refused} {known}; numbers from 0 to {len(names) - 1} work, too."
