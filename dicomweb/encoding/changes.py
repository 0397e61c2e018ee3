"""Attributes as DICOM JSON to encoded elements, for those that change when an instance is converted."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from typing import Any

from dicomweb.encoding.json_values import VALUE_VRS, encode_values
from dicomweb.encoding.writer import item_header, padded
from dicomweb.model.query import JsonAttributes

Header = Callable[[int, str, int], bytes]
"""Writes tag, VR and length of an element: `writer.element_header` or `writer.implicit_header`."""


def encoded_changes(changes: Mapping[str, dict[str, Any] | None], header: Header) -> dict[int, bytes]:
    """Each attribute by its tag, little endian; what is None becomes empty bytes: it is to be taken away.

    Text is written in UTF-8, so what goes beyond ASCII must not be changed in a data set that declares another
    character set. Raises BadValue.
    """
    return {
        int(key, 16): b"" if entry is None else _element(int(key, 16), entry, header)
        for key, entry in changes.items()
    }


def _element(tag: int, entry: Mapping[str, Any], header: Header) -> bytes:
    vr: str = entry["vr"]
    if vr == "SQ":
        items = (_item(item, header) for item in entry.get("Value") or ())
        value = b"".join(items)
    elif vr in VALUE_VRS:
        value = padded(encode_values(vr, entry.get("Value") or ()), vr)
    else:
        value = padded(binascii.a2b_base64(entry.get("InlineBinary", "")), vr)
    return header(tag, vr, len(value)) + value


def _item(attributes: JsonAttributes, header: Header) -> bytes:
    value = b"".join(_element(int(key, 16), attributes[key], header) for key in sorted(attributes))
    return item_header(len(value)) + value
