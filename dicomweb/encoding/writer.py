"""The pieces a DICOM file is written of: file meta information and element headers in Explicit VR Little Endian.

preamble, zeros (128) | DICM (4) | group 0002, Explicit VR Little Endian | data set        (PS3.10 7.1)
"""

from __future__ import annotations

import struct

from dicomweb.encoding.words import LONG_VRS

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLEMENTATION_CLASS_UID = "2.25.125038080598611467402485353256151346523"
"""Names this implementation in the files it writes (PS3.7 D.3.3.2)."""
IMPLEMENTATION_VERSION = "DICOMLAKE"
"""At most 16 characters (VR SH)."""

PREAMBLE = bytes(128) + b"DICM"
UNDEFINED = 0xFFFFFFFF
"""The length of what ends with a delimitation item (PS3.5 7.5)."""
ITEM_DELIMITER = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
SEQUENCE_DELIMITER = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)

_LONG = struct.Struct("<HH2sHL")
_SHORT = struct.Struct("<HH2sH")
_ITEM = struct.Struct("<HHL")


def element_header(tag: int, vr: str, length: int) -> bytes:
    """Tag, VR and length of a data element (PS3.5 7.1.2).

    A value too long for the 16-bit length of its VR gets the VR UN, which has 32 bits (PS3.5 6.2.2).
    """
    if vr not in LONG_VRS and len(vr) == 2:
        if length <= 0xFFFF:
            return _SHORT.pack(tag >> 16, tag & 0xFFFF, vr.encode("latin-1"), length)
        vr = "UN"
    return _LONG.pack(tag >> 16, tag & 0xFFFF, vr.encode("latin-1"), 0, length)


def implicit_header(tag: int, vr: str, length: int) -> bytes:
    """Tag and length of a data element in Implicit VR (PS3.5 7.1.3), which leaves the VR to the dictionary."""
    return _ITEM.pack(tag >> 16, tag & 0xFFFF, length)


def item_header(length: int) -> bytes:
    """Tag and length of a sequence item or fragment (PS3.5 7.5.1)."""
    return _ITEM.pack(0xFFFE, 0xE000, length)


def padding_of(vr: str) -> bytes:
    """The byte that makes the length of a value even (PS3.5 6.2): a blank for text, else zero."""
    return b"\0" if vr in _ZERO_PADDED else b" "


def padded(value: bytes, vr: str) -> bytes:
    """The value with an even length."""
    return value + padding_of(vr) if len(value) % 2 else value


_ZERO_PADDED = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UI", "UN"))


def meta_group(elements: dict[int, bytes]) -> bytes:
    """Group 0002 of encoded elements by tag, its group length before them (PS3.10 7.1)."""
    body = b"".join(elements[tag] for tag in sorted(elements) if tag != 0x00020000)
    return element_header(0x00020000, "UL", 4) + struct.pack("<L", len(body)) + body


def _uid_element(tag: int, uid: str) -> bytes:
    value = padded(uid.encode("ascii", "replace"), "UI")
    return element_header(tag, "UI", len(value)) + value


def file_prefix(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """What stands before the data set in a file of ours: preamble, prefix, file meta information (PS3.10 7.1)."""
    version = padded(IMPLEMENTATION_VERSION.encode(), "SH")
    return PREAMBLE + meta_group(
        {
            0x00020001: element_header(0x00020001, "OB", 2) + b"\0\1",
            0x00020002: _uid_element(0x00020002, sop_class),
            0x00020003: _uid_element(0x00020003, sop_instance),
            0x00020010: _uid_element(0x00020010, transfer_syntax),
            0x00020012: _uid_element(0x00020012, IMPLEMENTATION_CLASS_UID),
            0x00020013: element_header(0x00020013, "SH", len(version)) + version,
        }
    )


def relabelled_prefix(prefix: bytes, transfer_syntax: str, sop_instance: str = "") -> bytes | None:
    """The bytes before a data set with another transfer syntax in group 0002 and every other element of it kept.

    With `sop_instance` what follows is another instance, of this UID. The preamble becomes zeros: what it said, a
    TIFF directory say, is about the bytes as they were. None if there is no file meta information, or if it cannot
    be read.
    """
    start = 132 if prefix[128:132] == b"DICM" else 0
    elements: dict[int, bytes] = {}
    at = start
    while at < len(prefix):
        if at + 8 > len(prefix):
            return None
        group, number, vr, length = _SHORT.unpack_from(prefix, at)
        header = 8
        if vr.decode("latin-1") in LONG_VRS:
            if at + 12 > len(prefix):
                return None
            (length,) = struct.unpack_from("<L", prefix, at + 8)
            header = 12
        end = at + header + length
        if group != 2 or not vr.isalpha() or end > len(prefix):
            return None
        elements[group << 16 | number] = prefix[at:end]
        at = end
    if not elements:
        return None
    elements[0x00020010] = _uid_element(0x00020010, transfer_syntax)
    if sop_instance:
        elements[0x00020003] = _uid_element(0x00020003, sop_instance)
    return PREAMBLE + meta_group(elements)
