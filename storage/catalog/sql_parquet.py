"""The answer to a question in SQL as a Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

_PLAIN = (type(None), bool, int, float, str, bytes, datetime, date, time, Decimal)
"""What Parquet has a type for; everything else is text there."""


def to_parquet(columns: Sequence[str], rows: Sequence[tuple[Any, ...]], *, told: Callable[[Any], str]) -> bytes:
    """A file with these columns. One whose values are of no one kind is text, as `told` says each of them.

    Names that come twice are numbered.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names: list[str] = []
    for name in columns:
        names.append(name if name not in names else f"{name}_{len(names) + 1}")
    arrays = [_array([row[at] for row in rows], told) for at in range(len(names))]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays, names=names), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _array(values: list[Any], told: Callable[[Any], str]) -> Any:
    import pyarrow as pa

    if not any(type(value) not in _PLAIN for value in values):
        try:
            found = pa.array(values)
            return found if not pa.types.is_null(found.type) else found.cast(pa.string())
        except (pa.ArrowException, OverflowError):
            pass
    return pa.array([None if value is None else told(value) for value in values], pa.string())
