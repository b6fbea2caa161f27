"""Whose the browser is that sends an event."""

from typing import Any

from app.visitors.visitor import current_account
from foundation.jobs import UnknownJobError


def owner_token(value: Any) -> str:
    """The owner's token out of the browser's state; with an account, its own, whatever a browser says.

    Raises:
        UnknownJobError: the browser has none (its storage is switched off, or the page is still loading).
    """
    account = current_account()
    if account is not None:
        return account.owner
    token = value.get("owner") if isinstance(value, dict) else None
    if not isinstance(token, str) or not 32 <= len(token) <= 64 or not token.isalnum():
        raise UnknownJobError("The page is still loading. Try again in a moment, or reload it.")
    return token
