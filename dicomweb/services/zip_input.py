"""A zip read from front to back while it comes in: no seeking, nothing spooled (APPNOTE.TXT 4.3).

    local header  name  extra  data  [data descriptor]   local header ...   central directory ...
    PK 03 04                         [PK 07 08]                             PK 01 02

Sizes come from the local header, from its ZIP64 field, or from behind the data: a deflate stream tells its own
end, and a stored entry of unknown size ends at the data descriptor whose CRC and size fit what came before it.
Every entry is checked by size and CRC, so that what is stored from it is whole. The central directory is not
needed; a zip that ends before it is told to be cut short.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass

from dicomweb.services.body_chunks import BodyOverLimit, ByteSource, EndOfBody

LOCAL, DIRECTORY, DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"
_ENDS = (DIRECTORY, b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x08")
_SPANNED = b"PK00"
_HEADER = struct.Struct("<4xHHH4xLLLHH")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _DESCRIBED, _UTF8 = 0x0001, 0x0008, 0x0800
_WIDE = 0xFFFFFFFF
_ZIP64 = 0x0001
_PIECE = 256 << 10
_FREE = 16 << 20
"""Inflated bytes that need no justification by the zip's own size."""


class ZipError(Exception):
    """Base of what is wrong with a zip."""


class MalformedZip(ZipError):
    """The body cannot be read as a zip from here on."""


class DamagedEntry(ZipError):
    """An entry is not what its CRC and sizes say, or packed in a way that is not read; the next may be fine."""


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """Bounds that hostile zips meet."""

    entries: int = 100_000
    ratio: int = 200
    """Inflated bytes to bytes of the zip, beyond the first 16 MiB."""


@dataclass(frozen=True, slots=True)
class _Head:
    """A local file header (APPNOTE 4.3.7)."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int | None
    """Bytes of the data in the zip; None if only the data tell."""
    size: int | None
    """Bytes of the entry."""


class ZipEntry:
    """One entry; its data are read before the next one."""

    def __init__(self, number: int, head: _Head, zipped: _Zip) -> None:
        self.number = number
        """Counted from 1."""
        self._head = head
        self._zip = zipped
        self._data = self._read()

    @property
    def name(self) -> str:
        """Path within the zip as its writer says it; may tell of a patient."""
        return self._head.name

    def data(self) -> AsyncIterator[bytes]:
        """The entry's bytes in pieces. Raises DamagedEntry at the end, MalformedZip, BodyOverLimit."""
        return self._data

    async def skip(self) -> None:
        """Pass over what is left. Raises MalformedZip."""
        try:
            async for _ in self._data:
                pass
        except DamagedEntry:
            return

    async def _read(self) -> AsyncIterator[bytes]:
        head = self._head
        if head.flags & _ENCRYPTED or head.method not in (_STORED, _DEFLATED):
            await self._zip.pass_over(head)
            raise DamagedEntry("the entry is encrypted or packed by a method other than deflate")
        crc = size = 0
        if head.method == _DEFLATED:
            pieces = self._zip.inflate(head)
        elif head.packed is not None:
            pieces = self._zip.take(head.packed)
        else:
            pieces = self._zip.take_described()
        async for piece in pieces:
            crc = zlib.crc32(piece, crc)
            size += len(piece)
            self._zip.count(len(piece))
            yield piece
        if not await self._zip.confirms(head, crc, size):
            raise DamagedEntry("the entry's data do not fit its CRC and size")


async def read_entries(body: AsyncIterable[bytes], limits: ZipLimits) -> AsyncGenerator[ZipEntry, None]:
    """The entries of a zip in stored order. Raises MalformedZip, BodyOverLimit, and what the body raises."""
    zipped = _Zip(ByteSource(body), limits)
    number = 0
    while (head := await zipped.next_head()) is not None:
        number += 1
        if number > limits.entries:
            raise BodyOverLimit("the number of entries in the zip", limits.entries)
        entry = ZipEntry(number, head, zipped)
        yield entry
        await entry.skip()
    await zipped.drain()


