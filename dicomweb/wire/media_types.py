"""Media types as clients write them: Content-Type, the Accept header field, the `accept` query parameter.

Reading is tolerant where real viewers are careless (quotes forgotten, parameters twice, empty items), since
refusing them helps nobody; what cannot be read as a media type at all is left out. Grammar: RFC 9110 5.6, 8.3 and
12.5.1; RFC 2387 for multipart/related; the `transfer-syntax` parameter: PS3.18 8.7.3.5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from dicomweb.wire.transfer_syntaxes import LEGACY_NAMES

AS_STORED = "*"
"""Value of `transfer-syntax` that asks for the stored one (PS3.18 8.7.3.5.2)."""

MAX_RANGES = 200
"""Items of one Accept that are looked at; no client sends a tenth of it."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_WEIGHT = re.compile(r"[01](?:\.\d*)?|\.\d+")


class Packaging(Enum):
    """Whether a representation is the body itself or a part of multipart/related."""

    SINGLE = "single part"
    MULTIPART = "multipart/related"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type or range in lower case, with its parameters in their order."""

    type: str
    subtype: str
    parameters: tuple[tuple[str, str], ...] = ()
    """Names in lower case, values as written, without quotes."""

    @property
    def name(self) -> str:
        """`type/subtype`."""
        return f"{self.type}/{self.subtype}"

    def parameter(self, name: str) -> str:
        """The first value of the parameter, or an empty string."""
        return next((value for key, value in self.parameters if key == name), "")

    def parameter_values(self, name: str) -> tuple[str, ...]:
        """All its values, each once, in their order."""
        return tuple(dict.fromkeys(value for key, value in self.parameters if key == name))

    def __str__(self) -> str:
        return self.name + "".join(f"; {key}={_quoted(value)}" for key, value in self.parameters)


@dataclass(frozen=True, slots=True)
class AcceptRange:
    """One acceptable kind of representation, packaging taken apart from type."""

    media: str
    """`type/subtype` of the body or of each part; either half may be `*`. Never a legacy name."""
    packaging: Packaging
    transfer_syntax: str = ""
    """UID, `*` for as stored, empty if none is named."""
    quality: float = 1.0
    """0 (never) to 1."""

    def covers(self, media: str) -> bool:
        """Whether the media type lies within this range."""
        return (
            self.media == media
            or self.media == "*/*"
            or (self.media.endswith("/*") and media.startswith(self.media[:-1]))
        )

    @property
    def precision(self) -> int:
        """How closely it names what it means: a closer range overrules a wider one (RFC 9110 12.5.1)."""
        wildcards = self.media.count("*")
        return (2 - wildcards) * 4 + (self.packaging is not Packaging.EITHER) * 2 + bool(self.transfer_syntax)

    def __str__(self) -> str:
        syntax = f"; transfer-syntax={self.transfer_syntax}" if self.transfer_syntax else ""
        weight = f"; q={self.quality:g}" if self.quality < 1 else ""
        if self.packaging is Packaging.MULTIPART:
            return f'multipart/related; type="{self.media}"{syntax}{weight}'
        return self.media + syntax + weight


def parse_media_type(text: str) -> MediaType | None:
    """The media type in a Content-Type or in one item of an Accept; None if there is none."""
    pieces = _split(text, ";")
    if not pieces:
        return None
    major, slash, minor = pieces[0].strip().strip('"').lower().partition("/")
    major, minor = major.strip(), minor.strip()
    if major == "*" and not slash:
        # Java's URLConnection sends `text/html, image/gif, *; q=.2`.
        minor = "*"
    elif slash and not minor:
        # dicomweb-client lets `image/` stand for `image/*`.
        minor = "*"
    if not _TOKEN.fullmatch(major) or not _TOKEN.fullmatch(minor):
        return None
    parameters = []
    for piece in pieces[1:]:
        key, equals, value = piece.partition("=")
        if equals and key.strip():
            parameters.append((key.strip().lower(), _unquoted(value.strip())))
    return MediaType(major, minor, tuple(parameters))


def parse_accept(text: str) -> tuple[AcceptRange, ...]:
    """What an Accept header field accepts, in its order; empty if nothing in it can be read."""
    ranges: list[AcceptRange] = []
    for item in _split(text, ",")[:MAX_RANGES]:
        media = parse_media_type(item)
        if media is not None:
            ranges.extend(_ranges_of(media))
    return tuple(ranges)


def parse_accept_parameter(text: str) -> tuple[AcceptRange, ...]:
    """The same for the `accept` query parameter (PS3.18 8.3.3.1).

    A `+` left unescaped in a URL arrives as a blank; in a type name there is none, so `application/dicom json`
    means `application/dicom+json`.
    """
    return parse_accept(re.sub(r"(?<=\w) (?=(?:json|xml)\b)", "+", text))


def _ranges_of(media: MediaType) -> list[AcceptRange]:
    """A media range as written becomes one or more of ours.

    Seen on the wire: the transfer syntax within the quotes of `type`, and several `transfer-syntax` parameters on
    one range, of which any will do.
    """
    quality = _weight(media.parameter("q"))
    if media.type == "multipart":
        inner = parse_media_type(media.parameter("type")) or MediaType("*", "*")
        packaging = Packaging.MULTIPART
        syntaxes = media.parameter_values("transfer-syntax") or inner.parameter_values("transfer-syntax")
    else:
        inner = media
        packaging = Packaging.EITHER if media.name == "*/*" else Packaging.SINGLE
        syntaxes = media.parameter_values("transfer-syntax")
    name = LEGACY_NAMES.get(inner.name, inner.name)
    return [AcceptRange(name, packaging, syntax.strip(), quality) for syntax in syntaxes or ("",)]


def _weight(text: str) -> float:
    """The q value; one that cannot be read counts as 1, so that its range is not lost."""
    return min(float(text), 1.0) if _WEIGHT.fullmatch(text) else 1.0


def _split(text: str, separator: str) -> list[str]:
    """Items between separators that stand outside quotes, without empty ones.

    With a quote left open, quotes mean nothing in that text.
    """
    if '"' not in text:
        return [item for item in text.split(separator) if item.strip()]
    items, start, quoted, escaped = [], 0, False, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = quoted
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            items.append(text[start:at])
            start = at + 1
    if quoted:
        return [item for item in text.replace('"', "").split(separator) if item.strip()]
    items.append(text[start:])
    return [item for item in items if item.strip()]


def _unquoted(value: str) -> str:
    """A parameter value without its quotes and escapes; single quotes, which some scripts send, go too."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value.strip("\"'")


def _quoted(value: str) -> str:
    """A parameter value as it may stand in a header field."""
    if _TOKEN.fullmatch(value) and "'" not in value:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
