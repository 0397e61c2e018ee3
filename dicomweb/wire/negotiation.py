"""From what a client accepts and what can be offered to what is sent: pure, the same for all resources.

A service lists what it can offer for a resource, in its own order of preference with the stored form first. Of the
offers a client accepts, those with the highest quality win, and among equals the first: so a viewer that names
eight syntaxes at q=1 gets the stored one and nothing is converted (PS3.18 8.7.8 leaves that to the server).

    transfer-syntax=*     what is as stored
    transfer-syntax=UID   what is in that syntax
    none named            what is marked default: native data as Explicit VR Little Endian, compressed as stored

An offer's label is always the truth about its bytes; what cannot be offered is 406, the offers in the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb.wire.exchange import Request
from dicomweb.wire.media_types import (
    AS_STORED,
    AcceptRange,
    Packaging,
    parse_accept,
    parse_accept_parameter,
)
from dicomweb.wire.transfer_syntaxes import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    OCTETS,
    transfer_syntax,
)

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
JSON = "application/json"
ZIP = "application/zip"


@dataclass(frozen=True, slots=True)
class Representation:
    """One form in which a resource can be sent."""

    media: str
    """`type/subtype` of the body, or of each part."""
    multipart: bool
    transfer_syntax: str = ""
    """UID of the bytes, empty where it means nothing (JSON)."""
    stored: bool = True
    """The bytes as they are stored; what `transfer-syntax=*` asks for."""
    default: bool = True
    """What a range that names no transfer syntax gets."""
    swapped: bool = False
    """Big endian values turned into little endian."""

    @property
    def content_type(self) -> str:
        """Content-Type of the body, or of a part."""
        return f"{self.media}; transfer-syntax={self.transfer_syntax}" if self.transfer_syntax else self.media

    def __str__(self) -> str:
        return f'multipart/related; type="{self.media}"' + self._syntax() if self.multipart else self.content_type

    def _syntax(self) -> str:
        return f"; transfer-syntax={self.transfer_syntax}" if self.transfer_syntax else ""


class NotAcceptable(Exception):
    """None of the offers is accepted."""

    def __init__(self, offers: Sequence[Representation]) -> None:
        self.offers = tuple(offers)
        listed = ", ".join(dict.fromkeys(map(str, offers)))
        super().__init__(f"none of the accepted media types can be sent; offered are: {listed}")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a request accepts: the `accept` query parameter comes before the header field (PS3.18 8.7.8.1)."""

    parameter: tuple[AcceptRange, ...]
    header: tuple[AcceptRange, ...]


def accept_texts(request: Request) -> tuple[str, str]:
    """The `accept` parameter and the Accept field as they came: together they tell all negotiation knows."""
    named = [value for name, value in request.query if name.lower() == "accept"] if request.query else []
    return ",".join(named), request.header("accept")


def parse_accepted(parameter: str, header: str) -> Accepted:
    """What the two texts accept; nothing said means anything will do (RFC 9110 12.5.1)."""
    return Accepted(parse_accept_parameter(parameter), parse_accept(header if header.strip() else "*/*"))


def accepted_by(request: Request) -> Accepted:
    """What the request accepts."""
    return parse_accepted(*accept_texts(request))


def choose(accepted: Accepted, offers: Sequence[Representation]) -> Representation:
    """The offer to send. Raises NotAcceptable."""
    for ranges in (accepted.parameter, accepted.header):
        best, best_quality = None, 0.0
        for offer in offers:
            quality = _quality(ranges, offer)
            if quality > best_quality:
                best, best_quality = offer, quality
        if best is not None:
            return best
    raise NotAcceptable(offers)


def _quality(ranges: Sequence[AcceptRange], offer: Representation) -> float:
    """Of the ranges that cover the offer the closest decides, of equally close ones the kindest."""
    return max(((r.precision, r.quality) for r in ranges if _covers(r, offer)), default=(0, 0.0))[1]


