"""Whether a request may join the queue: refusals come before anything is written, or allocated."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from pydantic import JsonValue

from foundation.jobs.store.model import Cost, JobError, JobRecord, JobRequest, QueueFullError, as_json
from foundation.limits import Limits


def check_params(request: JobRequest, kinds: Collection[str], limits: Limits) -> dict[str, JsonValue]:
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


def check_cost(cost: Cost, limits: Limits) -> None:
    """Raises ``JobError`` for a job that would take more memory, or more hours, than one may."""
    if cost.bytes > limits.job_bytes:
        raise JobError(
            f"This needs at least {cost.bytes / 1e9:.1f} GB of memory, and one job may take "
            f"{limits.job_bytes / 1e9:.1f} GB here: choose a smaller size, fewer pictures or fewer resolutions."
        )
    if cost.hours > limits.job_hours:
        raise JobError(
            f"This would take about {cost.hours:,.0f} hours, and one job may take {limits.job_hours:g} here: choose "
            "fewer steps, fewer views, fewer pictures or a smaller size."
        )


def check_room(request: JobRequest, cost: Cost, waiting: Sequence[JobRecord], limits: Limits) -> None:
    """``waiting`` are all queued jobs. Raises ``QueueFullError`` if there are enough, of this owner or of all."""
    own = [record for record in waiting if record.owner == request.owner]
    near = [record for record in waiting if request.address and record.address == request.address]
    if len(own) >= limits.queued_per_owner or len(near) >= limits.queued_per_address:
        raise QueueFullError(
            f"You have {max(len(own), len(near))} jobs waiting already: let one finish, or stop one, then submit again."
        )
    for records, most in ((own, limits.queued_hours_per_owner), (near, limits.queued_hours_per_address)):
        hours = sum(record.hours for record in records)
        if records and hours + cost.hours > most:
            raise QueueFullError(
                f"Your waiting jobs will take about {hours:,.0f} hours, and this one {cost.hours:,.1f}; {most:g} "
                "together is as much as may wait for one visitor: let one finish, or stop one, then submit again."
            )
    if len(waiting) >= limits.queued or sum(record.hours for record in waiting) > limits.queued_hours:
        raise QueueFullError(f"The studio has {len(waiting)} jobs waiting already: try again later.")
