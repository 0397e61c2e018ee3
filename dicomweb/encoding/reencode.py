"""From any native transfer syntax to Explicit VR Little Endian, as a stream.

The stored bytes are re-encoded, not what was understood of them, so that private, odd and overlong values come
out as they went in. Only the header as DICOM JSON is needed beside them, for the VRs that Implicit VR does not
write. Memory is bounded whatever the size, since nothing is written that would have to be known beforehand:
sequences and items get undefined lengths. Values are turned word by word where the byte order changes (PS3.5 7.3).
Group lengths are left out (PS3.5 7.2).

    feed(chunk) ─▶ [inflate] ─▶ prefix │ element headers, values, delimiters ─▶ bytes

A UN of undefined length holds Implicit VR Little Endian whatever stands around it (PS3.5 6.2.2) and comes out as
the sequence it is. A UN of defined length is copied, since nobody knows what is in it.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from dicomweb.encoding.head import Truncated, Unreadable
from dicomweb.encoding.inflate import Inflater
from dicomweb.encoding.words import LONG_VRS, byte_swap, word_bytes
from dicomweb.encoding.writer import (
    EXPLICIT_LITTLE,
    ITEM_END,
    SEQUENCE_END,
    UNDEFINED,
    element_header,
    file_prefix,
    item_header,
    relabelled_prefix,
)
from dicomweb.model.query import JsonAttributes
from dicomweb.model.tags import vr_of

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
REENCODED = frozenset((IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED))
"""Transfer syntaxes whose instances are given as Explicit VR Little Endian where no syntax is asked for."""

_ITEM, _ITEM_DELIMITER, _SEQUENCE_DELIMITER = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_HEADER = 12
"""Bytes of the longest element header."""


@dataclass(frozen=True, slots=True)
class _Coding:
    """How elements are written (PS3.5 chapter 7, annex A)."""

    implicit: bool
    big: bool

    @property
    def order(self) -> str:
        return ">" if self.big else "<"


_UN_CODING = _Coding(implicit=True, big=False)
_CODINGS = {IMPLICIT_LITTLE: _UN_CODING, EXPLICIT_BIG: _Coding(implicit=False, big=True)}


@dataclass(slots=True)
class _Level:
    """What the stream is inside of: the elements of a data set or item, the items of a sequence, fragments."""

    coding: _Coding
    end: int | None
    """Position behind it; None if a delimitation item tells."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Of elements: their DICOM JSON."""
    items: list[Any] | None = None
    """Of a sequence: the DICOM JSON of its items."""
    fragments: bool = False
    taken: int = 0
    """Items of a sequence that have begun."""


def reencoder(
    data_set: JsonAttributes, *, transfer_syntax: str, data_set_offset: int
) -> ToExplicitLittle | DeflatedToExplicitLittle:
    """The transformer for a stored object of one of the `REENCODED` syntaxes, given its header."""
    if transfer_syntax == DEFLATED:
        return DeflatedToExplicitLittle(data_set, data_set_offset=data_set_offset)
    return ToExplicitLittle(data_set, transfer_syntax=transfer_syntax, data_set_offset=data_set_offset)


async def explicit_little(
    chunks: AsyncIterable[bytes], data_set: JsonAttributes, *, transfer_syntax: str, data_set_offset: int
) -> AsyncIterator[bytes]:
    """A stored object, given in chunks, as a file in Explicit VR Little Endian. Raises Unreadable."""
    work = reencoder(data_set, transfer_syntax=transfer_syntax, data_set_offset=data_set_offset)
    async for chunk in chunks:
        for piece in work.feed(chunk):
            yield piece
    for piece in work.finish():
        yield piece


