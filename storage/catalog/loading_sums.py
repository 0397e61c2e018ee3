"""Studies and series of a catalog whose instances were loaded, added up by SQL, some thousand studies at a time.

What a row says stands in `aggregates`; here the same comes out for many rows at once.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomweb.model.keys import Level
from storage.catalog import attributes as told
from storage.catalog import schema
from storage.catalog.aggregates import joined_text, name_forms, newest_of, text_parts
from storage.catalog.database import Database
from storage.catalog.hashes import hash_uid
from storage.catalog.loading_docs import Part, column_arrays, documents, level_parts
from storage.catalog.projection import Standing
from storage.log.reading_ahead import read_ahead

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from duckdb import DuckDBPyConnection

_TOGETHER = 2000
"""Studies that are added up at a time: some ten thousand rows and their documents in memory, twice."""
_SETTLED_TOGETHER = 50_000
"""Studies whose rows are taken in by one transaction: its parts of the indexes are all in memory."""

_INTEGER = {
    column.name: column.integer for level in (Level.STUDY, Level.SERIES) for column in schema.level_columns(level)
}

_SERIES = f"""
    WITH mine AS (SELECT * FROM loaded WHERE study_no >= $1 AND study_no < $2),
    here AS (
        SELECT series_no, sop, standing, changed, size, revision, ordinal, time, "row", sop_class, transfer_syntax,
               print FROM instances WHERE study_no >= $1 AND study_no < $2),
    shown AS (
        SELECT series_no, count(*) visible, sum(size)::BIGINT bytes, min((revision, time)) first,
               max((revision, ordinal, time, "row")) last, list(DISTINCT sop_class) sop_classes,
               list(DISTINCT transfer_syntax) transfer_syntaxes, min(print) print_low, max(print) print_high
        FROM here WHERE standing = {int(Standing.CURRENT)} GROUP BY series_no),
    touched AS (SELECT series_no, max(changed) changed FROM here GROUP BY series_no),
    doubtful AS (
        SELECT DISTINCT series_no FROM here
        WHERE standing BETWEEN {int(Standing.PURGED)} AND {int(Standing.FORMER)}),
    keys AS (
        SELECT series_no, max(standing) best FROM here
        WHERE series_no IN (SELECT series_no FROM doubtful) GROUP BY series_no, sop),
    gone AS (
        SELECT series_no, count(*) hidden FROM keys
        WHERE best BETWEEN {int(Standing.PURGED)} AND {int(Standing.FORMER)} GROUP BY series_no),
    told AS (SELECT "row", attributes FROM instances WHERE study_no >= $1 AND study_no < $2)
    SELECT mine.no AS no, mine.study_no AS study_no, mine.study AS study, mine.uid AS uid,
           coalesce(visible, 0) AS visible, coalesce(hidden, 0) AS hidden, coalesce(bytes, 0) AS bytes,
           touched.changed AS changed, coalesce(first[1], 0) AS first_revision,
           coalesce(first[2], 0) AS first_time, coalesce(last[1], 0) AS last_revision,
           coalesce(last[2], 0) AS last_ordinal,
           coalesce(last[3], 0) AS last_time, coalesce(last[4], 0) AS last_row, sop_classes, transfer_syntaxes,
           coalesce(print_low, 0) AS print_low, coalesce(print_high, 0) AS print_high,
           coalesce(told.attributes, '{{}}') AS attributes
    FROM mine JOIN touched ON touched.series_no = mine.no LEFT JOIN shown ON shown.series_no = mine.no
    LEFT JOIN gone ON gone.series_no = mine.no LEFT JOIN told ON told."row" = last[4]
    ORDER BY mine.study_no, mine.no"""

_STUDIES = """
    WITH mine AS (SELECT * FROM series WHERE study_no >= $1 AND study_no < $2),
    shown AS (
        SELECT study_no, count(*) series, sum(visible)::BIGINT visible, sum(bytes)::BIGINT bytes,
               min((first_revision, first_time)) first,
               max((last_revision, last_ordinal, last_time, last_row, no)) last,
               list(DISTINCT sop_classes) sop_classes, list(DISTINCT transfer_syntaxes) transfer_syntaxes,
               list(DISTINCT modality) modalities, min(print_low) print_low, max(print_high) print_high
        FROM mine WHERE visible > 0 GROUP BY study_no),
    every AS (
        SELECT study_no, any_value(study) uid, sum(hidden)::BIGINT hidden, max(changed) changed
        FROM mine GROUP BY study_no)
    SELECT every.study_no AS no, every.uid AS uid, coalesce(shown.visible, 0) AS visible, every.hidden AS hidden,
           coalesce(shown.bytes, 0) AS bytes, every.changed AS changed, coalesce(first[1], 0) AS first_revision,
           coalesce(first[2], 0) AS first_time, coalesce(last[1], 0) AS last_revision,
           coalesce(last[2], 0) AS last_ordinal, coalesce(last[3], 0) AS last_time,
           coalesce(last[4], 0) AS last_row, shown.sop_classes AS sop_classes,
           shown.transfer_syntaxes AS transfer_syntaxes, coalesce(shown.series, 0) AS series, modalities,
           coalesce(shown.print_low <> shown.print_high, FALSE) AS conflict,
           coalesce(mine.attributes, '{}') AS attributes
    FROM every LEFT JOIN shown ON shown.study_no = every.study_no LEFT JOIN mine ON mine.no = last[5]
    ORDER BY every.study_no"""


async def add_up(database: Database, studies: int) -> None:
    """Fill in the rows of studies, numbered from 1, and of their series.

    While DuckDB adds some up or takes them in, others are made of what it said; a transaction is open before and
    afterwards.
    """

    async def spans() -> AsyncIterator[tuple[int, int]]:
        for first in range(1, studies + 1, _TOGETHER):
            yield first, first + _TOGETHER

    async def one(span: tuple[int, int]) -> None:
        for sql, table, make in (
            (_SERIES, schema.SERIES, _series_columns),
            (_STUDIES, schema.STUDIES, _study_columns),
        ):
            found = await database.write(partial(_asked, sql=sql, span=span))
            rows = await asyncio.to_thread(_rows, table, make, found)
            await database.write(partial(_insert, table=table, rows=rows))
        if span[0] // _SETTLED_TOGETHER != span[1] // _SETTLED_TOGETHER:
            await database.settle()

    async with aclosing(read_ahead(spans(), one, ahead=1)) as added:
        async for _ in added:
            pass


def _asked(connection: DuckDBPyConnection, *, sql: str, span: tuple[int, int]) -> dict[str, Any]:
    table = connection.sql(sql, params=list(span)).to_arrow_table()
    return {name: _joined(table[name]) for name in table.schema.names}


def _rows(table: schema.Table, make: Callable[[dict[str, Any]], dict[str, Any]], found: dict[str, Any]) -> Any:
    import pyarrow as pa

    columns = make(found)
    return pa.table([columns[name] for name in table.columns], names=list(table.columns))


def _insert(connection: DuckDBPyConnection, *, table: schema.Table, rows: Any) -> None:
    connection.from_arrow(rows).insert_into(table.name)


def _joined(column: Any) -> Any:
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _series_columns(found: dict[str, Any]) -> dict[str, Any]:
    found |= column_arrays(_INTEGER, found["attributes"].to_pylist())
    for name in ("sop_classes", "transfer_syntaxes"):
        found[name] = _texts(found[name], joined_text)
    parts = level_parts(Level.SERIES, found)
    parts.append(Part(told.STUDY_INSTANCE, "UI", found["study"]))
    parts.append(Part(told.SERIES_INSTANCE, "UI", found["uid"]))
    parts.append(Part(told.SERIES_INSTANCES, "IS", found["visible"]))
    parts.append(Part("00080201", "SH", found["timezone_offset"], required=False))
    return _finished(Level.SERIES, found, parts)


def _study_columns(found: dict[str, Any]) -> dict[str, Any]:
    import pyarrow as pa

    found |= column_arrays(_INTEGER, found["attributes"].to_pylist())
    for name in ("sop_classes", "transfer_syntaxes"):
        found[name] = _texts(found[name], _rejoined)
    found["modalities"] = _texts(found["modalities"], joined_text)
    moments = zip(found["study_date"].to_pylist(), found["study_time"].to_pylist(), strict=True)
    newest = [newest_of({"study_date": date, "study_time": time}) for date, time in moments]
    found["newest"] = pa.array(newest, pa.int64())
    parts = level_parts(Level.SERIES, found, valued=True)
    parts += level_parts(Level.STUDY, found)
    parts.append(Part(told.SOP_CLASSES, "UI", found["sop_classes"]))
    parts.append(Part(told.STUDY_INSTANCE, "UI", found["uid"]))
    parts.append(Part(told.MODALITIES, "CS", found["modalities"]))
    parts.append(Part(told.STUDY_SERIES, "IS", found["series"]))
    parts.append(Part(told.STUDY_INSTANCES, "IS", found["visible"]))
    return _finished(Level.STUDY, found, parts)


def _finished(level: Level, found: dict[str, Any], parts: Sequence[Part]) -> dict[str, Any]:
    import pyarrow as pa

    found["doc"] = documents(parts, found["transfer_syntaxes"])
    found["hash"] = pa.array(np.array([hash_uid(uid) for uid in found["uid"].to_pylist()], np.uint64))
    for column in schema.name_columns(level):
        folded, words = _name_forms(found[column.name])
        found[schema.folded(column.name)], found[schema.words(column.name)] = folded, words
    return found


def _name_forms(names: Any) -> tuple[Any, Any]:
    import pyarrow as pa

    coded = names.dictionary_encode()
    forms = [name_forms(name) for name in coded.dictionary.to_pylist()]
    folded, words = (pa.array([form[at] for form in forms], pa.string()) for at in (0, 1))
    return folded.take(coded.indices), words.take(coded.indices)


def _texts(lists: Any, join: Callable[[set[str]], str | None]) -> Any:
    """Sets of values as texts, each set worked out once."""
    import pyarrow as pa

    known: dict[frozenset[str | None], str | None] = {}
    texts = []
    for values in lists.to_pylist():
        key = frozenset(values or ())
        if key not in known:
            known[key] = join({value for value in key if value})
        texts.append(known[key])
    return pa.array(texts, pa.string())


def _rejoined(texts: set[str]) -> str | None:
    return joined_text({part for text in texts for part in text_parts(text)})
