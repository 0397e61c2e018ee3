"""SQL for administrators over the live catalog: one statement at a time, read only, bounded in every way.

    check_statement ── one SELECT about the views (`sql_check`)
      └─ flush ── what has been applied is there
           └─ a thread of its own, of low priority, with a connection of its own
                └─ BEGIN READ ONLY: a snapshot; nothing can be written, no file or address reached
                     └─ watched: seconds, memory, rows, bytes

Searches have other threads and connections. What DuckDB holds in memory is shared, so a statement that takes much
of it is ended. Errors of DuckDB's may quote values; they are told to who asked and written nowhere.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from storage.catalog.database import Database
from storage.catalog.sql_check import StatementRefused, check_statement
from storage.catalog.sql_shape import TOO_LARGE, Row, begin, gathered
from storage.catalog.sql_views import VIEWS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LOOK_SECONDS = 0.05
_HELD_ANYWAY = ("BASE_TABLE", "ART_INDEX", "METADATA", "IN_MEMORY_TABLE", "TRANSACTION", "EXTENSION")
"""What DuckDB remembers of tables, whoever asks."""


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """What one statement may cost."""

    rows: int = 10_000
    seconds: float = 10.0
    memory_bytes: int = 128 << 20
    """What DuckDB holds for it."""
    value_bytes: int = 16 << 20
    """All values of the answer, roughly."""


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """What a statement found."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    """DuckDB's names of their types."""
    rows: list[Row]
    """Nested values as `JsonText`."""
    truncated: bool
    """There would have been more rows."""
    revision: int
    """The log entry up to which the catalog was looked at."""


class SqlBusy(Exception):
    """Another statement is at work."""


class SqlQuestions:
    """Answers statements."""

    def __init__(
        self,
        database: Database,
        flush: Callable[[], Awaitable[None]],
        limits: SqlLimits = SqlLimits(),  # a frozen value
    ) -> None:
        self.limits = limits
        self._database = database
        self._flush = flush
        self._busy = threading.Lock()

    async def ask(self, sql: str, *, rows: int | None = None) -> SqlAnswer:
        """The answer to a statement, of at most `rows` rows. Raises StatementRefused, SqlBusy, CatalogError."""
        if not self._busy.acquire(blocking=False):
            raise SqlBusy("another statement is at work")
        handed_over = False
        try:
            await self._flush()
            work = partial(self._work, sql=sql, most=min(rows or self.limits.rows, self.limits.rows))
            handed_over = True
            return await self._database.aside(work)
        finally:
            # a caller who leaves does not end the thread, which is the one to say that it has ended
            if not handed_over or self._database.closed:
                with contextlib.suppress(RuntimeError):
                    self._busy.release()

    def _work(self, cursor: DuckDBPyConnection, sql: str, most: int) -> SqlAnswer:
        try:
            check_statement(sql)
            return self._answer(cursor, sql, most)
        finally:
            with contextlib.suppress(RuntimeError):
                self._busy.release()

    def _answer(self, cursor: DuckDBPyConnection, sql: str, most: int) -> SqlAnswer:
        import duckdb

        for view in VIEWS.values():
            cursor.execute(view.definition())
        with _Watch(cursor, self.limits, lambda: self._database.closed) as watch:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            try:
                ((revision,),) = cursor.execute('SELECT applied FROM "catalog"."main".meta').fetchall()
                names, types, nested = begin(cursor, sql)
                rows, truncated = gathered(cursor, nested, most=most, value_bytes=self.limits.value_bytes)
                return SqlAnswer(names, types, rows, truncated, revision)
            except (duckdb.FatalException, duckdb.InternalException):
                raise
            except duckdb.Error as error:
                raise StatementRefused(watch.reason or _told(error)) from error
            finally:
                watch.end()
                with contextlib.suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")


def _told(error: Exception) -> str:
    if TOO_LARGE in str(error):
        return TOO_LARGE
    return str(error).strip() or type(error).__name__


class _Watch:
    """Ends the statement of a connection that takes too long or too much."""

    def __init__(self, cursor: DuckDBPyConnection, limits: SqlLimits, closed: Callable[[], bool]) -> None:
        self.reason = ""
        """Why the statement was ended; empty if it was not."""
        self._cursor = cursor
        self._looking = cursor.cursor()
        self._limits = limits
        self._closed = closed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="catalog-sql-watch", daemon=True)

    def __enter__(self) -> _Watch:
        self._before = self._held()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Look no longer: what the connection does from now on is not ended."""
        self._over.set()
        self._thread.join()
        self._looking.close()

    def _look(self) -> None:
        deadline = time.monotonic() + self._limits.seconds
        while not self._over.wait(_LOOK_SECONDS):
            for reason in self._reasons(deadline):
                self.reason = reason
                self._cursor.interrupt()

    def _reasons(self, deadline: float) -> Iterator[str]:
        if time.monotonic() > deadline:
            yield f"the statement took longer than {self._limits.seconds:g} seconds"
        elif self._closed():
            yield "the server is ending"
        elif self._held() - self._before > self._limits.memory_bytes:
            yield f"the statement needs more than {self._limits.memory_bytes >> 20} MiB of memory"

    def _held(self) -> int:
        sql = "SELECT tag, memory_usage_bytes + temporary_storage_bytes FROM duckdb_memory()"
        return sum(size for tag, size in self._looking.execute(sql).fetchall() if tag not in _HELD_ANYWAY)
