"""From what a client accepts and what can be offered to what is sent: pure, the same for all resources.

A service lists what it can offer for a resource, in its own order of preference with the stored form first (see
`wire.offers`). Of the offers a client accepts, those with the highest quality win, and among equals the first: so
a viewer that names eight syntaxes at q=1 gets the stored one and nothing is converted (PS3.18 8.7.8 leaves that to
the server). What has to be made costs something already to be offered, so it is asked for only when a stored form
does not win anyway.

    transfer-syntax=*     what is as stored; of a media type that nothing is stored in, its default
    transfer-syntax=UID   what is in that syntax
    none named            what is the default of the range's media type, or of the resource for */*

An offer's label is always the truth about its bytes; what cannot be offered is 406, the offers in the message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dicomweb.wire.exchange import Request
from dicomweb.wire.media_types import (
    AS_STORED,
    AcceptRange,
    Packaging,
    parse_accept,
    parse_accept_parameter,
)
from dicomweb.wire.transfer_syntaxes import transfer_syntax

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
    """What a range of this media type that names no transfer syntax gets."""
    wild: bool = True
    """What `*/*` without a transfer syntax gets."""
    swapped: bool = False
    """Big endian values turned into little endian."""
    converted: bool = False
    """Frames decoded and encoded anew."""

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

    def __init__(self, offers: Sequence[Representation], asked: Sequence[AcceptRange] = (), why: str = "") -> None:
        """`why` is a sentence on what was asked for, if more is known than that it is not offered."""
        self.offers = tuple(offers)
        self.asked = tuple(asked)
        self.why = why
        reason = f" ({why})" if why else ""
        listed = listed_offers(self.offers)
        super().__init__(f"none of the accepted media types can be sent{reason}; offered are: {listed}")


def listed_offers(offers: Sequence[Representation]) -> str:
    """The offers for a reader: each media type once, those of the same transfer syntaxes together.

    A media type that has the syntaxes of all others too, as application/octet-stream for frames, comes last.
    """
    syntaxes: dict[str, dict[str, None]] = {}
    for offer in offers:
        held = syntaxes.setdefault(offer.media, {})
        held.update({offer.transfer_syntax: None} if offer.transfer_syntax else {})
    groups: dict[tuple[str, ...], list[str]] = {}
    for media, held in syntaxes.items():
        groups.setdefault(tuple(held), []).append(media)
    everything = frozenset[str]().union(*groups)
    told = []
    for group in sorted(groups, key=lambda one: len(groups) > 1 and everything <= set(one)):
        others = frozenset[str]().union(*(one for one in groups if one != group))
        shared = bool(others) and others < set(group)
        shown = [f"{transfer_syntax(uid).name} ({uid})" for uid in group if not (shared and uid in others)]
        shown += ["all of these"] if shared else []
        told.append(", ".join(groups[group]) + (f" with transfer-syntax {', '.join(shown)}" if shown else ""))
    return "; ".join([*told, *_packagings(offers)])


def _packagings(offers: Sequence[Representation]) -> list[str]:
    """How the media types are packed, where it is not each as a body by itself."""
    parts = list(dict.fromkeys(offer.media for offer in offers if offer.multipart))
    bodies = list(dict.fromkeys(offer.media for offer in offers if not offer.multipart))
    if not parts:
        return []
    if not bodies:
        return ["all in multipart/related"]
    if set(parts) == set(bodies):
        return ["each by itself or in multipart/related"]
    return [f"in multipart/related: {', '.join(parts)}; by itself: {', '.join(bodies)}"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a request accepts: the `accept` query parameter comes before the header field (PS3.18 8.7.8.1)."""

    parameter: tuple[AcceptRange, ...]
    header: tuple[AcceptRange, ...]


_SYNTAX_PARAMETER = "; transfer-syntax="
_SYNTAX_NAMES = frozenset(("transfer-syntax", "transfersyntax"))


