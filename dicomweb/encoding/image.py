"""The Image Pixel attributes of a data set, as they stand in its DICOM JSON (PS3.3 C.7.6.3)."""

from __future__ import annotations

from dicomweb.model.instance import ImageSpec
from dicomweb.model.query import JsonAttributes

PIXEL_DATA = "7FE00010"
FLOAT_PIXEL_DATA = "7FE00008"
DOUBLE_FLOAT_PIXEL_DATA = "7FE00009"
PIXEL_TAGS = (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA)
"""At most one of them stands in a data set (PS3.3 C.7.6.24, C.7.6.25)."""

_BITS = {FLOAT_PIXEL_DATA: 32, DOUBLE_FLOAT_PIXEL_DATA: 64}


def pixel_vr(data_set: JsonAttributes) -> str:
    """VR of the pixel data element of the top level, empty if there is none."""
    for tag in PIXEL_TAGS:
        if tag in data_set:
            vr = data_set[tag].get("vr")
            return vr if isinstance(vr, str) else ""
    return ""


def image_spec(data_set: JsonAttributes) -> ImageSpec | None:
    """How the pixel data are to be read; None without pixel data, or without rows, columns and bits."""
    tag = next((tag for tag in PIXEL_TAGS if tag in data_set), None)
    if tag is None:
        return None
    rows, columns = _number(data_set, "00280010"), _number(data_set, "00280011")
    bits = _BITS.get(tag) or _number(data_set, "00280100")
    if not (rows > 0 and columns > 0 and bits > 0):
        return None
    return ImageSpec(
        rows=rows,
        columns=columns,
        samples_per_pixel=max(1, _number(data_set, "00280002", 1)),
        bits_allocated=bits,
        bits_stored=_number(data_set, "00280101", bits),
        pixel_representation=_number(data_set, "00280103"),
        photometric_interpretation=_text(data_set, "00280004"),
        planar_configuration=_number(data_set, "00280006"),
        frames=declared_frames(data_set),
    )


def declared_frames(data_set: JsonAttributes) -> int:
    """Number of Frames (0028,0008); 1 when it is absent, empty or not a positive number."""
    return max(1, _number(data_set, "00280008", 1))


def says_no_frames(data_set: JsonAttributes) -> bool:
    """Whether Number of Frames has a value that cannot be true, so that only the pixel data can tell."""
    return bool(data_set.get("00280008", {}).get("Value")) and _number(data_set, "00280008") < 1


def _number(data_set: JsonAttributes, tag: str, default: int = 0) -> int:
    values = data_set.get(tag, {}).get("Value")
    try:
        return int(values[0]) if values else default
    except (TypeError, ValueError, OverflowError):
        return default


def _text(data_set: JsonAttributes, tag: str) -> str:
    values = data_set.get(tag, {}).get("Value")
    return str(values[0]).strip() if values and values[0] is not None else ""
