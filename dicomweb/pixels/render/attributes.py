"""The attributes of one frame: its functional groups before the shared ones before the data set (PS3.3 C.7.6.16).

The data set is DICOM JSON. Values come from outside and may be of any type: a number that is none reads as absent.
Bulk values (LUT Data of a VOI LUT, an ICC profile) are given beside the data set, by their BulkDataURI as it
stands in it, in little endian.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Mapping
from typing import Any

from dicomweb.model.query import JsonAttributes

SHARED_GROUPS = "52009229"
FRAME_GROUPS = "52009230"

PIXEL_VALUE_TRANSFORMATION = "00289145"
FRAME_VOI_LUT = "00289132"
FRAME_TYPES = ("00189226", "00189329", "00189732", "00189503", "00189504", "00221031")
"""MR, CT, PET, XA/XRF, X-Ray 3D and OCT frame type: where Pixel Presentation of a frame may stand."""


class BulkValues:
    """What is needed to read values that are not written in the data set itself."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = values

    def read(self, element: object) -> bytes:
        """The bytes of a binary value, little endian; empty when absent or not at hand."""
        if not isinstance(element, dict):
            return b""
        inline = element.get("InlineBinary")
        if isinstance(inline, str):
            try:
                return base64.b64decode(inline)
            except (binascii.Error, ValueError):
                return b""
        uri = element.get("BulkDataURI")
        return self._values.get(uri, b"") if isinstance(uri, str) else b""


NO_BULK_VALUES = BulkValues({})


class FrameAttributes:
    """The data set as one frame sees it."""

    def __init__(self, data_set: JsonAttributes, number: int, bulk: BulkValues = NO_BULK_VALUES) -> None:
        """`number` is that of the frame, 1-based."""
        self.data_set = data_set
        self.number = number
        self.bulk = bulk
        self._groups = tuple(
            group
            for group in (
                item(data_set, FRAME_GROUPS, index=number - 1),
                item(data_set, SHARED_GROUPS),
            )
            if group
        )

    def in_place(self, attributes: JsonAttributes) -> FrameAttributes:
        """The same with other attributes for everything: those of a presentation state."""
        return FrameAttributes(attributes, 1, self.bulk)

    def sources(self, *group_tags: str) -> Iterator[JsonAttributes]:
        """Where an attribute of those functional group sequences may stand, the nearest first."""
        for group in self._groups:
            for tag in group_tags:
                if found := item(group, tag):
                    yield found
        yield self.data_set

    def integer(self, tag: str, default: int = 0) -> int:
        """The first value of an attribute of the data set as a whole number."""
        number = first_number(self.data_set, tag)
        return default if number is None else int(number)

    def text(self, tag: str) -> str:
        """The first value of an attribute of the data set as text; empty when absent."""
        return first_text(self.data_set, tag)


def item(attributes: JsonAttributes, tag: str, *, index: int = 0) -> JsonAttributes:
    """An item of a sequence; empty when there is no such item."""
    values = values_of(attributes, tag)
    found = values[index] if 0 <= index < len(values) else None
    return found if isinstance(found, dict) else {}


def values_of(attributes: JsonAttributes, tag: str) -> list[Any]:
    """All values of an attribute; empty when it is absent or empty."""
    element = attributes.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def numbers_of(attributes: JsonAttributes, tag: str) -> list[float]:
    """All values of an attribute as finite numbers; empty if one of them is none."""
    numbers: list[float] = []
    for value in values_of(attributes, tag):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return []
        if not math.isfinite(number):
            return []
        numbers.append(number)
    return numbers


def first_number(attributes: JsonAttributes, tag: str) -> float | None:
    """The first value of an attribute as a finite number."""
    values = values_of(attributes, tag)
    try:
        number = float(values[0]) if values else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def first_text(attributes: JsonAttributes, tag: str) -> str:
    """The first value of an attribute as text without blanks around it; empty when absent."""
    values = values_of(attributes, tag)
    return values[0].strip() if values and isinstance(values[0], str) else ""