class _Zip:
    """The body, and how far it has been read."""

    def __init__(self, source: ByteSource, limits: ZipLimits) -> None:
        self._source = source
        self._limits = limits
        self._inflated = 0

    async def next_head(self) -> _Head | None:
        """The next local header; None where the entries end."""
        if self._source.position == 0 and await self._source.peek(4) == _SPANNED:
            await self._source.read_exactly(4)
        try:
            mark = await self._source.read_exactly(4)
            if mark in _ENDS:
                return None
            if mark != LOCAL:
                raise MalformedZip("no entry begins where the one before it ends")
            fixed = await self._source.read_exactly(_HEADER.size - 4)
            flags_at = _HEADER.unpack(mark + fixed)
            name_length, extra_length = flags_at[6:]
            name = await self._source.read_exactly(name_length)
            extra = await self._source.read_exactly(extra_length)
        except EndOfBody as error:
            raise MalformedZip("the zip is cut short") from error
        return _head(flags_at, name, extra)

    def count(self, inflated: int) -> None:
        """Note bytes of an entry. Raises BodyOverLimit for a zip bomb."""
        self._inflated += inflated
        most = _FREE + self._limits.ratio * self._source.position
        if self._inflated > most:
            raise BodyOverLimit("the zip, unpacked,", most)

    async def take(self, count: int) -> AsyncIterator[bytes]:
        """So many bytes as they are."""
        while count:
            piece = await self._some()
            if len(piece) > count:
                self._source.give_back(piece[count:])
                piece = piece[:count]
            count -= len(piece)
            yield piece

    async def inflate(self, head: _Head) -> AsyncIterator[bytes]:
        """A deflate stream to its own end, in pieces of bounded size."""
        begin = self._source.position
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        ended = False
        while not ended:
            pending, more = await self._some(), True
            while more:
                try:
                    piece = inflater.decompress(pending, _PIECE)
                except zlib.error as error:
                    raise MalformedZip("an entry's deflate stream is damaged") from error
                if piece:
                    yield piece
                pending = inflater.unconsumed_tail
                # Behind the end of the stream `unconsumed_tail` keeps what it last held.
                ended = inflater.eof
                more = not ended and (bool(pending) or len(piece) == _PIECE)
        self._source.give_back(inflater.unused_data)
        if head.packed is not None and self._source.position - begin != head.packed:
            raise MalformedZip("an entry's deflate stream is not as long as its header says")

    async def take_described(self) -> AsyncIterator[bytes]:
        """A stored entry of unknown size: everything before the data descriptor that fits it."""
        crc = size = 0
        while True:
            data = await self._source.peek(_PIECE)
            place = data.find(DESCRIPTOR)
            if place < 0:
                if len(data) <= len(DESCRIPTOR):
                    raise MalformedZip("the zip is cut short")
                # A descriptor may begin in the last bytes.
                piece = await self._source.read_exactly(len(data) - len(DESCRIPTOR) + 1)
            else:
                piece = await self._source.read_exactly(place)
                fitting = zlib.crc32(piece, crc), size + len(piece)
                if await self._descriptor_length(*fitting, packed=fitting[1]):
                    if piece:
                        yield piece
                    return
                piece += await self._source.read_exactly(len(DESCRIPTOR))
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            yield piece

    async def confirms(self, head: _Head, crc: int, size: int) -> bool:
        """Whether header or data descriptor say the same of the entry as its data; takes the descriptor."""
        if head.flags & _DESCRIBED:
            length = await self._descriptor_length(crc, size, packed=None)
            if not length:
                raise MalformedZip("no data descriptor fits behind an entry that should have one")
            await self._source.read_exactly(length)
            return True
        return crc == head.crc and size == head.size

    async def _descriptor_length(self, crc: int, size: int, *, packed: int | None) -> int:
        """Bytes of the data descriptor that comes next and says this; 0 if none does (APPNOTE 4.3.9).

        With or without a mark, with sizes of four or eight bytes: the form that fits, and that another record
        follows, is the right one.
        """
        data = await self._source.peek(28)
        for mark in (4, 0) if data.startswith(DESCRIPTOR) else (0,):
            for form in ("<LLL", "<LQQ"):
                end = mark + struct.calcsize(form)
                if len(data) < end:
                    continue
                said_crc, said_packed, said_size = struct.unpack(form, data[mark:end])
                fits = said_crc == crc and said_size == size & (_WIDE if form == "<LLL" else -1)
                if fits and packed in (None, said_packed) and data[end : end + 2] in (b"PK", b""):
                    return end
        return 0

    async def pass_over(self, head: _Head) -> None:
        """Leave out an entry's data. Raises MalformedZip if nothing says where they end."""
        if head.packed is None or head.flags & _DESCRIBED:
            raise MalformedZip("an encrypted or specially packed entry does not tell where it ends")
        async for _ in self.take(head.packed):
            pass

    async def drain(self) -> None:
        """Take in the directory, so that the connection can serve the next request."""
        while await self._source.read():
            pass

    async def _some(self) -> bytes:
        piece = await self._source.read()
        if not piece:
            raise MalformedZip("the zip is cut short")
        return piece


def _head(fields: tuple[int, ...], name: bytes, extra: bytes) -> _Head:
    _, flags, method, crc, packed, size = fields[:6]
    packed, size = _wide_sizes(packed, size, extra)
    unknown = bool(flags & _DESCRIBED) and not packed
    text = name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    return _Head(text, flags, method, crc, None if unknown else packed, None if unknown else size)


def _wide_sizes(packed: int, size: int, extra: bytes) -> tuple[int, int]:
    """Sizes of more than four bytes stand in the ZIP64 field (APPNOTE 4.5.3)."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _ZIP64:
            wide = iter(
                struct.unpack_from(f"<{length // 8}Q", extra, at + 4) if at + 4 + length <= len(extra) else ()
            )
            size = next(wide, size) if size == _WIDE else size
            packed = next(wide, packed) if packed == _WIDE else packed
        at += 4 + length
    return packed, size
