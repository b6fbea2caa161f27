"""Answers on disk, by the question: a run that was ended asks for none of them again."""

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from generator.errors import StudioError
from generator.image import pixel_digest
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

    With a `path` each answer is added to that file at once (JSON, one on each line), from which another journal goes
    on; a last line that was cut off is dropped. One process at a time may write.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read what the file holds, if it is there. StudioError if it cannot be read."""
        self.path = path
        self._known: dict[str, Reply] = {}
        if path is not None:
            self._read(path)

    def find(self, question: str) -> Reply | None:
        """Return the answer to a question; None if it has none yet."""
        return self._known.get(question)

    def add(self, question: str, reply: Reply) -> None:
        """Keep an answer. StudioError if it cannot be written."""
        self._known[question] = reply
        if self.path is None:
            return
        line = _Line(
            question=question,
            text=reply.text,
            prompt_tokens=reply.usage.prompt,
            completion_tokens=reply.usage.completion,
            estimated=reply.usage.estimated,
            latency_s=reply.latency_s,
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line.model_dump(), ensure_ascii=False, allow_nan=False) + "\n")
        except OSError as error:
            raise StudioError(f"The answers '{self.path}' cannot be saved: {error.strerror or error}.") from error

    def _read(self, path: Path) -> None:
        try:
            data = path.read_bytes() if path.exists() else b""
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                with path.open("r+b") as file:  # a line that was being written when the power went
                    file.truncate(len(whole))
        except OSError as error:
            raise StudioError(f"The answers '{path}' cannot be read: {error.strerror or error}.") from error
        for number, text in enumerate(whole.split(b"\n")[:-1], start=1):
            try:
                line = _Line.model_validate_json(text)
            except ValidationError as error:
                raise StudioError(
                    f"Line {number} of the answers '{path}' is damaged: delete that line, and it is asked for again."
                ) from error
            usage = Usage(line.prompt_tokens, line.completion_tokens, line.estimated)
            self._known[line.question] = Reply(line.text, usage, line.latency_s)
