"""How long an order would wait behind what is queued now, said before the click."""

from typing import Any

from app.ui.markup import markup
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from app.visitors.visitor import visitor_address
from foundation.jobs.queue.view import Outlook
from foundation.jobs.store.model import Cost, JobRequest

ASKING = "outlook"
"""The kind of a job that is only asked about."""


def wait_line(studio: Studio, owner: Any, cost: Cost) -> str:
    """A line on what a job of this cost would wait for, or why it would be refused; empty where nothing is before it.

    `owner` is what the browser's state holds: who asks decides whose turn it is.
    """
    try:
        token = owner_token(owner)
    except ValueError:
        return ""
    request = JobRequest(ASKING, {}, studio.device, token, "", visitor_address())
    if why_not := studio.jobs.why_not(request, cost):
        return markup.notice(why_not, tone="warn")
    words = wait_words(studio.jobs.outlook(request, cost))
    return f'<p class="cx-hint cx-wait" role="status">{markup.text(words)}</p>' if words else ""


def wait_words(outlook: Outlook) -> str:
    """What is said of it."""
    if not outlook.before:
        return ""
    jobs = "one job" if outlook.before == 1 else f"{outlook.before:,} jobs"
    if outlook.start is None:
        return f"It waits for {jobs} first, of which nobody can tell yet how long that is."
    end = "" if outlook.end is None else f", and would be done in {markup.duration(outlook.end)}"
    return f"It waits for {jobs} first: {markup.duration(outlook.start)}{end}."
