"""A DICOM file from attributes that a client sent as DICOM JSON or XML, with bulk data beside them (PS3.18 10.5).

The file is Explicit VR Little Endian, its text in UTF-8. Pixel Data whose bulk data come as compressed images
(`image/jpeg`, `video/mp4`, ...) become encapsulated: each part one frame in one fragment, several frames by
several parts under one BulkDataURI, in their order; the transfer syntax of the file follows from the parts.
Lengths are computed before the first byte is written; bulk data are passed through without being joined.

What cannot be encoded raises MalformedAttributes with the path and the reason, before anything is written.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dicomweb.encoding.codestreams import jpeg_transfer_syntax
from dicomweb.encoding.image import PIXEL_DATA
from dicomweb.encoding.json_values import VALUE_VRS, BadValue, encode_values
from dicomweb.encoding.malformed import MalformedAttributes
from dicomweb.encoding.words import KNOWN_VRS, word_bytes
from dicomweb.encoding.writer import (
    EXPLICIT_LITTLE,
    SEQUENCE_DELIMITER,
    UNDEFINED,
    element_header,
    file_prefix,
    item_header,
    padding_of,
)
from dicomweb.model.query import JsonAttributes

DEPTH = 64
"""Nesting of sequences that is followed."""

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_CHARACTER_SET = "00080005"
_BULK_VRS = KNOWN_VRS - VALUE_VRS - {"SQ"}
_LONGEST = UNDEFINED - 1
_SYNTAX = "1.2.840.10008.1.2."
_NATIVE = frozenset(("", EXPLICIT_LITTLE, "1.2.840.10008.1.2"))
"""Transfer syntaxes of bulk data that are little endian and uncompressed."""
_UNFIT = frozenset((_SYNTAX + "2", _SYNTAX + "1.99"))
"""Big endian and deflated, which no single value can be."""
_OCTETS = "application/octet-stream"
_SNIFFED = 1 << 20
"""Bytes of a JPEG image in which its frame header is looked for."""

_BY_MEDIA_TYPE = {
    "image/jls": _SYNTAX + "4.80",
    "image/jp2": _SYNTAX + "4.90",
    "image/jpx": _SYNTAX + "4.92",
    "image/jphc": _SYNTAX + "4.201",
    "image/jxl": _SYNTAX + "4.110",
    "image/dicom-rle": _SYNTAX + "5",
    "image/x-dicom-rle": _SYNTAX + "5",
    "video/mpeg": _SYNTAX + "4.100",
    "video/mp4": _SYNTAX + "4.102",
    "image/jpeg": _SYNTAX + "4.70",
}
"""The transfer syntax of a part that names none, unless its headers do (PS3.18 8.7.3.3)."""


@dataclass(frozen=True, slots=True)
class BulkPart:
    """Bulk data as a part of a request."""

    chunks: Sequence[bytes]
    """The bytes, in memory."""
    media_type: str = _OCTETS
    """Lower case, without parameters."""
    transfer_syntax: str = ""
    """The parameter `transfer-syntax`, if given."""

    @property
    def length(self) -> int:
        """Bytes."""
        return sum(map(len, self.chunks))

    @property
    def compressed(self) -> bool:
        """Whether the bytes are a compressed image or video."""
        return self.media_type in _BY_MEDIA_TYPE or self.transfer_syntax not in _NATIVE


BulkParts = Callable[[str], Sequence[BulkPart] | None]
"""The parts of a BulkDataURI in the order of the request; None if the request has none for it."""


def data_set_to_part10(attributes: JsonAttributes, bulk: BulkParts) -> Iterator[bytes]:
    """The file of a data set, in pieces that do not outlive one another. Group 0002 of `attributes` is ignored.

    Raises MalformedAttributes at once, not while the pieces are read.
    """
    writer = _Writer(bulk)
    body = writer.data_set(attributes, ())
    sop_class, sop_instance = (_uid(attributes, tag) for tag in ("00080016", "00080018"))
    if writer.transfer_syntax and not writer.compressed:
        raise MalformedAttributes((PIXEL_DATA,), "is not compressed, but an image nested in the data set is")
    prefix = file_prefix(sop_class, sop_instance, writer.transfer_syntax or EXPLICIT_LITTLE)
    return iter((prefix, *body.pieces))


def _uid(attributes: JsonAttributes, tag: str) -> str:
    entry = attributes.get(tag)
    values = entry.get("Value") if isinstance(entry, dict) else None
    if not isinstance(values, list) or not values or not isinstance(values[0], str) or not values[0]:
        raise MalformedAttributes((tag,), "is missing or empty, the file meta information needs it")
    return values[0]


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Encoded elements, in pieces."""

    pieces: tuple[bytes, ...]

    @property
    def length(self) -> int:
        return sum(map(len, self.pieces))


class _Writer:
    def __init__(self, bulk: BulkParts) -> None:
        self._bulk = bulk
        self.transfer_syntax = ""
        """Of the compressed pixel data met, empty if there are none."""
        self.compressed = False
        """Whether the pixel data of the top level are."""

    def data_set(self, attributes: Any, path: tuple[str, ...]) -> _Encoded:
        """The elements of a data set or item, by ascending tag."""
        if not isinstance(attributes, dict):
            raise MalformedAttributes(path, "an object of attributes was expected")
        pieces: list[bytes] = []
        by_tag = {_tag_number(key, path): entry for key, entry in attributes.items()}
        if not path:
            by_tag[int(_CHARACTER_SET, 16)] = {"vr": "CS", "Value": ["ISO_IR 192"]}
        for tag in sorted(by_tag):
            # group lengths are not written (PS3.5 7.2), group 0002 is the file's
            if tag >> 16 > 2 and tag & 0xFFFF:
                pieces.extend(self._element(tag, by_tag[tag], (*path, f"{tag:08X}")))
        return _Encoded(tuple(pieces))

    def _element(self, tag: int, entry: Any, path: tuple[str, ...]) -> tuple[bytes, ...]:
        vr = entry.get("vr") if isinstance(entry, dict) else None
        if not isinstance(vr, str) or vr not in KNOWN_VRS:
            raise MalformedAttributes(path, "an object with a VR of PS3.5 6.2 was expected")
        kinds = [kind for kind in ("Value", "InlineBinary", "BulkDataURI") if entry.get(kind) is not None]
        if len(kinds) > 1:
            raise MalformedAttributes(path, "more than one of Value, InlineBinary and BulkDataURI")
        if path[-1] == _CHARACTER_SET:
            entry, kinds = {"Value": ["ISO_IR 192"]}, ["Value"]
        if not kinds:
            return (element_header(tag, vr, 0),)
        if kinds[0] == "Value":
            return self._values(tag, vr, entry["Value"], path)
        if vr == "SQ" or (kinds[0] == "InlineBinary" and vr not in _BULK_VRS):
            raise MalformedAttributes(path, f"{vr} has Value, not {kinds[0]}")
        if kinds[0] == "BulkDataURI":
            return self._bulk_value(tag, vr, entry["BulkDataURI"], path)
        return _plain(tag, vr, (_inline(entry["InlineBinary"], path),), path)

    def _values(self, tag: int, vr: str, values: Any, path: tuple[str, ...]) -> tuple[bytes, ...]:
        if not isinstance(values, list):
            raise MalformedAttributes(path, "Value must be an array")
        if vr == "SQ":
            return self._sequence(tag, values, path)
        if vr not in VALUE_VRS:
            raise MalformedAttributes(path, f"{vr} has InlineBinary or BulkDataURI, not Value")
        try:
            return _plain(tag, vr, (encode_values(vr, values),), path)
        except BadValue as error:
            raise MalformedAttributes(path, str(error)) from error

    def _sequence(self, tag: int, values: list[Any], path: tuple[str, ...]) -> tuple[bytes, ...]:
        if len(path) > 2 * DEPTH:
            raise MalformedAttributes(path, f"sequences are nested deeper than {DEPTH}")
        pieces: list[bytes] = []
        for number, item in enumerate(values, start=1):
            content = self.data_set({} if item is None else item, (*path, str(number)))
            if content.length > _LONGEST:
                raise MalformedAttributes(path, "an item of 4 GiB or more")
            pieces.extend((item_header(content.length), *content.pieces))
        length = sum(map(len, pieces))
        if length <= _LONGEST:
            return (element_header(tag, "SQ", length), *pieces)
        return (element_header(tag, "SQ", UNDEFINED), *pieces, SEQUENCE_DELIMITER)

    def _bulk_value(self, tag: int, vr: str, uri: Any, path: tuple[str, ...]) -> tuple[bytes, ...]:
        parts = self._bulk(uri) if isinstance(uri, str) else None
        if not parts:
            raise MalformedAttributes(path, "no part of the request has the Content-Location of its BulkDataURI")
        if any(part.compressed for part in parts):
            return self._encapsulated(tag, parts, path)
        if len(parts) > 1 and path[-1] != PIXEL_DATA:
            raise MalformedAttributes(path, "more than one part for its BulkDataURI")
        return _plain(tag, vr, tuple(chunk for part in parts for chunk in part.chunks), path)

    def _encapsulated(self, tag: int, parts: Sequence[BulkPart], path: tuple[str, ...]) -> tuple[bytes, ...]:
        """Each part a frame in one fragment, with a Basic Offset Table unless it would not fit (PS3.5 A.4)."""
        if path[-1] != PIXEL_DATA:
            raise MalformedAttributes(path, "only Pixel Data may come as compressed images")
        self.compressed = self.compressed or len(path) == 1
        for part in parts:
            self._agree(_part_syntax(part, path), path)
        offsets: list[int] = []
        fragments: list[bytes] = []
        position = 0
        for part in parts:
            length = part.length + part.length % 2
            if length > _LONGEST:
                raise MalformedAttributes(path, "a frame of 4 GiB or more")
            offsets.append(position)
            fragments.extend((item_header(length), *part.chunks, b"\0" * (part.length % 2)))
            position += 8 + length
        table = struct.pack(f"<{len(offsets)}L", *offsets) if offsets[-1] < UNDEFINED else b""
        return (
            element_header(tag, "OB", UNDEFINED),
            item_header(len(table)),
            table,
            *fragments,
            SEQUENCE_DELIMITER,
        )

    def _agree(self, transfer_syntax: str, path: tuple[str, ...]) -> None:
        if self.transfer_syntax not in ("", transfer_syntax):
            raise MalformedAttributes(path, "compressed images of different transfer syntaxes in one data set")
        self.transfer_syntax = transfer_syntax


def _part_syntax(part: BulkPart, path: tuple[str, ...]) -> str:
    if part.transfer_syntax in _UNFIT:
        raise MalformedAttributes(
            path, "bulk data in a transfer syntax other than little endian or a compressed one"
        )
    if part.transfer_syntax not in _NATIVE:
        return part.transfer_syntax
    opening = b""
    for chunk in part.chunks:
        opening += chunk[: _SNIFFED - len(opening)]
        if len(opening) >= _SNIFFED:
            break
    if opening[4:8] in (b"jP  ", b"ftyp") and part.media_type in ("image/jp2", "image/jpx"):
        raise MalformedAttributes(path, "a JP2 file came, its codestream alone was expected (PS3.5 A.4.4)")
    found = jpeg_transfer_syntax(opening) if part.media_type in ("image/jpeg", "image/jls") else None
    syntax = found or _BY_MEDIA_TYPE.get(part.media_type)
    if syntax is None:
        raise MalformedAttributes(path, "compressed and uncompressed parts for one BulkDataURI")
    return syntax


def _plain(tag: int, vr: str, chunks: tuple[bytes, ...], path: tuple[str, ...]) -> tuple[bytes, ...]:
    """An element of one span: header, chunks, padding."""
    length = sum(map(len, chunks))
    if length % word_bytes(vr):
        raise MalformedAttributes(path, f"its bytes are not whole words of {word_bytes(vr)} bytes, as {vr} has")
    padding = padding_of(vr) if length % 2 else b""
    if length + len(padding) > _LONGEST:
        raise MalformedAttributes(path, "a value of 4 GiB or more")
    return (element_header(tag, vr, length + len(padding)), *chunks, padding)


def _inline(value: Any, path: tuple[str, ...]) -> bytes:
    if not isinstance(value, str):
        raise MalformedAttributes(path, "InlineBinary must be base64 text")
    try:
        return binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MalformedAttributes(path, "InlineBinary is not base64") from error


def _tag_number(key: Any, path: tuple[str, ...]) -> int:
    if not isinstance(key, str) or not _TAG.fullmatch(key):
        raise MalformedAttributes(path, "attributes are named by tags of eight hexadecimal digits")
    return int(key, 16)
