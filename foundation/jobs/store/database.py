"""The database of a studio: an address of SQLAlchemy's, opened, brought to its present form, its refusals in words.

SQLite (the default: a file in the data directory) is used in WAL mode, so that a program killed at any moment leaves a
database that opens; a commit waits for the disk. A file that was removed while the studio ran is made anew, and
``generation`` says so. PostgreSQL needs the package psycopg (``pip install 'crossmax-studio[postgresql]'``); other
databases need whatever SQLAlchemy asks for.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from foundation.jobs.store.locks import DirectoryLock
from foundation.jobs.store.model import InUseError, JobError

logger = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 10
CONNECT_SECONDS = 10
POSTGRESQL_LOCK = 0x43724D78
"""The key of the advisory lock that a studio holds on its database."""
IN_USE = (
    "Another CrossMax Studio already uses this database. Close it first, or start this one with another --database: "
    "each has one of its own."
)
UNREADABLE = (
    "The address of the database cannot be read: write sqlite:////FOLDER/FILE.db, or postgresql://USER@HOST/NAME, or "
    "another address of SQLAlchemy's."
)
OWN_TABLES = frozenset(("alembic_version", "owners", "jobs"))
FOREIGN = "holds the tables of another program, which are left as they are: name another with --database."
_SQLITE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.ENOENT,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
}
_POSTGRESQL = {"53100": errno.ENOSPC, "25006": errno.EROFS}
_REASONS = {
    errno.ENOSPC: "its disk is full",
    errno.EROFS: "it can only be read",
    errno.ENOENT: "its file cannot be opened",
    errno.EACCES: "its permissions do not allow it",
    errno.EBUSY: "another program holds it",
}


class DatabaseError(OSError):
    """The database refused. ``errno`` is as for a file (ENOSPC: its disk is full), ``strerror`` says why in words."""


def parse_address(address: str) -> URL:
    """A database's address, with the driver that is meant.

    Raises:
        JobError: it is none. Nothing of it is repeated, since it may hold a password.
    """
    try:
        url = make_url(address.strip())
    except (ArgumentError, ValueError) as error:  # a port that is no number, for example
        raise JobError(UNREADABLE) from error
    if url.get_backend_name() == "sqlite":
        database = url.database or ""
        if database in ("", ":memory:") or "memory" in (url.query.get("mode"), url.query.get("vfs")):
            raise JobError("A database in memory keeps nothing: name a file, as in sqlite:////FOLDER/FILE.db.")
        if database.startswith("file:") or "\0" in database or not Path(database).name:
            raise JobError("A database of SQLite's is a file: name one, as in sqlite:////FOLDER/FILE.db.")
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


class Database:
    """A database that this process alone uses. All methods may be called from any thread; they take turns.

    Args:
        address: of SQLAlchemy's.
        shared: a studio may use it meanwhile: for commands, which leave its jobs alone.

    Attributes:
        generation: grows whenever the database was found gone and was made anew, empty.

    Raises:
        JobError: it cannot be opened, is another studio's, or was written by a newer version; the message says which.
    """

    def __init__(self, address: str, *, shared: bool = False) -> None:
        self._url, self._shared = parse_address(address), shared
        # Without links: whoever names the file by another of its names finds its lock.
        self._file = Path(self._url.database or "").resolve() if self._url.get_backend_name() == "sqlite" else None
        self._turn = threading.RLock()
        self._guard: DirectoryLock | Connection | None = None
        self._inode = 0
        self.generation = 0
        try:
            self._engine = self._make_engine()
            self._open()
        except (OSError, SQLAlchemyError, sqlite3.Error) as error:
            self.close()
            raise JobError(
                f"The database {self.shown} cannot be used: {in_words(error).strerror}. See that it is there and can "
                "be written to, or name another with --database."
            ) from error
        except BaseException:
            self.close()
            raise

    @property
    def shown(self) -> str:
        """Its address without the password."""
        return self._url.render_as_string(hide_password=True)

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are kept together, or none of them. Raises ``DatabaseError``."""
        with self._session(immediate=True) as session:
            yield session

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A session to look. Raises ``DatabaseError``."""
        with self._session(immediate=False) as session:
            yield session

    def close(self) -> None:
        """Let go of the database. Later calls do nothing."""
        with self._turn:
            if hasattr(self, "_engine"):
                self._release()
                self._engine.dispose()

    # ------------------------------------------------------------------ opening

    def _make_engine(self) -> Engine:
        # A connection for each change, of which there are few: none is kept that a server has given up meanwhile.
        options: dict[str, Any] = {"poolclass": NullPool}
        if self._url.get_backend_name() == "postgresql":
            options["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
        if self._file is not None:
            options = {"connect_args": {"timeout": BUSY_SECONDS}}
        try:
            engine = create_engine(self._url, **options)
        except (ModuleNotFoundError, NoSuchModuleError) as error:
            wanted = "psycopg: pip install 'crossmax-studio[postgresql]'" if "psycopg" in str(error) else str(error)
            raise JobError(f"The database {self.shown} needs a package that is not installed ({wanted}).") from error
        except (ArgumentError, TypeError, ValueError) as error:  # of what stands behind its "?"
            raise JobError(UNREADABLE) from error
        if self._file is not None:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _open(self) -> None:
        """Take hold of the database and bring it to the present form."""
        if self._file is not None:
            if self._file.is_dir():  # said before a lock is made beside it
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not self._shared:
                self._guard = DirectoryLock(self._file.with_name(f"{self._file.name}.lock"), IN_USE)
            # Nobody else on the machine may read it; SQLite gives the files beside it the same permissions.
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            self._inode = self._file.stat().st_ino
            if _is_foreign(self._file):
                raise JobError(f"The file {self._file} {FOREIGN}")
        elif self._url.get_backend_name() == "postgresql":
            self._hold_postgresql()
        upgrade(self._engine)

    def _hold_postgresql(self) -> None:
        if self._shared:
            return
        connection = self._engine.connect()
        connection.execution_options(isolation_level="AUTOCOMMIT")
        held = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": POSTGRESQL_LOCK})
        if not held:
            connection.close()
            raise InUseError(IN_USE)
        self._guard = connection

    def _release(self) -> None:
        if isinstance(self._guard, DirectoryLock):
            self._guard.release()
        elif self._guard is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._guard.close()  # which ends it, and so lets go of the lock
        self._guard = None

    # ------------------------------------------------------------------ using

    @contextlib.contextmanager
    def _session(self, *, immediate: bool) -> Iterator[Session]:
        with self._turn:
            try:
                self._check()
            except JobError as error:  # another studio's by now, for example
                raise DatabaseError(errno.EIO, str(error).rstrip(".")) from error
            except SQLAlchemyError as error:
                raise in_words(error) from error
            engine = self._engine.execution_options(immediate=immediate)
            try:
                with Session(engine, expire_on_commit=False) as session, session.begin():
                    yield session
            except SQLAlchemyError as error:
                raise in_words(error) from error

    def _check(self) -> None:
        """See that the database is the one that was opened: make a file that is gone anew, hold a server's again."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                if self._file.stat().st_ino == self._inode:
                    return
            logger.error("the database %s was removed, and is made anew", self.shown)
            self._release()
            self._engine.dispose()
            if not self._file.exists():
                for tail in ("-wal", "-shm"):  # of the old one: SQLite would take them for the new one's
                    self._file.with_name(self._file.name + tail).unlink(missing_ok=True)
            try:
                self._open()
            except (OSError, sqlite3.Error) as error:
                raise in_words(error) from error
            self.generation += 1
        elif self._url.get_backend_name() == "postgresql":
            if self._shared:
                return
            with contextlib.suppress(SQLAlchemyError):
                if isinstance(self._guard, Connection) and self._guard.scalar(text("SELECT 1")) == 1:
                    return
            self._release()
            self._hold_postgresql()


