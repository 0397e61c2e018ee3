"""The answer to a statement in values that are as large in Python as they were in DuckDB.

A list of a million numbers takes some MB in DuckDB and a hundred as Python objects, and a value is one object to
whoever fetches it, however large. So what is nested is written as JSON by DuckDB, and stays text; and moments with
a time zone, for which Python would need another library, become moments in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from storage.catalog.sql_check import plain_statement

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NESTED = re.compile(r"\]$|^(STRUCT|MAP|UNION|VARIANT|LIST)\b")
_ZONED = "TIMESTAMP WITH TIME ZONE"
_TEXTS = ("VARCHAR", "JSON")
_MOST_VALUE_BYTES = 64 << 10
_MOST_ITEMS = 5_000
TOO_LARGE = "a value of the answer is too large: text may have 64 KiB, a list 5000 items"
"""DuckDB makes 2048 rows at a time, whose values lie in memory that it does not count."""
_FIRST_TOGETHER = 4
_MOST_TOGETHER = 500
_TOGETHER_BYTES = 1 << 20

Row = tuple[Any, ...]


class JsonText(str):
    """A nested value, as JSON."""

    __slots__ = ()


def begin(cursor: DuckDBPyConnection, sql: str) -> tuple[tuple[str, ...], tuple[str, ...], frozenset[int]]:
    """Execute a statement: names and types of its columns, and which of them come as JSON. Raises duckdb.Error."""
    plain = plain_statement(sql)
    described = cursor.execute(f"DESCRIBE {plain}").fetchall()
    names, types = tuple(str(row[0]) for row in described), tuple(str(row[1]) for row in described)
    columns = [f"c{at}" for at in range(len(types))]
    chosen = ", ".join(map(_read, columns, types))
    cursor.execute(f"SELECT {chosen} FROM ({plain}) AS answer({', '.join(columns)})")
    return names, types, frozenset(at for at, kind in enumerate(types) if _NESTED.search(kind))


def _read(name: str, kind: str) -> str:
    """How a column is to be read. What is too large is found before it is copied or written."""
    if kind == _ZONED:
        return f"make_timestamp(epoch_us({name}))"
    if kind.endswith("]"):
        return _bounded(name, f"len({name}) > {_MOST_ITEMS}", f"CAST(to_json({name}) AS VARCHAR)")
    if kind.startswith("MAP"):
        return _bounded(name, f"cardinality({name}) > {_MOST_ITEMS}", f"CAST(to_json({name}) AS VARCHAR)")
    if _NESTED.search(kind):
        return f"CAST(to_json({name}) AS VARCHAR)"
    if kind == "BLOB":
        return _bounded(name, f"octet_length({name}) > {_MOST_VALUE_BYTES}", name)
    return _bounded(name, f"strlen({name}) > {_MOST_VALUE_BYTES}", name) if kind in _TEXTS else name


def _bounded(name: str, too_large: str, read: str) -> str:
    return f"CASE WHEN {too_large} THEN error('{TOO_LARGE}') ELSE {read} END AS {name}"


def gathered(
    cursor: DuckDBPyConnection, nested: frozenset[int], *, most: int, value_bytes: int
) -> tuple[list[Row], bool]:
    """At most so many rows, of about so many bytes, and whether there would have been more."""
    rows: list[Row] = []
    held, together = 0, _FIRST_TOGETHER
    while some := cursor.fetchmany(min(together, most + 1 - len(rows))):
        for row in some:
            held += _size(row)
            if len(rows) == most or held > value_bytes:
                return rows, True
            rows.append(tuple(_json(one, at in nested) for at, one in enumerate(row)) if nested else row)
        # rows that were small say how many of the next are fetched at once
        together = max(1, min(2 * together, _MOST_TOGETHER, _TOGETHER_BYTES * len(rows) // max(held, 1)))
    return rows, False


def _size(row: Sequence[Any]) -> int:
    return sum(len(value) if isinstance(value, str | bytes) else 16 for value in row)


def _json(value: Any, nested: bool) -> Any:
    return JsonText(value) if nested and value is not None else value
