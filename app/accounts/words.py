"""What somebody may use and has used, in words, before a refusal says so."""

import math
from collections.abc import Sequence

from app.accounts.accounts import Share
from foundation.jobs.allowance import Used, minutes
from foundation.jobs.store.users import Role

NEARLY = 0.8
"""Of a share: from here on it is said that there is little left."""
ROLE_WORDS: dict[Role, str] = {"owner": "owner", "guest": "guest"}
KEPT = (
    "What is kept of you: your results with the settings and prompts that they were made from, the titles, notes and "
    "presets that you gave, the pictures that you brought as long as a job needs them and some days more, the address "
    "that each job came from, and in this browser what your forms hold. Nobody else who uses this page sees any of it; "
    "whoever runs the studio can."
)
KEPT_OF_ACCOUNTS = (
    "What is kept of you: your name, role and a hash of your password; your results with the settings and prompts that "
    "they were made from, the titles, notes and presets that you gave, the pictures that you brought as long as a job "
    "needs them and some days more; for how long your jobs computed within 24 hours; and in this browser what your "
    "forms hold, until you log out. No other user sees any of it; whoever runs the studio can."
)


def usage_words(share: Share, used: Used, upload_bytes: int) -> Sequence[str]:
    """What of a share is used, a few words for each part."""
    computed = minutes(used.seconds)
    of_time = f"{computed} of {minutes(share.seconds)} min" if math.isfinite(share.seconds) else f"{computed} min"
    return (
        f"{used.waiting} of {share.waiting} waiting jobs",
        f"{of_time} of computing in 24 hours",
        f"{_of_bytes(used.bytes, share.result_bytes)} of results",
        f"{_of_bytes(upload_bytes, share.upload_bytes)} of pictures brought",
    )


def is_nearly_used(share: Share, used: Used, upload_bytes: int) -> bool:
    """Whether there is little left of a part."""
    parts = (
        (used.waiting, share.waiting),
        (used.seconds + used.ahead, share.seconds),
        (used.bytes, share.result_bytes),
        (upload_bytes, share.upload_bytes),
    )
    return any(taken >= NEARLY * most for taken, most in parts)


def size(count: float) -> str:
    """Bytes in words."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{math.ceil(count / 1e6):,} MB"


def _of_bytes(taken: float, most: float) -> str:
    return f"{size(taken)} of {size(most)}" if math.isfinite(most) else size(taken)
