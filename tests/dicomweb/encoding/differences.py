"""Where our DICOM JSON differs from pydicom's on purpose: the whole list, each with its reason.

`compare` turns pydicom's JSON of a data set into ours by these rules alone and says what is left over. A rule gets
pydicom's element and may return another one, or None to drop it; `raw` are the bytes of the value as stored.
"""

from __future__ import annotations

import base64
import io
import logging
import math
import re
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pydicom
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataset import Dataset

from dicomweb.encoding.head import HeadLimits

Json = dict[str, Any]

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")

THRESHOLD = 1024
"""pydicom counts base64 text, in steps of four characters for three bytes."""
LIMITS = HeadLimits(inline_bytes=THRESHOLD // 4 * 3)

MISREAD = {
    "malformed/dcm4che--no_preamble_dicm_in_data.dcm": "a value with DICM at byte 128 is taken for the prefix",
    "malformed/fo-dicom--GH1339.dcm": "without the delimiter of Pixel Data pydicom loses all elements",
    "malformed/fo-dicom--GH626.dcm": "items in explicit VR within an implicit data set are read as text",
}
"""Sample files that pydicom reads wrongly, so that it cannot be the oracle for them."""


@dataclass(frozen=True, slots=True)
class Place:
    """An element of pydicom's data set."""

    path: tuple[str, ...]
    """As in BulkValue."""
    vr: str
    raw: bytes | None
    """The value as stored, None for sequences."""
    big_endian: bool
    unknown: bool = False
    """Whether the file says UN, and a dictionary told the VR."""

    @property
    def key(self) -> str:
        """Its tag."""
        return self.path[-1]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference on purpose."""

    name: str
    reason: str
    apply: Callable[[Json, Place], Json | None]


def _no_group_length(element: Json, place: Place) -> Json | None:
    return None if place.key.endswith("0000") else element


def _no_stray_item(element: Json, place: Place) -> Json | None:
    return None if place.key.startswith("FFFE") else element


def _empty_sequence(element: Json, place: Place) -> Json | None:
    return {"vr": "SQ"} if element == {"vr": "SQ", "Value": []} else element


def _numbers_as_text(element: Json, place: Place) -> Json | None:
    if place.vr not in ("IS", "DS") or not place.raw:
        return element
    texts = [text.strip(" \0") for text in place.raw.decode("latin-1").strip(" \0").split("\\")]
    values = [_number_or_text(text, place.vr) for text in texts]
    return {"vr": place.vr} if values == [""] else {"vr": place.vr, "Value": values}


def _number_or_text(text: str, vr: str) -> int | float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    if "_" in text or not math.isfinite(number) or (vr == "IS" and not number.is_integer()):
        return text
    if vr == "DS":
        return number
    whole = int(text) if re.fullmatch(r"[-+]?\d+", text) else int(number)
    return whole if -(2**63) <= whole < 2**64 else text


def _padding(element: Json, place: Place) -> Json | None:
    strip = {
        **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM", "UI", "LO", "SH"), str.strip),
        **dict.fromkeys(("LT", "ST", "UC", "UR", "UT"), str.rstrip),
    }.get(place.vr)
    if strip is None or "Value" not in element:
        return element
    values = [strip(value, " \0") for value in element["Value"]]
    return {"vr": place.vr} if values == [""] else {"vr": place.vr, "Value": values}


def _name_padding(element: Json, place: Place) -> Json | None:
    if place.vr != "PN" or "Value" not in element:
        return element
    values = [{k: text for k, v in name.items() if (text := v.strip(" \0"))} for name in element["Value"]]
    return {"vr": "PN"} if values == [{}] and b"=" not in (place.raw or b"") else {"vr": "PN", "Value": values}


def _null(element: Json, place: Place) -> Json | None:
    if "Value" not in element:
        return element
    return {
        **element,
        "Value": [None if value in ("", {}) and place.vr != "SQ" else value for value in element["Value"]],
    }


def _bulk_pixels(element: Json, place: Place) -> Json | None:
    if place.path in (("7FE00008",), ("7FE00009",), ("7FE00010",)) and "InlineBinary" in element:
        return {"vr": element["vr"], "BulkDataURI": place.key}
    return element


def _swapped(element: Json, place: Place) -> Json | None:
    size = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}.get(place.vr, 1)
    if not place.big_endian or place.unknown or "InlineBinary" not in element or place.raw is None:
        return element
    words = [place.raw[at : at + size] for at in range(0, len(place.raw), size)]
    turned = b"".join(word[::-1] if len(word) == size else word for word in words)
    return {"vr": element["vr"], "InlineBinary": base64.b64encode(turned).decode()}


def _special_floats(element: Json, place: Place) -> Json | None:
    if place.vr not in ("FL", "FD") or "Value" not in element:
        return element
    names = {math.inf: "inf", -math.inf: "-inf"}
    return {
        "vr": place.vr,
        "Value": ["NaN" if value != value else names.get(value, value) for value in element["Value"]],
    }


def _wrong_length(element: Json, place: Place) -> Json | None:
    size = {"AT": 4, "US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "UV": 8, "SV": 8}.get(place.vr, 1)
    if place.raw and len(place.raw) % size:
        return {"vr": "UN", "InlineBinary": base64.b64encode(place.raw).decode()}
    return element


def _chinese_escapes(element: Json, place: Place) -> Json | None:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        return value.replace("\x1b$)A", "") if isinstance(value, str) else value

    if place.vr in ("SQ", "UN") or "Value" not in element:
        return element
    return {**element, "Value": [plain(value) for value in element["Value"]]}


def _little_unknowns(element: Json, place: Place) -> Json | None:
    if place.unknown and place.big_endian and "BulkDataURI" in element and place.vr != "OB":
        return {**element, "vr": "UN"}
    size = {"SS": 2, "US": 2, "FL": 4, "SL": 4, "UL": 4, "FD": 8}.get(place.vr, 1)
    if not place.unknown or not place.big_endian or size == 1 or not place.raw or len(place.raw) % size:
        return element
    turned = b"".join(place.raw[at : at + size][::-1] for at in range(0, len(place.raw), size))
    form = {"SS": "h", "US": "H", "FL": "f", "SL": "l", "UL": "L", "FD": "d"}[place.vr]
    return {**element, "Value": list(struct.unpack(f">{len(turned) // size}{form}", turned))}


DIFFERENCES = (
    Difference(
        "group lengths",
        "they describe the encoding, not the instance; retired, and wrong as soon as anything is encoded again"
        " (PS3.5 7.2)",
        _no_group_length,
    ),
    Difference(
        "items outside sequences",
        "an item tag is no attribute; the elements behind it are read, as pydicom does",
        _no_stray_item,
    ),
    Difference("empty sequences", "an empty attribute has no Value (PS3.18 F.2.5)", _empty_sequence),
    Difference(
        "values of IS and DS that are no numbers",
        "pydicom raises, or cuts 28.8 to 28, or tells NaN, which is no JSON; they are told as the text they are"
        " (PS3.18 Table F.2.3-1 allows strings)",
        _numbers_as_text,
    ),
    Difference("padding", "it is taken off every value, not only at the end of the last (PS3.5 6.2)", _padding),
    Difference(
        "padding and empty component groups of names",
        "the same, and an empty group is no member of the object (PS3.18 F.2.2)",
        _name_padding,
    ),
    Difference("empty values among others", "they are null (PS3.18 F.2.5)", _null),
    Difference(
        "short pixel data",
        "pixel data of the image are bulk data whatever their length: frames are read from there",
        _bulk_pixels,
    ),
    Difference("inline binary of big endian files", "it is little endian (PS3.18 F.2.7)", _swapped),
    Difference(
        "UN in big endian files",
        "who wrote UN did not know what to turn: the bytes are little endian (PS3.5 6.2.2, note 2)",
        _little_unknowns,
    ),
    Difference("NaN and infinities", "JSON has no such numbers, they are strings", _special_floats),
    Difference(
        "values of a length that their VR cannot have",
        "pydicom raises or cuts them; their bytes are kept as UN",
        _wrong_length,
    ),
    Difference(
        "escape sequences of GB 2312",
        "pydicom leaves them in the text when it begins with them (PS3.5 6.1.2.5)",
        _chinese_escapes,
    ),
)  # fmt: skip


def read_with_pydicom(data: bytes) -> Dataset:
    """pydicom's data set, its complaints kept quiet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(data), force=True)


def expected_json(
    data_set: Dataset, path: tuple[str, ...] = (), *, rules: Sequence[Difference] = DIFFERENCES
) -> Json:
    """pydicom's JSON of a data set, turned into ours by the rules."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    expected: Json = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tag in list(data_set.keys()):
            place, element = _told_by_pydicom(data_set, tag, path, rules)
            for difference in rules:
                if element is not None:
                    element = difference.apply(element, place)
            if element is not None:
                expected[place.key] = element
    return expected


def _dictionary_vr(key: str) -> str:
    entry = DicomDictionary.get(int(key, 16))
    return entry[0] if entry else "UN"


def _told_by_pydicom(
    data_set: Dataset, tag: Any, path: tuple[str, ...], rules: Sequence[Difference]
) -> tuple[Place, Json | None]:
    key = f"{int(tag):08X}"
    stored = data_set.get_item(tag, keep_deferred=True)
    raw = stored.value if isinstance(stored.value, bytes) else None
    big_endian = not data_set.original_encoding[1]
    vr = str(stored.VR or _dictionary_vr(key))
    try:
        read = data_set[tag]
        vr = str(read.VR)
        if vr == "SQ":
            items = [
                expected_json(item, (*path, key, str(n)), rules=rules) for n, item in enumerate(read.value, 1)
            ]
            return Place((*path, key), vr, None, big_endian), {"vr": "SQ", "Value": items}
        if vr == "PN" and read.VM > 1 and not all(read.value):
            # to_json_dict raises IndexError at an empty name among others, so it is spelled out here
            groups = [zip(_GROUPS, str(name).split("="), strict=False) for name in read.value]
            return Place((*path, key), vr, raw, big_endian), {"vr": vr, "Value": [dict(name) for name in groups]}
        element: Json | None = read.to_json_dict(lambda _: "/".join((*path, key)), THRESHOLD)
    except Exception as error:  # pydicom raises whatever a value makes it raise
        element = {"vr": vr, "error": repr(error)}
    return Place((*path, key), vr, raw, big_endian, stored.VR == "UN"), element


def left_over(ours: Json, expected: Json, path: str = "") -> Iterator[str]:
    """What differs beyond DIFFERENCES, one line an element."""
    for key in sorted(ours.keys() | expected.keys()):
        mine, theirs = ours.get(key), expected.get(key)
        if mine == theirs:
            continue
        items = [element.get("Value", []) if element else [] for element in (mine, theirs)]
        if mine and theirs and mine["vr"] == theirs["vr"] == "SQ" and len(items[0]) == len(items[1]) > 0:
            for number, (item, other) in enumerate(zip(*items, strict=True), 1):
                yield from left_over(item, other, f"{path}{key}/{number}/")
            continue
        yield f"{path}{key}: {str(mine)[:200]} instead of {str(theirs)[:200]}"
