"""multipart/related (RFC 2046 5.1, RFC 2387): a push parser for what comes in, heads and boundaries for what goes.

    preamble  --B  headers  blank line  data  CRLF--B  headers ...  data  CRLF--B--  epilogue

The parser is given chunks of any size and answers with events; data of a part are handed on as they came, uncopied
unless a boundary lies in the chunk or may begin at its end. It is as strict as must be so that no truncated part
passes for a whole one, and else tolerant: preamble, missing first CRLF, blanks behind a boundary, parts without
headers, and bare line feeds throughout (found out at the first boundary) are all read.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from dicomweb.wire.media_types import MediaType

MAX_BOUNDARY = 70
"""Characters of a boundary (RFC 2046 5.1.1)."""


@dataclass(frozen=True, slots=True)
class MultipartLimits:
    """Bounds that hostile bodies meet."""

    header_bytes: int = 16 << 10
    """Headers of one part."""
    preamble_bytes: int = 64 << 10
    """Bytes before the first boundary."""
    parts: int = 100_000


@dataclass(frozen=True, slots=True)
class PartHead:
    """A part begins."""

    headers: Mapping[str, str]
    """By lower-case name; the last of repeated ones."""

    def header(self, name: str) -> str:
        """The header field, or an empty string."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the part."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is complete: the boundary behind it was seen."""


@dataclass(frozen=True, slots=True)
class End:
    """The closing boundary was seen; whatever follows is ignored."""


Event = PartHead | PartData | PartEnd | End


class MultipartError(Exception):
    """Base of what is wrong with a multipart body."""


class MalformedMultipart(MultipartError):
    """The body does not follow the grammar."""


class TruncatedMultipart(MultipartError):
    """The body ended before its closing boundary."""


class MultipartOverLimit(MultipartError):
    """A bound of MultipartLimits was passed."""


class _State(Enum):
    PREAMBLE = auto()
    BOUNDARY = auto()
    HEAD = auto()
    FIRST = auto()
    DATA = auto()
    END = auto()


_PART_END = PartEnd()
_END = End()


def boundary_of(media: MediaType) -> str:
    """The boundary a Content-Type names. Raises MalformedMultipart if it names none that is legal."""
    boundary = media.parameter("boundary")
    if not 1 <= len(boundary) <= MAX_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise MalformedMultipart(
            f"the Content-Type must name a boundary of 1 to {MAX_BOUNDARY} characters, it has {len(boundary)}"
        )
    return boundary


class MultipartReader:
    """Takes a multipart body apart as its chunks come in."""

    def __init__(self, boundary: str, limits: MultipartLimits | None = None) -> None:
        self._limits = limits or MultipartLimits()
        self._dashed = b"--" + boundary.encode("ascii")
        self._newline = b"\r\n"
        self._delimiter = self._newline + self._dashed
        self._state = _State.PREAMBLE
        # The body may begin with the boundary itself: as if a line ended before it.
        self._held = b"\r\n"
        self._seen_preamble = 0
        self._parts = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events this chunk completes. Raises MalformedMultipart, MultipartOverLimit."""
        events: list[Event] = []
        data = self._held + chunk if self._held else chunk
        at = 0
        while True:
            state = self._state
            if state is _State.DATA:
                step = self._data(data, at, events)
            elif state is _State.HEAD:
                step = self._head(data, at, events)
            elif state is _State.BOUNDARY:
                step = self._boundary(data, at, events)
            elif state is _State.FIRST:
                step = self._first(data, at)
            elif state is _State.PREAMBLE:
                step = self._preamble(data, at)
            else:
                self._held = b""
                return events
            if step < 0:
                return events
            at = step

    def finish(self) -> None:
        """Say that no more comes. Raises TruncatedMultipart if the closing boundary was not seen."""
        if self._state is not _State.END:
            raise TruncatedMultipart(f"the body ended in part {self._parts} before the closing boundary")

    # Each step looks at data[at:] and answers where the next one goes on, or -1 when it needs more; then what is
    # not used yet stands in `_held`.

    def _preamble(self, data: bytes, at: int) -> int:
        found = data.find(b"\n" + self._dashed, at)
        if found >= 0:
            self._state = _State.BOUNDARY
            return found + 1 + len(self._dashed)
        keep = max(at, len(data) - len(self._dashed))
        self._seen_preamble += keep - at
        if self._seen_preamble > self._limits.preamble_bytes:
            raise MalformedMultipart(f"no boundary in the first {self._limits.preamble_bytes} bytes")
        self._held = data[keep:]
        return -1

    def _boundary(self, data: bytes, at: int, events: list[Event]) -> int:
        """Behind `--boundary`: `--` closes, else blanks and a line end; anything else was data after all."""
        rest = data[at : at + 130]
        line = rest.lstrip(b" \t")
        if line.startswith(b"--"):
            self._close_part(events)
            events.append(_END)
            self._state = _State.END
            return len(data)
        if line.startswith((b"\r\n", b"\n")):
            if self._parts == 0 and line[:1] == b"\n":
                self._newline = b"\n"
                self._delimiter = self._newline + self._dashed
            self._close_part(events)
            self._begin_part()
            return at + len(rest) - len(line) + (2 if line[:1] == b"\r" else 1)
        if line in (b"", b"-", b"\r") and len(rest) < 130:
            self._held = data[at:]
            return -1
        return self._not_a_boundary(events, at)

    def _not_a_boundary(self, events: list[Event], at: int) -> int:
        """A line that only begins like the boundary (another one may be its prefix)."""
        if self._parts == 0:
            self._state = _State.PREAMBLE
        else:
            events.append(PartData(self._delimiter))
            self._state = _State.DATA
        return at

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise MultipartOverLimit(f"the body has more than {self._limits.parts} parts")
        self._state = _State.HEAD

    def _close_part(self, events: list[Event]) -> None:
        if self._parts:
            events.append(_PART_END)

    def _head(self, data: bytes, at: int, events: list[Event]) -> int:
        newline = self._newline
        if data.startswith(newline, at):
            end = at
            behind = at + len(newline)
        else:
            end = data.find(newline + newline, at, at + self._limits.header_bytes)
            behind = end + 2 * len(newline)
        if end < 0:
            if len(data) - at > self._limits.header_bytes:
                raise MultipartOverLimit(
                    f"the headers of part {self._parts} have more than {self._limits.header_bytes} bytes"
                )
            self._held = data[at:]
            return -1
        events.append(PartHead(_headers(data[at:end], self._parts)))
        self._state = _State.FIRST
        return behind

    def _first(self, data: bytes, at: int) -> int:
        """Where the data begin: in an empty part the blank line's end is the boundary's too."""
        start = data[at : at + len(self._dashed)]
        if start == self._dashed:
            self._state = _State.BOUNDARY
            return at + len(start)
        if len(start) < len(self._dashed) and self._dashed.startswith(start):
            self._held = start
            return -1
        self._state = _State.DATA
        return at

    def _data(self, data: bytes, at: int, events: list[Event]) -> int:
        found = data.find(self._delimiter, at)
        if found >= 0:
            if found > at:
                events.append(PartData(data[at:found]))
            self._state = _State.BOUNDARY
            return found + len(self._delimiter)
        keep = self._possible_start(data, at)
        if keep > at:
            events.append(PartData(data if at == 0 and keep == len(data) else data[at:keep]))
        self._held = data[keep:]
        return -1

    def _possible_start(self, data: bytes, at: int) -> int:
        """Where a delimiter may begin that the next chunk completes; the end of `data` if it cannot."""
        start = data.find(self._newline[:1], max(at, len(data) - len(self._delimiter) + 1))
        while start >= 0:
            if self._delimiter.startswith(data[start:]):
                return start
            start = data.find(self._newline[:1], start + 1)
        return len(data)


