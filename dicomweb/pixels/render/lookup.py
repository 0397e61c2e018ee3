"""Lookup tables of DICOM: a descriptor of three numbers, and data (PS3.3 C.11.1.1, C.11.2.1.1, C.7.6.3.1.5).

Descriptors are wrong more often than data. What is accepted beside the standard:

    number of entries 0            65536, as the standard says; shorter or longer data are believed instead
    first value mapped as US       although the samples are signed: values above 32767 are negative
    8-bit entries in 16-bit words  told by the length of the data
    bits per entry too few         the largest entry tells
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.render.attributes import BulkValues, values_of

DESCRIPTOR = "00283002"
DATA = "00283006"

_MOST_ENTRIES = 65_536


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What precedes the data of a lookup table."""

    entries: int
    """1 to 65536."""
    first: int
    """The input that gives the first entry; inputs below give it too, inputs beyond the end the last one."""
    bits: int
    """Of one entry: 8 to 16, or whatever else the file says."""


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A table from inputs to entries. It is hashable, so that what is made of it can be kept."""

    first: int
    """The input that gives the first entry."""
    data: bytes
    """Entries of 16 bits in native byte order; never empty."""
    bits: int
    """Entries go from 0 to 2**bits - 1."""

    @property
    def entries(self) -> npt.NDArray[np.uint16]:
        """(n,)"""
        return np.frombuffer(self.data, np.uint16)

    @property
    def last(self) -> int:
        """The input that gives the last entry."""
        return self.first + len(self.data) // 2 - 1

    def look_up(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The entries for inputs of any shape; what lies outside gets the first or last entry, NaN the first."""
        index = np.nan_to_num(np.clip(np.rint(values - self.first), 0, len(self.data) // 2 - 1), nan=0.0)
        found: npt.NDArray[np.float64] = self.entries[index.astype(np.intp)].astype(np.float64)
        return found

    def normalized(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The entries for the inputs, as parts of the range that the bits give: 0 to 1."""
        return self.look_up(values) / float((1 << self.bits) - 1)


def read_lookup_table(attributes: JsonAttributes, bulk: BulkValues, *, signed: bool) -> LookupTable | None:
    """The table in an item of a Modality, VOI or Presentation LUT Sequence; None if none can be used.

    `signed`: whether its inputs can be negative.
    """
    descriptor = read_descriptor(attributes, DESCRIPTOR, signed=signed)
    element = attributes.get(DATA)
    if descriptor is None or element is None:
        return None
    return make_table(descriptor, read_words(element, bulk, entries=descriptor.entries))


def make_table(descriptor: Descriptor, words: npt.NDArray[np.uint16]) -> LookupTable | None:
    """The descriptor and the data reconciled; None without data."""
    if not words.size:
        return None
    words = words[: descriptor.entries]
    needed = max(1, int(words.max()).bit_length())
    bits = descriptor.bits if 1 <= descriptor.bits <= 16 else needed
    return LookupTable(descriptor.first, words.tobytes(), max(bits, needed))


def read_descriptor(attributes: JsonAttributes, tag: str, *, signed: bool) -> Descriptor | None:
    """The three numbers; None if they are not three, or not of 16 bits."""
    values = values_of(attributes, tag)
    try:
        entries, first, bits = (int(value) for value in values[:3])
    except (TypeError, ValueError, OverflowError):
        return None
    if not -0x8000 <= first <= 0xFFFF:
        return None
    # US and SS are exchanged in practice: the number of entries and the bits are always unsigned
    first = first - 0x10000 if signed and first > 0x7FFF else first
    return Descriptor(entries & 0xFFFF or _MOST_ENTRIES, first, bits & 0xFFFF)


def read_words(element: object, bulk: BulkValues, *, entries: int) -> npt.NDArray[np.uint16]:
    """The entries of a table: words of US, SS or OW, or bytes when there are too few of them for words."""
    data = raw_values(element, bulk)
    if len(data) in (entries, entries + 1) and entries > 1:
        return np.frombuffer(data, np.uint8, count=entries).astype(np.uint16)
    return np.frombuffer(data, "<u2", count=len(data) // 2).astype(np.uint16)


def raw_values(element: object, bulk: BulkValues) -> bytes:
    """The value of a table's data as words in little endian, whether it is written as numbers or as bytes."""
    values = element.get("Value") if isinstance(element, dict) else None
    if not isinstance(values, list):
        return bulk.read(element)
    return np.array([value & 0xFFFF for value in values if isinstance(value, int)], "<u2").tobytes()
