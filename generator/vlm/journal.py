"""Answers on disk, by the question: a run that was ended asks for none of them again."""

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from foundation.files.json_lines import JsonLines
from foundation.images.files import pixel_digest
from generator.vlm.client import Reply
from generator.vlm.costs import Usage
from generator.vlm.settings import VlmSettings
from generator.vlm.wire import Ask


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    text: str
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    latency_s: float


def question_digest(ask: Ask, settings: VlmSettings) -> str:
    """Return what tells a question from others: the server, the model, the words, the pixels and the sampling."""
    picture = "" if ask.picture is None else pixel_digest(ask.picture)
    parts = [settings.url, ask.model, ask.text, picture, ask.seed, ask.temperature, settings.max_tokens]
    return hashlib.sha256(json.dumps(parts, allow_nan=False).encode()).hexdigest()[:32]


class Journal:
    """Answers by `question_digest`; questions that failed are not in it.

    With a `path` each answer is added to that file at once (see `JsonLines`), from which another journal goes on.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read what the file holds, if it is there. StudioError if it cannot be read."""
        self._known: dict[str, Reply] = {}
        self._file = None if path is None else JsonLines(path, _Line, "answers")
        if self._file is not None:
            for line in self._file.read():
                usage = Usage(line.prompt_tokens, line.completion_tokens, line.estimated)
                self._known[line.question] = Reply(line.text, usage, line.latency_s)

    def find(self, question: str) -> Reply | None:
        """Return the answer to a question; None if it has none yet."""
        return self._known.get(question)

    def add(self, question: str, reply: Reply) -> None:
        """Keep an answer. StudioError if it cannot be written."""
        self._known[question] = reply
        if self._file is None:
            return
        self._file.add(
            _Line(
                question=question,
                text=reply.text,
                prompt_tokens=reply.usage.prompt,
                completion_tokens=reply.usage.completion,
                estimated=reply.usage.estimated,
                latency_s=reply.latency_s,
            )
        )
