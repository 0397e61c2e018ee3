"""What one pass over a DICOM file tells: its attributes, and where its large values lie.

All offsets count from the first byte of the file, also where a preamble is missing. In a deflated data set they
count in the file whose data set is inflated (`inflated` is set): the file meta information, then the inflated
bytes.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from dicomweb.model.query import JsonAttributes
from dicomweb.model.ranges import ByteRange


@dataclass(frozen=True, slots=True)
class Fragments:
    """The items of an encapsulated value (PS3.5 A.4), the basic offset table apart."""

    starts: array[int]
    """Offset of each fragment's first byte, type code Q."""
    lengths: array[int]
    """Bytes of each fragment, type code Q."""
    basic_offsets: bytes
    """Value of the Basic Offset Table: 32-bit little-endian offsets, counted from the first byte of the item tag
    of the first fragment; empty if the table is."""
    span: ByteRange
    """From the first item tag (of the offset table) to the end of the sequence delimitation item."""


@dataclass(frozen=True, slots=True)
class BulkValue:
    """A value that is not part of the header."""

    path: tuple[str, ...]
    """Tags and 1-based item numbers in turn: `("00480105", "1", "00282000")`."""
    vr: str
    value: ByteRange | Fragments

    @property
    def length(self) -> int:
        """Bytes of the value; of its fragments joined."""
        return self.value.length if isinstance(self.value, ByteRange) else sum(self.value.lengths)


@dataclass(frozen=True, slots=True)
class Head:
    """A DICOM file without its bulk values."""

    file_meta: JsonAttributes
    """Group 0002 as DICOM JSON; empty if the file has none."""
    data_set: JsonAttributes
    """The data set as DICOM JSON (PS3.18 F.2): no group 0002, no group lengths; bulk values as a relative
    BulkDataURI, path joined by `/`."""
    transfer_syntax: str
    """As declared, or as found out where nothing is declared."""
    big_endian: bool
    implicit: bool
    inflated: bool
    data_set_offset: int
    """First byte of the data set."""
    length: int
    """Bytes of the file (of the inflated one, if `inflated`)."""
    bulk: tuple[BulkValue, ...] = ()
    """In stored order; pixel data of the top level are among them."""
    pixel: BulkValue | None = None
    """Pixel Data, Float Pixel Data or Double Float Pixel Data of the top level."""
    extended_offsets: bytes = b""
    """Value of Extended Offset Table (7FE0,0001): 64-bit little-endian, from the first byte of the first
    fragment's item tag."""
    extended_lengths: bytes = b""
    """Value of Extended Offset Table Lengths (7FE0,0002): 64-bit little-endian."""
    warnings: tuple[str, ...] = field(default=())
    """What is odd about the file but did not keep it from being read; no values of attributes in them."""
    warned_tags: tuple[str, ...] = ()
    """Tags of the attributes that warnings are about."""


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Bounds that hostile files meet."""

    header_bytes: int = 64 << 20
    """Bytes of the data set that are not bulk."""
    depth: int = 64
    """Nesting of sequences."""
    elements: int = 2_000_000
    """Elements at all depths together, items included."""
    inline_bytes: int = 1024
    """Values of bulk VRs up to this length stay in the header as InlineBinary."""
    fragments: int = 5_000_000
    inflate_ratio: int = 200
    """Inflated bytes to deflated ones, beyond the first 16 MiB."""


class Unreadable(Exception):
    """Bytes that cannot be read as DICOM: what was expected, and at which offset."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} (at byte {offset})")
        self.offset = offset


class NotDicom(Unreadable):
    """Neither a DICOM file nor a bare data set."""


class Truncated(Unreadable):
    """The file ends within an element."""


class OverLimit(Unreadable):
    """A bound of HeadLimits was passed."""
