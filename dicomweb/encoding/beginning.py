"""How a DICOM file begins: preamble, File Meta Information, and how its data set is written (PS3.10 7.1).

    0        128     132                          data_set_offset
    preamble | DICM  | (0002,0000) ... (0002,xxxx) | data set

Files in the wild lack the preamble, the meta information, or both, or declare a transfer syntax that their data
set is not in. What is declared is believed unless the first element says otherwise.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from dicomweb.encoding.byte_order import BIG, LITTLE
from dicomweb.encoding.charset import DEFAULT
from dicomweb.encoding.element import UNDEFINED, Coding, header_length, is_letters, looks_implicit, read_element
from dicomweb.encoding.head import NotDicom, OverLimit, Truncated
from dicomweb.encoding.window import Window
from dicomweb.encoding.words import KNOWN_VRS
from dicomweb.model.tags import public_vr

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = frozenset(("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"))
"""Transfer syntaxes whose data set is deflated: Deflated Explicit VR Little Endian and two of JPIP (PS3.5 A)."""
_IMPLICIT = frozenset((IMPLICIT_LITTLE, "1.2.840.113619.5.2"))
"""Implicit VR Little Endian, and General Electric's private syntax with the same headers."""

EXPLICIT = Coding(LITTLE, implicit=False, text=DEFAULT)
_PREFIX = b"DICM"
_PREFIX_AT = 128
_META_GROUP = b"\x02\0"
_MOST_META = 1 << 20
"""Bytes of File Meta Information at most: it has some hundreds."""
_NOT_DICOM = "this is not a DICOM file: neither DICM at byte 128 nor a data element at its beginning"
_LONGEST_FIRST = 1 << 16
"""No file begins with an element longer than this."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where the parts of a file lie."""

    meta_offset: int
    """First byte of the File Meta Information."""
    data_set_offset: int
    marked: bool
    """Whether there is a DICM or meta information, so that it is no guess that this is a DICOM file."""


def find_data_set(window: Window) -> Generator[None, None, Beginning]:
    """Find where the data set begins, from the first byte of a file; keeps all bytes before it in the window.

    Raises NotDicom, Truncated, OverLimit.
    """
    after = _PREFIX_AT + len(_PREFIX)
    yield from window.reach(after + 2)
    data = window.data
    if data[_PREFIX_AT:after] == _PREFIX and (data[after : after + 2] == _META_GROUP or not _begins_bare(data)):
        meta = after
    else:
        meta = len(_PREFIX) if data.startswith(_PREFIX) else 0
    end = yield from _end_of_meta(window, meta)
    if end == window.received and end <= after:
        raise NotDicom("this is not a DICOM file: it holds no data elements", end)
    return Beginning(meta, end, marked=meta > 0 or end > meta)


def meta_coding(window: Window) -> Coding:
    """How the File Meta Information at the window's base is written: some take implicit VR, against PS3.10 7.1."""
    return Coding(LITTLE, implicit=looks_implicit(window, window.base, EXPLICIT), text=DEFAULT)


def _end_of_meta(window: Window, begin: int) -> Generator[None, None, int]:
    """The offset behind the last element of group 0002, whatever (0002,0000) says: it is often wrong."""
    at = begin
    while True:
        yield from window.reach(at + 12)
        if window.received < at + 8 or window.data[at : at + 2] != _META_GROUP:
            return at
        coding = Coding(LITTLE, implicit=looks_implicit(window, at, EXPLICIT), text=DEFAULT)
        if window.received < at + header_length(window, at, coding):
            raise Truncated("the file ends within its meta information", at)
        element = read_element(window, at, coding)
        if element.length == UNDEFINED or element.end > begin + _MOST_META:
            raise OverLimit(f"file meta information of more than {_MOST_META} bytes", at)
        yield from window.reach(element.end)
        if window.received < element.end:
            raise Truncated("the file ends within its meta information", at)
        at = element.end


def data_set_coding(first: bytes, declared: str, beginning: Beginning) -> tuple[Coding, bool]:
    """How a data set is written, told from its first 8 bytes and the transfer syntax declared for it, if any.

    Returns also whether that is what was declared; an empty `declared` agrees with everything.
    Raises NotDicom if the file is not marked and its first bytes are no element either.
    """
    coding = Coding(BIG if declared == EXPLICIT_BIG else LITTLE, declared in _IMPLICIT, DEFAULT)
    if len(first) < 8:
        if not beginning.marked:
            raise NotDicom(
                "this is not a DICOM file: it is shorter than one data element", beginning.data_set_offset
            )
        return coding, True
    if not beginning.marked and not _begins_bare(first):
        raise NotDicom(_NOT_DICOM, beginning.data_set_offset)
    explicit = is_letters(first[4:6])
    observed = Coding(BIG if explicit and _looks_big(first) else LITTLE, not explicit, DEFAULT)
    return observed, not declared or observed == coding


def _looks_big(first: bytes) -> bool:
    """Whether an explicit data set is big endian: files begin with a low group, 0008 as a rule.

    Turned round that is a high group, of which the dictionary knows no such element, or another VR.
    """
    little, big = int.from_bytes(first[:2], "little"), int.from_bytes(first[:2], "big")
    if big >= little:
        return False
    element = int.from_bytes(first[2:4], "little")
    return element == 0 or first[4:6].decode("ascii") not in (public_vr(little << 16 | element) or "")


def _begins_bare(first: bytes) -> bool:
    """Whether these bytes begin with an element that files without preamble and meta information begin with."""
    explicit = is_letters(first[4:6])
    order = BIG if explicit and _looks_big(first) else LITTLE
    word, length = order.tag_length(first, 0)
    tag = order.word(word)
    if tag >> 16 < 2 or public_vr(tag) is None:
        return False
    return first[4:6].decode("ascii") in KNOWN_VRS if explicit else length < _LONGEST_FIRST