class _Prefix:
    """Gathers what stands before the data set and gives it back for another transfer syntax."""

    def __init__(self, data_set: JsonAttributes, data_set_offset: int) -> None:
        self._data_set = data_set
        self._missing = data_set_offset
        self._held: list[bytes] = []
        self._told = False

    def take(self, chunk: bytes) -> tuple[bytes, bytes]:
        """What is to be written, and the part of the chunk that belongs to the data set."""
        if self._told:
            return b"", chunk
        self._held.append(chunk[: self._missing])
        rest = chunk[self._missing :]
        self._missing -= min(self._missing, len(chunk))
        if self._missing:
            return b"", b""
        self._told = True
        prefix = relabelled_prefix(b"".join(self._held), EXPLICIT_LITTLE)
        return prefix or file_prefix(self._uid("00080016"), self._uid("00080018"), EXPLICIT_LITTLE), rest

    def _uid(self, tag: str) -> str:
        values = self._data_set.get(tag, {}).get("Value") or [""]
        return str(values[0])


class DeflatedToExplicitLittle:
    """A deflated data set inflated: it is Explicit VR Little Endian already (PS3.5 A.5)."""

    def __init__(self, data_set: JsonAttributes, *, data_set_offset: int) -> None:
        self._prefix = _Prefix(data_set, data_set_offset)
        self._inflater = Inflater()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What can be written after these bytes, in pieces; to be used up before the next call."""
        prefix, rest = self._prefix.take(chunk)
        if prefix:
            yield prefix
        yield from self._inflater.feed(rest)

    def finish(self) -> Iterator[bytes]:
        """The end. Raises Truncated if the stored bytes broke off."""
        yield from self._inflater.finish()


class ToExplicitLittle:
    """Implicit VR Little Endian or Explicit VR Big Endian to Explicit VR Little Endian."""

    def __init__(self, data_set: JsonAttributes, *, transfer_syntax: str, data_set_offset: int) -> None:
        self._prefix = _Prefix(data_set, data_set_offset)
        self._levels = [_Level(_CODINGS[transfer_syntax], None, data_set)]
        self._held = b""
        self._at = data_set_offset
        """Position in the stored object of what comes after the bytes that are dealt with."""
        self._left = 0
        """Bytes of the current value to come."""
        self._word = 1
        self._dropped = False
        self._out: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """What can be written after these bytes. Raises Unreadable."""
        prefix, data = self._prefix.take(chunk)
        if self._held:
            data = self._held + data
        self._out = [prefix] if prefix else []
        self._held = data[self._run(data, final=False) :]
        return self._out

    def finish(self) -> list[bytes]:
        """The end: what was held back. Raises Truncated if the stored bytes broke off."""
        self._out = []
        if self._left > len(self._held):
            raise Truncated("the object ends within a value", self._at)
        # fewer bytes than an element's header: padding that some writers leave behind the data set
        self._run(self._held, final=True)
        self._close_ended()
        if len(self._levels) > 1:
            raise Truncated("the object ends within a sequence", self._at)
        return self._out

    def _run(self, data: bytes, *, final: bool) -> int:
        """Deal with as much of the data as possible, and say how much that was."""
        used = 0
        while True:
            if self._left:
                taken = self._copy(data, used)
                used += taken
                if self._left:
                    return used
                continue
            self._close_ended()
            available = len(data) - used
            if available < 8 or (available < _HEADER and not final):
                return used
            used += self._begin(data, used)

    def _copy(self, data: bytes, used: int) -> int:
        """Pass on bytes of a value, whole words of it unless it ends."""
        taken = min(self._left, len(data) - used)
        if taken < self._left:
            taken -= taken % self._word
        if taken and not self._dropped:
            self._out.append(byte_swap(data[used : used + taken], self._word))
        self._left -= taken
        self._at += taken
        return taken

    def _close_ended(self) -> None:
        """Write the delimiters of what has ended by its length."""
        while (end := self._levels[-1].end) is not None and self._at >= end:
            if self._at > end:
                raise Unreadable("a value reaches beyond the item or sequence it is in", self._at)
            self._close()

    def _close(self) -> None:
        level = self._levels.pop()
        self._out.append(SEQUENCE_END if level.items is not None or level.fragments else ITEM_END)

    def _begin(self, data: bytes, at: int) -> int:
        """Deal with the header of an element, item or delimiter at `at`, and say how long it was."""
        level = self._levels[-1]
        group, number = struct.unpack_from(level.coding.order + "HH", data, at)
        tag = group << 16 | number
        if group == 0xFFFE:
            (length,) = struct.unpack_from(level.coding.order + "L", data, at + 4)
            self._at += 8
            self._delimiter(level, tag, length)
            return 8
        if level.items is not None or level.fragments:
            raise Unreadable("an item was expected", self._at)
        vr, length, size = self._element(level, tag, data, at)
        self._at += size
        self._open(level, tag, vr, length)
        return size

    def _element(self, level: _Level, tag: int, data: bytes, at: int) -> tuple[str, int, int]:
        """VR, length and bytes of the header of an element."""
        coding = level.coding
        if coding.implicit:
            (length,) = struct.unpack_from(coding.order + "L", data, at + 4)
            return _told_vr(level.attributes, tag), length, 8
        vr = data[at + 4 : at + 6].decode("latin-1")
        if vr in LONG_VRS:
            if len(data) - at < _HEADER:
                raise Truncated("the object ends within an element's header", self._at)
            (length,) = struct.unpack_from(coding.order + "L", data, at + 8)
            return vr, length, _HEADER
        (length,) = struct.unpack_from(coding.order + "H", data, at + 6)
        return vr, length, 8

    def _open(self, level: _Level, tag: int, vr: str, length: int) -> None:
        undefined = length == UNDEFINED
        entry = level.attributes.get(f"{tag:08X}", {})
        if vr == "SQ" or (undefined and vr == "UN"):
            coding = _UN_CODING if vr == "UN" else level.coding
            self._out.append(element_header(tag, "SQ", UNDEFINED if length else 0))
            if length:
                end = None if undefined else self._at + length
                self._levels.append(_Level(coding, end, items=entry.get("Value") or []))
        elif undefined:
            self._out.append(element_header(tag, vr if vr in LONG_VRS else "OB", UNDEFINED))
            self._levels.append(_Level(level.coding, None, fragments=True))
        else:
            self._dropped = tag & 0xFFFF == 0
            if not self._dropped:
                self._out.append(element_header(tag, vr, length))
            self._left = length
            self._word = word_bytes(vr) if level.coding.big else 1

    def _delimiter(self, level: _Level, tag: int, length: int) -> None:
        """An item, or the end of an item or sequence of undefined length (PS3.5 7.5)."""
        inside = level.items is not None or level.fragments
        if tag == _ITEM and level.items is not None:
            told = level.items[level.taken] if level.taken < len(level.items) else None
            level.taken += 1
            self._out.append(item_header(UNDEFINED if length else 0))
            if length:
                end = None if length == UNDEFINED else self._at + length
                self._levels.append(_Level(level.coding, end, told if isinstance(told, dict) else {}))
        elif tag == _ITEM and level.fragments and length != UNDEFINED:
            self._out.append(item_header(length))
            self._left, self._word, self._dropped = length, 1, False
        elif level.end is None and tag == (_SEQUENCE_DELIMITER if inside else _ITEM_DELIMITER):
            if len(self._levels) == 1:
                raise Unreadable("an item ends that has not begun", self._at)
            self._close()
        else:
            raise Unreadable("an item or delimiter where none can be", self._at)


def _told_vr(attributes: dict[str, Any], tag: int) -> str:
    """The VR of an element in Implicit VR: as the header has it, else by the dictionary."""
    text = f"{tag:08X}"
    entry = attributes.get(text)
    vr = entry.get("vr") if entry else None
    return vr if isinstance(vr, str) else vr_of(text)
