"""How many examples property tests draw: more before a release (`scripts/prerelease.py`) than every day."""

import os

TIMES = int(os.environ.get("CROSSMAX_TESTS_TIMES", "1"))


def examples(usual: int) -> int:
    """So many examples every day; a multiple of them where CROSSMAX_TESTS_TIMES says so."""
    return usual * TIMES
