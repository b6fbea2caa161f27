"""What of a share is used, in words, and when there is little left."""

import dataclasses
import math

import pytest

from app.accounts.accounts import Share
from app.accounts.words import is_nearly_used, usage_words
from app.ui.queue.account import line
from app.visitors.visitor import Account
from foundation.jobs.allowance import Used

GUEST = Share(4, 3600.0, 1e9, 5e8)
HALF = Used(2, 700.0, 0.0, 300_000_000)


def test_what_is_used_is_told_with_what_there_is() -> None:
    assert usage_words(GUEST, HALF, 20_000_001) == (
        "2 of 4 waiting jobs",
        "12 of 60 min of computing in 24 hours",
        "300 MB of 1.0 GB of results",
        "21 MB of 500 MB of pictures brought",
    )
    endless = Share(20, math.inf, math.inf, 4e9)
    assert usage_words(endless, HALF, 0)[1:3] == ("12 min of computing in 24 hours", "300 MB of results")


@pytest.mark.parametrize(
    ("more", "uploads", "nearly"),
    [
        ({}, 0, False),
        ({"waiting": 4}, 0, True),
        ({"seconds": 2900.0}, 0, True),
        ({"seconds": 1500.0, "ahead": 1500.0}, 0, True),
        ({"bytes": 900_000_000}, 0, True),
        ({}, 400_000_000, True),
    ],
)
def test_little_left_is_told_before_there_is_nothing(more: dict[str, float], uploads: int, nearly: bool) -> None:
    used = dataclasses.replace(HALF, **more)  # type: ignore[arg-type]
    assert is_nearly_used(GUEST, used, uploads) is nearly
    shown = line(Account("1", "an<na", "guest", "2"), GUEST, used, uploads)
    assert ("data-nearly" in shown) is nearly
    assert "an&lt;na" in shown and "<span>" in shown and 'action="logout"' in shown
