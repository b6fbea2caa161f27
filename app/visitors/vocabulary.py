"""What models that read prompts, and have a vocabulary of their own, can draw."""

from dataclasses import dataclass
from pathlib import Path

from foundation.files.text_files import read_json
from generator.encoders.vocabulary import VOCABULARY_NAME


@dataclass(frozen=True)
class Thing:
    """Something that a model knows: its names, the first the usual one, and what kind of thing it is ("" unknown)."""

    names: tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """The things and the colours that a model knows."""

    things: tuple[Thing, ...] = ()
    colours: tuple[str, ...] = ()


def vocabulary_in(folder: Path) -> Vocabulary | None:
    """The vocabulary of the model in a folder; None without any.

    One that is damaged counts as none: it is only shown, and the model says itself what it does not know.
    """
    path = folder / VOCABULARY_NAME
    return _read(path) if path.is_file() else None


def _read(path: Path) -> Vocabulary | None:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict):
        return None
    listed = content.get("things")
    things = [_thing(entry) for entry in listed] if isinstance(listed, list) else []
    found = Vocabulary(tuple(thing for thing in things if thing is not None), _texts(content.get("colours")))
    return found if found.things or found.colours else None


def _thing(entry: object) -> Thing | None:
    if not isinstance(entry, dict):
        return None
    names = _texts(entry.get("names"))
    return Thing(names, str(entry.get("kind", ""))) if names else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
