"""Attributes as a Native DICOM Model document (PS3.19 A.1), the `application/dicom+xml` of PS3.18 F.3.

XML 1.0 cannot hold most control characters, not even escaped; each becomes U+FFFD. A private attribute is named
by its private creator and a tag whose block digits are 00, as other archives write it, unless two blocks of
the group have the same creator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dicomweb.model.query import JsonAttributes
from dicomweb.model.tags import is_private, keyword_of

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
NAME_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        # a parser would make a blank or a line feed of them
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


def to_xml(attributes: JsonAttributes, bulk_prefix: str = "") -> bytes:
    """The document of a data set, in UTF-8. Relative BulkDataURIs get `bulk_prefix` before them."""
    pieces = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">',
    ]
    pieces.extend(_elements(attributes, bulk_prefix))
    pieces.append("</NativeDicomModel>\n")
    return "".join(pieces).encode("utf-8")


def escaped(text: str) -> str:
    """Text as it stands in a document, between tags or quotes."""
    return _ILLEGAL.sub("\ufffd", text).translate(_ESCAPES)


def _elements(attributes: JsonAttributes, bulk_prefix: str) -> Iterator[str]:
    creators = _creators(attributes)
    for tag in sorted(attributes):
        entry = attributes[tag]
        yield f'<DicomAttribute {_name(tag, creators)} vr="{escaped(str(entry.get("vr", "UN")))}"'
        content = "".join(_content(entry, bulk_prefix))
        yield f">{content}</DicomAttribute>" if content else "/>"


def _creators(attributes: JsonAttributes) -> dict[str, str]:
    """Private creators by group and block: `0009` and `10` in one key (PS3.5 7.8.1)."""
    found: dict[str, str] = {}
    for tag, entry in attributes.items():
        if is_private(tag) and "0010" <= tag[4:] <= "00FF":
            values = entry.get("Value")
            if values and isinstance(values[0], str):
                found[tag[:4] + tag[6:]] = values[0]
    return found


def _name(tag: str, creators: dict[str, str]) -> str:
    creator = creators.get(tag[:6]) if is_private(tag) else None
    if creator is None:
        keyword = keyword_of(tag)
        return f'tag="{tag}" keyword="{keyword}"' if keyword else f'tag="{tag}"'
    same = [block for block, name in creators.items() if block[:4] == tag[:4] and name == creator]
    shown = f"{tag[:4]}00{tag[6:]}" if len(same) == 1 else tag
    return f'tag="{shown}" privateCreator="{escaped(creator)}"'


def _content(entry: dict[str, Any], bulk_prefix: str) -> Iterator[str]:
    vr = entry.get("vr")
    values = entry.get("Value") or ()
    for number, value in enumerate(values, start=1):
        if vr == "SQ":
            yield f'<Item number="{number}">{"".join(_elements(value or {}, bulk_prefix))}</Item>'
        elif value is not None or number == len(values):
            # a null is a number left out, but for the last one, which would not be missed
            tag = "PersonName" if vr == "PN" else "Value"
            text = "" if value is None else _person_name(value) if vr == "PN" else escaped(str(value))
            yield f'<{tag} number="{number}">{text}</{tag}>'
    if "BulkDataURI" in entry:
        uri = str(entry["BulkDataURI"])
        absolute = uri.startswith("/") or ":" in uri.split("/", 1)[0]
        yield f'<BulkData uri="{escaped(uri if absolute else bulk_prefix + uri)}"/>'
    if "InlineBinary" in entry:
        yield f"<InlineBinary>{escaped(str(entry['InlineBinary']))}</InlineBinary>"


def _person_name(value: Any) -> str:
    """The component groups of a name, each as its components; what is beyond five of them stays in the last."""
    groups = value if isinstance(value, dict) else {"Alphabetic": str(value)}
    pieces: list[str] = []
    for group in NAME_GROUPS:
        if text := groups.get(group):
            components = zip(NAME_COMPONENTS, str(text).split("^", 4), strict=False)
            inner = "".join(f"<{name}>{escaped(part)}</{name}>" for name, part in components)
            pieces.append(f"<{group}>{inner}</{group}>")
    return "".join(pieces)
