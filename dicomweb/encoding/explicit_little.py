"""The elements of a data set, whatever native transfer syntax it is in, in Explicit VR Little Endian.

The stored bytes are re-encoded, not what was understood of them, so that private, odd and overlong values come
out as they went in. Only the header as DICOM JSON is needed beside them, for the VRs that Implicit VR does not
write. Memory is bounded whatever the size, since nothing is written that would have to be known beforehand:
sequences and items get undefined lengths. Values are turned word by word where the byte order changes (PS3.5 7.3).
Group lengths are left out (PS3.5 7.2).

    level   data set ─▶ sequence ─▶ item ─▶ sequence ...        each with the position behind it, if it is known
                    └─▶ fragments

A UN of undefined length holds little endian items whatever stands around it (PS3.5 6.2.2) and comes out as the
sequence it is. A UN of defined length is copied, since nobody knows what is in it.

Elements of the top level may be replaced or left out on the way, and the pixel data may be left to the caller:
that is how an instance is converted (see `rewrite`).

As lenient as `elements`, which has read the same bytes before: missing delimiters, needless ones, items in another
form than what is around them, padding and garbage behind the data set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from dicomweb.encoding.beginning import Beginning, data_set_coding
from dicomweb.encoding.byte_order import LITTLE
from dicomweb.encoding.element import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, Coding, is_letters, looks_implicit
from dicomweb.encoding.head import Truncated, Unreadable
from dicomweb.encoding.values import BULK_VRS
from dicomweb.encoding.window import NOWHERE, Window
from dicomweb.encoding.words import KNOWN_VRS, LONG_VRS, byte_swap, pixel_word_bytes, word_bytes
from dicomweb.encoding.writer import ITEM_DELIMITER, SEQUENCE_DELIMITER, element_header, item_header
from dicomweb.model.query import JsonAttributes
from dicomweb.model.tags import vr_of

_BITS_ALLOCATED = "00280100"
_PIXEL_TAGS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
_PIXEL_DATA = 0x7FE00010
_HEADER = 12
"""Bytes of the longest element header."""
_NO_CHANGES: Mapping[int, bytes] = {}
_BEYOND = 1 << 32
"""A tag behind all others."""


class _Kind(Enum):
    """What a level is made of."""

    ELEMENTS = auto()
    ITEMS = auto()
    FRAGMENTS = auto()


@dataclass(slots=True)
class _Level:
    """What the stream is inside of."""

    kind: _Kind
    coding: Coding
    end: int
    """Position behind it, or behind what it is in if a delimiter is to tell."""
    told: Any
    """Of elements: their DICOM JSON; of items: a list of it."""
    fresh: bool = True
    """Whether none of its elements has begun."""
    taken: int = 0
    """Items that have begun."""


class ElementsToExplicitLittle:
    """Bytes of a data set in, bytes of the same data set out."""

    def __init__(
        self,
        data_set: JsonAttributes,
        *,
        transfer_syntax: str,
        offset: int,
        changes: Mapping[int, bytes] = _NO_CHANGES,
        without_pixels: bool = False,
        header: Callable[[int, str, int], bytes] = element_header,
    ) -> None:
        """`transfer_syntax` is what is declared, or found out where nothing is; `offset` the position of the
        data set in what is stored, for messages. `changes` are encoded elements by tag that take the place of
        those of the top level, in tag order; empty ones take them away. `without_pixels` leaves the pixel data of
        the top level out: `pixels_at` tells where they belong. `header` writes tag, VR and length."""
        self._header = header
        self._data_set = data_set
        self._transfer_syntax = transfer_syntax
        self._levels: list[_Level] = []
        self._held = b""
        self._at = offset
        self._left = 0
        """Bytes of the current value to come."""
        self._word = 1
        self._dropped = False
        """Whether the current value is not written."""
        self._pixels_over = False
        """Whether the pixel data of the top level have begun: what follows may be garbage."""
        self._over = False
        """Whether what follows is no data set any more."""
        self._out: list[bytes] = []
        self._changes = changes
        self._to_come = sorted(tag for tag, element in changes.items() if element)
        """Tags of the changes that are not written yet, in order."""
        self._without_pixels = without_pixels
        self._mute = 0
        """How many levels are open around what is left out; 0 if nothing is."""
        self.pixels_at: int | None = None
        """Before which piece of what the last call gave the pixel data belong, None if they were not in it."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """What can be written after these bytes. Raises Unreadable."""
        self._begin_output()
        if not self._over:
            data = self._held + chunk if self._held else chunk
            self._held = data[self._run(data, final=False) :]
        return self._out

    def finish(self) -> list[bytes]:
        """The end: what was held back. Raises Truncated if the stored bytes broke off."""
        self._begin_output()
        if self._over:
            self._write_changes(_BEYOND)
            return self._out
        if self._left > len(self._held):
            raise Truncated("the object ends within a value", self._at)
        rest = self._held[self._run(self._held, final=True) :]
        if any(rest) and not (self._pixels_over and rest.isspace()):
            raise Truncated("the object ends within an element's header", self._at)
        self._close_ended()
        if len(self._levels) == 2 and self._levels[-1].kind is _Kind.FRAGMENTS:
            self._close()
        if len(self._levels) > 1:
            raise Truncated("the object ends within a sequence", self._at)
        self._write_changes(_BEYOND)
        return self._out

    def _begin_output(self) -> None:
        self._out = []
        self.pixels_at = None

    def _write(self, piece: bytes) -> None:
        if not self._mute:
            self._out.append(piece)

    def _write_changes(self, tag: int) -> None:
        """The changes that belong before an element of the top level."""
        while self._to_come and self._to_come[0] <= tag:
            self._out.append(self._changes[self._to_come.pop(0)])

    def _run(self, data: bytes, *, final: bool) -> int:
        """Deal with as much of the data as possible, and say how much that was."""
        used = 0
        while not self._over:
            if self._left:
                taken = self._copy(data, used)
                used += taken
                if self._left:
                    return used
                continue
            self._close_ended()
            if self._levels and 0 < self._levels[-1].end - self._at < 8:
                # an item longer than its elements, by less than an element takes
                self._left, self._word, self._dropped = self._levels[-1].end - self._at, 1, True
                continue
            available = len(data) - used
            if available < 8 or (available < _HEADER and not final):
                return used
            if not self._levels:
                self._levels.append(self._data_set_level(data[used : used + 8]))
            size = self._begin(data, used)
            self._at += size
            used += size
        return len(data)

    def _data_set_level(self, first: bytes) -> _Level:
        coding, _ = data_set_coding(first, self._transfer_syntax, Beginning(0, self._at, marked=True))
        return _Level(_Kind.ELEMENTS, coding, NOWHERE, self._data_set, fresh=False)

    def _copy(self, data: bytes, used: int) -> int:
        """Pass on bytes of a value, whole words of it unless it ends."""
        taken = min(self._left, len(data) - used)
        if taken < self._left:
            taken -= taken % self._word
        if taken and not self._dropped:
            self._write(byte_swap(data[used : used + taken], self._word))
        self._left -= taken
        self._at += taken
        return taken

    def _close_ended(self) -> None:
        """Write the delimiters of what has ended by its length."""
        while self._levels and self._at >= self._levels[-1].end:
            self._close()

    def _close(self) -> None:
        kind = self._levels.pop().kind
        self._write(ITEM_DELIMITER if kind is _Kind.ELEMENTS else SEQUENCE_DELIMITER)
        if len(self._levels) <= self._mute:
            self._mute = 0

    def _begin(self, data: bytes, at: int) -> int:
        """Deal with the header of an element, item or delimiter at `at`, and say how long it was."""
        level = self._levels[-1]
        order = level.coding.order
        word, length = order.tag_length(data, at)
        tag = order.word(word)
        if tag >> 16 == 0xFFFE:
            return self._item_or_delimiter(level, tag, length)
        if level.kind is not _Kind.ELEMENTS:
            raise Unreadable("an item was expected", self._at)
        if len(self._levels) == 1 and self._is_garbage(level, tag, data[at + 4 : at + 6]):
            self._over = True
            return 8
        if level.fresh:
            level.fresh = False
            window = Window()
            window.data = data[at : at + 8]
            level.coding = replace(level.coding, implicit=looks_implicit(window, 0, level.coding))
        vr, length, size = self._element(level, tag, data, at)
        self._open(level, tag, vr, length, self._at + size)
        return size

    def _is_garbage(self, level: _Level, tag: int, code: bytes) -> bool:
        """Whether what looks like an element of the top level is none: `elements` has not taken it for one."""
        if tag >> 16 == 0:
            return True
        if not self._pixels_over or tag >= _PIXEL_DATA or f"{tag:08X}" in level.told:
            return False
        return level.coding.implicit or code.decode("latin-1") not in KNOWN_VRS

    def _element(self, level: _Level, tag: int, data: bytes, at: int) -> tuple[str, int, int]:
        """VR, length and bytes of the header of an element; the length forms are those of `element`."""
        coding = level.coding
        code = data[at + 4 : at + 6]
        if coding.implicit or not is_letters(code):
            return _told_vr(level.told, tag), coding.order.tag_length(data, at)[1], 8
        vr = code.decode("ascii")
        known = vr in KNOWN_VRS
        written = vr if known else _told_vr(level.told, tag)
        if vr in LONG_VRS or (not known and data[at + 6 : at + 8] == b"\0\0"):
            if len(data) - at < _HEADER:
                raise Truncated("the object ends within an element's header", self._at)
            return written, coding.order.long(data, at + 8)[0], _HEADER
        return written, coding.order.tag_vr_length(data, at)[2], 8

    def _open(self, level: _Level, tag: int, vr: str, length: int, start: int) -> None:
        """Begin an element whose value is at `start`."""
        undefined = length == UNDEFINED
        if not undefined and start + length > level.end:
            raise Unreadable("an element reaches beyond the item it is in", start)
        left_out = len(self._levels) == 1 and self._begin_top(tag)
        if left_out:
            self._mute = 1
        if undefined and vr in BULK_VRS and vr != "UN":
            self._write(self._header(tag, vr, UNDEFINED))
            self._levels.append(_Level(_Kind.FRAGMENTS, level.coding, level.end, None))
        elif undefined or vr == "SQ":
            self._write(self._header(tag, "SQ", UNDEFINED if length else 0))
            if length:
                coding = replace(level.coding, order=LITTLE) if vr == "UN" else level.coding
                items = level.told.get(f"{tag:08X}", {}).get("Value") or []
                self._levels.append(_Level(_Kind.ITEMS, coding, level.end if undefined else start + length, items))
        else:
            self._dropped = left_out or tag & 0xFFFF == 0
            if not self._dropped:
                self._write(self._header(tag, vr, length))
            self._left = length
            self._word = _word(level, tag, vr) if level.coding.order.big else 1
        if len(self._levels) == 1:
            self._mute = 0

    def _begin_top(self, tag: int) -> bool:
        """Write the changes before an element of the top level; whether the element itself is left out."""
        self._write_changes(tag)
        if tag not in _PIXEL_TAGS:
            return tag in self._changes
        self._pixels_over = True
        if self._without_pixels:
            self.pixels_at = len(self._out)
        return self._without_pixels

    def _item_or_delimiter(self, level: _Level, tag: int, length: int) -> int:
        """Deal with an item tag or a delimiter (PS3.5 7.5), and say how many bytes are done."""
        if level.kind is _Kind.ELEMENTS:
            if len(self._levels) > 1 and tag in (ITEM, ITEM_END, SEQUENCE_END):
                self._close()
                return 8 if tag == ITEM_END else 0
        elif tag == SEQUENCE_END:
            self._close()
        elif tag == ITEM and level.kind is _Kind.FRAGMENTS and length != UNDEFINED:
            self._write(item_header(length))
            self._left, self._word, self._dropped = length, 1, bool(self._mute)
        elif tag == ITEM and level.kind is _Kind.ITEMS:
            self._item(level, length)
        elif tag != ITEM_END:
            raise Unreadable("an item or delimiter where none can be", self._at)
        return 8

    def _item(self, level: _Level, length: int) -> None:
        told = level.told[level.taken] if level.taken < len(level.told) else None
        level.taken += 1
        self._write(item_header(UNDEFINED if length else 0))
        if length:
            # the delimiter of an item holds, also where the sequence is said to be shorter
            end = NOWHERE if length == UNDEFINED else self._at + 8 + length
            elements = told if isinstance(told, dict) else {}
            self._levels.append(_Level(_Kind.ELEMENTS, level.coding, end, elements))


def _word(level: _Level, tag: int, vr: str) -> int:
    """Bytes of a big endian value that are turned round together."""
    if tag not in _PIXEL_TAGS:
        return word_bytes(vr)
    bits = level.told.get(_BITS_ALLOCATED, {}).get("Value") or [0]
    return pixel_word_bytes(vr, bits[0] if isinstance(bits[0], int) else 0)


def _told_vr(told: dict[str, Any], tag: int) -> str:
    """The VR of an element that does not say it: as the header has it, else by the dictionary."""
    text = f"{tag:08X}"
    vr = told.get(text, {}).get("vr")
    return vr if isinstance(vr, str) else vr_of(text)
