"""Headers on the local disk: append-only files of compressed blocks, bounded by dropping the oldest file.

    headers-<8 digits>.seg     blocks one after the other, each a zstd frame with its checksum

A block holds headers of one series that came together: they are nearly alike, so that a block of many takes
little more than one, and reading a series is a few blocks. Where a header lies stands in the catalog. The files
are not synced, and may be deleted: a block that is gone or damaged is a miss, and the header is fetched from
the log again.

Writing happens in the catalog's writing thread alone; reading in any.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard

_NAME = re.compile(r"headers-(\d{8})\.seg")
BLOCK = 256 << 10
"""Bytes of headers in a block, uncompressed, unless a single header is larger."""
LARGEST = 16 << 20
"""Headers beyond this are not kept here."""
_OPEN_FILES = 32


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """Where a block lies."""

    segment: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class HeaderPlace:
    """Where a header lies: bytes `start` to `start + length` of a block uncompressed."""

    block: BlockPlace
    start: int
    length: int


class HeaderSegments:
    """The segment files of a folder."""

    def __init__(self, folder: Path, *, limit: int, segment_bytes: int) -> None:
        self._folder = folder
        self._limit = limit
        self._segment_bytes = segment_bytes
        self._sizes: dict[int, int] = {}
        self._current = 0
        self._writing: int | None = None
        self._reading: dict[int, int] = {}
        self._lock = threading.Lock()
        self._packer = zstandard.ZstdCompressor(level=1, write_checksum=True)

    def open(self) -> None:
        """Look at the files that are there; writing goes on in a new one."""
        for path in self._folder.iterdir():
            if found := _NAME.fullmatch(path.name):
                self._sizes[int(found[1])] = path.stat().st_size
        self._current = max(self._sizes, default=0)

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for descriptor in (*self._reading.values(), *([] if self._writing is None else [self._writing])):
                os.close(descriptor)
            self._reading.clear()
            self._writing = None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self._sizes.values())

    def append(self, headers: Sequence[bytes]) -> list[HeaderPlace | None]:
        """Write headers that belong together; where each lies, None for those that are too large to keep."""
        places: list[HeaderPlace | None] = []
        for group in _blocks(headers):
            if len(group) == 1 and len(group[0]) > LARGEST:
                places.append(None)
                continue
            block = self._write(b"".join(group))
            start = 0
            for header in group:
                places.append(HeaderPlace(block, start, len(header)))
                start += len(header)
        return places

    def _write(self, data: bytes) -> BlockPlace:
        packed = self._packer.compress(data)
        if self._writing is None or self._sizes[self._current] + len(packed) > self._segment_bytes:
            self._next_segment()
        assert self._writing is not None
        offset = self._sizes[self._current]
        written = 0
        while written < len(packed):
            written += os.pwrite(self._writing, packed[written:], offset + written)
        self._sizes[self._current] = offset + len(packed)
        return BlockPlace(self._current, offset, len(packed))

    def _next_segment(self) -> None:
        if self._writing is not None:
            os.close(self._writing)
        self._current += 1
        self._writing = os.open(self._path(self._current), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._sizes[self._current] = 0
        while len(self._sizes) > 1 and self.size + self._segment_bytes > self._limit:
            self._drop(min(self._sizes))

    def _drop(self, segment: int) -> None:
        del self._sizes[segment]
        with self._lock:
            if (descriptor := self._reading.pop(segment, None)) is not None:
                os.close(descriptor)
        self._path(segment).unlink(missing_ok=True)

    def blank(self, blocks: Iterable[BlockPlace]) -> None:
        """Overwrite blocks with zeros, since a header in them must not stay (the others are misses then)."""
        for block in blocks:
            try:
                descriptor = os.open(self._path(block.segment), os.O_WRONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                os.pwrite(descriptor, bytes(block.size), block.offset)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def read(self, places: Sequence[HeaderPlace | None]) -> list[bytes | None]:
        """The headers, None for those that are not there any more. Neighbours share the reading of a block."""
        unpacker = zstandard.ZstdDecompressor()
        blocks: dict[BlockPlace, bytes | None] = {}
        headers: list[bytes | None] = []
        for place in places:
            if place is None:
                headers.append(None)
                continue
            if place.block not in blocks:
                blocks[place.block] = self._unpack(unpacker, place.block)
            data = blocks[place.block]
            headers.append(data and data[place.start : place.start + place.length])
        return [header if header else None for header in headers]

    def _unpack(self, unpacker: zstandard.ZstdDecompressor, block: BlockPlace) -> bytes | None:
        try:
            with self._lock:
                packed = os.pread(self._descriptor(block.segment), block.size, block.offset)
            if zstandard.get_frame_parameters(packed).content_size > LARGEST:
                return None  # damaged: nothing of that size was written
            return unpacker.decompress(packed)
        except (OSError, zstandard.ZstdError):
            return None

    def _descriptor(self, segment: int) -> int:
        descriptor = self._reading.get(segment)
        if descriptor is None:
            if len(self._reading) >= _OPEN_FILES:
                os.close(self._reading.pop(next(iter(self._reading))))
            descriptor = os.open(self._path(segment), os.O_RDONLY | os.O_CLOEXEC)
            self._reading[segment] = descriptor
        return descriptor

    def _path(self, segment: int) -> Path:
        return self._folder / f"headers-{segment:08d}.seg"


def _blocks(headers: Sequence[bytes]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    size = 0
    for header in headers:
        if group and size + len(header) > BLOCK:
            yield group
            group, size = [], 0
        group.append(header)
        size += len(header)
    if group:
        yield group
