"""The checkpoint table into an empty catalog: many rows at once, in few transactions.

    read ahead ──> rows made (Arrow, NumPy) ──> taken in (DuckDB) ──> studies and series added up
    (threads)      a thread                     the writing thread

Rows come as `storage.log.rows.SCHEMA` describes them, without headers, series together if possible. While DuckDB
takes some in, the next ones are made. In memory are some thousand rows at a time, and 20 bytes for each series;
what DuckDB keeps of a transaction is given back by ending it every few million rows. Until all is there the file
calls itself one that does not fit: after a crash it is begun anew.

What comes out is what applying the log entry by entry would have made.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from storage.catalog import schema
from storage.catalog.database import Database, begin_at_length
from storage.catalog.hashes import hash_uid
from storage.catalog.label_writing import label_row
from storage.catalog.loading_rows import LOADED, PROJECTION, RowMaker, Taken
from storage.catalog.loading_sums import add_up
from storage.catalog.writing import insert_rows
from storage.log.events import Kind

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Progress = Callable[[int], None]
"""Told how many rows have been taken."""

_ROWS_TOGETHER = 2_400_000
"""Rows taken in by one transaction, of which DuckDB keeps some 45 bytes each."""
_UNFINISHED = 0
"""The version of the schema that a file tells while it is filled."""


async def load_table(
    database: Database, batches: AsyncIterator[Any], *, applied: int, progress: Progress | None = None
) -> None:
    """Fill the empty catalog from Arrow record batches that hold the log up to `applied`, or leave it empty."""
    loader = Loader()
    with _memory_of_the_system():
        try:
            await database.write(loader.begin)
            await _take_all(database, loader, batches, progress)
            await add_up(database, loader.studies)
            await database.write(partial(loader.finish, applied=applied))
            # what DuckDB needed for millions of rows is not needed for what comes now
            await database.reopen()
        except BaseException:
            await database.begin_anew()
            raise


async def _take_all(
    database: Database, loader: Loader, batches: AsyncIterator[Any], progress: Progress | None
) -> None:
    putting: asyncio.Task[None] | None = None
    rows, settled = 0, 0

    async def put(made: Made, *, settle: bool) -> None:
        await database.write(partial(loader.put, made=made))
        if settle:
            await database.settle()
            await asyncio.to_thread(_give_back)

    try:
        async for batch in batches:
            made = await asyncio.to_thread(loader.make, batch)
            if putting is not None:
                await putting
            rows += batch.num_rows
            settle = rows - settled >= _ROWS_TOGETHER
            settled = rows if settle else settled
            putting = asyncio.create_task(put(made, settle=settle))
            if progress is not None:
                progress(rows)
    finally:
        if putting is not None:
            # it cannot be called back; what it may raise is raised here
            await asyncio.shield(putting)


class Made:
    """What a batch comes to."""

    __slots__ = ("events", "stored")

    def __init__(self, stored: Taken | None, events: list[tuple[schema.Table, list[tuple[Any, ...]]]]) -> None:
        self.stored = stored
        self.events = events


class Loader:
    """Loads the table. `make` may run beside the writing thread, everything else lives in it."""

    def __init__(self) -> None:
        self._maker = RowMaker()

    @property
    def studies(self) -> int:
        """How many there are; they are numbered from 1."""
        return self._maker.studies

    def begin(self, connection: DuckDBPyConnection) -> None:
        """Begin with an empty catalog."""
        connection.execute("UPDATE meta SET schema = ?", [_UNFINISHED])
        for definition in LOADED.definitions():
            connection.execute(definition)
        begin_at_length(connection)

    def make(self, batch: Any) -> Made:
        """What rows of the table, an Arrow record batch, come to."""
        import pyarrow as pa
        import pyarrow.compute as pc

        is_stored = pc.equal(batch["kind"], str(Kind.STORED))
        # most batches hold nothing else: filtering would copy them
        stored = batch if pc.all(is_stored).as_py() else batch.filter(is_stored)
        taken = self._maker.take(pa.Table.from_batches([stored])) if stored.num_rows else None
        events = []
        for kind in (Kind.REMOVED, Kind.RESTORED, Kind.LABELLED) if stored.num_rows < batch.num_rows else ():
            rows = batch.filter(pc.equal(batch["kind"], str(kind))).to_pylist()
            events.append(_event_rows(kind, rows))
        return Made(taken, events)

    def put(self, connection: DuckDBPyConnection, made: Made) -> None:
        """Take in what was made."""
        if made.stored is not None:
            connection.from_arrow(made.stored.series).insert_into(LOADED.name)
            connection.from_arrow(made.stored.instances).project(PROJECTION).insert_into("instances")
        for table, rows in made.events:
            insert_rows(connection, table, rows)

    def finish(self, connection: DuckDBPyConnection, applied: int) -> None:
        """Let it all be there."""
        connection.execute(f"DROP TABLE {LOADED.name}")
        connection.execute(
            "UPDATE meta SET schema = ?, applied = ?, next_row = ?",
            [schema.VERSION, applied, self._maker.next_row],
        )
        connection.execute("COMMIT")


def _event_rows(kind: Kind, rows: Sequence[dict[str, Any]]) -> tuple[schema.Table, list[tuple[Any, ...]]]:
    if kind is Kind.LABELLED:
        return schema.LABELS, [label_row(row).values() for row in rows]
    values = []
    for row in rows:
        last = hash_uid(row["study"]) if kind is Kind.REMOVED else row["target"]
        time = schema.to_microseconds(row["time"])
        scope = (row["study"], row["series"], row["instance"])
        values.append((row["since_revision"], row["ordinal"], time, *scope, last))
    return (schema.REMOVALS if kind is Kind.REMOVED else schema.RESTORATIONS), values


@contextlib.contextmanager
def _memory_of_the_system() -> Iterator[None]:
    """Have Arrow take its memory from the system meanwhile: what its own pools once had they keep."""
    import pyarrow as pa

    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)
        _give_back()


def _give_back() -> None:
    """Let the system have what was freed: of many small things it lies scattered, and is kept otherwise."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # glibc alone has it
        trim(0)
