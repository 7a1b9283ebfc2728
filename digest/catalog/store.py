"""One database: how it is opened, what a transaction is, and how its troubles are told."""

import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from functools import cache
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Insert,
    Integer,
    LargeBinary,
    Select,
    Table,
    any_,
    create_engine,
    event,
    func,
    inspect,
    literal,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from digest.catalog.tables import metadata
from digest.errors import Busy, CatalogError, ConfigError

T = TypeVar("T")

PAGE = 2000
"""rows of a long list that are read at a time"""

MIGRATIONS = Path(__file__).parent / "migrations"
PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "busy_timeout = 60000",
    "secure_delete = ON",  # whoever was erased is gone from the file too
)

HEAD = "0003"
"""the newest migration; a test compares it with the folder, so that opening a database need not import alembic"""


class Store:
    """Transactions on one database. Rows and connections stay inside the catalog."""

    def __init__(self, url: str) -> None:
        try:
            self.url = make_url(url)
        except ArgumentError as error:
            raise ConfigError(f"database: {url!r} is no database URL; write sqlite:///subscribers.db") from error
        self.sqlite = self.url.get_backend_name() == "sqlite"
        in_memory = self.sqlite and self.url.database in (None, "", ":memory:")
        self.path = Path(str(self.url.database)) if self.sqlite and not in_memory else None
        self._turn = RLock() if in_memory else nullcontext()  # all threads share one connection
        self.engine = _sqlite(url, in_memory) if self.sqlite else _server(url)

    @property
    def name(self) -> str:
        return str(self.path or self.url.render_as_string(hide_password=True))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is written."""
        with self._turn, self.translated(), self.engine.connect() as db:
            if not self.sqlite:
                db = db.execution_options(isolation_level="REPEATABLE READ")
            yield db

    @contextmanager
    def write(self, *, alone: bool = True) -> Iterator[Connection]:
        """All or nothing; the only writer from its first line on.

        *alone* False is for what bears others beside it, as PostgreSQL has them: claims, and words on claimed rows.
        """
        immediate = {"immediate": True}
        with self._turn, self.translated(), self.engine.connect() as db, db.execution_options(**immediate).begin():
            if alone and not self.sqlite:
                db.execute(select(func.pg_advisory_xact_lock(_key("write"))))
            yield db

    @contextmanager
    def session(self, **options: Any) -> Iterator[Connection]:
        """A connection of its own, on a server; what it locked is free again when it ends, however it ends."""
        with self.translated():
            db = self.engine.connect().execution_options(**options)
        try:
            db.detach()
            yield db
        finally:
            with suppress(DBAPIError):
                db.rollback()
                db.execute(select(func.pg_advisory_unlock_all()))
            db.close()

    def create(self) -> None:
        """Make the database file (0600) and its tables, or bring those of an earlier version to the newest."""
        if self.path:
            self._touch(self.path)
        from alembic import command  # only here: it costs as much to import as all the rest
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self.translated(), self.engine.connect() as db, db.execution_options(immediate=True).begin():
            config.attributes["connection"] = db
            if "alembic_version" in inspect(db).get_table_names():
                command.upgrade(config, "head")
            else:
                metadata.create_all(db)
                command.stamp(config, "head")

    def version(self) -> str | None:
        """The schema's version; None for a database without one."""
        if self.path and not self.path.exists():
            return None
        with self.read() as db:
            if "alembic_version" not in inspect(db).get_table_names():
                return None
            return str(db.scalar(text("SELECT version_num FROM alembic_version")))

    def require_current(self) -> None:
        """Raises CatalogError unless the schema is the one this program writes."""
        found = self.version()
        if found != HEAD:
            has = f"has schema {found}" if found else "is empty or missing"
            raise CatalogError(f"{self.name} {has}, this program needs {HEAD}; run `digest db upgrade`")

    def backup(self, target: Path) -> None:
        """A consistent copy of a SQLite database while it is in use, 0600."""
        if not self.path:
            raise CatalogError(f"{self.name}: use your database's own backup tool (pg_dump)")
        self._copy(self.path, target)

    def restore(self, source: Path) -> None:
        """Puts a backup in the place of a database that has been moved away."""
        if not self.path or not source.exists():
            raise CatalogError(
                f"{source}: no such file" if self.path else f"{self.name}: use your database's own tools"
            )
        self._copy(source, self.path)

    def _copy(self, source: Path, target: Path) -> None:
        if target.exists():
            raise CatalogError(f"{target} exists already and is kept; move it away, or choose another name")
        self._touch(target)
        try:
            with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
                old.backup(new)
        except sqlite3.Error as error:
            target.unlink()
            raise CatalogError(f"{source}: {self._advice(str(error))}") from error

    def problems(self) -> list[str]:
        """What the database itself says is wrong with it."""
        with self.read() as db:
            if not self.sqlite:
                return []
            found = [str(row[0]) for row in db.execute(text("PRAGMA integrity_check")) if row[0] != "ok"]
            return found + [f"broken reference in {row[0]}" for row in db.execute(text("PRAGMA foreign_key_check"))]

    @contextmanager
    def lock(self, purpose: str) -> Iterator[bool]:
        """Holds the one lock for *purpose* on this database; raises Busy when another process has it."""
        if not self.sqlite:
            with self.session() as db:
                with self.translated():
                    free = db.scalar(select(func.pg_try_advisory_lock(_key(purpose))))
                    db.commit()
                if not free:
                    raise self._busy(purpose)
                yield True
            return
        if not self.path:
            yield True
            return
        import fcntl

        path = self.path.with_name(f"{self.path.name}.{purpose}.lock")
        with self.translated():
            handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        with open(handle, "w") as file:  # what goes wrong within is told by whoever works there
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise self._busy(purpose) from error
            yield True

    def _busy(self, purpose: str) -> Busy:
        return Busy(f"another process is at work on {self.name} ({purpose}); it will finish by itself")

    def insert(self, table: Table) -> Any:
        """INSERT with `on_conflict_…` in the database's own dialect."""
        return import_module(f"sqlalchemy.dialects.{self.engine.dialect.name}").insert(table)

    def ignoring(self, table: Table) -> Insert:
        """INSERT that leaves rows alone that are there already; its `rowcount` says how many were not."""
        statement: Insert = self.insert(table).on_conflict_do_nothing()
        return statement.execution_options(preserve_rowcount=True)

    def among(self, column: Any, numbers: Iterable[int]) -> Any:
        """The condition that *column* is one of *numbers*, which are one parameter however many they are."""
        if self.sqlite:
            return column.in_(select(func.json_each(str([*numbers])).table_valued("value").c.value))
        return column == any_(literal([*numbers], ARRAY(Integer)))

    def columns(self, db: Connection, wanted: Select[Any]) -> list[Sequence[Any]]:
        """What a query finds, column by column, at the driver's own speed."""
        dialect, result = self.engine.dialect, db.execute(wanted)
        kinds = [column.type.dialect_impl(dialect) for column in wanted.selected_columns]
        found = [*zip(*result.cursor.fetchall(), strict=True)] or [()] * len(kinds)
        result.close()
        converts = [None if isinstance(kind, LargeBinary) else kind.result_processor(dialect, None) for kind in kinds]
        return [[*map(to, column)] if to else column for to, column in zip(converts, found, strict=True)]

    def table(self, kinds: Mapping[str, Column[Any]], rows: Iterable[Sequence[Any]]) -> Any:
        """*rows* for a statement to join, by the names of *kinds*: one statement, however many they are."""
        columns = [*zip(*rows, strict=True)]
        if not self.sqlite:
            arrays = [
                literal([*values], ARRAY(kind.type)) for kind, values in zip(kinds.values(), columns, strict=True)
            ]
            return func.unnest(*arrays).table_valued(*kinds).render_derived().c
        values = json.dumps([*zip(*self._bound(kinds.values(), columns), strict=True)], ensure_ascii=False)
        row = func.json_each(values).table_valued("value").c.value
        return {name: func.json_extract(row, f"$[{i}]") for i, name in enumerate(kinds)}

    def insert_many(self, db: Connection, table: Table, columns: Mapping[str, Sequence[Any]]) -> int:
        """Inserts rows, given as columns, that are not there already; how many.

        Like `columns` at the driver's own speed, and with many rows in a statement. What all rows of a column have in
        common is given to SQLite once; the first column is each row's own.
        """
        bound = [[*values] for values in self._bound(map(table.c.get, columns), columns.values())]
        shared = [self.sqlite and n > 0 and values.count(values[0]) == len(values) for n, values in enumerate(bound)]
        own = [values for values, same in zip(bound, shared, strict=True) if not same]
        once = [values[0] for values, same in zip(bound, shared, strict=True) if same]
        row = f"({', '.join(['?' if self.sqlite else '%s'] * len(own))})"
        begin, end = f"INSERT INTO {table.name} ({', '.join(columns)})", "ON CONFLICT DO NOTHING"
        if once:
            places = iter(range(1, len(own) + 1))
            asked = ", ".join("?" if same else f"column{next(places)}" for same in shared)
            begin, end = f"{begin} SELECT {asked} FROM (", f") WHERE true {end}"  # noqa: S608  names of ours
        new = 0
        for rows in chunks(zip(*own, strict=True), 500):
            statement = f"{begin} VALUES {', '.join([row] * len(rows))} {end}"
            new += db.exec_driver_sql(statement, (*once, *chain(*rows)), {"preserve_rowcount": True}).rowcount
        return new

    def _bound(self, kinds: Iterable[Any], columns: Iterable[Sequence[Any]]) -> Iterator[Iterable[Any]]:
        """*columns* as the driver takes them."""
        dialect = self.engine.dialect
        for column, values in zip(kinds, columns, strict=True):
            kind = column.type.dialect_impl(dialect)
            convert = None if isinstance(kind, LargeBinary) else kind.bind_processor(dialect)
            yield map(cache(convert), values) if convert else values  # few differ in most columns

    def _touch(self, path: Path) -> None:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise CatalogError(
                f"cannot create {path}: {error.strerror}; check the folder and its permissions"
            ) from error

    @contextmanager
    def translated(self) -> Iterator[None]:
        """What goes wrong with the database is a CatalogError that says what to do."""
        try:
            yield
        except DBAPIError as error:
            raise CatalogError(f"{self.name}: {self._advice(str(error.orig))}") from error
        except PendingRollbackError as error:  # a session that was lost is asked once more
            raise CatalogError(f"{self.name}: the connection was lost; run again when it is back") from error
        except PoolTimeout as error:
            raise CatalogError(f"{self.name}: all connections are busy; does another program lock it?") from error
        except sqlite3.Error as error:
            raise CatalogError(f"{self.name}: {self._advice(str(error))}") from error
        except OSError as error:
            raise CatalogError(f"{self.name}: {error.strerror or error}") from error

    def _advice(self, said: str) -> str:
        for words, way_out in _ADVICE.items():
            if words in said:
                return f"{said}; {way_out}"
        return said


