"""Attributes as DICOM JSON to encoded elements, for those that change when an instance is converted."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from typing import Any

from dicomweb.encoding.charset import DEFAULT, CharacterSet
from dicomweb.encoding.json_values import TEXT_VRS, VALUE_VRS, encode_values
from dicomweb.encoding.writer import item_header, padded
from dicomweb.model.query import JsonAttributes

Header = Callable[[int, str, int], bytes]
"""Writes tag, VR and length of an element: `writer.element_header` or `writer.implicit_header`."""


def encoded_changes(changes: JsonAttributes, header: Header, text: CharacterSet = DEFAULT) -> dict[int, bytes]:
    """Each attribute by its tag, little endian, its text in the character set of the data set it is put into.

    Characters that need an escape sequence there become question marks. Raises BadValue.
    """
    return {int(key, 16): _element(int(key, 16), entry, header, text) for key, entry in changes.items()}


def _element(tag: int, entry: Mapping[str, Any], header: Header, text: CharacterSet) -> bytes:
    vr: str = entry["vr"]
    if vr == "SQ":
        value = b"".join(_item(item, header, text) for item in entry.get("Value") or ())
    elif vr in VALUE_VRS:
        value = encode_values(vr, entry.get("Value") or ())
        if vr in TEXT_VRS and not value.isascii():
            value = value.decode("utf-8").encode(text.codec, "replace")
        value = padded(value, vr)
    else:
        value = padded(binascii.a2b_base64(entry.get("InlineBinary", "")), vr)
    return header(tag, vr, len(value)) + value


def _item(attributes: JsonAttributes, header: Header, text: CharacterSet) -> bytes:
    value = b"".join(_element(int(key, 16), attributes[key], header, text) for key in sorted(attributes))
    return item_header(len(value)) + value
