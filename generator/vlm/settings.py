"""Which endpoint is asked, with what key, and at what cost: settings of the server alone.

They come from the environment (CROSSMAX_VLM_URL, CROSSMAX_VLM_MODEL, CROSSMAX_VLM_KEY and so on for each field) and
from a file of JSON in the data directory that only its owner can read; what the environment says wins. No request of
a browser, no recipe and no picture takes part.
"""

import ipaddress
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from foundation.errors import StudioError

PREFIX = "CROSSMAX_VLM_"
"""The field `url` is the environment's CROSSMAX_VLM_URL, and so on."""
FILE_NAME = "vlm.json"
SHORTEST_KEY = 8
"""A shorter key could not be told from ordinary words, and so not be kept out of what is written."""
NOT_CONFIGURED = (
    f"No vision-language model is set up on this computer: set {PREFIX}URL (such as http://localhost:8000/v1) and "
    f"{PREFIX}MODEL, and {PREFIX}KEY if it wants a key, or write them into '{FILE_NAME}' in the data directory."
)
_MOST_BYTES = 64 * 1024
_ENDPOINT = "/chat/completions"

_Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
_Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class VlmSettings(BaseModel):
    """An OpenAI-compatible chat endpoint and the bounds within which it is used.

    Attributes:
        url: its base, without /chat/completions, such as http://localhost:11434/v1.
        model: who describes pictures.
        key: is sent as a bearer token, over https or to this computer only; None for servers that ask for none.
        insecure: send the key over plain http to other computers nevertheless.
        judge_model: who compares texts; "" for `model` itself.
        temperature: of the samples; None to leave it to the server, as some models demand.
        max_tokens: longest answer.
        tokens_field: what the server calls that; newer services of OpenAI only know the second name.
        send_seed: whether to send a seed with each sample; off for servers that refuse the field.
        stream: have answers streamed, so that `read_s` counts from token to token.
        connect_s, read_s, total_s: seconds to connect, between two arrivals, and for a whole request.
        requests_per_minute, burst: the token bucket that holds requests back.
        retries: further attempts after failures that may pass.
        backoff_s: pause before the first of these, doubled each time; at least what the server asks for.
        longest_wait_s: if the server asks for a longer pause, the run ends.
        max_requests, max_tokens_in_all: cap of a run, failed attempts included.
        price_in, price_out: money for a million tokens; cap on `max_cost` in the same currency.
        max_response_bytes: longer responses are cut off, and count as failed.
        max_upload_bytes: larger requests are not sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str
    model: str = Field(min_length=1, max_length=200)
    key: SecretStr | None = None
    insecure: bool = False
    judge_model: str = Field(default="", max_length=200)
    temperature: float | None = Field(default=0.7, ge=0, le=2)
    max_tokens: int = Field(default=200, ge=1, le=100_000)
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    send_seed: bool = True
    stream: bool = False
    connect_s: _Seconds = 10.0
    read_s: _Seconds = 60.0
    total_s: _Seconds = 180.0
    requests_per_minute: float = Field(default=60.0, gt=0, le=1e6, allow_inf_nan=False)
    burst: int = Field(default=4, ge=1, le=1000)
    retries: int = Field(default=4, ge=0, le=20)
    backoff_s: _Seconds = 1.0
    longest_wait_s: _Seconds = 120.0
    max_requests: int = Field(default=1000, ge=1)
    max_tokens_in_all: int = Field(default=2_000_000, ge=1)
    price_in: _Price | None = None
    price_out: _Price | None = None
    max_cost: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_response_bytes: int = Field(default=2 * 2**20, ge=1024, le=64 * 2**20)
    max_upload_bytes: int = Field(default=20 * 2**20, ge=1024)

    @property
    def endpoint(self) -> str:
        """Where requests go."""
        return self.url + _ENDPOINT

    @property
    def host(self) -> str:
        """The name of the server, for sentences."""
        return urlsplit(self.url).hostname or ""

    @property
    def secret(self) -> str:
        """The key itself, "" if there is none: for the one header that it belongs in, and to keep it out of texts."""
        return "" if self.key is None else self.key.get_secret_value()

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        """An address that holds no secret, since it may be named in messages."""
        url = url.strip().rstrip("/").removesuffix(_ENDPOINT)
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or any(character.isspace() or not character.isprintable() for character in url):
            raise ValueError("it has to be an address like http://localhost:8000/v1")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("names, passwords and what follows a ? do not belong in the address: the key has its own")
        return url

    @field_validator("key")
    @classmethod
    def _sendable_key(cls, key: SecretStr | None) -> SecretStr | None:
        text = "" if key is None else key.get_secret_value().strip()
        if not text:
            return None
        if len(text) < SHORTEST_KEY:
            raise ValueError(f"a key has at least {SHORTEST_KEY} characters; leave it out if the server asks for none")
        if not all("!" <= character <= "~" for character in text):
            raise ValueError("a key has no spaces or characters beyond ASCII")
        return SecretStr(text)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.key is not None and not self.insecure and not _is_private(self.url):
            raise ValueError("the key would be sent in the clear: use https, or say insecure=true if that is all right")
        if (self.price_in is None) != (self.price_out is None):
            raise ValueError("price_in and price_out go together")
        if self.max_cost is not None and self.price_in is None:
            raise ValueError("max_cost needs price_in and price_out")
        return self


def read_settings(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> VlmSettings | None:
    """Return the settings; None if neither the file nor the environment says anything.

    A key in the file is not sent to an address that the environment names instead of the file's. StudioError for
    settings that cannot be used, and for a file that others can read; its text holds no value of any setting.
    """
    written = {} if path is None else _read_file(path)
    named = {name: environment.get(PREFIX + name.upper(), "") for name in VlmSettings.model_fields}
    given = {name: value for name, value in named.items() if value.strip()}
    if given.get("url", written.get("url")) != written.get("url"):
        written.pop("key", None)
    values = {**written, **given}
    if not values:
        return None
    try:
        return VlmSettings.model_validate(values)
    except ValidationError as error:
        why = _reasons(error)
    # Raised out here, so that no exception on its way to a log drags along one that knows the values.
    raise StudioError(f"The settings of the vision-language model cannot be used: {why}.")


def _reasons(error: ValidationError) -> str:
    """What is wrong, by field, without the values."""
    reasons = []
    for entry in error.errors(include_input=False, include_url=False, include_context=False):
        name = str(entry["loc"][0]) if entry["loc"] else ""
        message = entry["msg"].removeprefix("Value error, ")
        if name and name not in VlmSettings.model_fields:  # it might be a secret in the wrong place
            reasons.append(f"there is a field that is none of {', '.join(VlmSettings.model_fields)}")
        else:
            reasons.append(f"{name}: {message}" if name else message)
    return "; ".join(dict.fromkeys(reasons))


def _read_file(path: Path) -> dict[str, object]:
    """Read the file of settings, {} if there is none."""
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StudioError(f"The settings '{path}' cannot be read: {error.strerror or error}.") from error
    found: Any = None
    if len(data) <= _MOST_BYTES:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = None  # the error would carry the whole text, key and all
    if not isinstance(found, dict):
        raise StudioError(f'The settings \'{path}\' are no JSON object such as {{"url": "...", "model": "..."}}.')
    return found


def _check_private(path: Path, status: os.stat_result) -> None:
    """Refuse a file that others than its owner may read or write. On Windows the data directory is the user's own."""
    if os.name != "posix":
        return
    if not stat.S_ISREG(status.st_mode):
        raise StudioError(f"The settings '{path}' are no ordinary file.")
    if status.st_uid not in (os.geteuid(), 0):
        raise StudioError(f"The settings '{path}' belong to another user: make them your own.")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise StudioError(f"The settings '{path}' may hold a key, and others can open them: run chmod 600 '{path}'.")


def _is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent: it is encrypted, or stays on this computer."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
