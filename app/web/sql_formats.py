"""The answer to a statement as JSON and as CSV, in pieces, and as a Parquet file.

    JSON    {"columns":["modality","n"],"types":["VARCHAR","BIGINT"],
             "rows":[["CT",24]],"truncated":false,"revision":7}
    CSV     a line of names, a line a row (RFC 4180); null is an empty field

Times are ISO 8601 in UTC, binary values hexadecimal, numbers beyond 64 bits and decimals are text; JSON has null
for what is infinite or not a number.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import orjson

from storage.catalog.sql_parquet import to_parquet

_TOGETHER = 500
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS


class Found(Protocol):
    """What a statement found."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names."""

    @property
    def types(self) -> tuple[str, ...]:
        """Names of the types."""

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """Values, a tuple a row."""

    @property
    def truncated(self) -> bool:
        """There would have been more rows."""

    @property
    def revision(self) -> int:
        """Up to which log entry."""


def as_json(found: Found) -> Iterator[bytes]:
    """The pieces of one JSON object."""
    yield b'{"columns":' + orjson.dumps(found.columns) + b',"types":' + orjson.dumps(found.types) + b',"rows":['
    for number, some in enumerate(_groups(found.rows)):
        yield (b",\n" if number else b"") + b",\n".join(_row(row) for row in some)
    yield (
        b'],"truncated":' + orjson.dumps(found.truncated) + b',"revision":' + orjson.dumps(found.revision) + b"}\n"
    )


def as_csv(found: Found) -> Iterator[bytes]:
    """The pieces of one CSV text."""
    yield _lines([found.columns])
    for some in _groups(found.rows):
        yield _lines([as_text(value) for value in row] for row in some)


def as_parquet(found: Found) -> bytes:
    """A Parquet file; a column whose values are of no one kind is text. Names that come twice are numbered."""
    return to_parquet(found.columns, found.rows, told=as_text)


def as_text(value: Any) -> str:
    """A value as people read it; empty for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool | list | tuple | dict):
        return _row(value).decode()
    return str(value)


def _groups(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    for start in range(0, len(rows), _TOGETHER):
        yield rows[start : start + _TOGETHER]


def _row(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except TypeError:
        # numbers of 128 bits, keys that are lists, lone surrogates
        return json.dumps(_spelled(value)).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        # nested values come as JSON already, but for what JSON has no word for
        odd = "NaN" in value or "Infinity" in value
        return json.loads(value, parse_constant=lambda _: None) if odd else orjson.Fragment(value.encode())
    return value.hex() if isinstance(value, bytes) else str(value)


def _spelled(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_spelled(one) for one in value]
    if isinstance(value, dict):
        return {as_text(key): _spelled(one) for key, one in value.items()}
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else _plain(value)


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")
