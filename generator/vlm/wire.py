"""The chat protocol on the wire: what is sent, and how what comes back is read. Nothing of it is trusted."""

import base64
import io
import json
from dataclasses import dataclass
from typing import Annotated, Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from generator.vlm.costs import Usage
from generator.vlm.settings import VlmSettings

DONE = b"[DONE]"
"""The last event of a stream."""
EVENTS = "text/event-stream"
_JSON_TYPES = ("application/json", "text/json")


@dataclass(frozen=True, eq=False)
class Ask:
    """One question.

    Attributes:
        model: who is asked.
        text: the question itself.
        picture: the 8-bit RGB picture that it is about; None for one about texts.
        seed: of the sampling, where the server honours it.
        temperature: None for the server's own.
    """

    model: str
    text: str
    picture: Image.Image | None
    seed: int
    temperature: float | None


class Garbled(Exception):
    """A response that is not what the protocol has; the text says what is wrong with it."""


class _Loose(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


_Tokens = Annotated[int, Field(ge=0, le=10**9)]


class _Part(_Loose):
    text: str = ""


class _Message(_Loose):
    content: str | list[_Part] | None = None
    refusal: str | None = None

    def words(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or self.refusal or ""


class _Usage(_Loose):
    prompt_tokens: _Tokens = 0
    completion_tokens: _Tokens = 0


class _Choice(_Loose):
    message: _Message
    finish_reason: str | None = None


class _Completion(_Loose):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class _Delta(_Loose):
    delta: _Message = _Message()
    finish_reason: str | None = None


class _Chunk(_Loose):
    choices: list[_Delta] = []
    usage: _Usage | None = None


class _ErrorBody(_Loose):
    message: str = ""


class _Refusal(_Loose):
    error: _ErrorBody | str = ""
    message: str = ""
    detail: Any = None


def request_body(ask: Ask, settings: VlmSettings) -> bytes:
    """Return a request as JSON. The picture goes along as PNG: its pixels, and nothing that its file said beside."""
    content: list[dict[str, object]] = [{"type": "text", "text": ask.text}]
    if ask.picture is not None:
        content.append({"type": "image_url", "image_url": {"url": data_uri(ask.picture)}})
    body: dict[str, object] = {
        "model": ask.model,
        "messages": [{"role": "user", "content": content if ask.picture is not None else ask.text}],
        settings.tokens_field: settings.max_tokens,
        "stream": settings.stream,
    }
    if settings.stream:
        body["stream_options"] = {"include_usage": True}
    if ask.temperature is not None:
        body["temperature"] = ask.temperature
    if settings.send_seed:
        body["seed"] = ask.seed
    return json.dumps(body, allow_nan=False).encode()


def data_uri(picture: Image.Image) -> str:
    """Return an RGB picture as a data URI of a PNG with the same pixels and no metadata."""
    buffer = io.BytesIO()
    Image.frombytes("RGB", picture.size, picture.convert("RGB").tobytes()).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def read_answer(content_type: str, body: bytes) -> tuple[str, Usage | None]:
    """Return the text of a successful response, and its tokens if it says; Garbled if it is none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == EVENTS:
        text, usage, reason = _read_events(body)
    elif kind in _JSON_TYPES:
        try:
            found = _Completion.model_validate_json(body)
        except ValidationError:
            raise Garbled("it is no JSON of a chat completion") from None
        text, usage, reason = found.choices[0].message.words(), found.usage, found.choices[0].finish_reason
    else:
        raise Garbled("it is not JSON, but something else")
    if not text.strip():
        raise Garbled("there is no text in it" + (", since max_tokens are too few" if reason == "length" else ""))
    counted = None if usage is None else Usage(usage.prompt_tokens, usage.completion_tokens)
    return text, counted


def _read_events(body: bytes) -> tuple[str, _Usage | None, str | None]:
    """Put the pieces of a stream of server-sent events together; a stream that was cut off is none."""
    pieces: list[str] = []
    usage: _Usage | None = None
    reason: str | None = None
    ended = False
    for line in body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.strip()
        if name != b"data" or not value:
            continue
        if value == DONE:
            ended = True
            break
        try:
            chunk = _Chunk.model_validate_json(value)
        except ValidationError:
            raise Garbled("a part of the stream is no JSON of a chat completion") from None
        usage = chunk.usage or usage
        for choice in chunk.choices[:1]:
            pieces.append(choice.delta.words())
            reason = choice.finish_reason or reason
    if not ended and reason is None:
        raise Garbled("the stream ends in the middle")
    return "".join(pieces), usage, reason


def read_refusal(body: bytes) -> str:
    """Return what the body of an error says, "" if nothing that can be read."""
    try:
        found = _Refusal.model_validate_json(body)
    except ValidationError:
        return ""
    said = found.error if isinstance(found.error, str) else found.error.message
    return said or found.message or (found.detail if isinstance(found.detail, str) else "")
