"""Whether a request may join the queue: refusals come before anything is written."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from app.jobs.model import JobError, JobRequest, Limits, QueueFullError, as_json


def check_params(request: JobRequest, kinds: Collection[str], limits: Limits) -> dict[str, Any]:
    """The request's parameters as plain JSON. Raises ``JobError`` where they, or its kind, will not do."""
    if request.kind not in kinds:
        known = ", ".join(sorted(kinds)) or "none"
        raise JobError(f"There is no job of the kind {request.kind!r}; choose one of: {known}.")
    try:
        params = as_json(request.params)
        size = len(json.dumps(params))
    except (TypeError, ValueError) as error:
        raise JobError(f"The job's parameters are not plain JSON ({error}).") from error
    if not isinstance(params, dict):
        raise JobError("The job's parameters are a JSON object: names and values.")
    if size > limits.params_bytes:
        raise JobError(f"The job's parameters are too large: {size} bytes, at most {limits.params_bytes}.")
    return params


def check_room(owner: str, waiting: Sequence[str], limits: Limits) -> None:
    """``waiting`` names the owner of every queued job. Raises ``QueueFullError`` if that is enough."""
    if waiting.count(owner) >= limits.queued_per_owner:
        raise QueueFullError(
            f"You have {limits.queued_per_owner} jobs waiting already: let one finish, or stop one, then submit again."
        )
    if len(waiting) >= limits.queued:
        raise QueueFullError(f"The studio has {len(waiting)} jobs waiting already: try again later.")
