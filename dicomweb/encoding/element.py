"""A data element before its value, and the tags  (PS3.5 7.1, 7.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dicomweb.encoding.byte_order import ByteOrder
from dicomweb.encoding.charset import DEFAULT, CharacterSet
from dicomweb.encoding.values import value_forms
from dicomweb.encoding.window import Window
from dicomweb.model.tags import public_vr

UNDEFINED = 0xFFFFFFFF
"""The length that means: until a delimiter."""
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD


@dataclass(frozen=True, slots=True)
class Coding:
    """How the elements of a data set or an item are written."""

    order: ByteOrder
    implicit: bool
    text: CharacterSet


class Element(NamedTuple):
    """An element before its value."""

    key: str
    """The tag as DICOM JSON writes it."""
    vr: str
    """Empty if the bytes do not say, or nothing that is a VR."""
    start: int
    """Absolute offset of the value."""
    length: int

    @property
    def tag(self) -> int:
        """The tag as a number."""
        return int(self.key, 16)

    @property
    def end(self) -> int:
        """Absolute offset behind the value, unless the length is undefined."""
        return self.start + self.length


_FORMS = value_forms("<", DEFAULT)
"""Only names and forms of lengths are read from it."""


def header_length(window: Window, offset: int, coding: Coding) -> int:
    """Bytes of the header of the element at the absolute offset, of which 8 are there."""
    return 12 if _is_long(window, offset, coding) else 8


def read_element(window: Window, offset: int, coding: Coding) -> Element:
    """The element at the absolute offset, its header being there whole."""
    at = offset - window.base
    word, length = coding.order.tag_length(window.data, at)
    tag = coding.order.word(word)
    key = f"{tag:08X}"
    if coding.implicit or tag >> 16 == 0xFFFE:
        return Element(key, "", offset + 8, length)
    code = window.data[at + 4 : at + 6]
    form = _FORMS.get(code)
    vr = form.vr if form else ""
    if _is_long(window, offset, coding):
        return Element(key, vr, offset + 12, coding.order.long(window.data, at + 8)[0])
    if form or is_letters(code):
        return Element(key, vr, offset + 8, coding.order.tag_vr_length(window.data, at)[2])
    return Element(key, vr, offset + 8, length)


def looks_implicit(window: Window, offset: int, coding: Coding) -> bool:
    """Whether the elements at the absolute offset are in implicit VR, told from the first of them.

    Items can be in another form than the data set around them. The standard wants that for UN of undefined length
    (PS3.5 6.2.2), writers do it elsewhere, in both directions. A length whose lower half reads as letters would
    be of more than 16 kB, which no first element has; to be taken for explicit in implicit surroundings they
    have to be the VR of just that attribute.
    """
    at = offset - window.base
    code = window.data[at + 4 : at + 6]
    if coding.implicit != (code in _FORMS):
        return coding.implicit  # the usual cases
    tag = coding.order.word(coding.order.tag_length(window.data, at)[0])
    if tag >> 16 == 0xFFFE:
        return coding.implicit
    if not coding.implicit:
        return not is_letters(code)
    return public_vr(tag) not in (None, code.decode("ascii"))


def is_letters(code: bytes) -> bool:
    """Whether two bytes are capital letters, as those of a VR are."""
    return code.isalpha() and code.isupper()


def _is_long(window: Window, offset: int, coding: Coding) -> bool:
    """Whether the header has two reserved bytes and a length of 32 bits (PS3.5 7.1.2).

    A VR that is not known here but two capital letters may be a newer one, which has that form.
    """
    at = offset - window.base
    if coding.implicit or coding.order.word(coding.order.tag_length(window.data, at)[0]) >> 16 == 0xFFFE:
        return False
    code = window.data[at + 4 : at + 6]
    form = _FORMS.get(code)
    if form:
        return form.long
    return is_letters(code) and window.data[at + 6 : at + 8] == b"\0\0"
