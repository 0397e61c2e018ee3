"""Data sets as DICOM JSON, in few words."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import DecodedFrame


def entry(vr: str, *values: Any) -> dict[str, Any]:
    """An attribute with values."""
    return {"vr": vr, "Value": list(values)}


def inline(data: bytes, vr: str = "OW") -> dict[str, Any]:
    """An attribute with bytes."""
    return {"vr": vr, "InlineBinary": base64.b64encode(data).decode()}


def image(stored: int = 16, high: int | None = None, **attributes: Any) -> JsonAttributes:
    """The Image Pixel attributes a renderer looks at, and others by tag (`t00281050=...`)."""
    header: JsonAttributes = {
        "00080018": entry("UI", "1.2.3"),
        "00280100": entry("US", 8 if stored <= 8 else 16 if stored <= 16 else 32),
        "00280101": entry("US", stored),
        "00280102": entry("US", stored - 1 if high is None else high),
    }
    return header | {tag.removeprefix("t"): element for tag, element in attributes.items()}


def window(center: float, width: float, function: str = "") -> JsonAttributes:
    """Window Center, Window Width and, if named, VOI LUT Function."""
    header = {"00281050": entry("DS", center), "00281051": entry("DS", width)}
    return header | ({"00281056": entry("CS", function)} if function else {})


def table(first: int, entries: list[int], bits: int, *, vr: str = "US") -> JsonAttributes:
    """An item of a Modality, VOI or Presentation LUT Sequence."""
    return {
        "00283002": entry(vr, len(entries), first, bits),
        "00283006": inline(np.array(entries, "<u2").tobytes()),
    }


def grey(samples: Any, dtype: str = "u2", photometric: str = "MONOCHROME2") -> DecodedFrame:
    """A frame of those samples; a flat list is one row."""
    return DecodedFrame(np.atleast_2d(np.array(samples, dtype)), photometric)


def colour(pixels: Any, photometric: str = "RGB", dtype: str = "u1") -> DecodedFrame:
    """A frame of one row of those pixels."""
    array: npt.NDArray[Any] = np.array([pixels], dtype)
    return DecodedFrame(array, photometric)
