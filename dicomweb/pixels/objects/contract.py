"""The words of portraits: what is asked for, what must be fetched for it, what comes out.

`portrait.py` is the door of this folder and gives these names on; they stand here so that painters know them
without knowing the door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import DecodedFrame, Picture
from dicomweb.pixels.render.settings import RenderSettings

ANY_PICTURE = "image/*"
"""Stands in `offered_media` for every media type that a Picture can be written in."""


@dataclass(frozen=True, slots=True)
class PortraitRequest:
    """What the client asks for, and what of the stored object the header does not tell."""

    transfer_syntax: str = ""
    """Transfer Syntax UID of the stored object: tells video, and the byte order of bulk values."""
    media_type: str = ""
    """One of `offered_media`, any `image/...` for a Picture; empty for the default."""
    frame: int | None = None
    """1-based; None: the object as a whole, shown by what says most."""
    settings: RenderSettings = field(default_factory=RenderSettings)
    """`window` is obeyed where values are shown (dose, parametric map). `viewport` is a hint for what is drawn
    (cards, plots, text): the caller crops and scales the picture it gets."""
    root: str = ""
    """DICOMweb root without a slash at the end: references in HTML become links below it; empty: no links."""
    note: str = ""
    """Why a card stands for the object where a picture could be expected: said on it."""
    missing: frozenset[str] = frozenset()
    """SOP Instance UIDs of referenced objects that are known not to be stored: they are told apart in text."""


@dataclass(frozen=True, slots=True)
class BulkNeed:
    """A bulk value that a portrait is made of."""

    path: str
    """As the header's BulkDataURI has it: tags and item numbers joined by `/`."""
    length: int | None = None
    """Only its first bytes, at most so many; None: all of it."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What is to be fetched before a portrait is made."""

    bulk: tuple[BulkNeed, ...] = ()
    frames: tuple[int, ...] = ()
    """1-based numbers of frames to be decoded. Their number and size are bounded."""


class Source(Protocol):
    """What was fetched. A frame that could not be decoded, or a value that is not there, raises KeyError."""

    def frame(self, number: int) -> DecodedFrame:
        """The decoded frame of that number (1-based)."""

    def bulk(self, path: str) -> bytes:
        """The bulk value at that path (a BulkDataURI of the header), or its beginning; bytes in stored order."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A Source of what lies in memory."""

    frames: Mapping[int, DecodedFrame] = field(default_factory=dict)
    values: Mapping[str, bytes] = field(default_factory=dict)

    def frame(self, number: int) -> DecodedFrame:
        """See Source."""
        return self.frames[number]

    def bulk(self, path: str) -> bytes:
        """See Source."""
        return self.values[path]


@dataclass(frozen=True, slots=True)
class Portrait:
    """A finished representation."""

    media_type: str
    """With charset where it is text."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Passage:
    """A bulk value that is itself the representation: it can be sent without being held in memory."""

    path: str
    """BulkDataURI, or empty when the value is short and lies in the header: then `portray` gives it."""
    length: int | None
    """Bytes to send, the padding byte of the stored value apart; None: all of it."""


class Painter(Protocol):
    """What each painter's module fulfils. `media_type` is one of those its kind offers."""

    def needs(self, header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
        """What `portray` will ask its source for. Whatever it raises means nothing can be fetched."""

    def portray(
        self, header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str
    ) -> Portrait | Picture:
        """The object shown. Whatever it raises, BadRenderRequest apart, means a card instead."""
