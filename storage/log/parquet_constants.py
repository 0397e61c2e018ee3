"""Columns of a Parquet file that hold one value only, told by its footer: they need not be read at all.

Of some ninety columns of the table's rows a third is the same in all rows of a file: what was never replaced,
removed or converted, and what one machine or one kind of image has alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

_TEXTS: Final = "BYTE_ARRAY"
_NUMBERS: Final = ("INT64", "INT32")
_UNKNOWN: Final = object()


def constants_of(metadata: pq.FileMetaData, groups: Sequence[int], columns: Iterable[str]) -> dict[str, Any]:
    """The columns with one value in all rows of these row groups, and that value, which may be None.

    Only what the footer proves: texts and whole numbers whose least value is the greatest and that are never
    null, and columns of nulls.
    """
    wanted = set(columns)
    found: dict[str, Any] = {}
    for at in range(metadata.num_columns):
        name = metadata.schema.column(at).path
        if name in wanted and (value := _one_value(metadata, groups, at)) is not _UNKNOWN:
            found[name] = value
    return found


def with_constants(rows: pa.Table, count: int, constants: dict[str, Any], schema: pa.Schema) -> pa.Table:
    """`count` rows with the constants as further columns, all in the order of the file's schema."""
    there = set(rows.schema.names)
    fields = [field for field in schema if field.name in there or field.name in constants]
    arrays = [
        rows[field.name] if field.name in there else _repeated(constants[field.name], count, field.type)
        for field in fields
    ]
    return pa.table(arrays, schema=pa.schema(fields))


def _repeated(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    return pa.nulls(count, kind) if value is None else pa.repeat(pa.scalar(value, kind), count)


def _one_value(metadata: pq.FileMetaData, groups: Sequence[int], at: int) -> Any:
    known = _UNKNOWN
    for group in groups:
        value = _value_of(metadata.row_group(group).column(at))
        if value is _UNKNOWN or (known is not _UNKNOWN and value != known):
            return _UNKNOWN
        known = value
    return known


def _value_of(chunk: pq.ColumnChunkMetaData) -> Any:
    statistics = chunk.statistics
    if statistics is None or not statistics.has_null_count:
        return _UNKNOWN
    if statistics.null_count == chunk.num_values:
        return None
    if statistics.null_count or not statistics.has_min_max:
        return _UNKNOWN
    if chunk.physical_type == _TEXTS:
        if statistics.logical_type.type != "STRING":
            return _UNKNOWN
    elif chunk.physical_type not in _NUMBERS or statistics.logical_type.type not in ("NONE", "INT"):
        return _UNKNOWN
    return statistics.min if statistics.min == statistics.max else _UNKNOWN
