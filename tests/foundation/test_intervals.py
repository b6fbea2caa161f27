import pytest

from foundation.intervals import Rate, wilson


def test_wilson_by_hand() -> None:
    assert wilson(5, 10) == pytest.approx((0.236593, 0.763407), abs=1e-6)
    assert wilson(0, 10) == pytest.approx((0.0, 0.277533), abs=1e-6)
    assert wilson(1, 4) == pytest.approx((0.045587, 0.699358), abs=1e-6)
    assert wilson(10, 10) == pytest.approx((0.722467, 1.0), abs=1e-6)
    assert wilson(10, 10)[1] == 1.0 and wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "total"), [(-1, 3), (4, 3)])
def test_counts_that_are_none_are_refused(successes: int, total: int) -> None:
    with pytest.raises(ValueError, match="there cannot be"):
        wilson(successes, total)


def test_a_rate_states_its_denominator() -> None:
    assert str(Rate(1, 4)) == "1 of 4 (25%, 5% to 70%)"
    assert str(Rate(0, 0)) == "none of 0" and Rate(0, 0).value is None
    assert Rate(3, 4).to_json() == {"successes": 3, "total": 4, "rate": 0.75, "ci95": list(wilson(3, 4))}
