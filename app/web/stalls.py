"""Drops clients that hold a connection and do nothing with it.

    connected, no whole request yet     idle_seconds, then closed (slow-loris)
    sending a body, or taking an answer stall_seconds without a byte moving, then aborted
    waiting for us                      never: that is our time, not theirs
    gone                                what it only wanted to read is not worked on any more

One sweep a second looks at all connections, so that a request costs a dictionary entry and no timer.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterable
from typing import Protocol


class Connection(Protocol):
    """What is needed of a connection of the web server."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """Its socket, None once it is closed."""


class Watch:
    """One request: since when we have been waiting for its client, if we are."""

    __slots__ = ("connection", "reading", "since")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.reading: asyncio.Task[object] | None = None
        """What works on it, if that can be given up as soon as nobody waits for its answer. What stores or deletes
        is brought to an end."""
        self.since: float | None = None
        """`time.monotonic` when the wait began."""

    def waiting(self) -> None:
        """The client is to send or take something now."""
        self.since = time.monotonic()

    def moving(self) -> None:
        """It did."""
        self.since = None


class Stalls:
    """Watches requests and connections."""

    def __init__(self, *, idle_seconds: float, stall_seconds: float) -> None:
        self.idle_seconds = idle_seconds
        """How long a connection may be without a request."""
        self._stall_seconds = stall_seconds
        self._watches: dict[Connection, Watch] = {}
        self._idle_since: dict[Connection, float] = {}
        self._emptied: asyncio.Event | None = None

    def begin(self, connection: Connection) -> Watch:
        """A request has come in whole, its body apart."""
        watch = self._watches[connection] = Watch(connection)
        return watch

    def end(self, watch: Watch) -> None:
        """Its answer is out."""
        self._watches.pop(watch.connection, None)
        self._idle_since[watch.connection] = time.monotonic()
        if self._emptied is not None and not self._watches:
            self._emptied.set()

    async def all_ended(self) -> None:
        """Return when no request is at work."""
        self._emptied = asyncio.Event()
        if self._watches:
            await self._emptied.wait()

    @property
    def at_work(self) -> int:
        """Requests between `begin` and `end`."""
        return len(self._watches)

    def sweep(self, connections: Iterable[Connection]) -> None:
        """Look at all connections once; `connections` are those that are open."""
        now = time.monotonic()
        for watch in list(self._watches.values()):
            if watch.since is not None and now - watch.since > self._stall_seconds:
                abort(watch.connection.transport)
            if watch.reading is not None and watch.connection.transport is None:
                watch.reading.cancel()
                watch.reading = None
        # an idle connection is new, or between two requests
        idle = {one: self._idle_since.get(one, now) for one in connections if one not in self._watches}
        self._idle_since = idle
        for connection, since in idle.items():
            if now - since > self.idle_seconds and connection.transport is not None:
                connection.transport.close()


def abort(transport: asyncio.BaseTransport | None) -> None:
    """End a connection at once, so that its client cannot take what it has for the whole answer.

    With a reset where possible: an HTTP/1.0 client takes a plain close for the end of the body.
    """
    # uvloop's transports are none of asyncio's classes, so they are known by what they can do
    end = getattr(transport, "abort", None)
    if transport is None or end is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        # no lingering: closing sends RST in place of FIN
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end()
