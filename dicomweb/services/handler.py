"""What a service gives to whoever mounts it: handlers by the name of their operation (see `wire.paths.ROUTES`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from dicomweb.wire.exchange import Answer, Request

Handler = Callable[[Request, Mapping[str, str]], Awaitable[Answer]]
"""Answers a request; the mapping holds the variables of the route's template, percent-decoded.

Raises WebError and whatever else stands in `wire.errors`. HEAD is asked as GET: whoever mounts the handler sends
the answer's header fields and leaves its body alone."""


class Service(Protocol):
    """Answers the requests of some operations."""

    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by the operation of `wire.paths.ROUTES`."""
