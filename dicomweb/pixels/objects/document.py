"""Encapsulated documents (PS3.3 C.24): given as they are stored, or shown by a card; CDA also as text.

The document is Encapsulated Document (0042,0011). Its value is padded to an even length; Encapsulated Document
Length (0042,0015) says how many bytes are the document's own.
"""

from __future__ import annotations

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects import card, clinical_document
from dicomweb.pixels.objects.attributes import bulk_path, bulk_value, has_value, integer
from dicomweb.pixels.objects.contract import (
    ANY_PICTURE,
    BulkNeed,
    Needs,
    Passage,
    Portrait,
    PortraitRequest,
    Source,
)

DOCUMENT = "00420011"
_LENGTH = "00420015"
_MOST_TEXT = 16 << 20
"""Bytes of a document that is read to be made into text."""
_PIXEL_DATA = "7FE00010"


def stored_value(header: JsonAttributes) -> Passage | None:
    """The document, or the stream of a video, as the value to be sent; None if there is none."""
    if has_value(header, DOCUMENT):
        return Passage(bulk_path(header, DOCUMENT), integer(header, _LENGTH) or None)
    path = bulk_path(header, _PIXEL_DATA)
    return Passage(path, None) if path else None


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """The document, unless only its card is wanted."""
    path = bulk_path(header, DOCUMENT)
    if not path or media_type == ANY_PICTURE:
        return Needs()
    return Needs((BulkNeed(path, _MOST_TEXT if media_type in ("text/html", "text/plain") else None),))


def portray(
    header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str
) -> Portrait | Picture:
    """The stored bytes, the text of a CDA document, or the card."""
    if media_type == ANY_PICTURE:
        return card.instead(header, wanted, media_type)
    data = document_bytes(header, source, wanted.transfer_syntax)
    if media_type == "text/html":
        return Portrait("text/html; charset=utf-8", clinical_document.as_html(data).encode())
    if media_type == "text/plain":
        return Portrait("text/plain; charset=utf-8", clinical_document.as_text(data).encode())
    return Portrait(media_type, data)


def document_bytes(header: JsonAttributes, source: Source, transfer_syntax: str) -> bytes:
    """The document without its padding. Raises ValueError if there is none."""
    data = bulk_value(header, DOCUMENT, source, transfer_syntax)
    if not data:
        raise ValueError("this object holds no document")
    length = integer(header, _LENGTH)
    return data[:length] if 0 < length < len(data) else data
