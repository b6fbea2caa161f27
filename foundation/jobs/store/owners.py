"""What the database holds of visitors beside their jobs: the budget of their results, and presets of their own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue
from sqlalchemy import delete, func, select

from foundation.jobs.store.database import Database
from foundation.jobs.store.model import JobError, as_json, without_controls
from foundation.jobs.store.tables import JobRow, OwnerRow, PresetRow

NAME_LENGTH = 80
PRESETS = 200
"""How many one visitor may keep."""


@dataclass(frozen=True)
class Preset:
    """Settings under a name, for one kind of job."""

    id: str
    kind: str
    name: str
    settings: Mapping[str, JsonValue]


class Owners:
    """Visitors, by their tokens. Raises ``DatabaseError`` where the database refuses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def budgets(self) -> dict[str, int]:
        """The bytes that the results of those who chose a budget may take."""
        with self._database.read() as session:
            rows = session.execute(
                select(OwnerRow.token, OwnerRow.disk_budget).where(OwnerRow.disk_budget.is_not(None))
            )
            return {token: budget for token, budget in rows if budget is not None}

    def set_budget(self, owner: str, budget: int | None, now: float) -> None:
        """Keep a visitor's budget in bytes; None for none."""
        with self._database.write() as session:
            row = session.get(OwnerRow, owner)
            if row is None:
                session.add(OwnerRow(token=owner, first_seen=now, disk_budget=budget))
            else:
                row.disk_budget = budget

    def presets(self, owner: str) -> list[Preset]:
        """A visitor's presets, by their names."""
        with self._database.read() as session:
            rows = session.scalars(select(PresetRow).where(PresetRow.owner == owner))
            found = [Preset(row.id, row.kind, row.name, row.settings) for row in rows]
        return sorted(found, key=lambda preset: (preset.name.casefold(), preset.kind))

    def keep_preset(self, owner: str, kind: str, name: str, settings: Mapping[str, object], now: float) -> str:
        """Keep settings under a name, in place of those of that name and kind; the preset's id.

        Raises:
            JobError: the name will not do, or there are too many already.
        """
        name = without_controls(" ".join(name.split()))
        if not 1 <= len(name) <= NAME_LENGTH:
            raise JobError(f"Give the preset a name of 1 to {NAME_LENGTH} characters.")
        with self._database.write() as session:
            own = PresetRow.owner == owner
            row = session.scalar(select(PresetRow).where(own, PresetRow.kind == kind, PresetRow.name == name))
            if row is None:
                if (session.scalar(select(func.count()).select_from(PresetRow).where(own)) or 0) >= PRESETS:
                    raise JobError(f"You keep {PRESETS} presets already: delete one first.")
                if session.get(OwnerRow, owner) is None:
                    session.add(OwnerRow(token=owner, first_seen=now, disk_budget=None))
                    session.flush()
                row = PresetRow(id=secrets.token_hex(16), owner=owner, kind=kind, name=name, created=now, settings={})
                session.add(row)
            row.settings = as_json(settings)
            return row.id

    def delete_preset(self, owner: str, preset_id: str) -> None:
        """Delete one of a visitor's presets; one that is not theirs, or not there, is no error."""
        with self._database.write() as session:
            session.execute(delete(PresetRow).where(PresetRow.owner == owner, PresetRow.id == preset_id))

    def forget(self, owner: str) -> None:
        """Delete a visitor's presets and budget, and the visitor, once no job is theirs."""
        with self._database.write() as session:
            session.execute(delete(PresetRow).where(PresetRow.owner == owner))
            row = session.get(OwnerRow, owner)
            if row is None:
                return
            row.disk_budget = None
            if not session.scalar(select(func.count()).select_from(JobRow).where(JobRow.owner == owner)):
                session.delete(row)
