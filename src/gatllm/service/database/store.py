"""The database: SQLite in a file by default, PostgreSQL by URL; brought up to date when it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, sessionmaker

from gatllm.errors import GatllmError
from gatllm.service.database.tables import Base

_LOCK = 0x6761746C  # "gatl": PostgreSQL's advisory lock while several workers start at once


class DatabaseError(GatllmError):
    """The database can't be used now."""


class Database:
    """Transactions on one database. Safe to use from several threads, and by several processes at once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing = sessionmaker(engine, expire_on_commit=False)
        self._reading = sessionmaker(engine.execution_options(gatllm_reads=True), expire_on_commit=False)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a SQLite file."""
        return self.engine.dialect.name == "sqlite"

    def begin(self) -> AbstractContextManager[Session]:
        """Return a transaction that is committed at the end, and undone where something is raised.

        Raises:
            DatabaseError: the database is out of reach, locked, full or damaged.
        """
        return _transaction(self._writing)

    def read(self) -> AbstractContextManager[Session]:
        """Return a transaction that changes nothing, and waits for no one who does.

        Raises:
            DatabaseError: see `begin`.
        """
        return _transaction(self._reading)

    def ping(self) -> None:
        """Find out whether it answers.

        Raises:
            DatabaseError: it doesn't.
        """
        with self.read() as session:
            session.execute(text("select 1"))

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


@contextmanager
def _transaction(sessions: sessionmaker[Session]) -> Iterator[Session]:
    try:
        with sessions.begin() as session:
            yield session
    except (DBAPIError, PoolTimeoutError) as error:
        raise DatabaseError(*_explain(error)) from error


def open_database(where: str | Path) -> Database:
    """Open the database at a URL, or in a file; create it where it is missing, bring it up to date.

    Raises:
        DatabaseError: it can't be opened, or a newer version of gatllm has written it.
    """
    engine = _engine(where)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError:
        engine.dispose()
        raise DatabaseError("the database was written by a newer gatllm", "install that version, or newer") from None
    except SQLAlchemyError as error:
        engine.dispose()
        raise DatabaseError(*_explain(error)) from error
    return Database(engine)


def temporary_database(path: Path) -> Database:
    """Return a database that nobody opens again: its tables are made at once, without migrations."""
    engine = _engine(path)
    Base.metadata.create_all(engine)
    return Database(engine)


def check_database(where: str | Path) -> str:
    """Return in words what is at a URL or in a file, which is only read.

    Raises:
        DatabaseError: it is out of reach, damaged, or written by another version.
    """
    if not (isinstance(where, str) and "://" in where) and not Path(where).is_file():
        raise DatabaseError(f"there is no {where}", "`gatllm serve` makes it")
    engine = _engine(where)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                said = str(connection.execute(text("pragma quick_check(1)")).scalar())
                if said != "ok":
                    raise DatabaseError(
                        f"the database is damaged: {said}", "bring back a backup: gatllm service restore"
                    )
            accounts = connection.execute(text("select count(*) from accounts")).scalar()
        if not is_current(engine):
            raise DatabaseError("the database has the tables of another version", "`gatllm serve` brings it up to date")
    except SQLAlchemyError as error:
        raise DatabaseError(*_explain(error)) from error
    finally:
        engine.dispose()
    return f"{engine.dialect.name}, {accounts} accounts"


def is_current(engine: Engine) -> bool:
    """Tell whether a database has the newest tables; changes nothing."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as connection:
        kept = MigrationContext.configure(connection).get_current_revision()
    return kept == ScriptDirectory.from_config(config).get_current_head()


def _engine(where: str | Path) -> Engine:
    options: dict[str, Any] = {"pool_pre_ping": True, "pool_timeout": 5}
    try:
        url = make_url(where) if isinstance(where, str) and "://" in where else make_url(f"sqlite:///{where}")
    except ArgumentError:
        raise DatabaseError(f"{where!r} is not a database", "such as postgresql://user@host/name, or a file") from None
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
        options["connect_args"] = {"connect_timeout": 5}
    elif url.get_backend_name() != "sqlite":
        raise DatabaseError(f"{url.get_backend_name()} is not supported", "use SQLite or PostgreSQL")
    elif url.database:
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not Path(url.database).exists():
                Path(url.database).touch(mode=0o600)
        except OSError as error:
            raise DatabaseError(f"can't write {url.database}: {error.strerror}", "name another place") from None
    try:
        engine = create_engine(url, **options)
    except ModuleNotFoundError as error:
        raise DatabaseError(f"{error.name} is missing", "pip install 'gatllm[postgres]'") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    """Readers don't wait for writers (WAL), foreign keys count, and who finds it locked waits.

    What is committed must survive a loss of power, not only of the process: hence FULL.
    """
    connection.isolation_level = None  # SQLAlchemy begins transactions below, Python must not
    for pragma in ("journal_mode=wal", "synchronous=full", "foreign_keys=on", "busy_timeout=10000"):
        connection.execute(f"pragma {pragma}")


def _begin(connection: Connection) -> None:
    # A transaction that reads first and then writes can't wait for another writer: SQLite refuses it at once.
    reads = connection.get_execution_options().get("gatllm_reads")
    connection.exec_driver_sql("begin" if reads else "begin immediate")


def _explain(error: Exception) -> tuple[str, str]:
    words = str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]
    if "disk is full" in words or "No space left" in words:
        return "the database's disk is full", "make room; nothing that was confirmed is lost"
    if "malformed" in words or "not a database" in words:
        return f"the database is damaged: {words}", "bring back a backup: gatllm service restore"
    if "locked" in words:
        return "the database is busy", "try again in a moment"
    return f"the database can't be reached: {words}", "try again in a moment; the operator sees it in `gatllm doctor`"
