"""Attributes that settings make searchable: their values in a table, filled in the background.

New instances bring their values with them. For those that were there before, or whose header was not at hand,
headers are read a few at a time; until all are filled, searches go by headers as for any other attribute.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from dicomweb.ports import ArchiveError
from storage.catalog import schema
from storage.catalog.database import CatalogError, Database, rows_of
from storage.catalog.extra_values import ExtraValue, extra_values
from storage.catalog.headers import HeaderReader
from storage.catalog.lookup import HeaderRow, numbers
from storage.catalog.projection import Standing
from storage.catalog.rows import PLACE_SELECT, place_from
from storage.catalog.writer import Writer
from storage.catalog.writing import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LOG = logging.getLogger(__name__)
_TOGETHER = 500
_PAUSE_SECONDS = 0.02
_RETRY_SECONDS = 60.0
_TAG = re.compile(r"[0-9A-F]{8}")


class ExtraColumns:
    """Keeps the extra table complete. Used on the event loop."""

    def __init__(self, database: Database, writer: Writer, headers: HeaderReader, tags: Sequence[str]) -> None:
        """Raises ValueError if a tag is not eight upper-case hexadecimal digits."""
        for tag in tags:
            if not _TAG.fullmatch(tag):
                raise ValueError(f"an extra column is a tag of eight hexadecimal digits, not {tag!r}")
        self.complete: frozenset[str] = frozenset()
        """The tags by which searches can go."""
        self._tags = tuple(tags)
        self._database = database
        self._writer = writer
        self._headers = headers
        self._filling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Forget attributes that are not wanted any more, and begin to fill in the others."""
        await self._database.write(partial(_forget, tags=self._tags))
        if self._tags:
            self._begin()

    def look(self) -> None:
        """A batch was written: whether it left gaps."""
        if self._tags and self._writer.gaps:
            self._begin()

    def _begin(self) -> None:
        self._writer.gaps = False
        self.complete = frozenset()
        if self._filling is None or self._filling.done():
            self._filling = asyncio.get_running_loop().create_task(self._fill())

    async def _fill(self) -> None:
        while True:
            try:
                rows = await self._database.slow(partial(_unfilled, tags=self._tags))
                if not rows:
                    break
                headers = await self._headers.of_rows(rows, slow=True)
                values = await self._database.slow(partial(_values, rows=rows, headers=headers, tags=self._tags))
                await self._database.write(partial(_fill_in, rows=rows, values=values))
                await asyncio.sleep(_PAUSE_SECONDS)
            except (ArchiveError, CatalogError) as error:
                _LOG.warning("extra columns wait for headers that cannot be read: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
        if not self._writer.gaps:
            self.complete = frozenset(self._tags)

    async def close(self) -> None:
        """Leave off filling; it goes on at the next start."""
        if self._filling is not None:
            self._filling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._filling


def _forget(connection: DuckDBPyConnection, *, tags: Sequence[str]) -> None:
    kept = ", ".join(f"'{tag}'" for tag in tags)
    connection.execute(f"DELETE FROM extra WHERE tag NOT IN ({kept})" if tags else "DELETE FROM extra")


def _unfilled(cursor: DuckDBPyConnection, *, tags: Sequence[str]) -> list[HeaderRow]:
    """Some rows that lack a value of some tag."""
    filled = f"SELECT row FROM extra GROUP BY row HAVING count(DISTINCT tag) = {len(tags)}"
    sql = f"""SELECT i.row, {PLACE_SELECT} FROM instances i WHERE i.standing >= {int(Standing.HIDDEN)}
              AND i.row NOT IN ({filled}) ORDER BY i.row LIMIT {_TOGETHER}"""
    return [HeaderRow(row, place_from(place)) for row, *place in rows_of(cursor, sql)]


def _values(
    _: DuckDBPyConnection, *, rows: Sequence[HeaderRow], headers: Sequence[bytes], tags: Sequence[str]
) -> list[tuple[int, ExtraValue]]:
    return [
        (row.row, value) for row, header in zip(rows, headers, strict=True) for value in extra_values(header, tags)
    ]


def _fill_in(
    connection: DuckDBPyConnection, *, rows: Sequence[HeaderRow], values: Sequence[tuple[int, ExtraValue]]
) -> None:
    """Put the values in place of what the rows had of them; a row that was purged meanwhile stays blank."""
    connection.execute("BEGIN")
    try:
        wanted = numbers(row.row for row in rows)
        sql = f"SELECT row FROM instances WHERE row IN ({wanted}) AND standing >= {int(Standing.HIDDEN)}"
        there = {row for (row,) in rows_of(connection, sql)}
        connection.execute(f"DELETE FROM extra WHERE row IN ({wanted})")
        insert_rows(connection, schema.EXTRA, [(row, *value) for row, value in values if row in there])
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