def _covers(wanted: AcceptRange, offer: Representation) -> bool:
    if wanted.packaging is not Packaging.EITHER and (wanted.packaging is Packaging.MULTIPART) != offer.multipart:
        return False
    if not wanted.covers(offer.media):
        return False
    if not wanted.transfer_syntax:
        return offer.default
    if wanted.transfer_syntax == AS_STORED:
        return offer.stored
    return wanted.transfer_syntax == offer.transfer_syntax or not offer.transfer_syntax


def instance_offers(stored: str, *, single_part: bool) -> tuple[Representation, ...]:
    """What can be sent of instances stored in that syntax: as they are, and native ones re-encoded.

    The standard's default is Explicit VR Little Endian (PS3.18 8.7.3.5.1): native data come so unless the stored
    syntax is asked for, compressed ones as they are. `single_part`: one application/dicom can hold it all. A
    zip of them (Supplement 211) is offered last.
    """
    syntax = transfer_syntax(stored)
    plain = syntax.encapsulated or stored == EXPLICIT_LITTLE
    forms = [Representation(DICOM, False, stored, stored=True, default=plain)]
    if not plain:
        forms.append(
            Representation(DICOM, False, EXPLICIT_LITTLE, stored=False, default=True, swapped=syntax.big_endian)
        )
    zips = (
        Representation(ZIP, False, f.transfer_syntax, stored=f.stored, default=f.default, swapped=f.swapped)
        for f in forms
    )
    return (*_packaged(forms, single_part=single_part), *zips)


def frame_offers(stored: str, *, single_part: bool) -> tuple[Representation, ...]:
    """What can be sent of frames stored in that syntax (PS3.18 8.7.3.3, Tables 8.7.3-4 and 8.7.3-5).

    Native frames are application/octet-stream; those of an implicit or deflated data set have the very bytes that
    Explicit VR Little Endian would give them and go under its label. Compressed ones go under the media type of
    their codec, and as application/octet-stream too, under their own label: what viewers mean by octet-stream with
    `transfer-syntax=*`.
    """
    syntax = transfer_syntax(stored)
    if syntax.encapsulated:
        forms = [Representation(syntax.media_type, False, stored)]
        if syntax.media_type != OCTETS:
            # To the standard octet-stream without a syntax is uncompressed, which cannot be given yet: the true
            # label keeps a client from taking one for the other.
            forms.append(Representation(OCTETS, False, stored))
    elif syntax.big_endian:
        forms = [
            Representation(OCTETS, False, stored, stored=True, default=False),
            Representation(OCTETS, False, EXPLICIT_LITTLE, stored=False, default=True, swapped=True),
        ]
    else:
        forms = [Representation(OCTETS, False, EXPLICIT_LITTLE)]
        if stored == IMPLICIT_LITTLE:
            forms.append(Representation(OCTETS, False, IMPLICIT_LITTLE, default=False))
    return _packaged(forms, single_part=single_part)


def value_offers(stored: str, *, compressed: bool, single_part: bool = True) -> tuple[Representation, ...]:
    """What can be sent of one bulk value of an instance stored in that syntax (PS3.18 8.7.3.3).

    `compressed` is whether the value is encapsulated pixel data; all other values are native whatever the syntax.
    The single part comes first: a bulk data reference is followed with `*/*` and means the value.
    """
    native = not compressed and transfer_syntax(stored).encapsulated
    offers = frame_offers(EXPLICIT_LITTLE if native else stored, single_part=single_part)
    return tuple(sorted(offers, key=lambda offer: offer.multipart))


def _packaged(forms: Sequence[Representation], *, single_part: bool) -> tuple[Representation, ...]:
    """Each form as multipart and, where one body can hold it, as a single part: multipart is the default."""
    many = [
        Representation(f.media, True, f.transfer_syntax, stored=f.stored, default=f.default, swapped=f.swapped)
        for f in forms
    ]
    return (*many, *(forms if single_part else ()))
