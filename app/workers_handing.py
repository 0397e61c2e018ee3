"""Connections accepted by one process and served by another.

The parent holds the one listening socket and hands each connection, as an open file, to the worker with the fewest
(SCM_RIGHTS). So eight clients of two workers are four and four, also when they come all at once; a worker that
ends takes only its own connections with it; and while workers are restarted one by one nobody is refused, since
the socket is the parent's and never closes. The two usual ways were weighed and left: sockets that share a port
(SO_REUSEPORT) are chosen by a hash, so that of eight connections five or more usually meet in one of two
workers, and closing one resets the connections that wait in it; of one socket that all workers accept
from, the first to wake takes a burst of connections whole. Handing costs the parent 0.05 ms a connection, and
viewers and senders keep theirs.

    parent ── "+" and the open file ──▶ worker
           ◀── connections taken so far, open now ──

Each message is one packet (SOCK_SEQPACKET).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

_REPORT = struct.Struct("<QQ")
_AT_ONCE = 64
"""Connections accepted, or taken, at one turn of the loop."""
_REPORT_SECONDS = 0.25
SILENT_SECONDS = 3.0
"""A worker that has not reported for this long gets connections only when no other does better."""
_PAUSE_SECONDS = 0.02
"""Between two tries to hand on a connection that no worker had room for."""


def channel() -> tuple[socket.socket, socket.socket]:
    """The parent's end and the worker's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


class Post:
    """The parent's end of what leads to one worker."""

    def __init__(self, ours: socket.socket) -> None:
        self._channel = ours
        self._sent = self._received = self._open = 0
        self._heard = time.monotonic()
        self.turn = 0
        """When it was given a connection last, by a counter."""
        self.cleared = asyncio.Event()
        """Set while the worker has no connection, or has ended."""
        self.cleared.set()

    @property
    def load(self) -> int:
        """Connections that the worker has, as far as is known."""
        return self._open + self._sent - self._received

    @property
    def silent(self) -> bool:
        """Whether the worker seems to stand still."""
        return time.monotonic() - self._heard > SILENT_SECONDS

    def watch(self) -> None:
        """Read the worker's reports as they come."""
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._hear)

    def close(self) -> None:
        """Whatever was not taken yet is closed with it."""
        with contextlib.suppress(RuntimeError, ValueError):
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
        self._channel.close()

    def hand(self, connection: socket.socket) -> bool:
        """Whether the worker was given the connection."""
        try:
            socket.send_fds(self._channel, [b"+"], [connection.fileno()])
        except OSError:  # its queue is full, or it is gone
            return False
        self._sent += 1
        self.cleared.clear()
        return True

    def _hear(self) -> None:
        while True:
            try:
                report = self._channel.recv(_REPORT.size)
            except BlockingIOError:
                return
            except OSError:
                report = b""
            if len(report) != _REPORT.size:  # it has ended
                asyncio.get_running_loop().remove_reader(self._channel.fileno())
                self.cleared.set()
                return
            self._received, self._open = _REPORT.unpack(report)
            self._heard = time.monotonic()
            if not self.load:
                self.cleared.set()


class Spreader:
    """Accepts, and hands each connection to the worker with the fewest."""

    def __init__(self, listeners: Sequence[socket.socket]) -> None:
        self._listeners = listeners
        self._posts: list[Post] = []
        self._waiting: list[socket.socket] = []
        self._listening = False
        self._turn = 0

    def add(self, post: Post) -> None:
        """Have this worker take its share from now on."""
        self._posts.append(post)
        self._listen()

    def remove(self, post: Post) -> None:
        """Give this worker no more; without any, connections wait in the listening sockets."""
        if post in self._posts:
            self._posts.remove(post)
        if not self._posts:
            self._pause()

    def close(self) -> None:
        """Accept no more."""
        self._pause()
        for connection in (*self._waiting, *self._listeners):
            connection.close()

    def _listen(self) -> None:
        if not self._listening and self._posts:
            self._listening = True
            for listener in self._listeners:
                asyncio.get_running_loop().add_reader(listener.fileno(), self._accept, listener)

    def _pause(self) -> None:
        if self._listening:
            self._listening = False
            for listener in self._listeners:
                asyncio.get_running_loop().remove_reader(listener.fileno())

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = listener.accept()
            except OSError:  # nobody waits any more, or there are no more files to be had
                return
            if not self._hand(connection):
                self._waiting.append(connection)
                self._pause()
                asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._try_again)
                return

    def _try_again(self) -> None:
        while self._waiting and self._hand(self._waiting[0]):
            del self._waiting[0]
        if self._waiting:
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._try_again)
        else:
            self._listen()

    def _hand(self, connection: socket.socket) -> bool:
        self._turn += 1
        for post in sorted(self._posts, key=lambda one: (one.silent, one.load, one.turn)):
            if post.hand(connection):
                post.turn = self._turn
                connection.close()
                return True
        return False


class Handed:
    """The worker's end: connections as they come."""

    def __init__(self, theirs: socket.socket) -> None:
        theirs.setblocking(False)
        self._channel = theirs
        self._taken = 0
        self._open: Callable[[], int] = lambda: 0
        self._serve: Callable[[socket.socket], Coroutine[Any, Any, None]]
        self._serving: set[asyncio.Task[None]] = set()
        self._reporting: asyncio.Task[None] | None = None

    def start(
        self, serve: Callable[[socket.socket], Coroutine[Any, Any, None]], connections: Callable[[], int]
    ) -> None:
        """Serve what comes; `connections` tells how many are open."""
        self._serve, self._open = serve, connections
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._take)
        self._reporting = asyncio.create_task(self._report_often())

    def stop(self) -> None:
        """Take no more."""
        asyncio.get_running_loop().remove_reader(self._channel.fileno())

    async def close(self) -> None:
        """End, with what is on its way to being served."""
        for task in (*self._serving, *([self._reporting] if self._reporting else [])):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await task
        self._channel.close()

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, files, _, _ = socket.recv_fds(self._channel, 1, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
            except BlockingIOError:
                break
            except OSError:
                data, files = b"", []
            if not data:  # the parent has gone; whoever watches its other channel ends this process
                self.stop()
                return
            for file in files:
                self._taken += 1
                task = asyncio.create_task(self._serve(socket.socket(fileno=file)))
                self._serving.add(task)
                task.add_done_callback(self._serving.discard)

    async def _report_often(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                self._channel.send(_REPORT.pack(self._taken, self._open() + len(self._serving)))
            await asyncio.sleep(_REPORT_SECONDS)
