"""Writing the pixel data element out of frames: in fragments (PS3.5 A.4), or one behind the other (PS3.5 8.1).

    frames, one at a time ─▶ header │ Basic Offset Table │ item, frame, padding │ ... │ delimiter
                          ─▶ header │ frame │ frame │ ... │ padding

Frames come without padding and are never held longer than it takes to pass them on. An encapsulated frame is one
fragment, which makes every offset table valid and is what the lossless byte-wise syntaxes demand.

An offset table stands before the frames, so it can only be written by who knows all lengths beforehand; without
one readers count fragments. Where offsets outgrow 32 bits, the Extended Offset Table (PS3.3 C.7.6.3.1.8) takes the
place of the basic one.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from dicomweb.encoding.writer import SEQUENCE_DELIMITER, UNDEFINED, element_header, item_header

PIXEL_DATA = 0x7FE00010
_EXTENDED_OFFSETS, _EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
_ITEM_HEADER = 8
_LONGEST = 0xFFFFFFFE
"""Bytes of a value or fragment, even and below the undefined length."""


class TooLong(Exception):
    """A value that no length field can tell (PS3.5 7.1.1)."""

    def __init__(self, length: int) -> None:
        super().__init__(f"a value of {length} bytes, at most {_LONGEST} can be written")
        self.length = length


@dataclass(frozen=True, slots=True)
class OffsetTables:
    """Where the frames of an encapsulated value begin, as it is to be written."""

    basic: bytes = b""
    """Value of the first item."""
    extended: bytes = b""
    """The elements (7FE0,0001) and (7FE0,0002), which stand right before Pixel Data; empty if not needed."""


def offset_tables(lengths: Sequence[int]) -> OffsetTables:
    """The table for frames of such lengths (bytes, without padding), one fragment each."""
    starts, at = [], 0
    for length in lengths:
        starts.append(at)
        at += _ITEM_HEADER + length + length % 2
    if not starts or starts[-1] <= 0xFFFFFFFF:
        return OffsetTables(basic=struct.pack(f"<{len(starts)}L", *starts))
    return OffsetTables(extended=_numbers(_EXTENDED_OFFSETS, starts) + _numbers(_EXTENDED_LENGTHS, lengths))


def _numbers(tag: int, values: Sequence[int]) -> bytes:
    return element_header(tag, "OV", 8 * len(values)) + struct.pack(f"<{len(values)}Q", *values)


async def encapsulated(frames: AsyncIterable[bytes], tables: OffsetTables | None = None) -> AsyncIterator[bytes]:
    """The encapsulated Pixel Data element in pieces, its Extended Offset Table before it. Raises TooLong."""
    tables = tables or OffsetTables()
    yield _opening(tables)
    async for frame in frames:
        for piece in _fragment(frame):
            yield piece
    yield SEQUENCE_DELIMITER


def encapsulated_value(frames: Sequence[bytes], *, with_table: bool = True) -> bytes:
    """The whole element of frames that are all at hand. Raises TooLong."""
    tables = offset_tables([len(frame) for frame in frames]) if with_table else OffsetTables()
    pieces = [_opening(tables)]
    for frame in frames:
        pieces.extend(_fragment(frame))
    return b"".join([*pieces, SEQUENCE_DELIMITER])


def _opening(tables: OffsetTables) -> bytes:
    header = element_header(PIXEL_DATA, "OB", UNDEFINED)
    return tables.extended + header + item_header(len(tables.basic)) + tables.basic


def _fragment(frame: bytes) -> Iterator[bytes]:
    """Item header, frame, and a byte if its length is odd (PS3.5 A.4)."""
    padding = len(frame) % 2
    if len(frame) + padding > _LONGEST:
        raise TooLong(len(frame))
    yield item_header(len(frame) + padding)
    yield frame
    if padding:
        yield b"\0"


def native_length(frames: int, bits_per_frame: int) -> int:
    """Bytes of a native value: the frames' bits without gaps, padded to even length. Raises TooLong."""
    octets = -(-frames * bits_per_frame // 8)
    length = octets + octets % 2
    if length > _LONGEST:
        raise TooLong(length)
    return length


async def native(
    frames: AsyncIterable[bytes], *, count: int, bits_per_frame: int, vr: str, tag: int = PIXEL_DATA
) -> AsyncIterator[bytes]:
    """A native pixel data element of `count` little endian frames in pieces.

    Frames of 1-bit samples follow one another without gaps (PS3.5 8.1.1), so one may begin within a byte. Fewer or
    more bytes than promised by the header would break what follows: ValueError. Raises TooLong.
    """
    length = native_length(count, bits_per_frame)
    yield element_header(tag, vr, length)
    joiner = _BitJoiner(bits_per_frame)
    written = 0
    async for frame in frames:
        if len(frame) != -(-bits_per_frame // 8):
            raise ValueError(f"a frame of {len(frame)} bytes, {-(-bits_per_frame // 8)} promised")
        piece = joiner.join(frame)
        written += len(piece)
        if piece:
            yield piece
    tail = joiner.rest()
    missing = length - written - len(tail)
    if missing not in (0, 1) or (missing == 1 and (written + len(tail)) % 2 == 0):
        raise ValueError(f"{written + len(tail)} bytes of frames, {length} promised")
    if tail or missing:
        yield tail + b"\0" * missing


def native_value(frames: Sequence[bytes], *, bits_per_frame: int, vr: str) -> bytes:
    """The whole native element of little endian frames that are all at hand. Raises TooLong."""
    joiner = _BitJoiner(bits_per_frame)
    value = b"".join([*(joiner.join(frame) for frame in frames), joiner.rest()])
    length = native_length(len(frames), bits_per_frame)
    return element_header(PIXEL_DATA, vr, length) + value + b"\0" * (length - len(value))


class _BitJoiner:
    """Puts rows of bits together, least significant first, holding back what does not fill a byte."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._held = 0
        self._count = 0
        """Bits held back, 0 to 7."""

    def join(self, frame: bytes) -> bytes:
        """The whole bytes that can be written after this frame."""
        if self._bits % 8 == 0:
            return frame
        value = (int.from_bytes(frame, "little") & ((1 << self._bits) - 1)) << self._count | self._held
        total = self._count + self._bits
        octets, self._count = divmod(total, 8)
        self._held = value >> (8 * octets)
        return (value & ((1 << (8 * octets)) - 1)).to_bytes(octets, "little")

    def rest(self) -> bytes:
        """The last byte, if one is begun."""
        return bytes([self._held]) if self._count else b""
