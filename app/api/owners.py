"""Who asks: an owner by a secret, as a browser is one by what its page keeps."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header

from app.ui.wiring.services import Studio
from app.visitors.visitor import current_account
from app.web.answers import RefusedError
from foundation.jobs.store.model import JobSnapshot, UnknownJobError

HEADER = "X-Owner"
_KEY = re.compile(r"[0-9A-Za-z]{32,64}")
_FEWEST_SIGNS = 7  # of 32 random hexadecimal digits fewer differ once in 10^9
ASK = (
    f"Say whose this is in the header {HEADER}: a secret of 32 to 64 letters and digits that you make once, at random "
    "(32 hexadecimal digits have 128 bits), and keep. Whoever knows it has what you have here."
)
NO_JOB = "There is no such job, or it is not yours."


def owner_of(
    x_owner: Annotated[str, Header(description="The owner's secret: 32 to 64 random letters and digits.")] = "",
) -> str:
    """The owner that a request names, or its account's. RefusedError (401) for none, or what anybody could guess."""
    account = current_account()
    if account is not None:  # nobody is anybody else's owner by a header then
        return account.owner
    if not _KEY.fullmatch(x_owner) or len(set(x_owner)) < _FEWEST_SIGNS:
        raise RefusedError(401, ASK)
    return x_owner


Owner = Annotated[str, Depends(owner_of)]


@dataclass(frozen=True)
class OwnJobs:
    """The jobs of one owner; those of others do not exist."""

    studio: Studio
    owner: str

    def find(self, job_id: str) -> JobSnapshot:
        """One of them. RefusedError (404): there is none of this id."""
        try:
            job = self.studio.jobs.snapshot(job_id)
        except UnknownJobError as error:
            raise RefusedError(404, NO_JOB) from error
        if job.owner != self.owner or job.status == "discarded":
            raise RefusedError(404, NO_JOB)
        return job

    def list(self, before: str = "") -> tuple[JobSnapshot, ...]:
        """All of them, the newest first, without curves; only those older than one, if that is named.

        RefusedError (404): there is none of this id.
        """
        jobs = tuple(self.studio.jobs.history.all(self.owner))
        if not before:
            return jobs
        places = [place for place, job in enumerate(jobs) if job.id == before]
        if not places:
            raise RefusedError(404, NO_JOB)
        return jobs[places[0] + 1 :]
