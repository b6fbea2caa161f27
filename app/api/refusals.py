"""How a request can be refused: every status that is answered beside success, and the error that each stands for."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.api.owners import NO_JOB
from app.api.values import Failure
from app.web.answers import RefusedError
from foundation.errors import NoRoomError, StudioError
from foundation.jobs.store.model import NotYourJobError, QueueFullError, UnavailableError, UnknownJobError

WORDS: Mapping[int, str] = {
    400: "The body is no JSON in UTF-8, or its length is no number.",
    401: "The token, or the owner, is missing.",
    403: "The request comes from another web site, or by a name that is not the server's.",
    404: "There is no such thing, or it is not yours.",
    408: "The body did not arrive whole in time.",
    413: "Too much came with the request.",
    415: "The body is of another kind than this address takes.",
    422: "What was asked for cannot be done; the sentence says why, and what to do.",
    429: "Too many requests, or jobs, wait already: Retry-After says for how many seconds to wait.",
    431: "The head of the request is too large.",
    500: "A fault of the studio's own.",
    503: "No job can be taken just now: the studio closes, or cannot write it down.",
    507: "There is no room: the disk is full, or nearly so, or as much is kept as may be.",
}
EVERYWHERE = (401, 403, 413, 422, 429, 431, 500, 507)
"""What any address may answer."""
OF_BODIES = (400, 408, 415)
RETRY = {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}}


def refusals(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """The part of the description that says how an address may refuse."""
    return {
        status: {"model": Failure, "description": WORDS[status], **(RETRY if status in (429, 503) else {})}
        for status in statuses
    }


def refusal_of(error: StudioError) -> RefusedError:
    """The answer to what the work refuses."""
    if isinstance(error, UnknownJobError | NotYourJobError):
        return RefusedError(404, NO_JOB)
    if isinstance(error, QueueFullError):
        return RefusedError(429, str(error), (("retry-after", "10"),))
    if isinstance(error, NoRoomError):
        return RefusedError(507, str(error))
    if isinstance(error, UnavailableError):
        return RefusedError(503, str(error), (("retry-after", "10"),))
    return RefusedError(422, str(error))