def accept_texts(request: Request) -> tuple[str, str]:
    """The `accept` parameter and the Accept field as they came: together they tell all negotiation knows.

    The Transfer Syntax query parameter (PS3.18 8.7.3.7, 8.7.8.2), in whatever spelling, is put to the ranges that
    name none: to those of the `accept` parameter, as the standard has it, or where there is none to those of the
    header field, which the standard leaves open.
    """
    if not request.query:
        return "", request.header("accept")
    named = ",".join(value for name, value in request.query if name.lower() == "accept")
    field = request.header("accept")
    syntaxes = [value for name, value in request.query if name.lower() in _SYNTAX_NAMES and value.strip()]
    if not syntaxes:
        return named, field
    asked = [item.strip() for text in syntaxes for item in text.split(",") if item.strip()]
    if named.strip():
        return _with_syntaxes(parse_accept_parameter(named), asked), field
    return named, _with_syntaxes(parse_accept(field if field.strip() else "*/*"), asked)


def _with_syntaxes(ranges: Sequence[AcceptRange], syntaxes: Sequence[str]) -> str:
    """The ranges as text, those without a transfer syntax once for each of these."""
    return ", ".join(
        str(replace(one, transfer_syntax=syntax))
        for one in ranges
        for syntax in ((one.transfer_syntax,) if one.transfer_syntax else syntaxes)
    )


def parse_accepted(parameter: str, header: str) -> Accepted:
    """What the two texts accept; nothing said means anything will do (RFC 9110 12.5.1)."""
    return Accepted(parse_accept_parameter(parameter), parse_accept(header if header.strip() else "*/*"))


def accepted_by(request: Request) -> Accepted:
    """What the request accepts."""
    return parse_accepted(*accept_texts(request))


Offers = Sequence[Representation]


def choose(accepted: Accepted, offers: Offers, more: Callable[[], Offers] | None = None) -> Representation:
    """The offer to send. Raises NotAcceptable.

    `more` gives the offers again, with what has to be made among them. It is called if none of `offers` has the
    highest quality that the client names, and what it raises goes through.
    """
    for ranges in (accepted.parameter, accepted.header):
        best, quality = _best(ranges, offers)
        if more is not None and quality < max((one.quality for one in ranges), default=0.0):
            offers, more = more(), None
            best, quality = _best(ranges, offers)
        if best is not None:
            return best
    if more is not None:
        offers = more()
    raise NotAcceptable(offers, (*accepted.parameter, *accepted.header))


def is_met(ranges: Sequence[AcceptRange], offer: Representation) -> bool:
    """Whether the ranges accept the offer."""
    return _best(ranges, (offer,))[0] is not None


class Undecided(Exception):
    """No stored form wins: what can be made has to be known."""


def choose_stored(accepted: Accepted, offers: Offers) -> Representation | None:
    """The offer to send if it is among these whatever else might be made, None if that has to be known."""
    try:
        return choose(accepted, offers, _undecided)
    except Undecided:
        return None


def _undecided() -> Offers:
    raise Undecided


def _best(ranges: Sequence[AcceptRange], offers: Offers) -> tuple[Representation | None, float]:
    ranges = [replace(one, transfer_syntax="") if _means_default(one, offers) else one for one in ranges]
    best, best_quality = None, 0.0
    for offer in offers:
        quality = _quality(ranges, offer)
        if quality > best_quality:
            best, best_quality = offer, quality
    return best, best_quality


def _means_default(wanted: AcceptRange, offers: Offers) -> bool:
    """Whether a range wants as stored what nothing is stored as: it can but mean the media type."""
    if wanted.transfer_syntax != AS_STORED or "*" in wanted.media:
        return False
    return not any(offer.stored and wanted.covers(offer.media) for offer in offers)


def _quality(ranges: Sequence[AcceptRange], offer: Representation) -> float:
    """Of the ranges that cover the offer the closest decides, of equally close ones the kindest."""
    return max(((r.precision, r.quality) for r in ranges if _covers(r, offer)), default=(0, 0.0))[1]


def _covers(wanted: AcceptRange, offer: Representation) -> bool:
    if wanted.packaging is not Packaging.EITHER and (wanted.packaging is Packaging.MULTIPART) != offer.multipart:
        return False
    if not wanted.covers(offer.media):
        return False
    if not wanted.transfer_syntax:
        return offer.wild if wanted.media == "*/*" else offer.default
    if wanted.transfer_syntax == AS_STORED:
        return offer.stored
    return wanted.transfer_syntax == offer.transfer_syntax or not offer.transfer_syntax
