"""The catalog's DuckDB file and the threads that may use it.

One thread writes; a few answer what is quick, each with a cursor of its own; one is there for searches that read
many headers, one of low priority for what administrators ask in SQL. The event loop only waits for them. The file
belongs to one process: a lock beside it says so. DuckDB is let near no other file, and near no network.

Whatever is wrong with the file (another epoch, another schema, damage), the folder is emptied and begun anew:
the log has everything in it.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import shutil
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from dicomweb.ports import Unavailable
from storage.catalog import schema
from storage.catalog.settings import CatalogSettings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from duckdb import Statement as DuckDBStatement

_LOG = logging.getLogger(__name__)
_FILE = "catalog.duckdb"
_LOCK = "lock"
_DAMAGED = "damaged"
_LARGEST_WAL = "128MB"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_LITTLE_ROOM = 1 << 20
"""Bytes free on a disk which was full a moment ago."""
_WORTH_A_CHECKPOINT = 1 << 20
"""Bytes of the write-ahead log."""
_SHARE_OF_INDEXES = 16
"""The indexes take up to a thirtieth of the file once all of them have been used, and more while they change. They
cannot leave DuckDB's memory, which is to have room for them beside what it is given."""

Result = TypeVar("Result")


class CatalogError(Unavailable):
    """Base of what the catalog raises beside programming errors: the archive is unharmed, this node is not."""


class CatalogInUse(CatalogError):
    """Another process has opened the catalog in this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"another process uses the catalog in {folder}; every node needs a folder of its own")
        self.folder = folder


class CatalogClosed(CatalogError):
    """The node is ending."""


class CatalogBroken(CatalogError):
    """The catalog's file cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"the catalog in {folder} cannot be read or written; a restart makes it anew")
        self.folder = folder