def _headers(block: bytes, part: int) -> Mapping[str, str]:
    """Header fields of a part; folded lines are joined (RFC 5322 2.2.3)."""
    fields: dict[str, str] = {}
    text = re.sub(r"\r?\n[ \t]+", " ", block.decode("latin-1"))
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise MalformedMultipart(f"part {part} has a header line without a name and a colon")
        fields[name.strip().lower()] = value.strip()
    return MappingProxyType(fields)


def new_boundary() -> str:
    """A boundary that cannot be in a payload: 128 random bits, chosen after the payload was stored."""
    return secrets.token_hex(16)


def related_type(boundary: str, media: str) -> str:
    """Content-Type of a multipart/related body whose parts are of the media type (PS3.18 8.6.1.2)."""
    return f'multipart/related; type="{media}"; boundary={boundary}'


def part_head(
    boundary: str, content_type: str, *, first: bool = False, location: str = "", length: int | None = None
) -> bytes:
    """The bytes between the data of the part before (or the beginning of the body) and the data of this one.

    Viewers search for the literal `Content-Type:` and for the blank line within the first 1000 bytes, and take the
    boundary from the body's first line: so the body begins with it, and the type comes before the rest.
    """
    head = f"--{boundary}\r\nContent-Type: {content_type}\r\n"
    if length is not None:
        head += f"Content-Length: {length}\r\n"
    if location:
        head += f"Content-Location: {location}\r\n"
    return (head if first else "\r\n" + head).encode("ascii", "replace") + b"\r\n"


def closing(boundary: str) -> bytes:
    """What follows the data of the last part."""
    return f"\r\n--{boundary}--\r\n".encode("ascii")
