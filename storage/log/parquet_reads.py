"""Rows of a Parquet object by few ranged reads: the footer, then the columns of the row groups that matter.

The footer tells where every column of every row group lies and, for some columns, its least and greatest value.
The spans that are wanted are joined where they are near one another, fetched side by side, and laid out as a file
with holes that the Parquet reader never steps into.
"""

from __future__ import annotations

import asyncio
import io
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dicomweb.model.ranges import ByteRange
from storage.log.errors import DamagedTable
from storage.log.parquet_constants import constants_of, with_constants
from storage.objects.contract import ObjectMissing, ObjectStore

_TAIL = 64 << 10
"""Bytes read from the end of a file in the hope that the footer is among them."""
_GAP = 128 << 10
"""Bytes between two spans that are read along rather than asked around."""
_FOOTER_END = 8


@dataclass(frozen=True, slots=True)
class Footer:
    """What the end of a Parquet file says."""

    key: str
    size: int
    """Bytes of the file."""
    metadata: pq.FileMetaData
    tail: _Piece
    """The end of the file as it was read."""


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    data: bytes


async def read_footer(store: ObjectStore, key: str, size: int) -> Footer:
    """The footer of a Parquet object of `size` bytes. Raises DamagedTable and the store's errors."""
    start = max(0, size - _TAIL)
    tail = await _get(store, key, ByteRange(start, size))
    needed = int.from_bytes(tail[-_FOOTER_END:-4], "little") + _FOOTER_END
    if tail[-4:] != b"PAR1" or needed > size:
        raise DamagedTable(f"{key} does not end as a Parquet file does")
    if needed > len(tail):
        start = size - needed
        tail = await _get(store, key, ByteRange(start, size))
    piece = _Piece(start, tail)
    try:
        metadata = pq.read_metadata(_Sparse(size, [piece]))
    except (pa.ArrowException, OSError) as error:
        raise DamagedTable(f"the footer of {key} cannot be read") from error
    return Footer(key, size, metadata, piece)


def groups_holding(metadata: pq.FileMetaData, wanted: Mapping[str, Any]) -> list[int]:
    """The row groups that can hold a row with these values, by column name."""
    groups = set(range(metadata.num_row_groups))
    for name, value in wanted.items():
        groups &= set(groups_holding_any(metadata, name, [value]))
    return sorted(groups)


def groups_holding_any(metadata: pq.FileMetaData, name: str, values: Sequence[Any]) -> list[int]:
    """The row groups that can hold a row with one of these values, given in ascending order, in a column."""
    place = next(at for at in range(metadata.num_columns) if metadata.schema.column(at).path == name)
    return [
        group
        for group in range(metadata.num_row_groups)
        if _may_hold(metadata.row_group(group).column(place), values)
    ]


def _may_hold(chunk: pq.ColumnChunkMetaData, values: Sequence[Any]) -> bool:
    statistics = chunk.statistics
    if statistics is None or not statistics.has_min_max:
        return True
    first = bisect_left(values, statistics.min)
    return first < len(values) and bool(values[first] <= statistics.max)


def plan_parts(
    metadata: pq.FileMetaData, columns: Iterable[str], *, most_rows: int, most_bytes: int
) -> list[range]:
    """The row groups of a file in parts that are read one after the other, at least one row group each.

    `most_bytes` are those of the columns once unpacked.
    """
    wanted = set(columns)
    places = [at for at in range(metadata.num_columns) if metadata.schema.column(at).path in wanted]
    parts: list[range] = []
    first = rows = size = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        unpacked = sum(group.column(at).total_uncompressed_size for at in places)
        if number > first and (rows + group.num_rows > most_rows or size + unpacked > most_bytes):
            parts.append(range(first, number))
            first, rows, size = number, 0, 0
        rows, size = rows + group.num_rows, size + unpacked
    return [*parts, range(first, metadata.num_row_groups)] if metadata.num_row_groups else []


def plan_spans(metadata: pq.FileMetaData, groups: Iterable[int], columns: Iterable[str]) -> list[ByteRange]:
    """What has to be read for these columns of these row groups, neighbours joined."""
    wanted = set(columns)
    places = [at for at in range(metadata.num_columns) if metadata.schema.column(at).path in wanted]
    spans = sorted(_span(metadata.row_group(group).column(at)) for group in groups for at in places)
    joined: list[ByteRange] = []
    for span in spans:
        if joined and span.start - joined[-1].end <= _GAP:
            joined[-1] = ByteRange(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def _span(chunk: pq.ColumnChunkMetaData) -> ByteRange:
    start = chunk.data_page_offset
    if chunk.has_dictionary_page:
        start = min(start, chunk.dictionary_page_offset)
    return ByteRange(start, start + chunk.total_compressed_size)


async def read_groups(
    store: ObjectStore, footer: Footer, groups: Sequence[int], columns: Sequence[str]
) -> pa.Table:
    """Columns of row groups, in the order of the file. Raises DamagedTable and the store's errors."""
    constants = constants_of(footer.metadata, groups, columns)
    columns = [name for name in columns if name not in constants]
    spans = [span for span in plan_spans(footer.metadata, groups, columns) if span.start < footer.tail.start]
    parts = await asyncio.gather(*(_get(store, footer.key, span) for span in spans))
    pieces = [*(_Piece(span.start, part) for span, part in zip(spans, parts, strict=True)), footer.tail]
    return await asyncio.to_thread(_decode, footer, pieces, list(groups), columns, constants)


def _decode(
    footer: Footer, pieces: list[_Piece], groups: list[int], columns: list[str], constants: dict[str, Any]
) -> pa.Table:
    try:
        file = pq.ParquetFile(_Sparse(footer.size, pieces), metadata=footer.metadata, pre_buffer=False)
        rows = file.read_row_groups(groups, columns=columns, use_threads=False)
        count = sum(footer.metadata.row_group(group).num_rows for group in groups)
        return with_constants(rows, count, constants, file.schema_arrow)
    except (pa.ArrowException, OSError) as error:
        raise DamagedTable(f"{footer.key} cannot be read") from error


async def _get(store: ObjectStore, key: str, span: ByteRange) -> bytes:
    try:
        data = await store.get(key, span)
    except ObjectMissing as error:
        raise DamagedTable(f"{key} is missing") from error
    if len(data) != span.length:
        raise DamagedTable(f"{key} ends too early")
    return data


class _Sparse(io.RawIOBase):
    """A file of which only some pieces are there."""

    def __init__(self, size: int, pieces: Iterable[_Piece]) -> None:
        self._size = size
        self._pieces = sorted(pieces, key=lambda piece: piece.start)
        self._starts = [piece.start for piece in self._pieces]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, length: int | None = -1) -> bytes:
        end = self._size if length is None or length < 0 else min(self._at + length, self._size)
        data = b"".join(self._between(self._at, end))
        self._at = end
        return data

    def _between(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            place = bisect_right(self._starts, start) - 1
            piece = self._pieces[place]
            taken = piece.data[start - piece.start : end - piece.start] if place >= 0 else b""
            if not taken:
                raise OSError(f"byte {start} was not fetched")
            yield taken
            start += len(taken)
