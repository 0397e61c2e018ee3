"""Pages of other origins: what their scripts may read and write (Fetch standard, CORS protocol).

Reading is open to the origins of `web.cors_origins`, by default any. Storing and deleting is open to listed
origins and to our own; a browser's request from any other origin is refused before anything is done, since the
check by preflight alone would let plain form posts through.
"""

from __future__ import annotations

from collections.abc import Iterable

from dicomweb.wire.exchange import HeaderFields

EXPOSED = (
    "Accept-Ranges, Content-Disposition, Content-Encoding, Content-Location, Content-Range, ETag, Last-Modified, "
    "Link, Location, Retry-After, Warning, X-Dicomlake-Revision, X-Dicomlake-Skipped, X-Request-Id, X-Total-Count"
)
"""Response headers a script may read besides the safelisted ones."""

SAFE = frozenset(["GET", "HEAD", "OPTIONS"])
"""Methods that change nothing."""

_ALLOWED_HEADERS = (
    "Accept, Accept-Language, Authorization, Cache-Control, Content-Type, If-Match, If-Modified-Since, "
    "If-None-Match, If-Range, Range, X-Request-Id"
)
_MAX_AGE = "7200"


class Cors:
    """The rules for other origins."""

    def __init__(self, *, readers: Iterable[str], writers: Iterable[str]) -> None:
        self._readers = frozenset(origin.rstrip("/") for origin in readers)
        self._writers = frozenset(origin.rstrip("/") for origin in writers)
        self._open = "*" in self._readers
        self._anybody: HeaderFields = (
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Expose-Headers", EXPOSED),
        )

    def may_write(self, origin: str, own: str) -> bool:
        """Whether a page of `origin` may store and delete; `own` is the origin of the request's own URL."""
        return origin == own or origin in self._writers

    def headers(self, origin: str) -> HeaderFields:
        """Header fields for the answer to a request of that origin; none if it may not read."""
        if origin in self._writers or (origin in self._readers and origin != "*"):
            return (
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Expose-Headers", EXPOSED),
                ("Vary", "Origin"),
            )
        return self._anybody if self._open else (("Vary", "Origin"),)

    def preflight(self, origin: str) -> HeaderFields:
        """Header fields for the answer to a preflight."""
        methods = "GET, HEAD, OPTIONS"
        if origin in self._writers:
            methods += ", POST, PUT, DELETE"
        return (
            *self.headers(origin),
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", _ALLOWED_HEADERS),
            ("Access-Control-Max-Age", _MAX_AGE),
        )
