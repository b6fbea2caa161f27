"""Users as rows of the database: added, changed, removed and found. Passwords and tokens come here as digests alone."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from sqlalchemy import ColumnElement, delete, select, update

from foundation.jobs.store.database import Database
from foundation.jobs.store.model import JobError
from foundation.jobs.store.tables import EndedLoginRow, UserRow, WorkRow

Role = Literal["owner", "guest"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class User:
    """Somebody with an account.

    Attributes:
        id: for ever theirs; ``name`` may be given to another once they were removed.
        owner: whose jobs, presets and pictures theirs are.
        stamp: another one with every password.
        password: its hash.
        has_token: whether there is a token for their programs.
    """

    id: str
    name: str
    role: Role
    owner: str
    stamp: str
    created: float
    password: str = field(repr=False)
    has_token: bool = False


class Users:
    """All users. Raises ``DatabaseError`` where the database refuses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, role: Role, password: str, now: float) -> User:
        """A new user, with the hash of a password. JobError: there is one of this name."""
        row = UserRow(
            id=secrets.token_hex(16),
            name=name,
            role=role,
            password=password,
            owner=secrets.token_hex(16),
            stamp=secrets.token_hex(16),
            api_token=None,
            created=now,
        )
        with self._database.write() as session:
            if session.scalar(select(UserRow.id).where(UserRow.name == name)) is not None:
                raise JobError(f"There is a user '{name}' already: choose another name.")
            session.add(row)
            session.flush()
            return _user(row)

    def all(self) -> list[User]:
        """Everybody who was not removed, by their names."""
        return sorted(self._found(UserRow.name.is_not(None)), key=lambda user: user.name)

    def named(self, name: str) -> User | None:
        """The user of a name."""
        return next(iter(self._found(UserRow.name == name)), None)

    def find(self, user_id: str) -> User | None:
        """The user of an id; None for one who was removed."""
        return next(iter(self._found(UserRow.id == user_id, UserRow.name.is_not(None))), None)

    def of_token(self, digest: str) -> User | None:
        """Whose token for programs has this digest."""
        return next(iter(self._found(UserRow.api_token == digest, UserRow.name.is_not(None))), None)

    def of_owner(self, owner: str) -> User | None:
        """The user whose jobs are this owner's."""
        return next(iter(self._found(UserRow.owner == owner, UserRow.name.is_not(None))), None)

    def set_password(self, user_id: str, password: str) -> None:
        """Keep the hash of another password; whoever is logged in has to do so again."""
        self._change(user_id, password=password, stamp=secrets.token_hex(16))

    def keep_hash(self, user_id: str, password: str) -> None:
        """Keep another hash of the same password."""
        self._change(user_id, password=password)

    def set_role(self, user_id: str, role: Role) -> None:
        """Make an owner of a guest, or a guest of an owner."""
        self._change(user_id, role=role)

    def set_token(self, user_id: str, digest: str | None) -> None:
        """Keep the digest of a token for programs in place of the one before; None for no token."""
        self._change(user_id, api_token=digest)

    def remove(self, user_id: str) -> None:
        """Let somebody be a user no more. What is theirs stays until ``forget``."""
        self._change(user_id, name=None, api_token=None, password="", stamp=secrets.token_hex(16))

    def removed(self) -> Sequence[str]:
        """The owners of those who were removed."""
        with self._database.read() as session:
            return list(session.scalars(select(UserRow.owner).where(UserRow.name.is_(None))))

    def forget(self, owner: str) -> None:
        """Delete the row of somebody who was removed."""
        with self._database.write() as session:
            session.execute(delete(UserRow).where(UserRow.owner == owner, UserRow.name.is_(None)))
            session.execute(delete(WorkRow).where(WorkRow.owner == owner))

    # ------------------------------------------------------------------ logins that were ended

    def end_login(self, login: str, until: float, now: float) -> None:
        """Let a login count no more, which would be good ``until`` then (Unix seconds)."""
        with self._database.write() as session:
            session.execute(delete(EndedLoginRow).where(EndedLoginRow.until < now))
            if session.get(EndedLoginRow, login) is None:
                session.add(EndedLoginRow(id=login, until=until))

    def has_ended(self, login: str) -> bool:
        """Whether a login was ended."""
        with self._database.read() as session:
            return session.get(EndedLoginRow, login) is not None

    def _found(self, *conditions: ColumnElement[bool]) -> list[User]:
        with self._database.read() as session:
            return [_user(row) for row in session.scalars(select(UserRow).where(*conditions))]

    def _change(self, user_id: str, **values: str | None) -> None:
        with self._database.write() as session:
            session.execute(update(UserRow).where(UserRow.id == user_id, UserRow.name.is_not(None)).values(**values))


def _user(row: UserRow) -> User:
    role: Role = "owner" if row.role == "owner" else "guest"
    return User(
        id=row.id,
        name=row.name or "",
        role=role,
        owner=row.owner,
        stamp=row.stamp,
        created=row.created,
        password=row.password,
        has_token=row.api_token is not None,
    )
