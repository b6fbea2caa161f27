"""For how long each owner's jobs computed of late: kept by the hour, so that deleting a result gives no time back."""

from __future__ import annotations

import logging
import threading

from sqlalchemy import delete, select

from foundation.jobs.store.database import Database, DatabaseError
from foundation.jobs.store.tables import WorkRow

logger = logging.getLogger(__name__)

HOURS = 24
"""For how many hours work counts."""


class Work:
    """Seconds of computing, by owner and hour. Safe for threads.

    What the database refuses is counted all the same, until the program ends.
    """

    def __init__(self, database: Database) -> None:
        self._database, self._lock = database, threading.Lock()
        self._known: dict[str, dict[int, float]] = {}

    def spent(self, owner: str, now: float) -> float:
        """The seconds of an owner's jobs that ended within the last 24 hours."""
        first = _hour(now) - HOURS
        with self._lock:
            return sum(seconds for hour, seconds in self._of(owner).items() if hour > first)

    def add(self, owner: str, seconds: float, now: float) -> None:
        """A job of an owner has computed for so long."""
        hour = _hour(now)
        with self._lock:
            own = self._of(owner)
            own[hour] = own.get(hour, 0.0) + seconds
            for old in [one for one in own if one <= hour - HOURS]:
                del own[old]
            try:
                with self._database.write() as session:
                    session.execute(delete(WorkRow).where(WorkRow.hour <= hour - HOURS))
                    session.merge(WorkRow(owner=owner, hour=hour, seconds=own[hour]))
            except DatabaseError:
                logger.warning("how long a job computed cannot be kept", exc_info=True)

    def _of(self, owner: str) -> dict[int, float]:
        """An owner's seconds by the hour. With the lock held."""
        if owner not in self._known:
            try:
                with self._database.read() as session:
                    rows = session.scalars(select(WorkRow).where(WorkRow.owner == owner))
                    self._known[owner] = {row.hour: row.seconds for row in rows}
            except DatabaseError:  # asked again the next time
                logger.warning("how long jobs computed cannot be read", exc_info=True)
                return {}
        return self._known[owner]


def _hour(now: float) -> int:
    return int(now // 3600)
