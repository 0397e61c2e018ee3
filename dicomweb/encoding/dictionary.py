"""Which VR an element has when its bytes do not say: implicit VR, UN, private and ambiguous attributes.

Most tags have one VR in the dictionary (`implicit_vrs` remembers them). The others are marked, and `resolve_vr`
looks at the attributes read so far: the private creator of the block (PS3.5 7.8.1), Pixel Representation for
`US or SS`, LUT Descriptor for LUT Data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dicomweb.encoding.byte_order import ByteOrder
from dicomweb.model.query import JsonAttributes
from dicomweb.model.tags import private_vr, public_vr

_REMEMBERED = 20_000
_ASK = b"\0\0"
"""Stands for a VR that `resolve_vr` has to find, or a tag that is no attribute of a data set."""

PIXEL_REPRESENTATION = "00280103"
LUT_DESCRIPTORS = frozenset(("00281101", "00281102", "00281103", "00283002"))
"""Their first value is a count and never negative, also where the VR is SS (PS3.3 C.11.1.1.1)."""
_LUT_DESCRIPTOR = "00283002"
_LUT_DATA = 0x00283006
_PIXEL_DATA = 0x7FE00010


class ImplicitVrs(dict[int, bytes]):
    """Word of a tag to its VR as explicit VR writes it; two zero bytes if the dictionary alone cannot tell."""

    def __init__(self, order: ByteOrder) -> None:
        super().__init__()
        self._order = order

    def __missing__(self, word: int) -> bytes:
        tag = self._order.word(word)
        vr = public_vr(tag)
        known = vr is not None and len(vr) == 2 and tag >> 16 not in (0, 0xFFFE)
        code = vr.encode() if vr is not None and known else _ASK
        if len(self) < _REMEMBERED:
            self[word] = code
        return code


def resolve_vr(tag: int, ancestors: Sequence[JsonAttributes], *, undefined_length: bool) -> str | None:
    """The VR of an element, None if nothing tells it.

    `ancestors` are the data sets around the element, the innermost last, with what precedes it in each.
    """
    if tag >> 16 & 1:
        return _private(tag, ancestors[-1])
    vr = public_vr(tag)
    if vr is None or len(vr) == 2:
        return vr
    return _ambiguous(tag, vr, ancestors, undefined_length=undefined_length)


def unsigned_count(element: dict[str, Any]) -> None:
    """Make the number of entries of a LUT descriptor unsigned."""
    values = element.get("Value")
    if values and isinstance(values[0], int) and values[0] < 0:
        values[0] += 1 << 16


def _private(tag: int, siblings: JsonAttributes) -> str | None:
    block = tag >> 8 & 0xFF
    if block == 0:
        # (gggg,0010-00FF) name the creators of blocks; below are group lengths and what is not allowed
        return "LO" if tag & 0xFF >= 0x10 else ("UL" if tag & 0xFF == 0 else None)
    creator = siblings.get(f"{tag >> 16:04X}00{block:02X}", {}).get("Value")
    return private_vr(tag, str(creator[0])) if creator else None


def _ambiguous(tag: int, vr: str, ancestors: Sequence[JsonAttributes], *, undefined_length: bool) -> str:
    if tag == _PIXEL_DATA and undefined_length:
        return "OB"  # encapsulated (PS3.5 A.4)
    if vr == "US or SS":
        return "SS" if _signed(ancestors) else "US"
    if tag == _LUT_DATA:
        descriptor = ancestors[-1].get(_LUT_DESCRIPTOR, {}).get("Value")
        return "US" if descriptor and descriptor[0] == 1 else "OW"
    return "OW"  # in implicit VR always (PS3.5 A.1)


def _signed(ancestors: Sequence[JsonAttributes]) -> bool:
    for attributes in reversed(ancestors):
        values = attributes.get(PIXEL_REPRESENTATION, {}).get("Value")
        if values:
            return bool(values[0] == 1)
    return False
