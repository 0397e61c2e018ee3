"""What the doors of pages need of a request. The web door's `Call` has all of it; they need not know that one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


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
