"""Jobs as rows of the database: added, changed, deleted and read. Raises ``DatabaseError`` where it refuses."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError
from sqlalchemy import delete, select, update

from foundation.jobs.store.database import Database
from foundation.jobs.store.model import RECORD_VERSION, JobRecord, as_json
from foundation.jobs.store.tables import JobRow, OwnerRow

logger = logging.getLogger(__name__)

FIXED = ("id", "version", "kind", "owner", "device", "params", "created", "address", "hours")
"""What never changes once a job was submitted."""
_FIELDS = tuple(field.name for field in dataclasses.fields(JobRecord))
_MOST = 2**63


class Records:
    """The jobs in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, records: Iterable[JobRecord]) -> None:
        """Keep new jobs, all of them or none; those that are there already stay as they are."""
        with self._database.write() as session:
            for record in records:
                if session.scalar(select(JobRow.id).where(JobRow.id == record.id)) is None:
                    if session.get(OwnerRow, record.owner) is None:
                        session.add(OwnerRow(token=record.owner, first_seen=record.created, disk_budget=None))
                        session.flush()
                    session.add(JobRow(**columns(record)))

    def save(self, record: JobRecord) -> bool:
        """Replace what can change of a job; whether there is one."""
        changing = {name: value for name, value in columns(record).items() if name not in FIXED}
        with self._database.write() as session:
            found = session.execute(update(JobRow).where(JobRow.id == record.id).values(**changing))
            return bool(found.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it

    def delete(self, ids: Sequence[str]) -> None:
        """Forget jobs; those that are not there are no error."""
        with self._database.write() as session:
            for job_id in ids:
                session.execute(delete(JobRow).where(JobRow.id == job_id))

    def all(self) -> tuple[list[JobRecord], list[str], list[str]]:
        """Every job that can be read, in no order; the ids of damaged rows, and of those of newer versions."""
        with self._database.read() as session:
            ids = list(session.scalars(select(JobRow.id)))
            try:
                rows: list[JobRow | None] = list(session.scalars(select(JobRow)))
            except ValueError:  # of one of them, a column that holds no JSON
                session.expunge_all()
                rows = [_row(session, job_id) for job_id in ids]
        found = {row.id: _record(row) for row in rows if row is not None}
        records = [record for record in found.values() if record is not None]
        damaged = [job_id for job_id in ids if found.get(job_id) is None]
        newer = [record.id for record in records if record.version > RECORD_VERSION]
        return [record for record in records if record.version <= RECORD_VERSION], damaged, newer


def columns(record: JobRecord) -> dict[str, JsonValue]:
    """The values of a job's columns.

    Raises:
        ValueError: a number is larger than a database holds.
    """
    fields = {name: as_json(getattr(record, name)) for name in _FIELDS}
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = value.replace("\0", "\ufffd")  # which no text of PostgreSQL may hold
        elif isinstance(value, int) and not -_MOST <= value < _MOST:
            raise ValueError(f"{name} is too large a number: {value}")
    fields["address"] = str(fields["address"])[:200]
    return fields


@functools.cache
def record_type() -> TypeAdapter[JobRecord]:
    """What checks the fields of a record."""
    return TypeAdapter(JobRecord)


def _row(session: Any, job_id: str) -> JobRow | None:
    try:
        row: JobRow | None = session.get(JobRow, job_id)
    except ValueError:
        return None
    return row


def _record(row: JobRow) -> JobRecord | None:
    try:
        return record_type().validate_python({name: getattr(row, name) for name in _FIELDS})
    except ValidationError:
        logger.warning("unreadable row of job %s", row.id, exc_info=True)
        return None
