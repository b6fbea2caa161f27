"""The tables of the database, as they are after all of `foundation.jobs.store.migrations`. Times are Unix seconds."""

from __future__ import annotations

from pydantic import JsonValue
from sqlalchemy import JSON, BigInteger, Boolean, Double, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """What all tables have in common."""


class OwnerRow(Base):
    """A visitor, by the token that their browser keeps.

    ``disk_budget`` is how many bytes their results may take; None for no budget of their own.
    """

    __tablename__ = "owners"

    token: Mapped[str] = mapped_column(String(200), primary_key=True)
    first_seen: Mapped[float] = mapped_column(Double())
    disk_budget: Mapped[int | None] = mapped_column(BigInteger())


class JobRow(Base):
    """A job: the fields of `foundation.jobs.store.model.JobRecord`, a column each."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_owner_sequence", "owner", "sequence"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[int] = mapped_column(Integer())
    sequence: Mapped[int] = mapped_column(BigInteger())
    kind: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(Text())
    owner: Mapped[str] = mapped_column(String(200), ForeignKey("owners.token"))
    device: Mapped[str] = mapped_column(String(200))
    params: Mapped[dict[str, JsonValue]] = mapped_column(JSON())
    created: Mapped[float] = mapped_column(Double())
    status: Mapped[str] = mapped_column(String(16))
    done: Mapped[int] = mapped_column(BigInteger())
    total: Mapped[int] = mapped_column(BigInteger())
    unit: Mapped[str] = mapped_column(String(16))
    message: Mapped[str] = mapped_column(Text())
    preview_version: Mapped[int] = mapped_column(BigInteger())
    result: Mapped[dict[str, JsonValue] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[str | None] = mapped_column(Text())
    started: Mapped[float | None] = mapped_column(Double())
    finished: Mapped[float | None] = mapped_column(Double())
    address: Mapped[str] = mapped_column(String(200))
    hours: Mapped[float] = mapped_column(Double())
    favourite: Mapped[bool] = mapped_column(Boolean())
    note: Mapped[str] = mapped_column(Text())
    deleted: Mapped[float | None] = mapped_column(Double())


class PresetRow(Base):
    """Settings that a visitor keeps under a name, for one kind of job."""

    __tablename__ = "presets"
    __table_args__ = (UniqueConstraint("owner", "kind", "name", name="uq_presets_owner_kind_name"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), ForeignKey("owners.token"))
    kind: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(200))
    settings: Mapped[dict[str, JsonValue]] = mapped_column(JSON())
    created: Mapped[float] = mapped_column(Double())


class UserRow(Base):
    """Somebody with an account. ``owner`` is whose jobs, presets and pictures theirs are.

    ``password`` is its hash, ``api_token`` the digest of a token for programs. ``stamp`` changes with the password, and
    ends what was signed with the one before. A user who was removed has no name; the row goes with what is theirs.
    """

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("name", name="uq_users_name"),
        UniqueConstraint("owner", name="uq_users_owner"),
        UniqueConstraint("api_token", name="uq_users_api_token"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str | None] = mapped_column(String(40))
    role: Mapped[str] = mapped_column(String(16))
    password: Mapped[str] = mapped_column(String(200))
    owner: Mapped[str] = mapped_column(String(64))
    stamp: Mapped[str] = mapped_column(String(32))
    api_token: Mapped[str | None] = mapped_column(String(64))
    created: Mapped[float] = mapped_column(Double())


class EndedLoginRow(Base):
    """A login that was ended before its time; forgotten once that has come."""

    __tablename__ = "ended_logins"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    until: Mapped[float] = mapped_column(Double())


class WorkRow(Base):
    """For how many seconds the jobs of an owner computed that ended within an hour (Unix seconds / 3600)."""

    __tablename__ = "work"

    owner: Mapped[str] = mapped_column(String(200), primary_key=True)
    hour: Mapped[int] = mapped_column(BigInteger(), primary_key=True, autoincrement=False)
    seconds: Mapped[float] = mapped_column(Double())
