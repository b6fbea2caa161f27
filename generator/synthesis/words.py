"""Which words of a recipe's prompts encoders never saw, and which prompts they do not read to their end."""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from foundation.errors import StudioError
from foundation.protocols import Encoder
from generator.recipes.guides import Guides
from generator.recipes.prompts import is_drawable

_POSSESSIVE = re.compile(r"['’]s(?!\w)")


class Reader(Protocol):
    """Something that can say which words it never saw: an encoder, or what is known of one that is not loaded."""

    def unknown_words(self, text: str, /) -> tuple[str, ...]:
        """The words of a text that it never saw in training."""
        ...


def unknown_words(guides: Guides, encoders: Mapping[str, Reader]) -> dict[str, tuple[str, ...]]:
    """Return the words in prompts that encoders never saw in training, by the name of the encoder.

    Encoders that know them all are left out. StudioError if there is a prompt to be shown of which none of the
    encoders knows a single word.
    """
    for prompt in (*guides.wanted, *guides.towards):
        if encoders and not any(knows_some(encoder, prompt.text) for encoder in encoders.values()):
            raise StudioError(
                f"{_named(list(encoders))} never saw any of the words in '{prompt.text[:80]}', so nothing would lead "
                "the picture: use words that the model knows (its card lists them), or choose another model."
            )
    found: dict[str, tuple[str, ...]] = {}
    for name, encoder in encoders.items():
        texts = [prompt.text for prompts in guides.by_role().values() for prompt in prompts]
        words = tuple(dict.fromkeys(word for text in texts for word in encoder.unknown_words(text)))
        if words:
            found[name] = words
    return found


class Reading(Protocol):
    """How much of a text an encoder reads."""

    @property
    def warning(self) -> str:
        """A sentence for the writer of the text; "" if all of it is read."""
        ...


@runtime_checkable
class CountingEncoder(Encoder, Protocol):
    """An encoder that tells how much of a text it reads; the others read all of it."""

    def count_tokens(self, text: str) -> Reading:
        """Return how much of the text is read."""
        ...


def reading_warnings(guides: Guides, encoders: Mapping[str, Encoder]) -> dict[str, tuple[str, ...]]:
    """Return sentences on prompts that encoders do not read to their end, by the name of the encoder.

    Encoders that read all of them are left out.
    """
    texts = [prompt.text for prompts in guides.by_role().values() for prompt in prompts]
    found: dict[str, tuple[str, ...]] = {}
    for name, encoder in encoders.items():
        if isinstance(encoder, CountingEncoder):
            sentences = tuple(filter(None, (encoder.count_tokens(text).warning for text in texts)))
            if sentences:
                found[name] = sentences
    return found


def knows_some(encoder: Reader, text: str) -> bool:
    """Whether anything is left of the text without the words that the encoder does not know."""
    left = _POSSESSIVE.sub(" ", text.casefold())
    for word in encoder.unknown_words(text):
        left = re.sub(rf"(?<![^\W_]){re.escape(word.casefold())}(?![^\W_])", " ", left)
    return is_drawable(left)


def _named(names: Sequence[str]) -> str:
    return f"The model '{names[0]}'" if len(names) == 1 else "The models " + ", ".join(f"'{name}'" for name in names)
