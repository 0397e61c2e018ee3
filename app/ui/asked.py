"""What the explorer needs of a request. The web door's `Call` has all of it; this door need not know that one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dicomweb.wire.exchange import HeaderFields, WebError


class Approached(Protocol):
    """How a request reached the server."""

    @property
    def base(self) -> str:
        """The server's URL as the client sees it, without a slash at the end."""

    @property
    def origin(self) -> str:
        """Scheme and host of it."""


class Asked(Protocol):
    """A request."""

    operation: str
    """Its name in metrics and messages, set by the door."""

    @property
    def method(self) -> str:
        """GET, HEAD, ..."""

    @property
    def query(self) -> str:
        """The query string, percent-encoded."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields by lower-case name."""

    @property
    def approach(self) -> Approached:
        """How it came."""


_ALLOW: HeaderFields = (("Allow", "GET, HEAD"),)


def check_method(call: Asked) -> None:
    """Raises WebError 405: nothing is changed here, the pages change things by DICOMweb."""
    if call.method not in ("GET", "HEAD"):
        raise WebError(405, f"the pages know GET and HEAD, not {call.method}", _ALLOW)


def check_own(call: Asked) -> None:
    """What is told about the server itself is for its own pages, whatever others may read. Raises WebError 403."""
    origin = call.headers.get("origin")
    foreign = origin is not None and origin != call.approach.origin
    if foreign or call.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise WebError(403, "pages of other origins may not read this")
