"""Which words of a recipe's prompts encoders never saw, and which prompts they do not read to their end."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

from foundation.errors import StudioError
from foundation.protocols import Encoder
from generator.classes.in_texts import SMALL_WORDS
from generator.recipes.guides import Guides
from generator.recipes.prompts import is_drawable

_POSSESSIVE = re.compile(r"['’]s(?!\w)")


class Reader(Protocol):
    """Something that can say which words it never saw: an encoder, or what is known of one that is not loaded."""

    def unknown_words(self, text: str, /) -> tuple[str, ...]:
        """The words of a text that it never saw in training."""
        ...


def unknown_words(
    guides: Guides, encoders: Mapping[str, Reader], led: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Return the words in prompts that encoders never saw in training, by the name of the encoder.

    Encoders that know them all are left out. StudioError if there is a prompt to be shown of which none of the
    encoders knows a single word, unless classifiers lead to it (`led`, texts of prompts).
    """
    for prompt in (*guides.wanted, *guides.towards):
        known = prompt.text in led or any(knows_some(encoder, prompt.text) for encoder in encoders.values())
        if encoders and not known:
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


def readers(guides: Guides, encoders: Mapping[str, Encoder], led: Collection[str]) -> dict[str, Encoder]:
    """The encoders that know a word of the prompts to be shown; all of them where nobody leads along (`led`)."""
    wanted = [prompt.text for prompt in guides.wanted]
    return {name: one for name, one in encoders.items() if not led or any(_knows_a_thing(one, text) for text in wanted)}


def _knows_a_thing(encoder: Reader, text: str) -> bool:
    """Whether the encoder knows more of a text than its articles and the like."""
    unknown = {word.casefold() for word in encoder.unknown_words(text)}
    return any(word not in unknown and word not in SMALL_WORDS for word in re.findall(r"[^\W_]+", text.casefold()))


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
