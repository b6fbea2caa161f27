"""The ledger and the token bucket, by hand."""

import pytest

from generator.vlm.costs import CapReached, Ledger, TokenBucket, Usage, estimate
from generator.vlm.settings import VlmSettings


def settings(**changes: float) -> VlmSettings:
    return VlmSettings.model_validate({"url": "http://localhost/v1", "model": "eyes", "max_tokens": 50, **changes})


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    now = [0.0]
    bucket = TokenBucket(30, 2, lambda: now[0])  # one in two seconds
    assert [bucket.take() for _ in range(4)] == [0.0, 0.0, 2.0, 4.0]
    now[0] = 4.0
    assert bucket.take() == pytest.approx(2.0)
    now[0] = 1000.0
    assert [bucket.take() for _ in range(3)] == pytest.approx([0.0, 0.0, 2.0])


def test_requests_are_capped() -> None:
    ledger = Ledger(settings(max_requests=2))
    for _ in range(2):
        ledger.check()
        ledger.add(Usage())
    with pytest.raises(CapReached, match="2 requests"):
        ledger.check()


def test_tokens_are_capped_before_they_are_spent() -> None:
    ledger = Ledger(settings(max_tokens_in_all=1650))
    ledger.check()  # 1600 guessed, 50 asked for
    ledger.add(Usage(100, 10))
    for _ in range(13):
        ledger.check()  # 110 each so far, and 150 at most for the next
        ledger.add(Usage(100, 10))
    assert ledger.prompt_tokens + ledger.completion_tokens == 1540
    with pytest.raises(CapReached, match="1,540 tokens are used"):
        ledger.check()


def test_money_is_counted_and_capped() -> None:
    ledger = Ledger(settings(price_in=2.0, price_out=10.0, max_cost=0.01))
    ledger.add(Usage(1000, 100))
    assert ledger.money == pytest.approx(0.003)
    ledger.check()  # one more: at most 0.003 + 0.0025
    ledger.add(Usage(2500, 0, estimated=True))
    with pytest.raises(CapReached, match=r"0\.008 is spent"):
        ledger.check()
    assert ledger.record().requests_with_estimated_tokens == 1


def test_without_prices_there_is_no_money() -> None:
    assert Ledger(settings()).money is None


def test_an_estimate_is_what_the_ledger_takes_requests_to_cost() -> None:
    priced = settings(price_in=2.0, price_out=10.0)
    found = estimate(priced, 3)
    assert (found.requests, found.tokens) == (3, 3 * (1600 + 50))
    assert found.money == pytest.approx(3 * (1600 * 2.0 + 50 * 10.0) / 1e6)
    ledger = Ledger(priced)
    for _ in range(3):
        ledger.add(ledger.expected)
    assert ledger.money == pytest.approx(found.money)
    assert estimate(settings(), 3).money is None
