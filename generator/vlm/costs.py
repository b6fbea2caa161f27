"""What asking costs, and how fast it may be done."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from foundation.errors import StudioError
from generator.vlm.record import CostsRecord
from generator.vlm.settings import VlmSettings

_FIRST_GUESS = 1600
"""Tokens that a question with a picture is taken to have before any answer has said how many they are."""
_MILLION = 1_000_000


class CapReached(StudioError):
    """The next request might cost more than is allowed."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one request; `estimated` where the server did not say."""

    prompt: int = 0
    completion: int = 0
    estimated: bool = False


@dataclass(frozen=True)
class Estimate:
    """What requests are expected to cost before any has been sent; `money` is None without prices."""

    requests: int
    tokens: int
    money: float | None


def estimate(settings: VlmSettings, requests: int) -> Estimate:
    """Return what so many requests may cost: each with a picture, the longest allowed answer, and no retries."""
    expected = Ledger(settings).expected
    tokens = requests * (expected.prompt + expected.completion)
    price = price_of(settings, requests * expected.prompt, requests * expected.completion)
    return Estimate(requests, tokens, price)


def price_of(settings: VlmSettings, prompt: int, completion: int) -> float | None:
    """Return the price of so many tokens in the currency of the settings; None if they have no prices."""
    if settings.price_in is None or settings.price_out is None:
        return None
    return (prompt * settings.price_in + completion * settings.price_out) / _MILLION


class Ledger:
    """Counts what a run costs, and refuses what could go beyond its cap.

    Before a request, the dearest question so far and the longest allowed answer are held against what is left, so
    that the cap holds as long as the server keeps to the length that it is asked for. Requests that broke off may
    have been charged for, and count at that estimate.
    """

    def __init__(self, settings: VlmSettings) -> None:
        self._settings = settings
        self._dearest = 0
        self.requests = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.estimated = 0
        """Requests whose tokens are an estimate."""

    @property
    def expected(self) -> Usage:
        """What a request is taken to cost that does not say."""
        return Usage(self._dearest or _FIRST_GUESS, self._settings.max_tokens, estimated=True)

    @property
    def money(self) -> float | None:
        """What was spent, in the currency of the prices; None without prices."""
        return self._price(self.prompt_tokens, self.completion_tokens)

    def check(self) -> None:
        """Raise CapReached if one more request could go beyond the cap."""
        limits, more = self._settings, self.expected
        if self.requests + 1 > limits.max_requests:
            raise CapReached(f"The cap of {limits.max_requests:,} requests is reached: raise max_requests to go on.")
        tokens = self.prompt_tokens + self.completion_tokens
        if tokens + more.prompt + more.completion > limits.max_tokens_in_all:
            raise CapReached(
                f"{tokens:,} tokens are used, and one more question could go beyond the cap of "
                f"{limits.max_tokens_in_all:,}: raise max_tokens_in_all to go on."
            )
        price = self._price(self.prompt_tokens + more.prompt, self.completion_tokens + more.completion)
        if limits.max_cost is not None and price is not None and price > limits.max_cost:
            raise CapReached(
                f"{self.money:.4g} is spent, and one more question could go beyond the cap of {limits.max_cost:g}: "
                "raise max_cost to go on."
            )

    def add(self, usage: Usage) -> None:
        """Count one request."""
        self.requests += 1
        self.prompt_tokens += usage.prompt
        self.completion_tokens += usage.completion
        self.estimated += usage.estimated
        if not usage.estimated:
            self._dearest = max(self._dearest, usage.prompt)

    def record(self) -> CostsRecord:
        """Return the counts as they are written."""
        return CostsRecord(
            requests=self.requests,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            requests_with_estimated_tokens=self.estimated,
            money=self.money,
        )

    def _price(self, prompt: int, completion: int) -> float | None:
        return price_of(self._settings, prompt, completion)


class TokenBucket:
    """Lets `burst` requests through at once, and `per_minute` in the long run."""

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._burst, self._clock = per_minute / 60, burst, clock
        self._level, self._last = float(burst), clock()

    def take(self) -> float:
        """Take a token, and return the seconds to wait until it is there."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._last) * self._per_second) - 1
        self._last = now
        return max(0.0, -self._level / self._per_second)
