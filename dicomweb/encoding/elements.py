"""Reading data elements into DICOM JSON, in one pass over a window of bytes (PS3.5 chapter 7).

`ElementReader.data_set` is the loop that every byte of a header goes through; it keeps what it needs in local
variables and handles elements of a plain VR at once. Everything else goes through `_special`: sequences, bulk
values, UN, attributes whose VR depends on others, delimiters, and what the standard does not allow but files do.

Lenient where files are: items in implicit VR inside explicit data sets, VR bytes that are no VR, missing
delimiters, padding behind the data set. Strict where data would be lost: an element must not reach beyond its
item or the file.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from dicomweb.encoding.bounds import Bounds
from dicomweb.encoding.bulk_values import PIXEL_KEYS, BulkReader
from dicomweb.encoding.byte_order import BIG, LITTLE
from dicomweb.encoding.charset import character_set
from dicomweb.encoding.dictionary import LUT_DESCRIPTORS, ImplicitVrs, resolve_vr, unsigned_count
from dicomweb.encoding.element import (
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    UNDEFINED,
    Coding,
    Element,
    header_length,
    looks_implicit,
    read_element,
)
from dicomweb.encoding.head import HeadLimits, OverLimit, Truncated, Unreadable
from dicomweb.encoding.values import BULK_VRS, inline_binary, value_forms
from dicomweb.encoding.window import NOWHERE, Steps, Window
from dicomweb.encoding.words import word_bytes
from dicomweb.model.query import JsonAttributes

DEEPEST = 80
"""Nesting beyond this is refused whatever the limits say: JSON of three levels an item must stay serialisable."""

_SHORT_LENGTHS = 0xFFFF
"""UN of this length and more is what writers make of values that do not fit a 16-bit length: it stays UN."""
_CHARACTER_SET = 0x00080005
_ROWS = "00280010"
_PIXEL_DATA = "7FE00010"
_IMPLICIT_VRS = {order.sign: ImplicitVrs(order) for order in (LITTLE, BIG)}
_MOST_WARNINGS = 20


class ElementReader:
    """Reads one data set, and whatever is nested in it."""

    def __init__(self, window: Window, limits: HeadLimits) -> None:
        self.warnings: dict[str, str] = {}
        """In the order they were met, each once; with the tag of the attribute it is about, if it is one."""
        self._window = window
        self._limits = limits
        self._deepest = min(limits.depth, DEEPEST)
        self._ancestors: list[JsonAttributes] = []
        """The data set and the items around what is read, the innermost last."""
        self._path: list[str] = []
        self._bounds = Bounds(window, limits)
        self.bulk = BulkReader(window, self._bounds, limits, self.warn)

    def warn(self, message: str, tag: str = "") -> None:
        """Note what is odd about the file; no values of attributes in it."""
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings[message] = tag

    def data_set(self, into: JsonAttributes, coding: Coding, end: int = NOWHERE) -> Steps:
        """Read elements into `into` until the absolute offset `end`, an item delimiter, or the end of the file."""
        self._ancestors.append(into)
        order, implicit = coding.order, coding.implicit
        bounds = self._bounds
        forms, texts, vrs = value_forms(order.sign, coding.text), order.texts, _IMPLICIT_VRS[order.sign]
        tag_length, tag_vr_length, long = order.tag_length, order.tag_vr_length, order.long
        character_set_word = order.word(_CHARACTER_SET)
        elements_left = bounds.elements_left
        data, base, at, stop = self._here(end)
        while True:
            if at + 12 > stop:
                self._window.position = base + at
                if not (yield from self._more_elements(into, end)):
                    break
                data, base, at, stop = self._here(end)
            start = at + 8
            if implicit:
                word, length = tag_length(data, at)
                form = forms.get(vrs[word])
            else:
                word, code, length = tag_vr_length(data, at)
                form = forms.get(code)
                if form is not None and form[1]:
                    start += 4
                    if start > stop:
                        form = None  # that way is slow, but waits for the rest of the length
                    else:
                        length = long(data, start - 4)[0]
            if form is None or (decode := form[2]) is None:
                self._window.position = base + at
                bounds.elements_left = elements_left
                known = form and Element(texts[word], form[0], base + start, length)
                if not (yield from self._special(into, known, coding, end)):
                    break
                elements_left = bounds.elements_left
                data, base, at, stop = self._here(end)
            elif start + length > stop:
                self._window.position = base + at
                yield from self._bounds.reach(base + start + length, end)
                data, base, at, stop = self._here(end)
                continue
            else:
                at = start + length
                try:
                    values = decode(data[start:at]) if length else None
                except (ValueError, struct.error):
                    into[texts[word]] = self._misfit(form[0], texts[word], data[start:at])
                else:
                    into[texts[word]] = {"vr": form[0]} if values is None else {"vr": form[0], "Value": values}
            if word == character_set_word:
                coding = self._declared_text(into, coding)
                forms = value_forms(order.sign, coding.text)
            elements_left -= 1
            if elements_left < 0:
                raise bounds.too_many_elements(base + at)
        bounds.elements_left = elements_left
        self._close(into)

    def _here(self, end: int) -> tuple[bytes, int, int, int]:
        """The window's bytes, their base, where the reader stands in them, and where it may read to."""
        window = self._window
        base = window.base
        stop = min(base + len(window.data), end, self._bounds.header_end)
        return window.data, base, window.position - base, stop - base

    def _close(self, into: JsonAttributes) -> None:
        """Leave a data set that is read to its end."""
        self._ancestors.pop()
        into.pop("", None)  # the text of group lengths is empty, see TagTexts
        if not LUT_DESCRIPTORS.isdisjoint(into.keys()):
            for key in LUT_DESCRIPTORS & into.keys():
                unsigned_count(into[key])

    def _more_elements(self, into: JsonAttributes, end: int) -> Generator[None, None, bool]:
        """Wait for the next element of the data set; False if it has come to its end."""
        window = self._window
        if window.position + 8 > end:
            if window.position < end:
                self.warn("an item is longer than its elements")
                yield from self._bounds.reach(end, end)
                window.position = end
            return False
        self._bounds.check_header(window.position + 8)
        yield from window.reach(min(window.position + 12, end))
        left = window.received - window.position
        if left >= 8:
            return True
        if left < 0 or len(self._ancestors) > 1:
            raise Truncated("the file ends within a value", window.received)
        tail = window.rest()
        if any(tail) and not (tail.isspace() and self._is_done(into)):
            raise Truncated("the file ends within an element", window.received)
        if left:
            self._ignore_rest("padding follows the data set")
        return False

    def _ignore_rest(self, warning: str) -> None:
        self.warn(warning)
        self._window.position = NOWHERE

    def _special(
        self, into: JsonAttributes, element: Element | None, coding: Coding, end: int
    ) -> Generator[None, None, bool]:
        """Read the element at the window's position, which has no plain VR; False if the data set ends there.

        `element` is None if its VR has to be found out.
        """
        window = self._window
        if element is None or not element.key:
            yield from self._bounds.reach(window.position + header_length(window, window.position, coding), end)
            element = read_element(window, window.position, coding)
            if element.tag >> 16 in (0xFFFE, 0):
                return self._no_attribute(element, into)
            if not element.vr and element.key < _PIXEL_DATA and self._is_done(into):
                self._ignore_rest("bytes that are no elements follow Pixel Data")
                return False
        undefined = element.length == UNDEFINED
        vr = self._vr(element, coding)
        if element.vr == "UN" and coding.order.big and element.key not in PIXEL_KEYS:
            # who did not know the VR could not turn the bytes: they are as in Implicit VR Little Endian, and are
            # copied by whoever re-encodes them (PS3.5 6.2.2, note 2)
            coding = replace(coding, order=LITTLE)
            if vr in BULK_VRS and word_bytes(vr) > 1 and element.length > self._limits.inline_bytes:
                vr = "UN"  # what is fetched by itself is turned by its VR
        window.position = element.start
        encapsulated = undefined and vr in BULK_VRS and vr != "UN"
        if encapsulated and (not coding.implicit or element.key in PIXEL_KEYS):
            yield from self.bulk.encapsulated(into, element, vr, coding, (*self._path, element.key))
        elif undefined or vr == "SQ":
            yield from self._sequence(into, element, coding, end)
        elif vr in BULK_VRS:
            yield from self.bulk.native(into, element, vr, coding, (*self._path, element.key), end)
        else:
            yield from self._plain(into, element, vr, coding, end)
        if element.key.endswith("0000"):
            into.pop(element.key, None)  # a group length of a strange VR
        return True

    def _vr(self, element: Element, coding: Coding) -> str:
        """The VR of an element whose bytes may not say it."""
        vr = element.vr
        if vr and vr != "UN":
            return vr
        tag, undefined = element.tag, element.length == UNDEFINED
        if not vr and not coding.implicit:
            self.warn(f"the VR of ({element.key[:4]},{element.key[4:]}) is none", element.key)
        if vr and element.length >= _SHORT_LENGTHS and not undefined and not tag >> 16 & 1:
            return vr
        return resolve_vr(tag, self._ancestors, undefined_length=undefined) or "UN"

    def _no_attribute(self, element: Element, into: JsonAttributes) -> bool:
        """Deal with a delimiter, or with a group that has no place in a data set; False if the data set ends."""
        nested = len(self._ancestors) > 1
        if element.tag == ITEM_END and nested:
            self._window.position = element.start
            return False
        if element.tag in (ITEM, SEQUENCE_END) and nested:
            self.warn("the delimiter of an item is missing")
            return False
        if element.tag >> 16 == 0 and not nested:
            # zeros or garbage behind the last element; a command set does not stand in a file (PS3.10 7)
            if _ROWS in into and not self._is_done(into):
                raise Unreadable("an element was expected, Pixel Data being still to come", self._window.position)
            self._ignore_rest("bytes that are no elements follow the data set")
            return False
        self.warn("an item or a delimiter stands outside a sequence")
        self._window.position = element.start
        return True

    def _is_done(self, into: JsonAttributes) -> bool:
        """Whether this is the data set of an image, and its pixel data have been read."""
        return len(self._ancestors) == 1 and not PIXEL_KEYS.isdisjoint(into.keys())

    def _sequence(self, into: JsonAttributes, element: Element, coding: Coding, end: int) -> Steps:
        """Read the items of a sequence (PS3.5 7.5)."""
        if element.length != UNDEFINED:
            if element.end > end:
                raise Unreadable("a sequence reaches beyond the item it is in", element.start)
            end = element.end
        if len(self._ancestors) > self._deepest:
            raise OverLimit(f"sequences nested more than {self._deepest} deep", element.start)
        window, order = self._window, coding.order
        items: list[JsonAttributes] = []
        into[element.key] = {"vr": "SQ", "Value": items}
        self._path += (element.key, "")
        while window.position < end:
            if not self._bounds.has(window.position + 8, end):
                yield from self._bounds.reach(window.position + 8, end)
            word, length = order.tag_length(window.data, window.position - window.base)
            window.position += 8
            if word == order.item:
                items.append({})
                self._path[-1] = str(len(items))
                yield from self._item(items[-1], coding, length, end)
            elif self._ends_sequence(order.word(word), length):
                break
        if window.position > end:
            self.warn("a sequence is longer than its length says")
        if not items:
            del into[element.key]["Value"]  # it is an empty attribute (PS3.18 F.2.5)
        del self._path[-2:]

    def _ends_sequence(self, tag: int, length: int) -> bool:
        """Whether this tag, which is no item, ends a sequence; raises Unreadable if it does not belong there."""
        if tag == ITEM_END and length == 0:
            self.warn("an item of defined length has a delimiter")
            return False
        if tag != SEQUENCE_END or length:
            raise Unreadable("an item of a sequence was expected", self._window.position - 8)
        return True

    def _item(self, into: JsonAttributes, coding: Coding, length: int, end: int) -> Steps:
        """Read an item behind its tag and length."""
        window = self._window
        self._bounds.count_item()
        if length == UNDEFINED:
            end = NOWHERE  # its delimiter holds, also where the sequence around it is said to be shorter
        elif window.position + length > end:
            raise Unreadable("an item reaches beyond its sequence", window.position)
        else:
            end = window.position + length
        if end - window.position >= 8:
            if not self._bounds.has(window.position + 8, end):
                yield from self._bounds.reach(window.position + 8, end)
            implicit = looks_implicit(window, window.position, coding)
            if implicit != coding.implicit:
                self.warn("an item has explicit VR in an implicit data set, or the reverse")
                coding = replace(coding, implicit=implicit)
        yield from self.data_set(into, coding, end)

    def _plain(self, into: JsonAttributes, element: Element, vr: str, coding: Coding, end: int) -> Steps:
        """Read a value whose VR the bytes do not say."""
        window = self._window
        yield from self._bounds.reach(element.end, end)
        value = window.data[element.start - window.base : element.end - window.base]
        window.position = element.end
        decode = value_forms(coding.order.sign, coding.text)[vr.encode()].decode
        try:
            values = decode(value) if decode and value else None
        except (ValueError, struct.error):
            into[element.key] = self._misfit(vr, element.key, value)
        else:
            into[element.key] = {"vr": vr} if values is None else {"vr": vr, "Value": values}
        if element.tag & 0xFFFF == 0:
            del into[element.key]

    def _misfit(self, vr: str, key: str, value: bytes) -> dict[str, Any]:
        """A value of a length that its VR does not have is told as bytes of unknown meaning."""
        self.warn(f"the length of ({key[:4]},{key[4:]}) is none that {vr} can have", key)
        return {"vr": "UN", "InlineBinary": inline_binary(value, "UN", big_endian=False)}

    def _declared_text(self, into: JsonAttributes, coding: Coding) -> Coding:
        """The coding of what follows Specific Character Set."""
        values = into.get(f"{_CHARACTER_SET:08X}", {}).get("Value", ())
        text, known = character_set(tuple(value if isinstance(value, str) else "" for value in values))
        if not known:
            self.warn("Specific Character Set has a term that is not defined", f"{_CHARACTER_SET:08X}")
        return replace(coding, text=text)
