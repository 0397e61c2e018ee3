"""Heads built by hand: what the reader would say of a file, without the file."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from typing import Any

from dicomweb.encoding.head import BulkValue, Fragments, Head
from dicomweb.model.fragments import ITEM_HEADER
from dicomweb.model.ranges import ByteRange
from tests.build.dicom import EXPLICIT_LITTLE, JPEG_BASELINE

FIRST = 2000
"""Where the first fragment or the native value begins."""


def image_json(
    rows: int = 4, columns: int = 4, *, bits: int = 8, frames: Any = None, **more: Any
) -> dict[str, Any]:
    """Image Pixel attributes as DICOM JSON; `more` sets attributes by tag, the tag led by an underscore."""
    found = {
        "00280002": {"vr": "US", "Value": [1]},
        "00280004": {"vr": "CS", "Value": ["MONOCHROME2"]},
        "00280010": {"vr": "US", "Value": [rows]},
        "00280011": {"vr": "US", "Value": [columns]},
        "00280100": {"vr": "US", "Value": [bits]},
        "7FE00010": {"vr": "OB", "BulkDataURI": "7FE00010"},
        **{tag[1:]: {"vr": "US", "Value": [value]} for tag, value in more.items()},
    }
    if frames is not None:
        found["00280008"] = {"vr": "IS", "Value": [frames]}
    return found


def fragments(*lengths: int, basic: Sequence[int] = ()) -> Fragments:
    """Fragments one behind the other, with a Basic Offset Table of these entries."""
    starts, at = [], FIRST
    for length in lengths:
        starts.append(at)
        at += length + ITEM_HEADER
    span = ByteRange(FIRST - 2 * ITEM_HEADER - 4 * len(basic), at)
    return Fragments(array("Q", starts), array("Q", lengths), struct.pack(f"<{len(basic)}L", *basic), span)


def head(data_set: dict[str, Any], value: ByteRange | Fragments | None, *others: BulkValue, **more: Any) -> Head:
    """A head whose pixel data are `value`; `more` are further fields."""
    pixel = BulkValue(("7FE00010",), "OB", value) if value is not None else None
    fields: dict[str, Any] = {
        "file_meta": {},
        "data_set": data_set,
        "transfer_syntax": JPEG_BASELINE if isinstance(value, Fragments) else EXPLICIT_LITTLE,
        "big_endian": False,
        "implicit": False,
        "inflated": False,
        "data_set_offset": 300,
        "length": 10_000,
        "bulk": (*others, *((pixel,) if pixel else ())),
        "pixel": pixel,
    }
    return Head(**{**fields, **more})
