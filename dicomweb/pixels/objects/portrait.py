"""Portraits: what is shown of an object that has no ordinary pixels, and of one whose pixels cannot be shown.

    header ──needs──▶ Needs ──(the service fetches, and decodes frames)──▶ Source ──portray──▶ Portrait | Picture

A segmentation, a dose, contours, a waveform, a report, a document, a mesh: each has a painter of its own in this
folder, loaded when it is first needed. Everything else, and whatever a painter cannot make sense of, gets a card
that says what the object is: `portray` does not raise for odd data, only for a request that has no meaning.

No patient's name or identifier is put into a picture here.
"""

from __future__ import annotations

import logging

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture, TooLarge, Undecodable
from dicomweb.pixels.objects.contract import (
    ANY_PICTURE,
    BulkNeed,
    Fetched,
    Needs,
    Passage,
    Portrait,
    PortraitRequest,
    Source,
)
from dicomweb.pixels.objects.kinds import REPORT, WAVEFORM, kind_of
from dicomweb.pixels.render.settings import BadRenderRequest

__all__ = [
    "ANY_PICTURE",
    "BulkNeed",
    "Fetched",
    "Needs",
    "Passage",
    "Portrait",
    "PortraitRequest",
    "Source",
    "is_line_drawing",
    "needs",
    "offered_media",
    "passage",
    "portray",
    "portrays",
    "referenced",
]

_log = logging.getLogger(__name__)


def portrays(header: JsonAttributes, transfer_syntax: str) -> bool:
    """Whether the object is to be shown by `portray`, and not as frames by the render pipeline."""
    return kind_of(header, transfer_syntax).special


def offered_media(header: JsonAttributes, transfer_syntax: str) -> tuple[str, ...]:
    """Media types in which the object can be given, the default first; `image/*` for all of a Picture."""
    return kind_of(header, transfer_syntax).media


def passage(header: JsonAttributes, wanted: PortraitRequest) -> Passage | None:
    """The stored value that answers the request as it is (a PDF, a mesh, a video), None if something is made."""
    if _media_type(header, wanted) != kind_of(header, wanted.transfer_syntax).stored_media:
        return None
    from dicomweb.pixels.objects import document

    return document.stored_value(header)


def needs(header: JsonAttributes, wanted: PortraitRequest) -> Needs:
    """What `portray` will ask its source for; empty for odd headers, of which a card is drawn."""
    kind = kind_of(header, wanted.transfer_syntax)
    media_type = _media_type(header, wanted)
    try:
        return kind.painter().needs(header, wanted, media_type)
    except Exception as error:  # an odd header must not keep the object from being shown
        _log.debug("no needs of a %s: %s", kind.name, type(error).__name__)
        return Needs()


def referenced(header: JsonAttributes, wanted: PortraitRequest) -> list[tuple[str, str, str]]:
    """Study, series and instance of the objects that the portrait refers to by name; empty where it names none."""
    kind = kind_of(header, wanted.transfer_syntax)
    if kind is not REPORT:
        return []
    from dicomweb.pixels.objects import report

    try:
        return report.referenced(header, _media_type(header, wanted))
    except Exception as error:  # as in `needs`
        _log.debug("no references of a %s: %s", kind.name, type(error).__name__)
        return []


def is_line_drawing(header: JsonAttributes, transfer_syntax: str) -> bool:
    """Whether the picture is one of fine lines, of which JPEG makes large files at the quality of photographs."""
    return kind_of(header, transfer_syntax) is WAVEFORM


def portray(header: JsonAttributes, source: Source, wanted: PortraitRequest) -> Portrait | Picture:
    """The object in the wanted media type: finished bytes, or a picture to be scaled and written.

    Raises BadRenderRequest if the media type is not among `offered_media`; if a frame is asked for by
    its number, Undecodable if it could not be decoded, TooLarge if it is not let into memory.
    """
    kind = kind_of(header, wanted.transfer_syntax)
    media_type = _media_type(header, wanted)
    try:
        return kind.painter().portray(header, source, wanted, media_type)
    except BadRenderRequest:
        raise
    except Exception as error:  # whatever is odd about the object: what it is can still be said
        if wanted.frame is not None and isinstance(error, TooLarge):
            raise
        if wanted.frame is not None and not _has_frame(source, wanted.frame):
            raise Undecodable(f"frame {wanted.frame} cannot be decoded") from error
        _log.debug("a %s is shown by a card: %s", kind.name, type(error).__name__)
        return _card_instead(header, wanted, media_type)


def _media_type(header: JsonAttributes, wanted: PortraitRequest) -> str:
    """The media type to be made: one of those offered, ANY_PICTURE for every picture."""
    offered = offered_media(header, wanted.transfer_syntax)
    asked = wanted.media_type.partition(";")[0].strip().lower()
    if not asked:
        return offered[0]
    if asked in offered:
        return asked
    if asked.startswith("image/") and asked != "image/svg+xml" and ANY_PICTURE in offered:
        return ANY_PICTURE
    raise BadRenderRequest(f"this object can be given as {', '.join(offered)}, not as {asked}")


def _has_frame(source: Source, number: int) -> bool:
    try:
        source.frame(number)
    except KeyError:
        return False
    return True


def _card_instead(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Portrait | Picture:
    from dicomweb.pixels.objects import card

    return card.instead(header, wanted, media_type)
