"""A web request and its answer, free of any web server.

`app/web` makes a `Request` from what it hears and sends what an `Answer` says; the services in
`dicomweb/services` know nothing else of HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

HeaderFields = tuple[tuple[str, str], ...]
"""Names and values of header fields, in their order (RFC 9110 5)."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks."""

    method: str
    path: str
    """Below the DICOMweb root, percent-decoded: `/studies/1.2/series`."""
    root: str
    """The DICOMweb root as the client sees it, absolute, without a trailing slash."""
    query: Sequence[tuple[str, str]]
    """Query parameters in their order, percent-decoded (`+` is a blank)."""
    headers: Mapping[str, str]
    """Header fields by lower-case name; repeated ones joined by `, `."""
    body: AsyncIterable[bytes]
    peer: str = ""
    """Address of the client, for the log's rows."""

    def header(self, name: str) -> str:
        """The header field, or an empty string."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says."""

    status: int
    headers: HeaderFields = ()
    body: bytes | AsyncIterator[bytes] | Sequence[bytes] = b""
    """Whole, as pieces to be sent one after the other, or as a stream. A stream that raises ends the connection
    without its proper end, so that no client takes a part for the whole."""
    length: int | None = None
    """Content-Length of a stream, if known beforehand."""
    compressible: bool = field(default=False)
    """Text that may be sent with a content encoding; pixel data never are."""


class WebError(Exception):
    """An error a client is told of: status and a sentence that helps. No patient data."""

    def __init__(self, status: int, message: str, headers: HeaderFields = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers
