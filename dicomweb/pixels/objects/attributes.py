"""Reading a data set in DICOM JSON (PS3.18 F.2) without trusting it: whatever is absent or odd is empty.

Attributes are asked for by tag; keywords stand at the places that ask. Bulk values come from the header when they
are short (InlineBinary), else from the source, and are turned to little endian.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator
from typing import Any

from dicomweb.encoding.words import byte_swap, word_bytes
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.objects.contract import BulkNeed, Source

EXPLICIT_BIG = "1.2.840.10008.1.2.2"


def values(data_set: JsonAttributes, tag: str) -> list[Any]:
    """The values of an attribute as JSON has them; empty if there are none."""
    element = data_set.get(tag)
    found = element.get("Value") if isinstance(element, dict) else None
    return found if isinstance(found, list) else []


def text(data_set: JsonAttributes, tag: str, default: str = "") -> str:
    """The first value as text, spaces around it cut off."""
    found = values(data_set, tag)
    if not found or found[0] is None or isinstance(found[0], dict | list):
        return default
    return str(found[0]).strip() or default


def texts(data_set: JsonAttributes, tag: str) -> list[str]:
    """All values as text, absent ones empty."""
    return [
        "" if one is None or isinstance(one, dict | list) else str(one).strip() for one in values(data_set, tag)
    ]


def number(data_set: JsonAttributes, tag: str, default: float = 0.0) -> float:
    """The first value as a finite number."""
    found = numbers(data_set, tag)
    return found[0] if found else default


def integer(data_set: JsonAttributes, tag: str, default: int = 0) -> int:
    """The first value as an integer, fractions cut off."""
    found = numbers(data_set, tag)
    return int(found[0]) if found else default


def numbers(data_set: JsonAttributes, tag: str) -> list[float]:
    """All values as numbers; empty if one of them is not a finite number."""
    try:
        found = [float(one) for one in values(data_set, tag)]
    except (TypeError, ValueError, OverflowError):
        return []
    return found if all(map(math.isfinite, found)) else []


def items(data_set: JsonAttributes, tag: str) -> list[JsonAttributes]:
    """The items of a sequence."""
    return [one for one in values(data_set, tag) if isinstance(one, dict)]


def item(data_set: JsonAttributes, tag: str, *more: str) -> JsonAttributes:
    """The first item of a sequence, of a sequence in it and so on; empty if there is none."""
    found = items(data_set, tag)
    first = found[0] if found else {}
    return item(first, *more) if more and first else ({} if more else first)


def meaning(data_set: JsonAttributes, tag: str) -> str:
    """Code Meaning of the first item of a code sequence, else its Code Value (PS3.3 8.8)."""
    code = item(data_set, tag)
    return text(code, "00080104") or code_value(code)


def code_value(code: JsonAttributes) -> str:
    """Code Value, Long Code Value or URN Code Value of a code."""
    return text(code, "00080100") or text(code, "00080119") or text(code, "00080120")


def has_value(data_set: JsonAttributes, tag: str) -> bool:
    """Whether the attribute has a value of any kind, in the header or as bulk data."""
    element = data_set.get(tag)
    return isinstance(element, dict) and bool(
        element.get("Value") or element.get("InlineBinary") or element.get("BulkDataURI")
    )


def bulk_path(data_set: JsonAttributes, tag: str) -> str:
    """The path of a bulk value, empty if the value is not bulk."""
    path = data_set.get(tag, {}).get("BulkDataURI")
    return path if isinstance(path, str) else ""


def bulk_needs(*where: tuple[JsonAttributes, str]) -> Iterator[BulkNeed]:
    """The needs of those attributes (data set and tag) whose values are bulk."""
    for data_set, tag in where:
        if path := bulk_path(data_set, tag):
            yield BulkNeed(path)


def bulk_value(data_set: JsonAttributes, tag: str, source: Source, transfer_syntax: str) -> bytes:
    """The bytes of a value of a bulk VR, little endian; empty if there is none.

    Raises KeyError if it is bulk and was not fetched.
    """
    element = data_set.get(tag, {})
    inline = element.get("InlineBinary")
    if isinstance(inline, str):
        try:
            return base64.b64decode(inline)  # little endian already (PS3.18 F.2.7)
        except (binascii.Error, ValueError):
            return b""
    path = bulk_path(data_set, tag)
    if not path:
        return b""
    stored = source.bulk(path)
    return byte_swap(stored, word_bytes(str(element.get("vr")))) if transfer_syntax == EXPLICIT_BIG else stored