def upgrade(engine: Engine) -> None:
    """Take the steps of `foundation.jobs.store.migrations` that a database has not had, all or none.

    Raises:
        JobError: it has had steps that this version does not know.
        SQLAlchemyError: it cannot be changed.
    """
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    steps = ScriptDirectory(MIGRATIONS, version_locations=[MIGRATIONS])

    def missing(heads: Any, _context: MigrationContext) -> Any:
        return steps._upgrade_revs("head", heads)  # what the command `alembic upgrade head` takes, too

    try:
        with engine.execution_options(immediate=True).begin() as connection:
            context = MigrationContext.configure(connection, opts={"fn": missing, "transactional_ddl": True})
            with Operations.context(context):
                context.run_migrations()
    except CommandError as error:
        raise JobError(
            "The database was written by a newer version of CrossMax Studio. Start that version, or name another "
            "database with --database."
        ) from error


def in_words(error: BaseException) -> DatabaseError:
    """Why a database, or its file, refused; never the statement or what was in it."""
    if isinstance(error, DatabaseError):
        return error
    number, reason = _number(error), ""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.DatabaseError) and cause.sqlite_errorcode & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    ):
        reason = "it is damaged, or no database; move it away, and the next start makes a new one of the jobs' folders"
    elif isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
    elif isinstance(error, DBAPIError) and (error.connection_invalidated or _is_connection(cause)):
        reason = "its server does not answer"
    return DatabaseError(number, reason or _REASONS.get(number) or f"it refused ({type(cause).__name__})")


def _is_foreign(file: Path) -> bool:
    """Whether a file of SQLite's has tables, and none of a studio's. Looked at without changing anything of it."""
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return bool(names) and not names.issuperset(OWN_TABLES)


def _number(error: BaseException) -> int:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, OSError):
        return cause.errno or errno.EIO
    if isinstance(cause, sqlite3.Error):
        return _SQLITE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF, errno.EIO)
    return _POSTGRESQL.get(getattr(cause, "sqlstate", None) or "", errno.EIO)


def _is_connection(cause: BaseException | None) -> bool:
    """Whether a driver's error is one of the connection: psycopg's have no state of SQL then."""
    state = getattr(cause, "sqlstate", "")
    return not isinstance(cause, sqlite3.Error) and (state is None or str(state).startswith(("08", "57P")))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where ``_begin_sqlite`` says, also around CREATE TABLE
    for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: Connection) -> None:
    # One that is going to write says so at once: it then waits for its turn, where a later change of mind is refused.
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
