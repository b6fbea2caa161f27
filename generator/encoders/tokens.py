"""Prompts to the token numbers of a model, and what of a long prompt it will not read."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from foundation.errors import StudioError

MAX_CHARACTERS = 2000
"""Longest text that is tokenised. Models read at most some 77 tokens, about 350 characters; and the time that
byte-pair encoding takes grows with the square of a word's length."""


@dataclass(frozen=True)
class TokenCount:
    """How much of a prompt a model reads.

    Attributes:
        used: tokens that the whole prompt has.
        limit: tokens that the model reads.
        cut_off: the end of the prompt that it does not read, as the model would spell it; "" if it reads all.
    """

    used: int
    limit: int
    cut_off: str = ""

    @property
    def warning(self) -> str:
        """A sentence for the writer of the prompt; "" if the model reads all of it."""
        if self.used <= self.limit:
            return ""
        return (
            f"The prompt has {self.used} tokens, of which the model reads the first {self.limit}: "
            f"'{self.cut_off}' is cut off."
        )


class PromptTokenizer:
    """open_clip's tokeniser of a model, with checks, safe for threads."""

    def __init__(self, tokenizer: Any) -> None:
        """`tokenizer` is what `open_clip.get_tokenizer` returned: its own, or one round Hugging Face's."""
        self._tokenizer = tokenizer
        self._foreign = getattr(tokenizer, "tokenizer", None)
        self._lock = threading.Lock()  # fast tokenisers of Hugging Face keep settings from call to call
        if hasattr(tokenizer, "reduction_fn"):
            # Some models draw at random which tokens of a long text to drop; here always the last ones go.
            tokenizer.reduction_fn = None

    def __reduce__(self) -> tuple[type["PromptTokenizer"], tuple[Any]]:
        """What is sent to another process has a lock of its own there."""
        return PromptTokenizer, (self._tokenizer,)

    @property
    def context_length(self) -> int:
        """Tokens that the model reads, its marks of start and end included."""
        return int(self._tokenizer.context_length)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return token numbers [N, context]; texts that are too long lose their end (see `count`).

        StudioError for texts in which there is nothing to read, or too much.
        """
        for text in texts:
            self.count(text)
        with self._lock:
            tokens = self._tokenizer(list(texts))
        return torch.as_tensor(tokens)

    def count(self, text: str) -> TokenCount:
        """Count the text's tokens. StudioError as for a call."""
        if len(text) > MAX_CHARACTERS:
            raise StudioError(
                f"The prompt has {len(text):,} characters: shorten it to {MAX_CHARACTERS:,} at most. "
                f"The model reads no more than {self.context_length} tokens anyway, about as many syllables."
            )
        with self._lock:
            tokens, marks = self._encode(text)
        if not tokens:
            raise StudioError("The prompt is empty: there is nothing in it that the model could read. Write a word.")
        limit = self.context_length - marks
        return TokenCount(len(tokens), limit, self._decode(tokens[limit:]) if len(tokens) > limit else "")

    def _encode(self, text: str) -> tuple[list[int], int]:
        """The tokens of the text itself, and how many marks are put round them."""
        if self._foreign is None:
            return list(self._tokenizer.encode(text)), 2
        cleaned = self._tokenizer.clean_fn(text)
        tokens = self._foreign(cleaned, add_special_tokens=False).input_ids
        return list(tokens), int(self._foreign.num_special_tokens_to_add())

    def _decode(self, tokens: list[int]) -> str:
        decoder = self._tokenizer if self._foreign is None else self._foreign
        return str(decoder.decode(tokens)).strip()
