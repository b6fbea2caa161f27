"""The words a model was trained on, where it says so, and those of a prompt that are not among them."""

import re
import string
import unicodedata
from collections.abc import Set
from pathlib import Path

from foundation.errors import StudioError
from foundation.files.text_files import NoFileError, read_json

VOCABULARY_NAME = "vocabulary.json"
_PARTS = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)


def read_vocabulary(folder: Path) -> tuple[str, ...]:
    """The "words" in the folder's vocabulary.json; () where there is no such file.

    StudioError for a file that is damaged or of another form.
    """
    path = folder / VOCABULARY_NAME
    try:
        content = read_json(path, "vocabulary")
    except NoFileError:
        return ()
    words = content.get("words") if isinstance(content, dict) else None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise StudioError(f'The vocabulary \'{path}\' is not of the form {{"words": ["...", ...]}}.')
    return tuple(words)


def unknown_words(text: str, known: Set[str]) -> tuple[str, ...]:
    """The words of the text that are not in `known` (casefolded), in order and once each, as they were written.

    Punctuation round a word doesn't count, nor does a final 's. A compound such as "red-haired" is known if it
    is in the set itself or if all of its parts are; otherwise its unknown parts are named.
    """
    found: dict[str, str] = {}
    for written in text.split():
        word = _POSSESSIVE.sub("", _stripped(written))
        if not word or word.casefold() in known:
            continue
        for part in _PARTS.findall(word) or [word]:
            if part.casefold() not in known:
                found.setdefault(part.casefold(), part)
    return tuple(found.values())


def _stripped(word: str) -> str:
    """Without the punctuation at both ends; symbols such as emoji stay, since they mean something."""
    start, end = 0, len(word)
    while start < end and _is_punctuation(word[start]):
        start += 1
    while end > start and _is_punctuation(word[end - 1]):
        end -= 1
    return word[start:end]


def _is_punctuation(letter: str) -> bool:
    return letter in string.punctuation or unicodedata.category(letter).startswith("P")