class CatalogFull(CatalogError):
    """There is no room for the catalog's files; what was to be written is tried again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no room is left on the disk of the node folder {folder.parent}: free some", 60)
        self.folder = folder


class Database:
    """The open file."""

    def __init__(self, folder: Path, epoch: str, settings: CatalogSettings) -> None:
        self._folder = folder
        self._epoch = epoch
        self._settings = settings
        self._local = threading.local()
        self._lock: IO[bytes] | None = None
        self._connection: DuckDBPyConnection | None = None
        self._writer = ThreadPoolExecutor(1, "catalog-write")
        self._readers = ThreadPoolExecutor(settings.readers, "catalog-read")
        self._slow = ThreadPoolExecutor(1, "catalog-slow")
        self._aside = ThreadPoolExecutor(1, "catalog-aside", initializer=_yield_to_others)
        self._closed = False
        self._failed = False
        """Whether DuckDB gave up the open file, for want of room; it is opened again before the next write."""

    async def open(self) -> None:
        """Open the file, or begin anew. Raises CatalogInUse."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._open)

    async def begin_anew(self, *, damaged: bool = False) -> None:
        """Throw the file away and begin with an empty one. Not while anyone reads. Raises CatalogBroken."""
        import duckdb

        if damaged:
            _LOG.warning("the catalog in %s is damaged; it is made anew", self._folder)
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._begin_anew)
        except (duckdb.Error, OSError) as error:
            raise CatalogBroken(self._folder) from error

    async def reopen(self) -> None:
        """Close the file and open it again: DuckDB begins with no memory. Not while anyone reads."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._reopen)

    async def settle(self) -> None:
        """Commit what the writing thread has begun, go on with little memory, and begin again.

        Until `reopen` commits are folded into the file at once. Not while anyone reads.
        """
        await self._run(self._writer, self._settle)

    def _settle(self, connection: DuckDBPyConnection) -> None:
        connection.execute("COMMIT")
        self._reopen()
        begin_at_length(self._cursor())

    async def close(self) -> None:
        """End the threads and close the file: what is being read is waited for, what comes later is refused."""
        self._closed = True
        for lane in (self._readers, self._slow, self._aside):
            await asyncio.to_thread(lane.shutdown)
        await asyncio.get_running_loop().run_in_executor(self._writer, self._close)
        await asyncio.to_thread(self._writer.shutdown)

    async def write(self, work: Callable[[DuckDBPyConnection], Result]) -> Result:
        """The result of `work`, called in the writing thread."""
        return await self._run(self._writer, work, mending=True)

    async def read(self, work: Callable[[DuckDBPyConnection], Result]) -> Result:
        """The result of `work`, called in a reading thread."""
        return await self._run(self._readers, work)

    async def slow(self, work: Callable[[DuckDBPyConnection], Result]) -> Result:
        """The result of `work`, called in the thread for what may take seconds."""
        return await self._run(self._slow, work)

    async def aside(self, work: Callable[[DuckDBPyConnection], Result]) -> Result:
        """The result of `work`, called in a thread that all others go before."""
        return await self._run(self._aside, work)

    @property
    def closed(self) -> bool:
        """Whether the node is ending."""
        return self._closed

    async def checkpoint(self) -> None:
        """Fold the write-ahead log into the file, if there is much of it."""
        log = self._folder / f"{_FILE}.wal"

        def fold(connection: DuckDBPyConnection) -> None:
            if log.exists() and log.stat().st_size > _WORTH_A_CHECKPOINT:
                connection.execute("CHECKPOINT")
                connection.execute(f"SET memory_limit = '{self._memory_limit()}B'")

        await self.write(fold)

    async def _run(
        self, lane: ThreadPoolExecutor, work: Callable[[DuckDBPyConnection], Result], *, mending: bool = False
    ) -> Result:
        if self._closed:
            raise CatalogClosed("the catalog of this node is closed")
        return await asyncio.get_running_loop().run_in_executor(lane, self._guarded, work, mending)

    def _guarded(self, work: Callable[[DuckDBPyConnection], Result], mending: bool) -> Result:
        """The result of `work`; with `mending` a file that DuckDB gave up for want of room is opened anew."""
        import duckdb

        try:
            if mending and self._failed:
                self._reopen()
                self._failed = False
            return work(self._cursor())
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise CatalogFull(self._folder) from error
            raise
        except duckdb.TransactionException as error:
            # A commit that found no room for the write-ahead log is undone, and the file goes on.
            if self._has_little_room():
                raise CatalogFull(self._folder) from error
            raise
        except (
            duckdb.IOException,
            duckdb.InternalException,
            duckdb.FatalException,
            duckdb.SerializationException,
        ) as error:
            # The disk is full or the file is damaged; the latter shows at any time. The next start begins anew.
            if self._failed or self._has_little_room():
                self._failed = True
                raise CatalogFull(self._folder) from error
            (self._folder / _DAMAGED).touch()
            raise CatalogBroken(self._folder) from error

    def _has_little_room(self) -> bool:
        return shutil.disk_usage(self._folder).free < _LITTLE_ROOM

    def _cursor(self) -> DuckDBPyConnection:
        cursor: DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            assert self._connection is not None, "the catalog is not open"
            cursor = self._local.cursor = self._connection.cursor()
        return cursor

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._folder)
        first = not (self._folder / _FILE).exists()
        try:
            self._connection = self._connect()
            if not self._fits():
                if not first:
                    _LOG.info("the catalog in %s is of another archive or version; it is made anew", self._folder)
                self._begin_anew()
        except Exception as error:  # a damaged file shows itself in many classes of error
            if isinstance(error, CatalogError):
                raise
            _LOG.warning(
                "the catalog in %s cannot be used (%s); it is made anew", self._folder, type(error).__name__
            )
            self._begin_anew()

    def _connect(self) -> DuckDBPyConnection:
        import duckdb

        connection = duckdb.connect(
            str(self._folder / _FILE),
            config={
                "threads": self._settings.threads,
                "memory_limit": f"{self._memory_limit()}B",
                "temp_directory": str(self._folder / "tmp"),
                "preserve_insertion_order": False,
                # A few hundred rows by their numbers are found in the index; beyond this it scans the documents.
                "dynamic_or_filter_threshold": 1000,
                # A checkpoint holds up who waits for a batch: it is made in quiet moments (`checkpoint`).
                "wal_autocheckpoint": _LARGEST_WAL,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        # Not among the options above: the folder for what does not fit into memory has to be named before.
        connection.execute("SET enable_external_access = false")
        return connection

    def _memory_limit(self) -> int:
        file = self._folder / _FILE
        size = file.stat().st_size if file.exists() else 0
        return self._settings.memory_bytes + size // _SHARE_OF_INDEXES

    def _fits(self) -> bool:
        connection = self._connection
        assert connection is not None
        if (self._folder / _DAMAGED).exists():
            return False
        if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'meta'").fetchall():
            return False
        found = connection.execute("SELECT schema, epoch FROM meta").fetchall()
        return found == [(schema.VERSION, self._epoch)]

    def _begin_anew(self) -> None:
        self._local = threading.local()  # cursors of the file that goes
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for path in self._folder.iterdir():
            if path.name.startswith((_FILE, _DAMAGED, "headers-")):
                path.unlink()
        self._failed = False
        self._connection = self._connect()
        self._connection.execute("BEGIN")
        for table in schema.TABLES:
            for statement in table.definitions():
                self._connection.execute(statement)
        self._connection.execute("INSERT INTO meta VALUES (?, ?, 0, 1)", [schema.VERSION, self._epoch])
        self._connection.execute("COMMIT")

    def _reopen(self) -> None:
        self._local = threading.local()  # cursors of the connection that goes
        if self._connection is not None:
            self._connection.close()
        self._connection = self._connect()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._lock.close()


def _yield_to_others() -> None:
    """Lower the priority of this thread (Linux, where each has its own; elsewhere it stays)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _locked(folder: Path) -> IO[bytes]:
    lock = (folder / _LOCK).open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise CatalogInUse(folder) from error
    return lock


def begin_at_length(connection: DuckDBPyConnection) -> None:
    """Begin to write millions of rows: not to a write-ahead log of some hundred MB, but to the file itself."""
    connection.execute("SET wal_autocheckpoint = '1MB'")
    connection.execute("BEGIN")


def rows_of(cursor: DuckDBPyConnection, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """All rows of a query. One with values is parsed once a thread: of a short question that is a quarter."""
    if not values:
        return cursor.execute(sql).fetchall()
    return cursor.execute(_parsed(cursor, sql), values).fetchall()


_PARSED = threading.local()
_REMEMBERED = 200
"""Queries a thread remembers."""


def _parsed(cursor: DuckDBPyConnection, sql: str) -> DuckDBStatement:
    known: OrderedDict[str, DuckDBStatement] | None = getattr(_PARSED, "statements", None)
    if known is None:
        known = _PARSED.statements = OrderedDict()
    statement = known.pop(sql, None) or cursor.extract_statements(sql)[0]
    known[sql] = statement
    if len(known) > _REMEMBERED:
        known.popitem(last=False)
    return statement
