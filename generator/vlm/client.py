"""A chat endpoint that is asked politely: within its rate, again after failures that pass, and within the cost cap."""

import email.utils
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from foundation.errors import StudioError
from generator.vlm.costs import Ledger, TokenBucket, Usage
from generator.vlm.settings import VlmSettings
from generator.vlm.transport import POLL_S, Response, Stopped, Transport, Unreached
from generator.vlm.wire import Ask, Garbled, read_answer, read_refusal, request_body

HIDDEN = "[key]"
"""What stands in a text of the server where it had the key."""
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that another attempt may not meet."""
_LONGEST_REMARK = 200
_LONGEST_TEXT = 20_000


class VlmError(StudioError):
    """A question stays without an answer; others may get theirs."""


class VlmRefusedError(VlmError):
    """There is no use in asking anything more: the settings are wrong, or the server wants a long pause."""


@dataclass(frozen=True)
class Reply:
    """An answer, its tokens, and the seconds that the attempt took that got it."""

    text: str
    usage: Usage
    latency_s: float


class _FailureError(Exception):
    """One attempt failed."""

    def __init__(self, why: str, usage: Usage, *, retry: bool = True, after_s: float = 0.0, final: bool = False):
        super().__init__(why)
        self.usage, self.retry, self.after_s, self.final = usage, retry, after_s, final


class VlmClient:
    """Asks the endpoint of the settings, one question at a time.

    What the server says is bounded in length, has no control characters, and shows `HIDDEN` in place of the key.
    """

    def __init__(self, settings: VlmSettings) -> None:
        self.settings = settings
        self.ledger = Ledger(settings)
        self._bucket = TokenBucket(settings.requests_per_minute, settings.burst)
        self._transport = Transport(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def ask(self, ask: Ask, should_stop: Callable[[], bool] = lambda: False) -> Reply:
        """Return the answer to a question, after as many attempts as the settings allow.

        Raises VlmError if there is none, VlmRefusedError if there will be none to others either, CapReached before
        a request that could be too dear, and Stopped within a fraction of a second after `should_stop` says so.
        """
        body = request_body(ask, self.settings)
        if len(body) > self.settings.max_upload_bytes:
            raise VlmError(
                f"The question has {len(body):,} bytes, more than max_upload_bytes allow: scale the photo down."
            )
        for attempt in range(self.settings.retries + 1):
            self.ledger.check()
            wait(self._bucket.take(), should_stop)
            try:
                return self._attempt(body, should_stop)
            except _FailureError as error:
                failure = error
            if failure.final:
                raise VlmRefusedError(str(failure))
            if not failure.retry:
                raise VlmError(str(failure))
            pause = max(self.settings.backoff_s * 2.0**attempt, failure.after_s)
            if failure.after_s > self.settings.longest_wait_s:
                raise VlmRefusedError(f"{failure} It asks for a pause of {failure.after_s:,.0f} s: try again later.")
            if attempt < self.settings.retries:
                wait(min(pause, self.settings.longest_wait_s), should_stop)
        raise VlmError(f"{failure} That was attempt {self.settings.retries + 1}, the last.")

    def _attempt(self, body: bytes, should_stop: Callable[[], bool]) -> Reply:
        """Ask once, and enter into the ledger what that cost, however it ends."""
        expected = self.ledger.expected
        usage = expected  # of a request that is given up: it may be charged for
        started = time.perf_counter()
        try:
            response = self._transport.post(body, should_stop)
            reply = self._read(response, expected, time.perf_counter() - started)
            usage = reply.usage
            return reply
        except Unreached as error:
            usage = expected if error.sent else Usage()
            raise _FailureError(self._says(f"did not answer: {error}"), usage, retry=error.retry) from None
        except _FailureError as error:
            usage = error.usage
            raise
        finally:
            self.ledger.add(usage)

    def _read(self, response: Response, expected: Usage, seconds: float) -> Reply:
        status = response.status
        if status == 200:
            try:
                text, usage = read_answer(response.content_type, response.body)
            except Garbled as error:
                raise _FailureError(self._says(f"answered, but {error}"), expected) from None
            return Reply(self._clean(text)[:_LONGEST_TEXT], usage or expected, seconds)
        if status in (401, 403):  # what it says about that may show parts of the key
            raise _FailureError(
                self._says(f"does not accept the key (HTTP {status}): check it"), Usage(), retry=False, final=True
            )
        if 300 <= status < 400:
            raise _FailureError(
                self._says(f"sends us to another address (HTTP {status}): put the right one into the settings"),
                *(Usage(),),
                retry=False,
                final=True,
            )
        said = " ".join(self._clean(read_refusal(response.body)).split())[:_LONGEST_REMARK]
        remark = f": {said}" if said else ""
        if status == 404:
            why = self._says(f"has no such address or model (HTTP 404){remark}")
            raise _FailureError(why, Usage(), retry=False, final=True)
        raise _FailureError(
            self._says(f"refused (HTTP {status}){remark}"),
            Usage(),
            retry=status in _PASSING,
            after_s=_seconds(response.retry_after),
        )

    def _says(self, what: str) -> str:
        """A sentence about the server."""
        return self._clean(f"The vision-language model at {self.settings.host} {what}").rstrip(".") + "."

    def _clean(self, text: str) -> str:
        """Text that may be kept and shown: without the key and without control characters."""
        secret = self.settings.secret
        kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
        return kept.replace(secret, HIDDEN) if secret else kept


def wait(seconds: float, should_stop: Callable[[], bool]) -> None:
    """Sleep, but raise Stopped as soon as `should_stop` says so."""
    until = time.monotonic() + seconds
    while True:
        if should_stop():
            raise Stopped
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, POLL_S))


def _seconds(retry_after: str) -> float:
    """The pause that a Retry-After header asks for, in seconds or as a date (RFC 9110, 10.2.3); 0 if unreadable."""
    text = retry_after.strip()
    if text.isdecimal() and text.isascii():
        return float(min(int(text[:12]), 10**9))
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
