"""What the database holds of visitors beside their jobs: the budget of their results, and presets of their own."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Collection, Mapping, Sequence
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


@dataclass(frozen=True)
class NamedSettings:
    """Settings that are to be kept under a name, for one kind of job."""

    kind: str
    name: str
    settings: Mapping[str, object]


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
        ((preset_id, _),) = self.keep_presets(owner, [NamedSettings(kind, name, settings)], now, replace=True)
        return preset_id

    def keep_presets(
        self, owner: str, wanted: Sequence[NamedSettings], now: float, *, replace: bool
    ) -> list[tuple[str, str]]:
        """Keep several at once, all or none; the id of each, and the name under which it is kept.

        Where a name is taken, the new one takes its place (``replace``), or gets a number behind its name; settings
        that are kept under their name already stay as they are.

        Raises:
            JobError: a name will not do, or there are too many already; nothing is changed then.
        """
        named = [(one, _named(one.name)) for one in wanted]
        with self._database.write() as session:
            if session.get(OwnerRow, owner) is None:
                session.add(OwnerRow(token=owner, first_seen=now, disk_budget=None))
                session.flush()
            rows = list(session.scalars(select(PresetRow).where(PresetRow.owner == owner)))
            there = {(row.kind, row.name): row for row in rows}
            found = []
            for one, name in named:
                settings = as_json(one.settings)
                row = there.get((one.kind, name))
                if row is not None and not replace and row.settings != settings:
                    name = _free(name, {taken for kind, taken in there if kind == one.kind})
                    row = None
                if row is None:
                    row = PresetRow(
                        id=secrets.token_hex(16), owner=owner, kind=one.kind, name=name, created=now, settings={}
                    )
                    session.add(row)
                    there[one.kind, name] = row
                row.settings = settings
                found.append((row.id, row.name))
            if len(there) > max(PRESETS, len(rows)):
                raise JobError(f"You may keep {PRESETS} presets, not {len(there)}: delete one first, or more.")
        return found

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


def _named(name: str) -> str:
    """A name as it is kept. JobError: it will not do."""
    name = without_controls(" ".join(name.split()))
    if not 1 <= len(name) <= NAME_LENGTH:
        raise JobError(f"Give the preset a name of 1 to {NAME_LENGTH} characters.")
    return name


def _free(name: str, taken: Collection[str]) -> str:
    """The name with the first number behind it that nobody has: ``mine (2)``."""
    endings = (f" ({number})" for number in itertools.count(2))
    return next(one for ending in endings if (one := name[: NAME_LENGTH - len(ending)] + ending) not in taken)
