"""Exact tests on counts: is a difference between two accuracies, or a share of images, more than chance?"""

from math import exp, lgamma, log


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def at_least(successes: int, trials: int, share: float) -> float:
    """The probability of `successes` or more in `trials` when each succeeds with probability `share` in (0, 1)."""
    terms = (
        exp(_log_choose(trials, k) + k * log(share) + (trials - k) * log(1 - share))
        for k in range(max(0, successes), trials + 1)
    )
    return min(1.0, sum(terms))


def at_most(successes: int, trials: int, share: float) -> float:
    """The probability of `successes` or fewer in `trials` when each succeeds with probability `share` in (0, 1)."""
    return at_least(trials - successes, trials, 1 - share)


def mcnemar_greater(only_first: int, only_second: int) -> float:
    """The one-sided exact McNemar test (McNemar 1947): p for "the first happens to no more images than the second".

    Of the images that the two treat differently, `only_first` and `only_second`, each half would be expected.
    """
    return at_least(only_first, only_first + only_second, 0.5)


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided exact McNemar test: p for "the first is as frequent as the second" on the same images."""
    return min(1.0, 2 * mcnemar_greater(max(only_first, only_second), min(only_first, only_second)))


def _hypergeometric(both: int, first_total: int, second_total: int) -> dict[int, float]:
    """The probability of each split of `both` successes over two groups, given only the totals (Fisher 1935)."""
    scale = _log_choose(first_total + second_total, both)
    return {
        k: exp(_log_choose(first_total, k) + _log_choose(second_total, both - k) - scale)
        for k in range(max(0, both - second_total), min(both, first_total) + 1)
    }


def fisher(first: int, first_total: int, second: int, second_total: int) -> float:
    """Fisher's two-sided exact test: p for "the two shares are equal", on different images."""
    splits = _hypergeometric(first + second, first_total, second_total)
    limit = splits[first] * (1 + 1e-7)  # splits that are exactly as likely count, whatever rounding says
    return min(1.0, sum(p for p in splits.values() if p <= limit))