_ADVICE = {
    "locked": "another program holds it; wait for it or stop it",
    "full": "free some disk space; nothing was half-written",
    "disk I/O": "free some disk space, or look after the disk; nothing was half-written",
    "readonly": "make the file and its folder writable for this user",
    "read-only": "make the file and its folder writable for this user",
    "unable to open": "check that the folder exists and is writable for this user",
    "not a database": "the file is something else; move it away or name another in `database:`",
    "no such table": "run `digest db upgrade`",
    "malformed": "restore a backup (`digest db restore`)",
    "connection failed": "is the server running, and is `database:` right?",
    "server closed the connection": "the server went away; run again when it is back",
    "terminating connection": "the server went away; run again when it is back",
}


def chunks(values: Iterable[T], size: int = 400) -> Iterator[list[T]]:
    """Lists of at most so many, by itself short enough for one statement's parameters."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk


def count(db: Connection, what: FromClause, *conditions: ColumnElement[bool]) -> int:
    """How many rows meet all of these."""
    return db.scalar(select(func.count()).select_from(what).where(*conditions)) or 0


def _key(purpose: str) -> int:
    """The number of an advisory lock."""
    return zlib.crc32(f"digest {purpose}".encode())


def _server(url: str) -> Engine:
    try:
        return create_engine(url)
    except ImportError as error:
        raise ConfigError(f"database: {error.name} is missing; pip install 'digest[postgresql]'") from error
    except NoSuchModuleError as error:
        raise ConfigError("database: write sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME") from error


def _sqlite(url: str, in_memory: bool) -> Engine:
    pool: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    engine = create_engine(url, connect_args={"timeout": 60, "check_same_thread": False}, **pool)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(db: Connection) -> None:
        immediate = db.get_execution_options().get("immediate")
        db.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
