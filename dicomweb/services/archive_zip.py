"""A zip archive written in passing: entries stored as they are, nothing held but the directory.

    entry      local header | data | data descriptor (CRC-32 and sizes, known only now)
    ...
    directory  central header of each entry | zip64 end, locator (where needed) | end of directory

Names, sizes and offsets follow the APPNOTE of the format, 4.3 to 4.5; zip64 is used where an entry or the archive
does not fit 32 bits. An entry costs some 50 bytes and its name in memory until the directory is written.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from zlib import crc32

_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_END = struct.Struct("<4sHHHHLLH")
_END64 = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR64 = struct.Struct("<4sLQL")
_DESCRIPTOR = struct.Struct("<4sLLL")
_DESCRIPTOR64 = struct.Struct("<4sLQQ")

_VERSION, _VERSION64 = 20, 45
_SIZES_FOLLOW = 0x0008
_UTF8 = 0x0800
_STORED = 0
_EPOCH_DATE = (1980 - 1980) << 9 | 1 << 5 | 1
"""1 January 1980, the format's first day: the same instances give the same bytes."""
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_NEARLY_4_GIB = 0xF0000000
"""From this announced size on an entry is written with 64-bit sizes: re-encoding may make it a little longer."""
_READABLE_FILE = 0o100644 << 16
_UNIX = 3 << 8


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A file to be put into the archive."""

    name: str
    size: int
    """Bytes, about: only decides whether 64-bit sizes are needed."""
    chunks: AsyncIterable[bytes]


async def write_zip(entries: AsyncIterable[ZipEntry]) -> AsyncIterator[bytes]:
    """The archive's bytes, one chunk of an entry at a time."""
    directory = bytearray()
    offset = count = 0
    async for entry in entries:
        name = entry.name.encode()
        large = entry.size >= _NEARLY_4_GIB
        head = _local_header(name, large=large)
        yield head
        checksum = size = 0
        async for chunk in entry.chunks:
            checksum = crc32(chunk, checksum)
            size += len(chunk)
            yield chunk
        if size > _MAX32 and not large:
            raise ValueError(f"an entry announced with {entry.size} bytes has {size}")
        descriptor = (_DESCRIPTOR64 if large else _DESCRIPTOR).pack(b"PK\x07\x08", checksum, size, size)
        yield descriptor
        directory += _central_header(name, checksum, size, offset, large=large)
        offset += len(head) + size + len(descriptor)
        count += 1
    yield bytes(directory)
    yield _end(count, len(directory), offset)


def _local_header(name: bytes, *, large: bool) -> bytes:
    # With sizes that follow, 64-bit ones are announced by a zip64 field of zeros (APPNOTE 4.3.9.2, 4.5.3).
    extra = struct.pack("<HHQQ", 1, 16, 0, 0) if large else b""
    size = _MAX32 if large else 0
    version = _VERSION64 if large else _VERSION
    return (
        _LOCAL.pack(
            b"PK\x03\x04",
            version,
            _SIZES_FOLLOW | _UTF8,
            _STORED,
            0,
            _EPOCH_DATE,
            0,
            size,
            size,
            len(name),
            len(extra),
        )
        + name
        + extra
    )


def _central_header(name: bytes, checksum: int, size: int, offset: int, *, large: bool) -> bytes:
    wide = [value for value, beyond in ((size, large), (size, large), (offset, offset >= _MAX32)) if beyond]
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    version = _VERSION64 if wide else _VERSION
    told = _MAX32 if large else size
    return (
        _CENTRAL.pack(
            b"PK\x01\x02", _UNIX | version, version, _SIZES_FOLLOW | _UTF8, _STORED, 0, _EPOCH_DATE, checksum,
            told, told, len(name), len(extra), 0, 0, 0, _READABLE_FILE, min(offset, _MAX32),
        )
        + name
        + extra
    )  # fmt: skip


def _end(count: int, directory: int, offset: int) -> bytes:
    end = _END.pack(
        b"PK\x05\x06", 0, 0, min(count, _MAX16), min(count, _MAX16), min(directory, _MAX32), min(offset, _MAX32), 0
    )
    if count < _MAX16 and directory < _MAX32 and offset < _MAX32:
        return end
    end64 = _END64.pack(b"PK\x06\x06", 44, _VERSION64, _VERSION64, 0, 0, count, count, directory, offset)
    return end64 + _LOCATOR64.pack(b"PK\x06\x07", 0, offset + directory, 1) + end
